"""Load of a meter by local day and step of the day, with the days that a baseline may use."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ml.features.series import Index, Vector

Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]
DAY_HOURS = 24
# A day counts with so many of its hours.
COUNTED_HOURS = 22


@dataclass(frozen=True)
class DaySteps:
    """Load and weather by local day.

    load_kw: (days, steps), NaN is a gap. temperature_degc: the same shape, or None. is_off: (days,) weekend or
    holiday. weekday: (days,) Monday 1. month: (days,) any number that is another one each month. is_excluded: (days,)
    days of events and days that somebody excluded.
    """

    load_kw: Matrix
    temperature_degc: Matrix | None
    is_off: Mask
    weekday: Index
    month: Index
    is_excluded: Mask

    @property
    def steps(self) -> int:
        """Steps of a day."""
        return int(self.load_kw.shape[1])

    @property
    def per_hour(self) -> int:
        """Steps of an hour."""
        return self.steps // DAY_HOURS

    @cached_property
    def counts(self) -> Mask:
        """(days,) days with 22 hours of readings that are not excluded."""
        known = np.isfinite(self.load_kw).sum(axis=1)
        found: Mask = (known >= COUNTED_HOURS * self.per_hour) & ~self.is_excluded
        return found

    def alike(self, is_off: bool) -> Index:
        """Counting days of one kind, in order: business days, or days off."""
        return np.flatnonzero(self.counts & (self.is_off == is_off))

    def before(self, days: Index, count: int) -> Index:
        """Last counting days of the same kind before each day, (days, count), newest last; -1 where there is none."""
        found = np.full((len(days), count), -1, dtype=np.int64)
        for is_off in (False, True):
            mine = np.flatnonzero(self.is_off[days] == is_off)
            alike = self.alike(is_off)
            place = np.searchsorted(alike, days[mine])[:, None] - np.arange(count, 0, -1)[None, :]
            if len(alike):
                found[mine] = np.where(place >= 0, alike[np.maximum(place, 0)], -1)
        return found

    def of(self, days: Index, span: slice = slice(None)) -> Matrix:
        """Load of days by position, of any shape, in a span of their steps; a day -1 is a gap."""
        load: Matrix = self.load_kw[:, span][days]
        load[days < 0] = np.nan
        return load

    def excluding(self, days: Index) -> "DaySteps":
        """The same with more days excluded."""
        is_excluded = self.is_excluded.copy()
        is_excluded[days] = True
        return replace(self, is_excluded=is_excluded)


def mean_of(values: Matrix, axis: int) -> Matrix | Vector:
    """Mean of what is known along an axis; NaN where nothing is, without numpy's warning."""
    mean: Matrix | Vector = np.asarray(np.add.reduce(values, axis=axis) / (values.shape[axis] or np.nan))
    # Gaps are few: only what has one is added up again without them, which numpy does many times slower.
    partly = ~np.isfinite(mean)
    if not np.any(partly):
        return mean
    few = np.moveaxis(values, axis, -1)[partly]
    known = np.isfinite(few)
    count = np.add.reduce(known, axis=-1)
    total = np.add.reduce(np.where(known, few, 0.0), axis=-1)
    mean[partly] = np.divide(total, count, out=np.full(len(few), np.nan), where=count > 0)
    return mean
