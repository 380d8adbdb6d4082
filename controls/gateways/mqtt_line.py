"""One MQTT connection that is thrown away after any disconnect.

The library queues what is published while it is offline and sends it after a reconnect, however old. So nothing is
published unless connected, the client never reconnects, and a new connection is a new client with a clean start.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, InvalidStateError
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.topics import MAX_PAYLOAD_BYTES
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model

# A stopped broker is noticed after about twice that: within the agent's ten seconds.
KEEPALIVE_S = 5
# MQTT 5 reason codes: this one is a success that reached nobody, and from 0x80 on they are refusals.
NO_MATCHING_SUBSCRIBERS = 0x10
_REFUSAL = 0x80
_KEPT_PUBACKS = 1000
# A broker that is away is tried again after this pause, and not by each device that waits for it.
RETRY_S = 1.0
# Payload, topic and properties; the broker then drops what is longer instead of sending it to us.
_MAX_PACKET_BYTES = MAX_PAYLOAD_BYTES + 65_536
# Under it the answer to the connection is kept; messages are numbered from 1.
_CONNECTION = 0
Version = Literal["5", "3.1.1"]
# Mosquitto's own 20 would hold back a line whose acknowledgements wait for a disk: this is two seconds of 5,000 a
# second. All of them come again after a loss, before the answer to our subscriptions.
_MAX_UNACKNOWLEDGED = 10_000
Hear = Callable[[str, bytes, Any], None]


class Delivery(NamedTuple):
    """A message that the broker keeps for us until `acknowledge` is called: from any thread, once, or never.

    topic: empty where it is no text. is_kept: from before we came. is_redelivered: delivered before, not acknowledged.
    """

    topic: str
    payload: bytes
    is_kept: bool
    is_redelivered: bool
    acknowledge: Callable[[], None]


class BrokerAddress(Model):
    """Where the broker is. Version 3.1.1 is for the demo's fallback broker only: it hides refusals.

    ca_file: certificates that vouch for the broker (PEM); with one, nothing is said but over TLS 1.2 or later.
    """

    host: str = "127.0.0.1"
    port: int
    username: str = ""
    password: str = ""
    version: Version = "5"
    ca_file: str = ""

    @property
    def url(self) -> str:
        """The address as a URI, without who enters."""
        return f"{'mqtts' if self.ca_file else 'mqtt'}://{self.host}:{self.port}"


class Will(Model):
    """Last will: the message of the broker in our name when the connection is lost."""

    topic: str
    payload: str


class MqttLine:
    """A connected client. `on_message(topic, payload, properties)` runs in the client's own thread.

    on_kept: takes what the broker kept from before we came; without it on_message takes that too. lost: called once the
    connection is gone, for who waits for an answer that cannot come any more. take: takes every message in place of
    both, whatever it holds, and acknowledges it. session_s: so long the broker keeps subscriptions and messages for
    this client_id when we are gone.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        subscriptions: tuple[str, ...],
        on_message: Hear = lambda *_: None,
        will: Will | None = None,
        timeout_s: float = 5.0,
        lost: Callable[[], None] = lambda: None,
        on_kept: Hear | None = None,
        take: Callable[[Delivery], None] | None = None,
        session_s: int = 0,
    ) -> None:
        self.where = f"MQTT broker {address.host}:{address.port}"
        self.is_v5 = address.version == "5"
        self._on_message, self._on_kept = on_message, on_kept or on_message
        self._take, self._session_s = take, session_s
        self._timeout_s = timeout_s
        self._subscriptions = subscriptions
        self._lost = lost
        self._lock = threading.Lock()
        self._closing = threading.Lock()
        self._is_lost = False
        # The broker's answers by message number (0: the connection), each for the one who waits for it: an answer
        # about one device must not wake those who wait for five hundred others.
        self._answers: dict[int, Future[list[int]]] = {}
        self._client = self._make_client(address, client_id, will)
        self._open(address)

    def _make_client(self, address: BrokerAddress, client_id: str, will: Will | None) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self.is_v5 else MQTTProtocolVersion.MQTTv311,
            # The library refuses the argument for version 5, where clean_start says it.
            clean_session=None if self.is_v5 else not self._session_s,
            reconnect_on_failure=False,
            manual_ack=self._take is not None,
        )
        if address.username:
            client.username_pw_set(address.username, address.password)
        if address.ca_file:
            # Raises BadInput where the file holds no certificates.
            try:
                context = ssl.create_default_context(cafile=address.ca_file)
            except OSError as error:
                raise BadInput("expected certificates in PEM", file=address.ca_file, reason="bad_ca_file") from error
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.sslsocket_class = _ClosedOnFailure
            client.tls_set_context(context)
        if will is not None:
            # Retained: who subscribes after the death must hear of it too.
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_disconnect = lambda *_: self._mark_lost()
        client.on_message = self._received
        return client

    def _open(self, address: BrokerAddress) -> None:
        kwargs: dict[str, Any] = {}
        if self.is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            # At 0 the broker forgets us at once, or it would keep commands for a device that is away and deliver them
            # late.
            properties.SessionExpiryInterval = self._session_s
            properties.MaximumPacketSize = _MAX_PACKET_BYTES
            if self._take is not None:
                properties.ReceiveMaximum = _MAX_UNACKNOWLEDGED
            kwargs = {"clean_start": not self._session_s, "properties": properties}
        try:
            self._client.connect(address.host, address.port, keepalive=KEEPALIVE_S, **kwargs)
        except ssl.SSLError as error:
            self._let_go()
            raise DeviceSilent(f"{self.where} shows no certificate that {address.ca_file} vouches for") from error
        # ValueError is the library's answer to an empty host and to port 0.
        except (OSError, ValueError) as error:
            self._let_go()
            raise DeviceSilent(f"{self.where} does not accept a connection ({type(error).__name__})") from error
        self._client.loop_start()
        (code,) = self._wait(_CONNECTION, "did not answer the connection")
        if code:
            self.close()
            raise DeviceRefused(f"{self.where} refused the connection with code {code:#x}", code=code)
        if self._subscriptions:
            self.subscribe(self._subscriptions)

    def subscribe(self, topics: Iterable[str]) -> None:
        """Hear these topics too. Raises DeviceSilent, DeviceRefused; after either the connection is closed."""
        _, mid = self._client.subscribe([(topic, 1) for topic in topics])
        codes = self._wait(mid or 0, "did not confirm the subscriptions")
        # A subscription that is refused looks like silence later: reported now.
        refused = [code for code in codes if code >= _REFUSAL]
        if refused:
            self.close()
            raise DeviceRefused(f"{self.where} refused a subscription with code {refused[0]:#x}", code=refused[0])

    @property
    def is_open(self) -> bool:
        """True while the broker holds the connection."""
        return not self._is_lost and self._client.is_connected()

    def publish(self, topic: str, payload: bytes, *, properties: Any = None, retain: bool = False) -> int:
        """Publish with QoS 1 and wait for the broker's answer: its reason code, below 0x80.

        Raises DeviceSilent (not connected, or no PUBACK), DeviceRefused (reason code of 0x80 or above).
        """
        if not self.is_open:
            raise DeviceSilent(f"{self.where} is not connected")
        sent = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        (code,) = self._wait(sent.mid, "did not acknowledge a message")
        if code >= _REFUSAL:
            raise DeviceRefused(f"{self.where} refused a message on {topic} with code {code:#x}", code=code)
        return code

    def post(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 without waiting: for answers sent from the client's own thread."""
        if self.is_open:
            self._client.publish(topic, payload, qos=1, retain=retain)

    def close(self, last_words: Will | None = None) -> None:
        """Say the last words, disconnect, and drop the client with whatever it still queues."""
        if last_words is not None and self.is_open:
            # A clean disconnect sends no will, so the retained "online" would stay for ever.
            self._client.publish(last_words.topic, last_words.payload, qos=1, retain=True).wait_for_publish(1.0)
        # The library's own close is not for two threads at once.
        with self._closing:
            self._client.disconnect()
            self._client.loop_stop()
        self._mark_lost()
        self._let_go()

    def _let_go(self) -> None:
        """The client's sockets close when nobody holds it; through these it would hold itself until a collection."""
        client = self._client
        client.on_connect = client.on_subscribe = client.on_publish = client.on_disconnect = client.on_message = None

    def _wait(self, mid: int, otherwise: str) -> list[int]:
        """The broker's acknowledgement of a message; it may have arrived already. Raises DeviceSilent."""
        with self._lock:
            answer = self._answers.setdefault(mid, Future())
        if self._is_lost:
            answer.cancel()
        try:
            return answer.result(self._timeout_s)
        except (NoAnswer, CancelledError) as error:
            self.close()
            why = ": the connection is lost" if isinstance(error, CancelledError) else f" within {self._timeout_s:g} s"
            raise DeviceSilent(f"{self.where} {otherwise}{why}") from error
        finally:
            with self._lock:
                self._answers.pop(mid, None)

    def _connected(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._settle(_CONNECTION, [int(reason.value)])

    def _subscribed(self, _client: Client, _data: Any, mid: int, reasons: list[Any], _properties: Any) -> None:
        self._settle(mid, [int(reason.value) for reason in reasons])

    def _published(self, _client: Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self._settle(mid, [int(reason.value)])

    def _settle(self, mid: int, codes: list[int]) -> None:
        with self._lock:
            answer = self._answers.setdefault(mid, Future())
            # Nobody waits for the answers to posts; the oldest go long before a message number comes round again.
            while len(self._answers) > _KEPT_PUBACKS:
                del self._answers[next(iter(self._answers))]
        with suppress(InvalidStateError):
            answer.set_result(codes)

    def _mark_lost(self) -> None:
        with self._lock:
            was_lost, self._is_lost = self._is_lost, True
            waiting = list(self._answers.values())
        for answer in waiting:
            answer.cancel()
        if not was_lost:
            self._lost()

    def _deliver(self, take: Callable[[Delivery], None], message: MQTTMessage) -> None:
        topic = ""
        with suppress(UnicodeDecodeError):
            topic = message.topic
        acknowledge = partial(self._acknowledge, message.mid, message.qos)
        take(Delivery(topic, bytes(message.payload), message.retain, message.dup, acknowledge))

    def _acknowledge(self, mid: int, qos: int) -> None:
        # What a lost connection delivered comes again on the next, with a number of its own.
        if self.is_open:
            with suppress(OSError):
                self._client.ack(mid, qos)

    def _received(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if self._take is not None:
            self._deliver(self._take, message)
            return
        # An exception here would end the client's thread: what cannot be a message is dropped.
        if len(message.payload) <= MAX_PAYLOAD_BYTES:
            with suppress(UnicodeDecodeError):
                topic = message.topic
                hear = self._on_kept if message.retain else self._on_message
                hear(topic, bytes(message.payload), message.properties)


class SharedLine:
    """One connection over which many devices are queried and commanded; safe to use from several threads.

    Who speaks over it joins with the topics that concern it, and leaves at the end; the last one closes it. It
    connects when it is first needed, and after a loss with a new client, as MqttLine wants it.
    """

    def __init__(self, address: BrokerAddress, *, client_id: str = "", timeout_s: float = 5.0) -> None:
        self._address, self._client_id, self._timeout_s = address, client_id, timeout_s
        self._members: dict[str, tuple[Hear, Callable[[], None], Hear]] = {}
        self._subscribed: set[str] = set()
        self._line: MqttLine | None = None
        # Of its own: who joins or leaves must not wait for a broker that somebody else is waiting for.
        self._changing = threading.Lock()
        self._opening = threading.Lock()
        self._failed: tuple[float, str] | None = None

    @property
    def is_open(self) -> bool:
        """True while the broker holds the connection."""
        return self._line is not None and self._line.is_open

    def join(self, topics: Iterable[str], *, hear: Hear, lost: Callable[[], None], kept: Hear | None = None) -> None:
        """Give `hear` what arrives on these topics (each has one member), and call `lost` when a connection is gone.

        kept: takes what the broker kept from before, where it is not the same.
        """
        member = (hear, lost, kept or hear)
        with self._changing:
            if any(self._members.get(topic) != member for topic in topics):
                self._members = self._members | dict.fromkeys(topics, member)

    def leave(self, topics: Iterable[str], *, hear: Hear) -> None:
        """Hear these topics no more, where this member still has them; safe to call twice."""
        with self._changing:
            mine = {topic for topic in topics if topic in self._members and self._members[topic][0] == hear}
            self._members = {topic: member for topic, member in self._members.items() if topic not in mine}
            # The next subscriber gets the retained messages anew.
            self._subscribed = self._subscribed - mine
            line, self._line = (self._line, None) if not self._members else (None, self._line)
        if line is not None:
            line.close()

    def open(self, topics: Iterable[str]) -> MqttLine:
        """The connection, with at least these topics subscribed. Raises DeviceSilent, DeviceRefused."""
        line = self._line
        if line is not None and line.is_open and self._subscribed.issuperset(topics):
            return line
        with self._opening:
            if self._failed is not None and time.monotonic() - self._failed[0] < RETRY_S:
                raise DeviceSilent(self._failed[1])
            try:
                return self._opened(topics)
            except (DeviceSilent, DeviceRefused) as fault:
                self._failed = (time.monotonic(), str(fault))
                raise

    def _opened(self, topics: Iterable[str]) -> MqttLine:
        line = self._line
        if line is None or not line.is_open:
            if line is not None:
                line.close()
            wanted = tuple(self._members)
            # Forgotten first: what the lost connection heard, the new one does not.
            self._line, self._subscribed = None, set()
            line = MqttLine(
                self._address,
                client_id=self._client_id,
                subscriptions=wanted,
                on_message=self._received,
                timeout_s=self._timeout_s,
                lost=self._lost,
                on_kept=self._kept,
            )
            self._line, self._subscribed, self._failed = line, set(wanted), None
        # Whoever else joined meanwhile is spared a question of its own.
        if not self._subscribed.issuperset(topics):
            missing = {*topics, *self._members} - self._subscribed
            line.subscribe(sorted(missing))
            with self._changing:
                self._subscribed = self._subscribed | (missing & {*topics, *self._members})
        return line

    def _received(self, topic: str, payload: bytes, properties: Any) -> None:
        if topic in self._members:
            self._members[topic][0](topic, payload, properties)

    def _kept(self, topic: str, payload: bytes, properties: Any) -> None:
        if topic in self._members:
            self._members[topic][2](topic, payload, properties)

    def _lost(self) -> None:
        for _, lost, _ in list(self._members.values()):
            lost()


class _ClosedOnFailure(ssl.SSLSocket):
    """The library forgets the socket of a handshake that failed, and leaves it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def publish_properties(
    *, expiry_s: int | None = None, response_topic: str = "", correlation: bytes = b"", is_v5: bool = True
) -> Any:
    """MQTT 5 properties of a message; None in 3.1.1, where the payload carries the same."""
    if not is_v5:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if expiry_s is not None:
        properties.MessageExpiryInterval = expiry_s
    if response_topic:
        properties.ResponseTopic = response_topic
        properties.CorrelationData = correlation
    return properties
