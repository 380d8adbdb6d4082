"""MQTT devices that do not know us, driven by a template of protocol mqtt_topics: one that asks, one that commands.

They keep no order of ours and many have no timer, so what counts as proof is strict: a message that came after we
asked or wrote, on this connection, and was not kept by the broker from before.
"""

import itertools
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from controls.gateways.capabilities import Ack, DeviceRefused, DeviceSilent, NotSent, ReadBack, each_read
from controls.gateways.check_command import checked, plausible
from controls.gateways.mqtt import OnLine
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.topics import loads_any
from controls.templates.load_templates import Place, Template
from controls.templates.mqtt_topics import (
    WHOLE,
    Answer,
    MqttTopics,
    PublishedMessage,
    SetTopic,
    StateTopic,
    as_number,
    at_path,
    filled,
    message,
    placeholders,
    plain_text,
    word_of,
)
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput

# A device that tells its state by itself may miss once.
_MISSED = 2
_KEPT_PER_TOPIC = 20
# An answer without a number may be a late copy of an earlier one: the last before such a pause is taken.
_PAUSE_S = 0.1
# A question that nobody takes at once is not worth an answer later.
_QUERY_EXPIRY_S = 2


@dataclass(frozen=True)
class _Message:
    """One message: document is JSON, or the text. count: its place among all that this connection brought."""

    document: Any
    raw: str
    count: int
    at_s: float
    is_kept: bool


class TopicsReader(OnLine):
    """Reads one foreign device. It never publishes on a topic of `mqtt.send`, unless its template asks there too.

    name: its own on the broker, where that is not the asset's. figures: of the site's asset, which narrow what the
    template says.
    """

    protocol = "mqtt_topics"

    def __init__(
        self,
        template: Template,
        *,
        address: BrokerAddress,
        device_id: str,
        name: str = "",
        figures: Mapping[str, float] = MappingProxyType({}),
        monotonic: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        super().__init__(template, address=address, device_id=device_id, **options)
        if address.version != "5":
            # 3.1.1 hides refusals: a command that the broker dropped would look like one that arrived.
            raise BadInput(f"device {device_id!r} needs a broker that speaks MQTT 5", reason="needs_mqtt_5")
        assert template.mqtt is not None, "a template of protocol mqtt_topics"  # noqa: S101 - narrows for the checker
        self._mqtt: MqttTopics = template.mqtt
        self._figures, self._monotonic = figures, monotonic
        self._messages: dict[str, list[_Message]] = {}
        # Several may ask one device at once, and its answers go to one topic: each must know its own.
        self._counts, self._numbers = itertools.count(1), itertools.count(1000 * secrets.randbelow(1 << 20) + 1)
        # By capability: what was heard before our last write is no proof of it, on any connection.
        self._written: dict[str, int] = {}
        self._known: dict[str, Any] = {"name": own_name(name or device_id)}

    def read_back(self, capability: str) -> ReadBack:
        """The active set-point. One that the broker kept from before bears the order (0, 0), which proves no command.

        Raises DeviceSilent, DeviceRefused.
        """
        self.template.limits(capability)
        message, value = self._state_value(capability, self.template.read_back[capability])
        remaining = self._mqtt.state(capability).remaining
        return ReadBack(
            value=value,
            raw=message.raw,
            at_utc=self._clock.now_utc(),
            # Nothing there: no timer runs.
            revert_remaining_s=(as_number(at_path(message.document, remaining), {}) or 0.0) if remaining else None,
            epoch=0 if message.is_kept else None,
            seq=0 if message.is_kept else None,
        )

    def read(self, name: str) -> float:
        """One measured value. Raises DeviceSilent, DeviceRefused, BadInput."""
        capability = self.template.capability(name)
        _, value = self._state_value(name, capability)
        return plausible(value, capability, name=name, device=repr(self._device_id))

    def read_many(self, names: Sequence[str]) -> dict[str, float | DeviceRefused]:
        """Measured values one after the other, or the device's refusal of each. Raises DeviceSilent, BadInput."""
        return each_read(names, self.read)

    def _state_value(self, capability: str, place: Place) -> tuple[_Message, float]:
        with self._one_at_a_time:
            state = self._mqtt.state(capability)
            message = self._state(capability, state, place.field_name or WHOLE)
        value = self._value(message, state, place)
        if value is None:
            raise DeviceRefused(f"device {self._device_id!r} states no number for {place.field_name!r}")
        return message, value

    def _value(self, message: _Message, state: StateTopic, place: Place) -> float | None:
        found = as_number(at_path(message.document, place.field_name or WHOLE), state.words)
        if found is None:
            return None
        factor = state.signs.get(plain_text(at_path(message.document, state.sign))) if state.sign else 1.0
        # Rounded as no device is exact: 0.001 times 2300 is no 2.3000000000000003.
        return None if factor is None else round(found * place.scale * factor, 9)

    def _state(self, capability: str, state: StateTopic, path: str) -> _Message:
        line, topic, since = self._open_line(), self._fill(state.topic), self._written.get(capability, 0)
        self._check_status()

        def is_it(message: _Message) -> bool:
            return at_path(message.document, path) is not None

        if state.ask is not None:
            number, mark = next(self._numbers), next(self._counts)
            self._send(line, state.ask, {"number": number}, expiry_s=_QUERY_EXPIRY_S)
            mine = _with_number(state.number, number)
            return self._newest(
                line,
                topic,
                lambda h: h.count > mark and not h.is_kept and mine(h) and is_it(h),
                pause_s=0.0 if state.number else _PAUSE_S,
            )
        if state.every_s is not None:
            oldest_s = self._monotonic() - _MISSED * state.every_s
            return self._newest(
                line, topic, lambda h: h.count > since and not h.is_kept and h.at_s >= oldest_s and is_it(h)
            )
        # Told on change: what stands is the last word, the broker's copy of it too, unless we wrote since.
        return self._newest(line, topic, lambda h: h.count > since and (not since or not h.is_kept) and is_it(h))

    def _check_status(self) -> None:
        """Raises DeviceSilent where birth and will say that the device is away, or where nothing else says it lives."""
        status = self._mqtt.status
        if status is None:
            return
        topic = self._fill(status.topic)
        is_needed = any(each.is_sent_on_change for each in self._mqtt.told.values())
        with self._changed:
            if is_needed:
                self._changed.wait_for(lambda: bool(self._messages.get(topic)), timeout=self._timeout_s)
            last = self._messages.get(topic)
        if last and last[-1].raw != status.online:
            raise DeviceSilent(f"device {self._device_id!r} is not connected: {topic} says {ascii(last[-1].raw)[1:30]}")
        if is_needed and not last:
            raise DeviceSilent(f"device {self._device_id!r} never said on {topic} that it is there")

    def _newest(
        self, line: MqttLine, topic: str, is_it: Callable[[_Message], bool], *, pause_s: float = 0.0
    ) -> _Message:
        """The newest message on the topic that fits, waited for; with pause_s the last before such a pause.

        Raises DeviceSilent.
        """

        def found() -> _Message | None:
            return next((each for each in reversed(self._messages.get(topic, ())) if is_it(each)), None)

        newest = self._wait(line, found, f"sent no new message on {topic}")
        until_s = time.monotonic() + self._timeout_s
        with self._changed:
            while pause_s and time.monotonic() < until_s and self._changed.wait(pause_s):
                pass
            return found() or newest

    def _fill(self, topic: str) -> str:
        return str(filled(topic, self._known))

    def _send(
        self, line: MqttLine, publication: PublishedMessage, more: dict[str, Any], *, expiry_s: int, payload: Any = None
    ) -> None:
        body = message(publication.payload if payload is None else payload, self._known | more)
        self._publish(line, self._fill(publication.topic), body, expiry_s=expiry_s)

    def _lost(self) -> None:
        with self._changed:
            # What was heard on one connection proves nothing on the next.
            self._messages.clear()
            self._changed.notify_all()

    def topics(self) -> tuple[str, ...]:
        """Everything that is listened to, each once."""
        found = [state.topic for state in self._mqtt.told.values()]
        found += [each.answer.topic for each in self._mqtt.send.values() if each.answer is not None]
        found += [self._mqtt.status.topic] if self._mqtt.status is not None else []
        return tuple(dict.fromkeys(self._fill(topic) for topic in found))

    def _received(self, topic: str, payload: bytes, _properties: Any) -> None:
        self._note(topic, payload, is_kept=False)

    def _kept(self, topic: str, payload: bytes, _properties: Any) -> None:
        self._note(topic, payload, is_kept=True)

    def _note(self, topic: str, payload: bytes, *, is_kept: bool) -> None:
        parsed = loads_any(payload)
        if parsed is None:
            return
        document, raw = parsed
        with self._changed:
            message = _Message(document, raw, next(self._counts), self._monotonic(), is_kept)
            kept = self._messages.setdefault(topic, [])
            kept.append(message)
            del kept[:-_KEPT_PER_TOPIC]
            self._changed.notify_all()


class TopicsDevice(TopicsReader):
    """Reads and commands one foreign device."""

    is_writer = True

    def write(self, command: Command) -> Ack:
        """Publish once, wait for the device's answer. Raises NotSent, DeviceRefused, DeviceSilent."""
        with self._one_at_a_time:
            now_utc = self._clock.now_utc()
            capability, ttl_s = checked(command, self.template, device_id=self._device_id, now_utc=now_utc)
            send, state = self._mqtt.send[command.capability], self._mqtt.state(command.capability)
            if self._is_safe(command):
                # When it ends, the value is the same: the way home is never refused for it.
                ttl_s = max(ttl_s, send.min_ttl_s)
            elif ttl_s < send.min_ttl_s:
                raise NotSent(f"{command.capability}: {ttl_s} s is less than the device's own timer can count")
            line = self._open_line()
            self._check_status()
            raw, number, words = command.value / capability.scale, next(self._numbers), send.words or state.words
            if as_number(value := word_of(raw, words), words) is None:
                raise NotSent(f"{command.capability}: the device has no word for {command.value:g}")
            known = {
                "value": value,
                "size": word_of(abs(raw), {}),
                "ttl_s": ttl_s,
                # Downwards like the time to live: no clock time that we name lies beyond the window.
                "until_s": math.floor(now_utc.timestamp()) + ttl_s,
                "number": number,
            }
            # Before the publication: what arrives while we still wait for the broker may be the answer.
            mark = self._written[command.capability] = next(self._counts)
            expiry_s = math.floor((command.valid_until_utc - now_utc).total_seconds())
            payload = self._payload(command, send)
            self._send(line, send, known, expiry_s=expiry_s, payload=payload)
            message = self._answer(line, send.answer, command, state, mark=mark, number=number)
        place = self.template.read_back[command.capability]
        applied = None if message is None else self._value(message, state, place)
        return Ack(code="answered", applied_value=applied, at_utc=self._clock.now_utc())

    def _is_safe(self, command: Command) -> bool:
        return command.value == self.template.own_limits(command.capability, self._figures)[2]

    def _payload(self, command: Command, send: SetTopic) -> Any:
        if send.at_safe is not None and self._is_safe(command):
            return send.at_safe
        return send.below_zero if send.below_zero is not None and command.value < 0 else send.payload

    def _answer(
        self, line: MqttLine, answer: Answer | None, command: Command, state: StateTopic, *, mark: int, number: int
    ) -> _Message:
        if answer is None:
            # No answer of its own: its state, once it says what was asked for.
            place = self.template.read_back[command.capability]

            def shows_value(message: _Message) -> bool:
                value = self._value(message, state, place)
                return (
                    message.count > mark
                    and not message.is_kept
                    and value is not None
                    and abs(value - command.value) <= place.tolerance
                )

            return self._newest(line, self._fill(state.topic), shows_value)
        mine = _with_number(answer.number, number)

        def is_answer(message: _Message) -> bool:
            is_refusal = bool(answer.refusal) and at_path(message.document, answer.refusal) is not None
            has = not answer.has or at_path(message.document, answer.has) is not None
            return message.count > mark and not message.is_kept and mine(message) and (has or is_refusal)

        pause_s = 0.0 if answer.number else _PAUSE_S
        message = self._newest(line, self._fill(answer.topic), is_answer, pause_s=pause_s)
        refusal = at_path(message.document, answer.refusal) if answer.refusal else None
        if refusal is not None:
            # The device's own words go into logs and the ledger: one short line of them.
            text = ascii(refusal)[:60]
            raise DeviceRefused(f"device {self._device_id!r} refused the command: {text}", code=text)
        return message


def _with_number(path: str, number: int) -> Callable[[_Message], bool]:
    """A test for the answer to one request; without a path every message may be it."""
    return lambda message: not path or plain_text(at_path(message.document, path)) == plain_text(number)


def own_name(name: str) -> str:
    """The device's own name on the broker, which becomes a part of topics. Raises BadInput."""
    if not name or set("#+$\0") & set(name) or not name.isprintable() or len(name) > 200 or placeholders(name):
        raise BadInput(f"{ascii(name)[:80]} cannot be a part of a topic", reason="bad_address")
    return name
