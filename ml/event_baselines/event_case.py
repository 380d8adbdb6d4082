"""Meter files and instants of events as days and steps, with a named refusal of what no baseline can settle."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from data_quality.contracts.errors import BadInput
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import zone
from ml.event_baselines.day_steps import DaySteps, Matrix
from ml.event_baselines.event_days import EventWindow
from ml.event_baselines.settle import Event
from ml.features.series import DAY, HOUR, Index, Vector
from ml.forecasts.file_case import FileCase

MINUTE = timedelta(minutes=1)
# The default adjustment: so many hours, which end an hour before the event.
ADJUST_HOURS, ADJUST_GAP_HOURS = 3, 1
Clock = tuple[time, time]


@dataclass(frozen=True)
class EventCase:
    """Days of a meter and its events. spans_utc: as asked, by event. first_day: local date of the first row.

    other_event_days: local dates of events that are not settled here.
    """

    grid: DaySteps
    events: tuple[Event, ...]
    spans_utc: tuple[tuple[datetime, datetime], ...]
    first_day: date
    step: timedelta
    other_event_days: frozenset[date] = frozenset()


def event_case(
    known: FileCase,
    spans_utc: Sequence[tuple[datetime, datetime]],
    *,
    adjust: Clock | None = None,
    excluded: Iterable[date] = (),
) -> EventCase:
    """Days and events. adjust: local times of the adjustment hours; excluded: local dates. Raises BadInput."""
    series, civil = known.case.series, known.case.civil
    if series.unit not in {"kwh", "kw"}:
        message = f"its readings are in {series.unit}; expected energy in kWh or power in kW"
        raise BadInput(message, reason="wrong_unit")
    spans = sorted(spans_utc)
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            raise BadInput(
                f"events overlap at {start:%Y-%m-%d %H:%M}Z; expected events apart", reason="overlapping_events"
            )
    length = len(series.values)
    cell = (civil.day * series.per_day + civil.minute // (series.step // MINUTE))[:length]
    days = int(civil.day[length - 1]) + 1
    first = np.searchsorted(civil.day[:length], np.arange(days))
    scale = 1.0 if series.unit == "kw" else HOUR / series.step
    dates = [civil.first_day + timedelta(days=n) for n in range(days)]
    temperature = known.temperature_degc
    away = set(excluded)
    grid = DaySteps(
        load_kw=_by_day(series.values * scale, cell, days, series.per_day),
        temperature_degc=None if temperature is None else _by_day(temperature, cell, days, series.per_day),
        is_off=civil.day_type[first] > 0,
        weekday=civil.weekday[first],
        month=np.array([day.year * 12 + day.month for day in dates]),
        is_excluded=np.array([day in away for day in dates]),
    )
    local = zone(known.zone)
    events = []
    for start, end in spans:
        if start < series.start_utc or end > series.end_utc:
            raise BadInput(
                f"the event {start:%Y-%m-%d %H:%M}Z to {end:%Y-%m-%d %H:%M}Z is outside the file, which reads "
                f"from {series.start_utc:%Y-%m-%d %H:%M}Z to {series.end_utc:%Y-%m-%d %H:%M}Z",
                reason="event_outside_file",
            )
        if any((each - series.start_utc) % series.step for each in (start, end)):
            raise BadInput(
                f"the event {start:%Y-%m-%d %H:%M}Z to {end:%Y-%m-%d %H:%M}Z: expected whole steps of "
                f"{series.step // MINUTE} minutes, as the file has from {series.start_utc:%H:%M}Z on",
                reason="bad_event",
            )
        window = window_of(start, end, local, series.step, adjust)
        events.append(Event((start.astimezone(local).date() - civil.first_day).days, window))
    return EventCase(grid, tuple(events), tuple(spans), civil.first_day, series.step)


def window_of(
    start_utc: datetime, end_utc: datetime, local: ZoneInfo, step: timedelta, adjust: Clock | None
) -> EventWindow:
    """Steps of an event and its adjustment hours on the local clock: none of an event in the first hours of its day,
    unless asked for. Raises BadInput.
    """
    start, end = start_utc.astimezone(local), end_utc.astimezone(local)
    times = (f"{start:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}")
    shown = "the event {} to {}".format(*times)
    if end_utc <= start_utc:
        raise BadInput(f"{shown}: expected an end after the start", reason="bad_event")
    if (end - timedelta(microseconds=1)).date() != start.date():
        raise BadInput(
            Sentence("the event {0} to {1} crosses midnight; expected an event within one local day", *times),
            reason="event_across_midnight",
            mend=Sentence("make its two days two events"),
        )
    begin, finish = _minutes(start.time()), _minutes(end.time()) or DAY // MINUTE
    minutes = step // MINUTE
    if adjust is None:
        # An early event has fewer of them, within its day, or none.
        since = begin % minutes
        until = max(begin - ADJUST_GAP_HOURS * 60, since)
        since = max(until - ADJUST_HOURS * 60, since)
    else:
        since, until = _minutes(adjust[0]), _minutes(adjust[1])
    if adjust is not None and not 0 <= since < until <= begin:
        raise BadInput(
            f"{shown}: expected adjustment hours of the same day that end before it; got "
            f"{since // 60:02d}:{since % 60:02d} to {max(until, 0) // 60:02d}:{max(until, 0) % 60:02d}",
            reason="no_adjustment_hours",
            mend="give --adjust HH:MM/HH:MM",
        )
    if (start - timedelta(minutes=begin - since)).utcoffset() != end.utcoffset():
        raise BadInput(
            Sentence(
                "the event {0} to {1}: clocks change during it or its adjustment hours; expected hours of one clock",
                *times,
            ),
            reason="event_across_clock_change",
        )
    # Of hours that begin at half past by the local clock, those of the event say where steps begin.
    if any((begin - each) % minutes for each in (since, until)):
        raise BadInput(f"{shown}: expected whole steps of {minutes} minutes, as the file has", reason="bad_event")
    return EventWindow(
        start=begin // minutes, end=finish // minutes, adjust_start=since // minutes, adjust_end=until // minutes
    )


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def _by_day(values: Vector, cell: Index, days: int, steps: int) -> Matrix:
    """Values by local day and step; a step that clocks repeat is the mean of the two, one that they skip a gap."""
    is_known = np.isfinite(values)
    total = np.bincount(cell[is_known], weights=values[is_known], minlength=days * steps)
    count = np.bincount(cell[is_known], minlength=days * steps)
    mean: Matrix = np.divide(total, count, out=np.full(days * steps, np.nan), where=count > 0)
    return mean.reshape(days, steps)
