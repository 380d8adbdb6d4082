"""A circuit on an even grid: its energy, further columns, the local clock, and sub-meters where a campaign had them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from ml.features.civil import Civil
from ml.features.series import DAY, HOUR, Index, Vector

Mask = npt.NDArray[np.bool_]
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Circuit:
    """Consecutive steps from `start_utc` on; NaN is a gap.

    kwh: of each step, not negative. beside: further columns by name, as reactive power or voltage. submeters: kWh of
    each step by meter, NaN where the campaign had none. civil: the local calendar of each step.
    """

    start_utc: datetime
    step: timedelta
    kwh: Vector
    beside: Mapping[str, Vector]
    submeters: Mapping[str, Vector]
    civil: Civil
    zone: str

    @property
    def hours(self) -> float:
        """Length of a step in hours."""
        return self.step / HOUR

    @property
    def per_day(self) -> int:
        """Steps of a day of 24 hours."""
        return DAY // self.step

    @property
    def week(self) -> Index:
        """Local week of each step, from Monday; a number that rises by one from week to week."""
        found: Index = (self.civil.day + self.civil.first_day.weekday()) // 7
        return found

    def span(self, start_utc: datetime, end_utc: datetime) -> slice:
        """Whole steps within [start, end)."""
        first = -((self.start_utc - start_utc) // self.step)
        last = (end_utc - self.start_utc) // self.step
        return slice(max(first, 0), max(min(last, len(self.kwh)), 0))

    def instant(self, position: int) -> datetime:
        """Start of a step."""
        return self.start_utc + position * self.step
