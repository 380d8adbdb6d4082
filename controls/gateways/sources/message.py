"""From a message of an MQTT source to samples: pure. Whatever comes, comes out as samples or as refusals."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from controls.gateways.topics import loads_any
from data_quality.contracts.live.sample import EXCERPT_CHARACTERS, Refusal, Sample
from data_quality.contracts.site_file.live_source import MqttPoint, MqttSource
from data_quality.contracts.text import one_line

# Numbers as plain text: some makers quote them, or fill them up with zeros, which JSON does not allow.
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?")
_NOTHING = object()


class Message(NamedTuple):
    """Content of one message. seq: the device's own number of it, where it counts."""

    samples: list[Sample]
    refusals: list[Refusal]
    seq: int | None = None


class MessageReader:
    """Reads the messages of one source by its points, which say topic and path."""

    def __init__(self, source: MqttSource) -> None:
        self._points: dict[str, list[tuple[MqttPoint, tuple[str, ...]]]] = {}
        for point in source.points:
            self._points.setdefault(point.topic, []).append((point, _keys(point.path)))
        self._time_keys, self._seq_keys = _keys(source.time_path), _keys(source.seq_path)
        self._instant = _INSTANTS[source.time_format]
        self._no_value = frozenset(source.no_value)

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic that a point names."""
        return tuple(self._points)

    def read(self, topic: str, payload: bytes, *, received_utc: datetime, is_kept: bool = False) -> Message:
        """The samples of a message. is_kept: the broker kept it from before we came, so its age is what it says itself.

        A point that the message does not hold is no sample and no fault, as long as another one is in it.
        """
        seq: int | None = None

        def refused(reason: str) -> Message:
            return Message([], [Refusal("", received_utc, reason, _excerpt(payload))], seq)

        points = self._points.get(topic)
        if points is None:
            return refused(f"topic {one_line(topic, 200)!r} is of no point of this source")
        found = loads_any(payload)
        if found is None:
            return refused("expected a number, or JSON whose numbers are finite")
        document = found[0]
        if self._seq_keys:
            # First: a number counts, whatever else is wrong with its message.
            seq = _count(_at(document, self._seq_keys))
            if seq is None:
                return refused(f"no number of the message, from 1, at {'.'.join(self._seq_keys)!r}")
        if is_kept and not self._time_keys:
            return refused("the broker kept it from before, and it does not say since when")
        at_utc = self._instant(_at(document, self._time_keys)) if self._time_keys else received_utc
        if at_utc is None:
            return refused(f"no time with its offset at {'.'.join(self._time_keys)!r}")
        samples: list[Sample] = []
        refusals: list[Refusal] = []
        is_quiet = False
        for point, keys in points:
            stated = _at(document, keys)
            is_none = isinstance(stated, str) and stated in self._no_value
            is_quiet |= is_none
            if stated is _NOTHING or is_none:
                continue
            value = _number(stated)
            if value is None:
                reason = f"expected a number, got {one_line(repr(stated), 60)}"
                refusals.append(Refusal(point.point, received_utc, reason, _excerpt(payload)))
            else:
                samples.append(Sample(point.point, at_utc, value, point.received_unit, received_utc, seq))
        if not (samples or refusals or is_quiet):
            return refused(f"none of {', '.join(repr(point.path) for point, _ in points)} is in it")
        return Message(samples, refusals, seq)


def _keys(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()


def _at(document: Any, keys: tuple[str, ...]) -> Any:
    """Value at a path of keys, or _NOTHING. A key that is a whole number may be an index of a list."""
    for key in keys:
        if isinstance(document, dict):
            document = document.get(key, _NOTHING)
        elif isinstance(document, list) and key.isdecimal() and len(key) < 5 and int(key) < len(document):
            document = document[int(key)]
        else:
            return _NOTHING
    return document


def _count(seq: Any) -> int | None:
    return seq if isinstance(seq, int) and not isinstance(seq, bool) and seq >= 1 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _iso(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    # Without an offset it is hours off somewhere: no guess.
    return None if found.tzinfo is None else found.astimezone(UTC)


def _unix(value: Any, per_second: float) -> datetime | None:
    seconds = _number(value)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds / per_second, UTC)
    except (ValueError, OverflowError, OSError):
        return None


_INSTANTS: dict[str, Callable[[Any], datetime | None]] = {
    "iso": _iso,
    "unix_s": lambda value: _unix(value, 1.0),
    "unix_ms": lambda value: _unix(value, 1000.0),
}


def _excerpt(payload: bytes) -> str:
    return one_line(payload[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "replace"), EXCERPT_CHARACTERS)
