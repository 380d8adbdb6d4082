"""MQTT 5 clients driven by a template: one that asks, and one that also commands; what foreign/ shares with them.

All find out at once when nobody listens (PUBACK "no matching subscribers"), wait for the device's own answer, and
never retain a command.
"""

import functools
import itertools
import math
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from controls.gateways.access.device_keys import DeviceKey
from controls.gateways.capabilities import Ack, DeviceRefused, DeviceSilent, ReadBack, each_read
from controls.gateways.check_command import checked, plausible
from controls.gateways.lease import Outcome
from controls.gateways.mqtt_line import NO_MATCHING_SUBSCRIBERS, BrokerAddress, MqttLine, SharedLine, publish_properties
from controls.gateways.topics import COMMAND_LEFT, Topics, command_payload, loads
from controls.templates.load_templates import Place, Template
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

# A way through a broker and back: a little more than the direct line of Modbus gets.
TIMEOUT_S = 2.0
T = TypeVar("T")
# Meaning of a device's code for dropping a command.
_WHY: dict[str, str] = {
    Outcome.BAD_MAC: "bad_mac: its key is not the one that the agent proves commands with, or the agent has none"
}


class OnLine:
    """One device on a line: its messages wake the waiting threads.

    A reader has no name on the broker, any number of them may ask at once. A writer has one a device and epoch: a
    second one takes the connection over instead of commanding beside the first.
    """

    protocol: ClassVar[str]
    is_writer: ClassVar[bool] = False

    def __init__(
        self,
        template: Template,
        *,
        address: BrokerAddress,
        site_id: str,
        device_id: str,
        epoch: int,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
        line: SharedLine | None = None,
    ) -> None:
        if template.protocol != self.protocol:
            raise BadInput(f"template {template.template!r} speaks {template.protocol}, not {self.protocol}")
        self.template = template
        self._device_id, self._clock, self._timeout_s = device_id, clock, timeout_s
        client_id = f"ml-{site_id}-{device_id}-{epoch}" if self.is_writer else ""
        # Without one that is shared with other devices it has a connection of its own.
        self._line = line or SharedLine(address, client_id=client_id)
        self._one_at_a_time = threading.Lock()
        self._changed = threading.Condition()

    def topics(self) -> tuple[str, ...]:
        """Everything that is listened to, each once."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave the connection; one of its own is dropped."""
        self._line.leave(self.topics(), hear=self._received)
        self._lost()

    def _open_line(self) -> MqttLine:
        topics = self.topics()
        self._line.join(topics, hear=self._received, lost=self._lost, kept=self._kept)
        return self._line.open(topics)

    def _publish(self, line: MqttLine, topic: str, payload: bytes, **properties: Any) -> None:
        """Publish, and know at once where nobody listens; never retained. Raises DeviceSilent, DeviceRefused."""
        made = publish_properties(is_v5=line.is_v5, **properties)
        if line.publish(topic, payload, properties=made) == NO_MATCHING_SUBSCRIBERS:
            raise DeviceSilent(f"device {self._device_id!r} is not connected: nobody listens on {topic}")

    def _wait(self, line: MqttLine, find: Callable[[], T | None], otherwise: str = "gave no answer") -> T:
        """First result of `find` on the received messages, within the timeout. Raises DeviceSilent."""
        with self._changed:
            self._changed.wait_for(lambda: find() is not None or not line.is_open, timeout=self._timeout_s)
            found, is_lost = find(), not line.is_open
        if found is None:
            how = f"gave no answer: the connection to {line.where} is lost"
            how = how if is_lost else f"{otherwise} within {self._timeout_s} s"
            raise DeviceSilent(f"device {self._device_id!r} {how}")
        return found

    def _lost(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _received(self, topic: str, payload: bytes, properties: Any) -> None:
        raise NotImplementedError

    def _kept(self, topic: str, payload: bytes, properties: Any) -> None:
        self._received(topic, payload, properties)


class MqttReader(OnLine):
    """Reads one device by asking for its state. It never publishes on `cmd/`."""

    protocol = "mqtt5"

    def __init__(self, template: Template, *, site_id: str, device_id: str, **options: Any) -> None:
        super().__init__(template, site_id=site_id, device_id=device_id, **options)
        self._topics = Topics(site_id=site_id, device_id=device_id)
        # Several readers hear the same state topic: each must know its own answers.
        self._asker = secrets.token_hex(4)
        self._answers: dict[str, tuple[dict[str, Any], str]] = {}
        self._numbers = itertools.count(1)

    def topics(self) -> tuple[str, ...]:
        """The device's answers and its state."""
        return (self._topics.ack, self._topics.state)

    def read_back(self, capability: str) -> ReadBack:
        """The active set-point, queried now. Raises DeviceSilent, DeviceRefused."""
        self.template.limits(capability)
        rule = self.template.read_back[capability]
        document, raw = self._state()
        order = _inside(_inside(document, "order"), capability)
        epoch, seq = (_stated(order, name) for name in ("epoch", "seq"))
        return ReadBack(
            value=self._number(document, rule),
            raw=raw,
            at_utc=self._clock.now_utc(),
            revert_remaining_s=_stated(order, "remaining_s"),
            epoch=None if epoch is None else int(epoch),
            seq=None if seq is None else int(seq),
        )

    def read(self, name: str) -> float:
        """One measured value, queried now. Raises DeviceSilent, DeviceRefused, BadInput."""
        return self._measured(name, self._state()[0])

    def read_many(self, names: Sequence[str]) -> dict[str, float | DeviceRefused]:
        """Measured values of one answer, or the device's refusal of each. Raises DeviceSilent, BadInput."""
        try:
            document, _ = self._state()
        except DeviceRefused as fault:
            return dict.fromkeys(names, fault)
        return each_read(names, lambda name: self._measured(name, document))

    def _measured(self, name: str, document: dict[str, Any]) -> float:
        capability = self.template.capability(name)
        return plausible(self._number(document, capability), capability, name=name, device=repr(self._device_id))

    def _number(self, document: dict[str, Any], place: Place) -> float:
        value = _stated(document, place.field_name or "")
        if value is None:
            raise DeviceRefused(f"device {self._device_id!r} states no number for {place.field_name!r}")
        return value

    def _state(self) -> tuple[dict[str, Any], str]:
        with self._one_at_a_time:
            request_id = f"{self._asker}-{next(self._numbers)}"
            # Both parts are ours (hex and a count), so nothing needs escaping.
            payload = f'{{"request_id": "{request_id}"}}'.encode()
            return self._exchange(self._topics.get, payload, key=request_id, answer=self._topics.state, expiry_s=2)

    def _exchange(
        self, topic: str, payload: bytes, *, key: str, answer: str, expiry_s: int
    ) -> tuple[dict[str, Any], str]:
        line = self._open_line()
        with self._changed:
            # Answers to other readers' questions land here too, and would pile up.
            self._answers.clear()
        self._publish(line, topic, payload, expiry_s=expiry_s, response_topic=answer, correlation=key.encode())
        # A late answer meets no other question: each has a key of its own. Nothing waits in the client's queue, since
        # the broker has acknowledged the message; where it does not, the line is dropped.
        return self._wait(line, lambda: self._answers.get(key))

    def _received(self, topic: str, payload: bytes, properties: Any) -> None:
        document = loads(payload)
        if document is None:
            return
        # By topic, not by whichever key is there: a device may put both into one message.
        key = document.get("command_id") if topic == self._topics.ack else document.get("request_id")
        if isinstance(key, str):
            with self._changed:
                self._answers[key] = (document, payload.decode("utf-8"))
                self._changed.notify_all()


class MqttDevice(MqttReader):
    """Reads and commands one device. key: proves each command to a device that asks for proof."""

    is_writer = True

    def __init__(self, template: Template, *, key: DeviceKey | None = None, **options: Any) -> None:
        super().__init__(template, **options)
        self._key = key

    def write(self, command: Command) -> Ack:
        """Publish once, wait for the device's acknowledgement. Raises NotSent, DeviceRefused, DeviceSilent."""
        with self._one_at_a_time:
            now_utc = self._clock.now_utc()
            _, ttl_s = checked(command, self.template, device_id=self._device_id, now_utc=now_utc)
            prove = None if self._key is None else functools.partial(self._key.mac, self._topics.command)
            payload = command_payload(command, ttl_s=ttl_s, issued_utc=now_utc, prove=prove)
            expiry_s = math.floor((command.valid_until_utc - now_utc).total_seconds())
            document, _ = self._exchange(
                self._topics.command, payload, key=command.command_id, answer=self._topics.ack, expiry_s=expiry_s
            )
        result = document.get("result")
        if result not in (Outcome.APPLIED, Outcome.REPEATED):
            # The device's own words go into logs and the ledger: one short line of them.
            text = ascii(result)[:60] if not isinstance(result, str) else ascii(result)[1:-1][:60]
            raise DeviceRefused(f"device {self._device_id!r} dropped the command: {_WHY.get(text, text)}", code=text)
        return Ack(code=str(result), applied_value=_stated(document, "applied_value"), at_utc=self._clock.now_utc())

    def _state(self) -> tuple[dict[str, Any], str]:
        document, raw = super()._state()
        if document.get(COMMAND_LEFT) is True:
            topic = self._topics.command
            # Nothing of ours is ever left there, so whatever is may go.
            self._open_line().publish(topic, b"", retain=True)
            raise DeviceRefused(
                f"somebody left a command for device {self._device_id!r} on {topic}; the device dropped it, and it is "
                "cleared now",
                code=Outcome.RETAINED,
            )
        return document, raw


def _inside(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The object under a name; empty for anything else that a device may have put there."""
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _stated(document: dict[str, Any], name: str) -> float | None:
    """The number under a name; None for anything else."""
    value = document.get(name)
    # In Python true is an int: a device's flag would become 1.0 kW.
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
