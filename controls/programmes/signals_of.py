"""Grid signals of an OpenADR 3 event: one a payload type, with absolute times and plain units. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain

from controls.programmes.openadr3 import Event, Interval, IntervalPeriod, PayloadDescriptor, Programme
from data_quality.contracts.control.grid_signal import (
    ALERTS,
    CAPACITY_LIMITS,
    KINDS,
    PRICES,
    GridSignal,
    SignalInterval,
)  # fmt: skip
from data_quality.contracts.site_file.live_source import SignalSource
from data_quality.contracts.text import one_line

# The standard's word for "without end" is P9999Y; nobody means a century.
_ENDLESS = timedelta(days=36_500)
_KW = {"KW": 1.0, "W": 0.001, "MW": 1000.0}
_LEVELS = (0.0, 1.0, 2.0, 3.0)


class Misread(ValueError):
    """Why an event gives no signal, in words."""


def signals_of(event: Event, programme: Programme, source: SignalSource, site_id: str) -> list[GridSignal]:
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
            values = {"unit": unit, "intervals": tuple(_intervals(event, kind, factor, source))}
        except Misread as fault:
            values = {"unit": one_line(units, 32), "intervals": (), "refused": str(fault)}
        found.append(GridSignal.model_validate(plain | values))
    return found


def refused_event(event_id: str, reason: str, source: SignalSource, site_id: str) -> GridSignal:
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


def _intervals(event: Event, kind: str, factor: float, source: SignalSource) -> Iterator[SignalInterval]:
    """Intervals that carry the kind. Raises Misread."""
    start: datetime | None = None
    for interval in sorted(event.intervals, key=lambda each: each.id):
        period = interval.interval_period or event.interval_period
        if period is None:
            raise Misread(f"interval {interval.id} has no start")
        begin = period.start.astimezone(UTC) if interval.interval_period is not None or start is None else start
        if kind not in CAPACITY_LIMITS:
            # A ceiling never waits; all else is spread, by the same time at every look.
            begin += _delay(period, event, source) if interval.interval_period is not None or start is None else _NONE
        end = _end(begin, period, interval)
        start = end if end is not None else begin
        for payload in interval.payloads:
            if payload.type == kind:
                value, text = _value(kind, payload.values, factor, interval)
                yield SignalInterval(start_utc=begin, end_utc=end, value=value, text=text)


_NONE = timedelta(0)


def _delay(period: IntervalPeriod, event: Event, source: SignalSource) -> timedelta:
    share = int.from_bytes(sha256(f"{event.id} {source.ven_name}".encode()).digest()[:4]) / 2**32
    return max(period.randomize_start or _NONE, _NONE) * share


def _end(begin: datetime, period: IntervalPeriod, interval: Interval) -> datetime | None:
    if period.duration is None or period.duration >= _ENDLESS:
        return None
    if period.duration <= _NONE:
        raise Misread(f"interval {interval.id} lasts no time")
    return begin + period.duration


def _value(kind: str, values: tuple[bool | float | str, ...], factor: float, interval: Interval
           ) -> tuple[float | None, str]:  # fmt: skip
    """Number and text of one payload. Raises Misread."""
    if kind in ALERTS:
        return None, one_line(" ".join(str(each) for each in values), 500)
    given = values[0] if len(values) == 1 else None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Misread(f"{kind} of interval {interval.id}: expected one number, got {one_line(str(list(values)), 60)}")
    if kind == "SIMPLE" and given not in _LEVELS:
        raise Misread(f"SIMPLE of interval {interval.id}: expected level 0 to 3, got {given:g}")
    if kind in CAPACITY_LIMITS and given < 0:
        raise Misread(
            f"{kind} of interval {interval.id}: {given:g} reads as a reduction; a limit is a ceiling of 0 kW or more"
        )
    return given * factor, ""
