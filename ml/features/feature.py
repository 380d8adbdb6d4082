"""Features and the rows for which they are computed: the one guard against looking ahead lives here."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from ml.features.forecast_case import Case
from ml.features.series import Index, Vector

WEEK_DAYS = 7


class Availability(StrEnum):
    """From when on a feature is known."""

    ALWAYS = "always"  # calendar and sun
    PAST = "once the steps before the issue have ended"
    AS_ISSUED = "as the weather was known at the issue"


@dataclass(frozen=True)
class Feature:
    """A column of the matrix. unit: "series" for the unit of the series; source: what it is computed from.

    is_levelled: in the unit of the series, and so divided by the level of its row before a model sees it.
    """

    name: str
    unit: str
    known: Availability
    source: str

    @property
    def is_levelled(self) -> bool:
        """True where a model sees it as a share of the level."""
        return self.unit == "series"


@dataclass(frozen=True)
class Rows:
    """Every step ahead of every origin. origins: steps; the horizon counts steps; civil covers the last one."""

    case: Case
    origins: Index
    horizon: int

    @cached_property
    def lead(self) -> Index:
        """1 for the first step ahead, a row each."""
        return np.tile(np.arange(1, self.horizon + 1), len(self.origins))

    @cached_property
    def origin(self) -> Index:
        """The origin of each row."""
        return np.repeat(self.origins, self.horizon)

    @cached_property
    def step(self) -> Index:
        """The step that each row is about."""
        return self.origin + self.lead - 1

    @cached_property
    def newest_days(self) -> Index:
        """Days back to the newest same local time that is known at the origin: 1, 2 from lead 25 h on, …"""
        return -(-self.lead // self.case.series.per_day)

    def value(self, step: Index) -> Vector:
        """The series at those steps, … × rows; NaN before its start, in a gap, and at or after the row's origin."""
        return _guarded(self.case.series.values, step, self.origin)

    def same_clock(self, days: Index | int) -> Vector:
        """The series at the same local time so many days before the row's step."""
        return self.value(self.case.civil.same_clock(self.step, days))

    def window(self, steps: int, *, back: int = 0) -> Vector:
        """Origins × steps: the series before each origin, ending `back` steps before it; NaN where unknown."""
        at = (self.origins - back)[:, None] - np.arange(steps, 0, -1)[None, :]
        flat = _guarded(self.case.series.values, at.ravel(), np.repeat(self.origins, steps))
        return flat.reshape(len(self.origins), steps)

    def weather(self, step: Index) -> Vector:
        """Rows × names of the case's weather at those steps, as known at each row's origin."""
        return self.case.weather.at(step, self.origin)

    def per_row(self, per_origin: Vector) -> Vector:
        """A value an origin, repeated for its rows."""
        return np.repeat(per_origin, self.horizon)

    @cached_property
    def level(self) -> Vector:
        """Mean size of the week before the origin, in the unit of the series, a row each; NaN where nothing is known.

        Shares of it are what models learn, so that one survives a load that grew.
        """
        size = mean_of_known(np.abs(self.window(WEEK_DAYS * self.case.series.per_day)).T)
        # A week of nothing has no size to divide by: shares are then amounts.
        return self.per_row(np.where(size == 0, 1.0, size))


def mean_of_known(stacked: Vector) -> Vector:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = np.sum(~np.isnan(stacked), axis=0)
    mean: Vector = np.full(known.shape, np.nan)
    np.divide(np.nansum(stacked, axis=0), known, out=mean, where=known > 0)
    return mean


def _guarded(values: Vector, step: Index, origin: Index) -> Vector:
    # Every look at the series comes through here.
    is_known = (step >= 0) & (step < np.minimum(origin, len(values)))
    found: Vector = np.full(step.shape, np.nan)
    found[is_known] = values[step[is_known]]
    return found
