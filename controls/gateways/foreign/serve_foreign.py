"""The device side of protocol mqtt_topics, made from the template alone: commands are parsed by what we publish.

It is as foreign as the real ones: no order, no window, a timer only where the template has one. Its faults are those
that real ones have.
"""

from collections.abc import Callable
from typing import Any, Literal

from controls.gateways.mqtt_line import BrokerAddress, Will
from controls.gateways.serve_mqtt import ServedOnLine
from controls.gateways.topics import loads_any
from controls.templates.load_templates import Place, Template
from controls.templates.mqtt_topics import (
    WHOLE,
    SetTopic,
    StateTopic,
    as_number,
    filled,
    message,
    plain_text,
    put_at_path,
    unified,
    word_of,
)

# deaf: never hears a command; mute: obeys and says nothing; late: answers with the next tick; wrong: does something
# else and says so; liar: says what was asked for and does nothing; twice: says everything twice; reordered: says its
# old state again after the new one.
Fault = Literal["none", "deaf", "mute", "late", "wrong", "liar", "twice", "reordered"]


class _SetPoint:
    """One set-point: its value, and when the device's own timer ends it."""

    def __init__(self, safe: float) -> None:
        self.safe = self.value = self.before = safe
        self.until_s: float | None = None
        self.ttl_s = 0.0

    def take(self, value: float, *, ttl_s: float | None, now_s: float) -> None:
        self.before, self.value, self.ttl_s = self.value, value, ttl_s or 0.0
        self.until_s = None if ttl_s is None else now_s + ttl_s

    def tick(self, now_s: float) -> None:
        if self.until_s is not None and now_s >= self.until_s:
            self.value, self.until_s = self.safe, None


class ServedTopics(ServedOnLine):
    """One foreign device on the broker. `measure() -> {read_… name: value}`; `tick_s` paces what it tells by itself."""

    def __init__(
        self,
        template: Template,
        *,
        address: BrokerAddress,
        name: str,
        measure: Callable[[], dict[str, float]],
        monotonic: Callable[[], float],
        tick_s: float = 1.0,
    ) -> None:
        assert template.mqtt is not None, "a template of protocol mqtt_topics"  # noqa: S101 - narrows for the checker
        self.template, self._mqtt, self.name = template, template.mqtt, name
        status, availability = None, self._mqtt.status
        if availability is not None:
            topic = self._fill(availability.topic)
            status = (Will(topic=topic, payload=availability.online), Will(topic=topic, payload=availability.offline))
        super().__init__(
            address,
            name=f"dev-{name}",
            subscriptions=self._topics(),
            status=status,
            tick_s=tick_s,
        )
        self.fault: Fault = "none"
        self.held = {each: _SetPoint(template.safe_default[each]) for each in template.settable}
        # Every value that was ever taken, in order.
        self.taken: list[tuple[str, float]] = []
        self._measure, self._monotonic = measure, monotonic
        self._late: list[tuple[str, bytes]] = []

    def value_of(self, name: str) -> float:
        """The set-point that it follows now."""
        return self.held[name].value

    def reboot(self) -> None:
        """Lose the connection and every set-point, and come back with the next tick."""
        with self._one_at_a_time:
            for held in self.held.values():
                held.take(held.safe, ttl_s=None, now_s=self._monotonic())
        # Not under the lock, which the thread that it waits for may want.
        self._leave()

    def _fill(self, topic: str) -> str:
        return str(filled(topic, {"name": self.name}))

    def _topics(self) -> tuple[str, ...]:
        queries = [each.ask.topic for each in self._mqtt.told.values() if each.ask is not None]
        found = [*queries, *(each.topic for each in self._mqtt.send.values())]
        return tuple(dict.fromkeys(self._fill(topic) for topic in found))

    def _post_state(self) -> None:
        for each in self._mqtt.told.values():
            if each.is_sent_on_change:
                self._publish(self._fill(each.topic), self._document(each), is_kept=True)

    def _tick(self) -> None:
        for held in self.held.values():
            held.tick(self._monotonic())
        late, self._late = self._late, []
        for topic, body in late:
            self._post(topic, body)
        for each in self._mqtt.told.values():
            if each.every_s is not None:
                self._publish(self._fill(each.topic), self._document(each))

    def _received(self, topic: str, payload: bytes, _properties: Any) -> None:
        message = loads_any(payload)
        if message is None:
            return
        with self._one_at_a_time:
            for held in self.held.values():
                held.tick(self._monotonic())
            for name, send in self._mqtt.send.items():
                if self._fill(send.topic) == topic and self._obey(name, send, message[0]):
                    return
            for each in self._mqtt.told.values():
                if each.ask is not None and self._fill(each.ask.topic) == topic:
                    known = unified(each.ask.payload, message[0])
                    if known is not None:
                        self._publish(self._fill(each.topic), self._document(each, number=known.get("number")))
                        return

    def _obey(self, name: str, send: SetTopic, message: Any) -> bool:
        for payload in send.payloads:
            known = unified(payload, message)
            if known is None or known.get("name", self.name) != self.name:
                continue
            value = self._meant(name, known, is_below=payload is send.below_zero)
            if value is not None and self.fault != "deaf":
                self._take(name, value, known)
                self._answer(name, send, known.get("number"))
            return True
        return False

    def _meant(self, name: str, known: dict[str, Any], *, is_below: bool) -> float | None:
        """The set-point that a command means, in the capability's unit; the safe default where it names none."""
        state, scale = self._mqtt.state(name), self.template.capabilities[name].scale
        if "value" in known:
            raw = as_number(known["value"], self._mqtt.send[name].words or state.words)
        elif "size" in known:
            raw = as_number(known["size"], {})
        else:
            return self.template.safe_default[name]
        return None if raw is None else round(raw * scale * (-1 if is_below else 1), 9)

    def _take(self, name: str, value: float, known: dict[str, Any]) -> None:
        low, high = self.template.limits(name)
        if self.fault == "wrong":
            value = high if value != high else low
        if self.fault == "liar":
            self.held[name].before = value
            return
        ttl_s = as_number(known.get("ttl_s"), {}) if self.template.has_device_ttl else None
        self.held[name].take(value, ttl_s=ttl_s, now_s=self._monotonic())
        self.taken.append((name, value))

    def _answer(self, name: str, send: SetTopic, number: Any) -> None:
        state = self._mqtt.state(name)
        if send.answer is not None:
            document: Any = {}
            if send.answer.number:
                document = put_at_path(document, send.answer.number, as_number(number, {}) or number)
            if send.answer.has:
                document = put_at_path(document, send.answer.has, self._word(name, state))
            self._publish(self._fill(send.answer.topic), document)
        if send.answer is None or state.is_sent_on_change:
            self._publish(self._fill(state.topic), self._document(state), is_kept=state.is_sent_on_change)
            if self.fault == "reordered":
                held = self.held[name]
                held.value, now = held.before, held.value
                self._publish(self._fill(state.topic), self._document(state))
                held.value = now

    def _word(self, name: str, state: StateTopic) -> Any:
        held = self.held[name]
        value = held.before if self.fault == "liar" else held.value
        place = self.template.read_back[name]
        return word_of((abs(value) if state.sign else value) / place.scale, state.words)

    def _document(self, state: StateTopic, *, number: Any = None) -> Any:
        """The payload of one topic."""
        document: Any = {}
        if state.number and number is not None:
            document = put_at_path(document, state.number, as_number(number, {}) or number)
        for name in self.template.settable:
            each = self._mqtt.state(name)
            if (each.topic, each.ask) == (state.topic, state.ask):
                document = self._with_set_point(document, name, each)
        measured = self._measure()
        for name in self.template.readable:
            each, place = self._mqtt.state(name), self.template.capabilities[name]
            if (each.topic, each.ask) == (state.topic, state.ask) and name in measured:
                document = put_at_path(document, _path(place), word_of(measured[name] / place.scale, each.words))
        return document

    def _with_set_point(self, document: Any, name: str, state: StateTopic) -> Any:
        held = self.held[name]
        document = put_at_path(document, _path(self.template.read_back[name]), self._word(name, state))
        if state.sign:
            sign = (held.value > 0) - (held.value < 0)
            word = next(word for word, factor in state.signs.items() if factor == sign)
            document = put_at_path(document, state.sign, word)
        if state.remaining and held.until_s is not None:
            document = put_at_path(document, state.remaining, held.ttl_s)
        return document

    def _publish(self, topic: str, document: Any, *, is_kept: bool = False) -> None:
        body = message(plain_text(document), {}) if not isinstance(document, dict | list) else message(document, {})
        if self.fault == "mute":
            return
        if self.fault == "late":
            self._late.append((topic, body))
            return
        for _ in range(2 if self.fault == "twice" else 1):
            self._post(topic, body, is_kept=is_kept)


def _path(place: Place) -> str:
    return place.field_name or WHOLE
