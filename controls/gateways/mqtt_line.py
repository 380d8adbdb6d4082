"""One MQTT connection that is thrown away after any disconnect.

The library queues what is published while it is offline and sends it after a reconnect, however old. So nothing is
published unless connected, the client never reconnects, and a new connection is a new client with a clean start.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.topics import MAX_PAYLOAD_BYTES
from data_quality.contracts.model import Model

# A stopped broker is noticed after about twice that: within the agent's ten seconds.
KEEPALIVE_S = 5
# MQTT 5 reason codes: this one is a success that reached nobody, and from 0x80 on they are refusals.
NO_MATCHING_SUBSCRIBERS = 0x10
_REFUSAL = 0x80
_KEPT_PUBACKS = 1000
# Payload, topic and properties; the broker then drops what is longer instead of sending it to us.
_MAX_PACKET_BYTES = MAX_PAYLOAD_BYTES + 65_536
Version = Literal["5", "3.1.1"]


class BrokerAddress(Model):
    """Where the broker is. Version 3.1.1 is for the demo's fallback broker only: it hides refusals."""

    host: str = "127.0.0.1"
    port: int
    username: str = ""
    password: str = ""
    version: Version = "5"


class Will(Model):
    """What the broker says in our name when we vanish."""

    topic: str
    payload: str


class MqttLine:
    """A connected client. `on_message(topic, payload, properties)` runs in the client's own thread.

    changed: told of whatever happens to the connection, for who waits for an answer and must not wait for one that
    cannot come.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        subscriptions: tuple[str, ...],
        on_message: Callable[[str, bytes, Any], None],
        will: Will | None = None,
        timeout_s: float = 5.0,
        changed: threading.Condition | None = None,
    ) -> None:
        self.where = f"MQTT broker {address.host}:{address.port}"
        self.is_v5 = address.version == "5"
        self._on_message = on_message
        self._timeout_s = timeout_s
        self._subscriptions = subscriptions
        self._changed = changed or threading.Condition()
        self._connack: int | None = None
        self._subacks: list[int] | None = None
        self._is_lost = False
        self._pubacks: dict[int, int] = {}
        self._client = self._make_client(address, client_id, will)
        self._open(address)

    def _make_client(self, address: BrokerAddress, client_id: str, will: Will | None) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self.is_v5 else MQTTProtocolVersion.MQTTv311,
            # The library refuses the argument for version 5, where clean_start says it.
            clean_session=None if self.is_v5 else True,
            reconnect_on_failure=False,
        )
        if address.username:
            client.username_pw_set(address.username, address.password)
        if will is not None:
            # Retained: who subscribes after the death must hear of it too.
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        return client

    def _open(self, address: BrokerAddress) -> None:
        kwargs: dict[str, Any] = {}
        if self.is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            # The broker forgets us at once, or it would keep commands for a device that is away and deliver them late.
            properties.SessionExpiryInterval = 0
            properties.MaximumPacketSize = _MAX_PACKET_BYTES
            kwargs = {"clean_start": True, "properties": properties}
        try:
            self._client.connect(address.host, address.port, keepalive=KEEPALIVE_S, **kwargs)
        # ValueError is the library's answer to an empty host and to port 0.
        except (OSError, ValueError) as error:
            raise DeviceSilent(f"{self.where} does not accept a connection ({type(error).__name__})") from error
        self._client.loop_start()
        self._wait(lambda: self._connack is not None, "did not answer the connection")
        if self._connack:
            code = self._connack
            self.close()
            raise DeviceRefused(f"{self.where} refused the connection with code {code:#x}", code=code)
        if self._subscriptions:
            self._client.subscribe([(topic, 1) for topic in self._subscriptions])
            self._wait(lambda: self._subacks is not None, "did not confirm the subscriptions")
            # A subscription that is refused looks like silence later: said now.
            refused = [code for code in self._subacks or [] if code >= _REFUSAL]
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
        # By message number: acknowledgements of posts arrive in between.
        self._wait(lambda: sent.mid in self._pubacks, "did not acknowledge a message")
        code = self._pubacks.pop(sent.mid)
        if code >= _REFUSAL:
            raise DeviceRefused(f"{self.where} refused a message on {topic} with code {code:#x}", code=code)
        return code

    def post(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 without waiting: for answers sent from the client's own thread."""
        if self.is_open:
            self._client.publish(topic, payload, qos=1)

    def close(self, last_words: Will | None = None) -> None:
        """Say the last words, disconnect, and drop the client with whatever it still queues."""
        if last_words is not None and self.is_open:
            # A clean disconnect sends no will, so the retained "online" would stay for ever.
            self._client.publish(last_words.topic, last_words.payload, qos=1, retain=True).wait_for_publish(1.0)
        self._client.disconnect()
        self._client.loop_stop()
        with self._changed:
            self._is_lost = True
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool], otherwise: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._is_lost, timeout=self._timeout_s)
            is_met = condition()
        if not is_met:
            self.close()
            raise DeviceSilent(f"{self.where} {otherwise}")

    def _connected(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        with self._changed:
            self._connack = int(reason.value)
            self._changed.notify_all()

    def _subscribed(self, _client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        with self._changed:
            self._subacks = [int(reason.value) for reason in reasons]
            self._changed.notify_all()

    def _published(self, _client: Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        with self._changed:
            self._pubacks[mid] = int(reason.value)
            # Nobody waits for the answers to posts; the oldest go long before a message number comes round again.
            while len(self._pubacks) > _KEPT_PUBACKS:
                del self._pubacks[next(iter(self._pubacks))]
            self._changed.notify_all()

    def _disconnected(self, _client: Client, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        with self._changed:
            self._is_lost = True
            self._changed.notify_all()

    def _received(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        # An exception here would end the client's thread: what cannot be a message is dropped.
        if len(message.payload) <= MAX_PAYLOAD_BYTES:
            with suppress(UnicodeDecodeError):
                topic = message.topic
                self._on_message(topic, bytes(message.payload), message.properties)


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
