"""Norms of each stream before a block of days: the meter's own history, by robust numbers.

History is the eight weeks before the block. Each number is first taken per week and then the one is kept that three
of eight weeks exceed: three bad weeks (a stuck register, a wrong unit) move nothing, so that history needs
no cleaning first and a month after its trailing history is judged as in one go.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from data_quality.reading_grid import Flags, Floats
from data_quality.rules.shared.grid_days import Days

HISTORY_WEEKS = 8
# One week more is read: a run of equal readings may have begun before the history.
LEAD_DAYS = 7 * (HISTORY_WEEKS + 1)
# Less past than this tells weekends from weeks too badly; the block then also judges itself.
LEAST_HISTORY_DAYS = 14
# Three weeks of eight; one day of ten where there are too few weeks.
EXCEEDED_BY = 0.375
_SHORT_EXCEEDED_BY = 0.1
# With less known values, dropping the highest would leave one that nothing confirms.
_LEAST_KNOWN = 3

T = TypeVar("T")


@dataclass(frozen=True)
class Block:
    """Days [first, end) to be judged; nothing from `end` on is looked at."""

    days: Days
    first: int
    end: int

    @property
    def slots(self) -> slice:
        """Slots of the block."""
        return slice(int(self.days.edges[self.first]), int(self.days.edges[self.end]))

    @cached_property
    def _kept(self) -> dict[type, object]:
        return {}

    def kept(self, kind: type[T]) -> T:
        """Values that several functions derive from the block, made once: `kind(block)`."""
        if kind not in self._kept:
            self._kept[kind] = kind(self)  # type: ignore[call-arg]
        return cast("T", self._kept[kind])

    @cached_property
    def norms(self) -> "Norms":
        """Norms of the time before the block."""
        return Norms(self)


class Norms:
    """Robust numbers of each stream's history [streams]; NaN where nothing is known."""

    def __init__(self, block: Block) -> None:
        self.block, self.days = block, block.days
        reach = 7 * HISTORY_WEEKS
        past = slice(max(0, block.first - reach), block.first)
        own = slice(max(0, block.end - reach), block.end)
        has_data = self.days.known > 0
        # By days with readings, not by days on the calendar: a meter that was silent has no history either.
        self.is_own: NDArray[np.bool_] = has_data[:, past].sum(axis=1) < LEAST_HISTORY_DAYS
        self._past, self._own = past, own
        counted = np.where(self.is_own, has_data[:, own].sum(axis=1), has_data[:, past].sum(axis=1))
        self.day_count: NDArray[np.int64] = counted

    def upper(self, per_day: Floats) -> Floats:
        """[streams] of [streams, days]: the weekly highest that three weeks of eight exceed, of the history or of the
        eight weeks to the end of the block, whichever is more.

        A heating season begins within a block: what three weeks show is use, and no fault.
        """
        return np.fmax(_upper(per_day[:, self._past]), _upper(per_day[:, self._own]))

    def upper_of_seen(self, per_day: Floats) -> Floats:
        """[streams] of [streams, days of `seen`]: the weekly highest that three weeks of eight of history exceed."""
        ahead = self.block.first - self.seen.start
        past = _upper(per_day[:, :ahead])
        return np.where(self.is_own, _upper(per_day[:, -7 * HISTORY_WEEKS :]), past) if self.is_own.any() else past

    def usual_peak_low(self, per_day: Floats) -> Floats:
        """[streams] of [streams, days]: the weekly highest that three weeks of eight stay below, of the same weeks."""
        past, own = _upper(per_day[:, self._past]), _upper(per_day[:, self._own])
        low_past, low_own = _lower_peak(per_day[:, self._past]), _lower_peak(per_day[:, self._own])
        # From the same weeks as the highest, or the spread would mix two seasons.
        return np.where(np.fmax(past, own) == past, low_past, low_own)

    @property
    def own_days(self) -> slice:
        """The eight weeks' days to the end of the block."""
        return self._own

    def days_where(self, per_day: Flags) -> NDArray[np.int64]:
        """[streams] how many of the eight weeks' days to the end of the block this holds for."""
        return np.asarray(per_day[:, self._own].sum(axis=1), dtype=np.int64)

    def middle(self, per_day: Floats) -> Floats:
        """[streams] of [streams, days]: median over the days."""
        past = median(per_day[:, self._past])
        return np.where(self.is_own, median(per_day[:, self._own]), past) if self.is_own.any() else past

    @cached_property
    def highest(self) -> Floats:
        """Highest reading of an ordinary week."""
        return self.upper(self.days.highest)

    @cached_property
    def lowest(self) -> Floats:
        """Lowest reading of an ordinary week."""
        return -self.upper(-self.days.lowest)

    @cached_property
    def mean(self) -> Floats:
        """Mean reading of an ordinary day."""
        return self.middle(self.days.means)

    @cached_property
    def step(self) -> Floats:
        """Biggest change from one reading to the next in an ordinary week."""
        return self.upper(self.days.steps)

    def source(self, row: int) -> str:
        """Source of a stream's numbers, for its limits."""
        span = self._own if self.is_own[row] else self._past
        whose = "own block" if self.is_own[row] else "history"
        first, last = self.days.dates[span.start], self.days.dates[max(span.start, span.stop - 1)]
        return f"{whose} {first} to {last}, {self.day_count[row]} days with readings"

    @cached_property
    def expected(self) -> Floats:
        """[streams, days of `seen`, 24] median of the same hour on the same weekday of the eight weeks of history."""
        week = self._week(self._past)
        if self.is_own.any():
            week[self.is_own] = self._week(self._own)[self.is_own]
        return week[:, np.arange(self.seen.start, self.seen.stop) % 7]

    @property
    def seen(self) -> slice:
        """Days of an expectation: the eight weeks of history and the block."""
        return slice(max(0, self.block.first - 7 * HISTORY_WEEKS), self.block.end)

    def _week(self, span: slice) -> Floats:
        """[streams, 7, 24]: a day of index n is of weekday n % 7."""
        hours = _padded(self.days.hours[:, span])
        per_week = hours.reshape(hours.shape[0], HISTORY_WEEKS, 7, 24)
        weeks = median(per_week, axis=1)
        # Of one or two days of a weekday the fault may be half: then any day tells better than that weekday.
        is_thin = (~np.isnan(per_week)).sum(axis=1) < _LEAST_KNOWN
        if is_thin.any():
            weeks = np.where(is_thin, median(hours)[:, None, :], weeks)
        # The first of these seven stands seven days before the span's end.
        return np.roll(weeks, span.stop % 7, axis=1)


def _padded(per_day: Floats) -> Floats:
    missing = 7 * HISTORY_WEEKS - per_day.shape[1]
    if missing <= 0:
        return per_day
    # In front: the last weeks keep their place, and with it their weekdays.
    widths = [(0, 0), (missing, 0)] + [(0, 0)] * (per_day.ndim - 2)
    return np.pad(per_day, widths, constant_values=np.nan)


def _upper(per_day: Floats) -> Floats:
    # From four weeks on weekly peaks can outvote a bad week; below that, days stand for weeks.
    if per_day.shape[1] >= 28:
        weeks = _padded(per_day).reshape(per_day.shape[0], HISTORY_WEEKS, 7)
        return _exceeded(np.fmax.reduce(weeks, axis=2), EXCEEDED_BY)
    if per_day.shape[1] == 0:
        return np.full(per_day.shape[0], np.nan)
    return _exceeded(per_day, _SHORT_EXCEEDED_BY)


def _lower_peak(per_day: Floats) -> Floats:
    if per_day.shape[1] >= 28:
        weeks = _padded(per_day).reshape(per_day.shape[0], HISTORY_WEEKS, 7)
        return -_exceeded(-np.fmax.reduce(weeks, axis=2), EXCEEDED_BY)
    return -_exceeded(-per_day, _SHORT_EXCEEDED_BY) if per_day.shape[1] else np.full(per_day.shape[0], np.nan)


def _exceeded(values: Floats, share: float) -> Floats:
    """Per row the value that at most `share` of the known values exceed; NaN where none is known."""
    ordered = np.sort(values, axis=1)
    count = ordered.shape[1] - np.isnan(ordered).sum(axis=1)
    place = np.ceil((1 - share) * count).astype(np.int64) - 1
    # Of three and more one may always be the fault itself.
    place = np.maximum(np.where(count >= _LEAST_KNOWN, np.minimum(place, count - 2), place), 0)
    picked: Floats = ordered[np.arange(len(ordered)), place]
    return picked


def median(values: Floats, axis: int = 1) -> Floats:
    """Median of the known values along the axis; NaN where none is known."""
    if values.shape[axis] == 0:
        return np.full(np.delete(values.shape, axis), np.nan)
    # Sorting puts NaN last: what is known comes first, and the count says how far it reaches.
    ordered = np.sort(values, axis=axis)
    count = np.expand_dims(values.shape[axis] - np.isnan(ordered).sum(axis=axis), axis)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=axis)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[axis] - 1), axis=axis)
    return np.squeeze((low + high) / 2, axis=axis)
