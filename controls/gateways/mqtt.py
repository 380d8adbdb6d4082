"""MQTT 5 clients driven by a template: one that asks, and one that also commands.

Both find out at once when nobody listens (PUBACK "no matching subscribers"), wait for the device's own answer, and
never retain a command.
"""

import functools
import itertools
import math
import secrets
import threading
from typing import Any

from controls.gateways.access.device_keys import DeviceKey
from controls.gateways.capabilities import Ack, DeviceRefused, DeviceSilent, ReadBack
from controls.gateways.check_command import checked, plausible
from controls.gateways.lease import Outcome
from controls.gateways.mqtt_line import NO_MATCHING_SUBSCRIBERS, BrokerAddress, SharedLine, publish_properties
from controls.gateways.topics import COMMAND_LEFT, Topics, command_payload, loads
from controls.templates.load_templates import Place, Template
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

# A way through a broker and back: a little more than the direct line of Modbus gets.
TIMEOUT_S = 2.0
# What a device's code for dropping a command leaves to be asked.
_WHY: dict[str, str] = {
    Outcome.BAD_MAC: "bad_mac: its key is not the one that the agent proves commands with, or the agent has none"
}


class MqttReader:
    """Reads one device by asking for its state. It never publishes on `cmd/`."""

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
        if template.protocol != "mqtt5":
            raise BadInput(f"template {template.template!r} speaks {template.protocol}, not mqtt5")
        self.template = template
        self._topics = Topics(site_id=site_id, device_id=device_id)
        self._device_id = device_id
        self._epoch = epoch
        # Several readers hear the same state topic: each must know its own answers.
        self._asker = secrets.token_hex(4)
        self._clock = clock
        self._timeout_s = timeout_s
        # Without one that is shared with other devices it has a connection of its own.
        self._line = line or SharedLine(address, client_id=self._client_id)
        self._one_at_a_time = threading.Lock()
        self._answered = threading.Condition()
        self._answers: dict[str, tuple[dict[str, Any], str]] = {}
        self._numbers = itertools.count(1)

    @property
    def _heard(self) -> tuple[str, ...]:
        return (self._topics.ack, self._topics.state)

    @property
    def _client_id(self) -> str:
        # The broker names readers: any number of them may ask at once.
        return ""

    def read_back(self, capability: str) -> ReadBack:
        """The active set-point, asked for now. Raises DeviceSilent, DeviceRefused."""
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
        """One measured value, asked for now. Raises DeviceSilent, DeviceRefused, BadInput."""
        capability = self.template.capability(name)
        document, _ = self._state()
        return plausible(self._number(document, capability), capability, name=name, device=repr(self._device_id))

    def close(self) -> None:
        """Leave the connection; one of its own is dropped."""
        self._line.leave(self._heard, hear=self._received)

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
        self._line.join(self._heard, hear=self._received, lost=self._woken)
        line = self._line.open(self._heard)
        properties = publish_properties(
            expiry_s=expiry_s, response_topic=answer, correlation=key.encode(), is_v5=line.is_v5
        )
        with self._answered:
            # Answers to other readers' questions land here too, and would pile up.
            self._answers.clear()
        if line.publish(topic, payload, properties=properties) == NO_MATCHING_SUBSCRIBERS:
            raise DeviceSilent(f"device {self._device_id!r} is not connected: nobody listens on {topic}")
        with self._answered:
            self._answered.wait_for(lambda: key in self._answers or not line.is_open, timeout=self._timeout_s)
            found, is_lost = self._answers.pop(key, None), not line.is_open
        # A late answer meets no other question: each has a key of its own. Nothing waits in the client's queue, since
        # the broker has acknowledged the message; where it does not, the line is dropped.
        if found is None:
            how = f": the connection to {line.where} is lost" if is_lost else f" within {self._timeout_s} s"
            raise DeviceSilent(f"device {self._device_id!r} gave no answer{how}")
        return found

    def _woken(self) -> None:
        with self._answered:
            self._answered.notify_all()

    def _received(self, topic: str, payload: bytes, properties: Any) -> None:
        document = loads(payload)
        if document is None:
            return
        # By topic, not by whichever key is there: a device may put both into one message.
        key = document.get("command_id") if topic == self._topics.ack else document.get("request_id")
        if isinstance(key, str):
            with self._answered:
                self._answers[key] = (document, payload.decode("utf-8"))
                self._answered.notify_all()


class MqttDevice(MqttReader):
    """Reads and commands one device. key: proves each command to a device that asks for proof."""

    def __init__(self, template: Template, *, key: DeviceKey | None = None, **options: Any) -> None:
        super().__init__(template, **options)
        self._key = key

    @property
    def _client_id(self) -> str:
        # One writer a device and epoch: a second one takes the connection over instead of commanding beside the first.
        return f"ml-{self._topics.site_id}-{self._device_id}-{self._epoch}"

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
            said = ascii(result)[:60] if not isinstance(result, str) else ascii(result)[1:-1][:60]
            raise DeviceRefused(f"device {self._device_id!r} dropped the command: {_WHY.get(said, said)}", code=said)
        return Ack(code=str(result), applied_value=_stated(document, "applied_value"), at_utc=self._clock.now_utc())

    def _state(self) -> tuple[dict[str, Any], str]:
        document, raw = super()._state()
        if document.get(COMMAND_LEFT) is True:
            topic = self._topics.command
            # Nothing of ours is ever left there, so whatever is may go.
            self._line.open(self._heard).publish(topic, b"", retain=True)
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
