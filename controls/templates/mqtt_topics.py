"""Template keys of protocol mqtt_topics: topics and payloads of a device that does not know us.

Such a device keeps none of our contract, so a template names for each set-point what to publish, for each value where
it is told, and how to know that it was told after we asked or wrote: a retained message proves nothing.
"""

import json
import math
import re
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from data_quality.contracts.model import Model

# What a payload or topic may hold in braces, with a whole number added where a device counts from another zero.
PLACEHOLDERS = frozenset({"name", "value", "size", "ttl_s", "until_s", "number"})
_PLACEHOLDER = re.compile(r"\{(\w+)(?:\+(\d+))?\}")
WHOLE = "."


class PublishedMessage(Model):
    """A message that we publish. payload: text, or YAML that is sent as JSON; `{name}`, `{value}` … are filled in."""

    topic: str = Field(min_length=1)
    payload: Any = ""

    @model_validator(mode="after")
    def _holds_known_placeholders(self) -> Self:
        unknown = (placeholders(self.topic) | placeholders(self.payload)) - PLACEHOLDERS
        if unknown:
            known = ", ".join(sorted(PLACEHOLDERS))
            raise ValueError(f"unknown placeholder {', '.join(sorted(unknown))}; there are {known}")
        if set("#+") & set(self.topic):
            raise ValueError(f"topic {self.topic!r} has a wildcard: one device has topics of its own")
        return self


class Answer(Model):
    """Answer of the device to a set-point. Left out, the next message of its state is the answer.

    number: path at which our request number comes back. has: path that only the answer has. refusal: path that only a
    refusal has.
    """

    topic: str
    number: str = ""
    has: str = ""
    refusal: str = ""


class SetTopic(PublishedMessage):
    """Topic of a set-point. `value` is the raw one: the set-point over the capability's scale, or its word.

    words: what is sent -> number, where it differs from what the state says. below_zero: sent instead for a negative
    value, whose amount is `size`. at_safe: sent instead for the safe default, where nothing has to end by itself.
    min_ttl_s: a shorter time to live is longer for the device's own timer.
    """

    min_ttl_s: int = Field(default=1, ge=1)
    words: dict[str, float] = {}
    below_zero: Any = None
    at_safe: Any = None
    answer: Answer | None = None

    @field_validator("words", mode="before")
    @classmethod
    def _words_are_text(cls, value: Any) -> Any:
        return _as_text(value)

    @property
    def payloads(self) -> tuple[Any, ...]:
        """Everything that may be sent."""
        return tuple(each for each in (self.payload, self.below_zero, self.at_safe) if each is not None)


class StateTopic(Model):
    """Topic of a value, published on request, at least every so many seconds, or whenever it changes.

    ask: what to publish for an answer on `topic`. number: path at which our request number comes back. words: what the
    device says -> number. sign: path of a word that says which way the value counts, signs: word -> factor.
    remaining: path of the seconds until the device falls back by itself.
    """

    topic: str
    ask: PublishedMessage | None = None
    number: str = ""
    every_s: float | None = Field(default=None, gt=0, le=60)
    words: dict[str, float] = {}
    sign: str = ""
    signs: dict[str, float] = {}
    remaining: str = ""

    @field_validator("words", "signs", mode="before")
    @classmethod
    def _words_are_text(cls, value: Any) -> Any:
        return _as_text(value)

    @model_validator(mode="after")
    def _has_one_trigger(self) -> Self:
        if self.ask is not None and self.every_s is not None:
            raise ValueError("'ask' and 'every_s' exclude one another: a value is requested or published by itself")
        if bool(self.sign) != bool(self.signs):
            raise ValueError("'sign' and 'signs' belong together")
        return self

    @property
    def is_sent_on_change(self) -> bool:
        """True where only changes are published: then the device must publish that it is alive."""
        return self.ask is None and self.every_s is None


class StatusTopic(Model):
    """Topic of birth and will, retained."""

    topic: str
    online: str = "online"
    offline: str = "offline"


class MqttTopics(Model):
    """Topics of one kind of device. `{name}` is the asset's address, which is its own name on the broker."""

    status: StatusTopic | None = None
    send: dict[str, SetTopic] = {}
    told: dict[str, StateTopic] = Field(description="By capability; * stands for all that are not named")

    def state(self, capability: str) -> StateTopic:
        """Topic of the capability's value."""
        return self.told.get(capability) or self.told["*"]

    def faults(self, *, settable: tuple[str, ...], readable: tuple[str, ...], has_device_ttl: bool) -> list[str]:
        """Sentences for what does not fit the capabilities of the template."""
        found = [f"{name}: mqtt.send is needed" for name in settable if name not in self.send]
        found += [f"{name}: mqtt.send names no settable capability" for name in self.send if name not in settable]
        names = (*settable, *readable)
        if "*" not in self.told:
            found += [f"{name}: mqtt.told is needed" for name in names if name not in self.told]
        found += [f"{name}: mqtt.told names no capability" for name in self.told if name not in (*names, "*")]
        if self.status is None and any(each.is_sent_on_change for each in self.told.values()):
            found.append("mqtt.status is needed: values published on change alone may be of a device long gone")
        for name, each in self.send.items():
            has_ttl = all(
                "ttl_s" in placeholders(payload) for payload in (each.payload, each.below_zero or each.payload)
            )
            if has_device_ttl and not has_ttl:
                found.append(f"{name}: has_device_ttl wants {{ttl_s}} in every payload of mqtt.send")
        return found


def unified(payload: Any, sent: Any) -> dict[str, Any] | None:
    """Values of the placeholders of a payload in a sent message; None where it is another message."""
    if isinstance(payload, dict):
        if not isinstance(sent, dict) or set(payload) != set(sent):
            return None
        return _joined([unified(payload[key], sent[key]) for key in payload])
    if isinstance(payload, list):
        if not isinstance(sent, list) or len(payload) != len(sent):
            return None
        return _joined([unified(one, other) for one, other in zip(payload, sent, strict=True)])
    if not isinstance(payload, str):
        # true is no 1: in Python they are equal.
        return {} if isinstance(payload, bool) == isinstance(sent, bool) and payload == sent else None
    alone = _PLACEHOLDER.fullmatch(payload)
    if alone:
        return {alone[1]: _less(sent, alone)}
    # The text between the placeholders must be there letter by letter.
    marks = list(_PLACEHOLDER.finditer(payload))
    between = [re.escape(each) for each in _PLACEHOLDER.sub("\0", payload).split("\0")]
    found = re.fullmatch("(.*?)".join(between), plain_text(sent), re.DOTALL)
    return None if found is None else {m[1]: _less(text, m) for m, text in zip(marks, found.groups(), strict=True)}


def _less(value: Any, match: re.Match[str]) -> Any:
    number = as_number(value, {}) if match[2] else None
    return value if number is None else number - int(match[2])


def _joined(parts: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    known: dict[str, Any] = {}
    for part in parts:
        if part is None:
            return None
        known |= part
    return known


def put_at_path(document: Any, path: str, value: Any) -> Any:
    """The document (of objects) with the value at a dotted path; `.` replaces all of it."""
    if path == WHOLE:
        return value
    name, _, rest = path.partition(".")
    inner = document if isinstance(document, dict) else {}
    return {**inner, name: put_at_path(inner.get(name), rest, value) if rest else value}


def _as_text(value: Any) -> Any:
    # YAML reads true and 1 as what they are; a device says them as JSON or as text.
    return {plain_text(key): held for key, held in value.items()} if isinstance(value, dict) else value


def placeholders(payload: Any) -> frozenset[str]:
    """Names in braces, anywhere in a payload."""
    if isinstance(payload, str):
        return frozenset(match[1] for match in _PLACEHOLDER.finditer(payload))
    parts = payload.values() if isinstance(payload, dict) else payload if isinstance(payload, list) else ()
    return frozenset().union(*(placeholders(each) for each in parts))


def filled(payload: Any, known: dict[str, Any]) -> Any:
    """The payload with its placeholders filled in; one that stands alone keeps the type of its value."""
    if isinstance(payload, dict):
        return {key: filled(each, known) for key, each in payload.items()}
    if isinstance(payload, list):
        return [filled(each, known) for each in payload]
    if not isinstance(payload, str):
        return payload
    alone = _PLACEHOLDER.fullmatch(payload)
    if alone:
        return _one(alone, known)
    return _PLACEHOLDER.sub(lambda match: plain_text(_one(match, known)), payload)


def _one(match: re.Match[str], known: dict[str, Any]) -> Any:
    value = known[match[1]]
    return value + int(match[2]) if match[2] else value


def message(payload: Any, known: dict[str, Any]) -> bytes:
    """The bytes to publish: text as it is, everything else as JSON. Raises ValueError for NaN."""
    done = filled(payload, known)
    return (done if isinstance(done, str) else json.dumps(done, allow_nan=False)).encode()


def plain_text(value: Any) -> str:
    """A value as devices write it in plain text: true, 1, 2.5, ON."""
    if isinstance(value, bool | dict | list) or value is None:
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def at_path(document: Any, path: str) -> Any:
    """Value at a dotted path (`switch.0.output`, `.` for the whole); None where there is none."""
    if path == WHOLE:
        return document
    for name in path.split("."):
        if isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        elif isinstance(document, dict):
            document = document.get(name)
        else:
            return None
    return document


def as_number(value: Any, words: dict[str, float]) -> float | None:
    """The number that a device means: by its word where there are words, else a JSON number or its text."""
    if words:
        return words.get(plain_text(value))
    # In Python true is an int: a flag without a word for it would become 1.0 kW.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def word_of(number: float, words: dict[str, float]) -> Any:
    """Payload for a number: its word where there are words (JSON ones as JSON), else the number itself."""
    for word, meant in words.items():
        if meant == number:
            return json.loads(word) if word in ("true", "false", "null") else word
    # 3000.0000000000005 W is 3000 W over a scale that no double holds.
    number = round(number, 6)
    return int(number) if number == int(number) else number
