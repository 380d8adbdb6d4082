"""Messages of an MQTT broker, acknowledged when they are durable.

The broker keeps what is not acknowledged, and keeps it for a while when we are gone, so that neither a kill here nor a
full disk loses a message. That holds for sources that tell the time of what they say: a message without one would be
filed under the hour in which it was delivered, so those begin anew with each connection, and what they said meanwhile
is missing.

A broker drops what its queue cannot hold and says so to nobody: neither the device, whose message was acknowledged, nor
the listener. Only the numbers that the device counts show it.
"""

import ssl
import threading
import time
from functools import partial
from typing import NamedTuple

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.mqtt_line import BrokerAddress, Delivery, MqttLine
from controls.gateways.sources.adapter import Sink
from controls.gateways.sources.hand_over import Threaded
from controls.gateways.sources.message import Message, MessageReader
from controls.gateways.sources.tally import Pauses
from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.site_file.live_source import MqttSource
from data_quality.contracts.time import Clock

# So long a broker keeps messages for a collector that is down; the broker's own limits may be shorter.
SESSION_S = 86_400
# What was not acknowledged comes first, thousands of messages, and then the broker's answer to our subscriptions.
_OPEN_S = 15.0


class Arrivals(NamedTuple):
    """Arrival of one device's telemetry. missing: numbers that were left out; restarts: it counted from one again.

    A plain tuple: one is made for each message.
    """

    last_seq: int = 0
    received: int = 0
    missing: int = 0
    doubled: int = 0
    restarts: int = 0

    def after(self, seq: int, *, is_redelivered: bool = False) -> "Arrivals":
        """With one more message, of this number. is_redelivered: the broker says that it delivered it before."""
        last, received, missing, doubled, restarts = self
        if not received:
            # Where we came in, nothing is known of before.
            return Arrivals(seq, 1, missing, doubled, restarts)
        if seq > last:
            return Arrivals(seq, received + 1, missing + seq - last - 1, doubled, restarts)
        if seq == last or is_redelivered:
            # Of several that come again the first are the lowest: the last that came stays the last.
            return Arrivals(last, received + 1, missing, doubled + 1, restarts)
        # Late ones do not exist on one connection: a lower number is a device that began anew.
        return Arrivals(seq, received + 1, missing + seq - 1, doubled, restarts + 1)


class MqttListener(Threaded):
    """One MQTT source. client_id: the name under which the broker keeps its session; two at once end each other."""

    def __init__(self, source: MqttSource, *, address: BrokerAddress, client_id: str, clock: Clock) -> None:
        if source.payload != "json":
            raise BadInput(
                f"source {source.source_id!r}: payload {source.payload} is not read; no library that reads it is "
                "kept up with the MQTT client that is used here. Let a gateway publish JSON instead",
                reason="unknown_payload",
            )
        super().__init__(source, clock=clock)
        self._address, self._client_id = address, client_id
        self._session_s = SESSION_S if source.time_path else 0
        self._points = [point.point for point in source.points]
        self._reader, self._pauses = MessageReader(source), Pauses(client_id)
        self._arrivals: dict[str, Arrivals] = {}
        self._gone = threading.Event()

    def stop(self) -> None:
        """End; the broker goes on keeping what comes. Safe to call twice."""
        self._end.set()
        self._gone.set()
        super().stop()

    def test(self, within_s: float) -> list[Sample]:
        """A value of each point, heard apart from the session. Raises BadInput, DeviceSilent, DeviceRefused."""
        found: dict[str, Sample] = {}
        faults: list[str] = []
        is_whole = threading.Event()

        def hear(topic: str, payload: bytes, _properties: object) -> None:
            message = self._reader.read(topic, payload, received_utc=self._clock.now_utc())
            found.update({sample.point: sample for sample in message.samples})
            faults.extend(f"{topic}: {refusal.reason}, got {refusal.excerpt}" for refusal in message.refusals)
            if len(found) == len(self._points):
                is_whole.set()

        began_s = time.monotonic()
        line = MqttLine(self._address, client_id="", subscriptions=self._reader.topics, on_message=hear)
        is_whole.wait(max(0.0, within_s - (time.monotonic() - began_s)))
        line.close()
        silent = [point for point in self._points if point not in found]
        if silent and faults:
            raise BadInput(faults[0], reason="bad_message")
        if silent:
            raise DeviceSilent(
                f"{line.where}: nothing of {', '.join(silent)} came within {within_s:g} s; does the topic fit, "
                "and may this name hear it? (A broker does not report topics that it filters.)"
            )
        return [found[point] for point in self._points]

    def _run(self, sink: Sink) -> None:
        while not self._end.is_set():
            self._gone.clear()
            try:
                line = MqttLine(
                    self._address,
                    client_id=self._client_id,
                    subscriptions=self._reader.topics,
                    timeout_s=_OPEN_S,
                    lost=self._gone.set,
                    take=partial(self._take, sink),
                    session_s=self._session_s,
                )
            except WorldFault as fault:
                self._tally.set_condition("refused" if _is_refusal(fault) else "silent", str(fault))
            else:
                self._tally.connected()
                if not self._end.is_set():
                    self._gone.wait()
                line.close()
                if not self._end.is_set() and self._tally.state().state != "behind":
                    self._tally.set_condition("silent", f"{line.where} is gone")
            self._end.wait(self._pauses.next_s())

    def _take(self, sink: Sink, delivery: Delivery) -> None:
        """In the client's own thread, in the order in which the broker sends."""
        received_utc = self._clock.now_utc()
        message = self._reader.read(
            delivery.topic, delivery.payload, received_utc=received_utc, is_kept=delivery.is_kept
        )
        if message.seq is not None:
            before = self._arrivals.get(delivery.topic, Arrivals())
            after = before.after(message.seq, is_redelivered=delivery.is_redelivered)
            self._arrivals[delivery.topic] = after
            missing, doubled = after.missing - before.missing, after.doubled - before.doubled
            if missing or doubled:
                self._tally.gaps(missing=missing, doubled=doubled)
        self._tally.came(samples=len(message.samples), refusals=len(message.refusals), received_utc=received_utc)
        sink.take(self.source_id, message.samples, message.refusals, partial(self._done, delivery, message))

    def _done(self, delivery: Delivery, message: Message, is_durable: bool) -> None:
        if is_durable:
            delivery.acknowledge()
            self._tally.kept(len(message.samples))
            self._pauses.reset()
            return
        # The broker sends again what it holds unacknowledged to a new connection only.
        waits = "waits at the broker" if self._session_s else "is lost: this source sends no timestamp"
        self._tally.set_condition("behind", f"the spool takes nothing now; what is not acknowledged {waits}")
        self._gone.set()


def _is_refusal(fault: WorldFault) -> bool:
    """A password, a topic or a certificate: nothing that waiting mends."""
    return isinstance(fault, DeviceRefused | BadInput) or isinstance(fault.__cause__, ssl.SSLError)
