"""Grid signals of an OpenADR 3 event: one a payload type, with absolute times and plain units. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain
from typing import NamedTuple

from controls.programmes.openadr3 import Event, Interval, IntervalPeriod, PayloadDescriptor, Programme, Value
from data_quality.contracts.control.grid_signal import (
    ALERTS,
    CAPACITY_LIMITS,
    KINDS,
    PRICES,
    GridSignal,
    SignalInterval,
)  # fmt: skip
from data_quality.contracts.site_file.live_source import VtnSource
from data_quality.contracts.text import one_line

# The standard's word for "without end" is P9999Y; nobody means a century.
_ENDLESS, _NONE = timedelta(days=36_500), timedelta(0)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# Intervals of one signal that are kept: a day of quarter hours for three weeks.
_MOST = 2016
_KW = {"KW": 1.0, "W": 0.001, "MW": 1000.0}
_LEVELS = (0.0, 1.0, 2.0, 3.0)


class Misread(ValueError):
    """Why an event gives no signal, in words."""


def signals_of(event: Event, programme: Programme, source: VtnSource, site_id: str) -> list[GridSignal]:
    """The signals of an event, those among them that are refused with their reason."""
    kinds = dict.fromkeys(payload.type for interval in event.intervals for payload in interval.payloads)
    found = []
    for kind in kinds:
        units = _units(kind, event, programme)
        plain = {
            "site_id": site_id, "source_id": source.source_id, "programme": programme.programme_name,
            "event_id": event.id, "kind": one_line(kind, 64), "modification": 1, "is_synthetic": source.is_synthetic,
        }  # fmt: skip
        try:
            unit, factor = _unit(kind, units)
            values = {"unit": unit, "intervals": _intervals(event, kind, factor, source)}
        except Misread as fault:
            values = {"unit": one_line(units, 32), "intervals": (), "refused": str(fault)}
        found.append(GridSignal.model_validate(plain | values))
    return found


def refused_event(event_id: str, reason: str, source: VtnSource, site_id: str) -> GridSignal:
    """A record of an event whose body is not as published."""
    return GridSignal(
        site_id=site_id, source_id=source.source_id, programme=source.programme, event_id=event_id, kind="INVALID",
        modification=1, unit="", intervals=(), refused=reason, is_synthetic=source.is_synthetic,
    )  # fmt: skip


def _units(kind: str, event: Event, programme: Programme) -> str:
    descriptors: Iterator[PayloadDescriptor] = chain(
        event.payload_descriptors or (), programme.payload_descriptors or ()
    )
    found = next((each for each in descriptors if each.payload_type == kind), None)
    return "" if found is None else " per ".join(filter(None, (found.currency, found.units)))


def _unit(kind: str, units: str) -> tuple[str, float]:
    """Unit in which values are kept, and what makes theirs into it. Raises Misread."""
    if kind not in KINDS:
        raise Misread(f"payload type {kind!r} is not known here; nothing follows from it")
    if kind in CAPACITY_LIMITS or kind == "DISPATCH_SETPOINT":
        # The published unit of powers where the descriptor names none.
        factor = _KW.get(units.upper() or "KW")
        if factor is None:
            raise Misread(f"{kind} in {units!r}: expected a power, KW")
        return "kw", factor
    return ("level" if kind == "SIMPLE" else one_line(units, 32) if kind in PRICES else ""), 1.0


class _Span(NamedTuple):
    interval: Interval
    start_utc: datetime
    end_utc: datetime | None


def _intervals(event: Event, kind: str, factor: float, source: VtnSource) -> tuple[SignalInterval, ...]:
    """Intervals that carry the kind. Raises Misread.

    One that begins at once and lasts no time gives none: so an event is cancelled. Several values of one interval
    share its time evenly. Both are of the user guide of 3.1.
    """
    found = list[SignalInterval]()
    for span in _spans(event, kind, source):
        for payload in span.interval.payloads if span.end_utc != span.start_utc else ():
            if payload.type == kind:
                found += _parts(span, payload.values if kind not in ALERTS else payload.values[:1], kind, factor)
    return tuple(_repeated(found, kind, event.duration or _NONE))


def _spans(event: Event, kind: str, source: VtnSource) -> Iterator[_Span]:
    """Intervals in absolute time: one without a start of its own follows the one before. Raises Misread."""
    usual, at, shift = event.interval_period, None, _NONE
    for interval in sorted(event.intervals, key=lambda each: each.id):
        own = interval.interval_period
        if own is None and usual is None:
            raise Misread(f"interval {interval.id} has no start")
        periods = [each for each in (own, usual) if each is not None]
        lasts = next((each.duration for each in periods if each.duration is not None), None)
        given = next((each.start for each in periods if each.start is not None), None) if at is None else None
        given = own.start if own is not None and own.start is not None else given
        if lasts is not None and (lasts < _NONE or (lasts == _NONE and given is not None)):
            raise Misread(f"interval {interval.id} lasts no time")
        if at is None or (own is not None and own.randomize_start):
            # A ceiling never waits; all else is spread, by the same time at every look.
            shift = _NONE if kind in CAPACITY_LIMITS else _shift(periods, event, source)
        begin = at if given is None and at is not None else (given or _made(event, lasts)).astimezone(UTC) + shift
        end = None if lasts is None or lasts >= _ENDLESS else begin + lasts
        at = begin if end is None else end
        yield _Span(interval, begin, end)


def _made(event: Event, lasts: timedelta | None) -> datetime:
    """When an event that begins `at once` began. Raises Misread where its end hangs on that and nobody says it."""
    stated_utc = event.modified_utc or event.created_utc
    if stated_utc is None and lasts and lasts < _ENDLESS:
        raise Misread("it begins at once, and does not say when it was made")
    return stated_utc or _LONG_AGO


def _shift(periods: list[IntervalPeriod], event: Event, source: VtnSource) -> timedelta:
    """Part of randomizeStart, before or after, that is this node's."""
    spread = next((abs(each.randomize_start) for each in periods if each.randomize_start), _NONE)
    share = int.from_bytes(sha256(f"{event.id} {source.ven_name}".encode()).digest()[:4]) / 2**32
    return spread * (2 * share - 1)


def _parts(span: _Span, values: tuple[Value, ...], kind: str, factor: float) -> Iterator[SignalInterval]:
    """One interval a value. Raises Misread."""
    if not values or (len(values) > 1 and span.end_utc is None):
        raise Misread(f"{kind} of interval {span.interval.id}: {len(values)} values in an interval without end")
    part = None if span.end_utc is None else (span.end_utc - span.start_utc) / len(values)
    for number, given in enumerate(values):
        value, text = _value(kind, given, factor, span.interval)
        begin = span.start_utc + number * (part or _NONE)
        yield SignalInterval(start_utc=begin, end_utc=None if part is None else begin + part, value=value, text=text)


def _repeated(found: list[SignalInterval], kind: str, lasts: timedelta) -> Iterator[SignalInterval]:
    """Intervals again and again, or cut off, until the event's own duration is over; 0 (the default): as they are.

    Raises Misread where they would be more than _MOST; of a ceiling the lowest then holds to the end.
    """
    ends = [each.end_utc for each in found if each.end_utc is not None]
    if not found or not lasts or (len(ends) < len(found) and lasts >= _ENDLESS):
        yield from found
        return
    begin = min(each.start_utc for each in found)
    until = None if lasts >= _ENDLESS else begin + lasts
    turn = max(ends) - begin if len(ends) == len(found) else lasts
    turns = 1 if until is not None and turn >= lasts else -(-lasts // turn)
    if len(found) == 1 and turns > 1:
        yield found[0].model_copy(update={"end_utc": until})
        return
    kept = turns if turns * len(found) <= _MOST else _MOST // len(found)
    for number in range(kept):
        for each in found:
            end = until if each.end_utc is None else each.end_utc + number * turn
            start = each.start_utc + number * turn
            if until is None or start < until:
                cut = end if until is None or end is None else min(end, until)
                yield each.model_copy(update={"start_utc": start, "end_utc": cut})
    if kept < turns:
        if kind not in CAPACITY_LIMITS:
            raise Misread(f"{kind} repeats its intervals more than {_MOST} times")
        lowest = min(found, key=lambda each: each.value or 0.0)
        yield lowest.model_copy(update={"start_utc": begin + kept * turn, "end_utc": until})


def _value(kind: str, given: Value, factor: float, interval: Interval) -> tuple[float | None, str]:
    """Number and text of one payload. Raises Misread."""
    if kind in ALERTS:
        return None, one_line(str(given), 500)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Misread(f"{kind} of interval {interval.id}: expected a number, got {one_line(str(given), 60)}")
    if kind == "SIMPLE" and given not in _LEVELS:
        raise Misread(f"SIMPLE of interval {interval.id}: expected level 0 to 3, got {given:g}")
    if kind in CAPACITY_LIMITS and given < 0:
        raise Misread(
            f"{kind} of interval {interval.id}: {given:g} reads as a reduction; a limit is a ceiling of 0 kW or more"
        )
    return given * factor, ""
