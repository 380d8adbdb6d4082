"""Readings of a meter before a day, without marked hours, and its usual load."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml.anomalies.day_grid import DayGrid, Mask, Matrix, median_of
from ml.features.series import Vector

# A day with fewer hours says little of a usual day, and so many days must be known before anything is marked.
FEWEST_HOURS, FEWEST_DAYS, FEWEST_ALIKE = 16, 10, 3
# On so many days before, a spike is a habit.
HABIT = 3


@dataclass(frozen=True)
class Mark:
    """Hours of one kind that a detector objects to: cells [first, end), and how far over its limit, 1 at the limit."""

    kind: str
    first: int
    end: int
    score: float


class Past:
    """Readings of a meter; a detector uses days up to the requested one alone. Marked hours are gaps."""

    def __init__(self, grid: DayGrid) -> None:
        self.grid = grid
        self.is_marked: Mask = np.zeros(grid.values.shape, dtype=bool)
        self.unmarked: Matrix = grid.values.copy()
        # Highest hour of each day on which a few hours were too high; 0 on all others.
        self.peaks: Vector = np.zeros(len(grid.values))

    def habit(self, day: int, window_days: int) -> float:
        """Usual peak of this meter: the height that single hours have reached on three days of the window."""
        return float(np.sort(self.peaks[max(0, day - window_days) : day])[-HABIT:][0]) if day >= HABIT else 0.0

    def mark(self, marks: list[Mark]) -> None:
        """Leave these hours out of what is usual from now on."""
        for each in marks:
            self.is_marked.ravel()[each.first : each.end] = True
            self.unmarked.ravel()[each.first : each.end] = np.nan

    def usual(self, day: int, window_days: int) -> "Usual | None":
        """The usual load of the days before; None where too few are known."""
        first = max(0, day - window_days)
        return next(
            (
                Usual(rows[is_full], self.grid.is_off[first:day][is_full])
                for rows in (self.unmarked[first:day], self.grid.values[first:day])
                if (is_full := np.isfinite(rows).sum(axis=1) >= FEWEST_HOURS).sum() >= FEWEST_DAYS
            ),
            None,
        )


@dataclass(frozen=True)
class Usual:
    """rows: (days, 24) known days; is_off: (days,)."""

    rows: Matrix
    is_off: Mask

    @cached_property
    def ends(self) -> tuple[float, float]:
        """1st and 99th percentile of an hour."""
        low, high = np.nanquantile(self.rows, (0.01, 0.99))
        return float(low), float(high)

    @cached_property
    def profiles(self) -> dict[bool, Vector]:
        """Median by local hour of working days (False) and days off (True), of those that are known often enough."""
        known = {off: self.rows[self.is_off == off] for off in (False, True)}
        return {off: median_of(rows, axis=0) for off, rows in known.items() if len(rows) >= FEWEST_ALIKE}

    def profile(self, is_off: bool) -> Vector:
        """Expected load of a day by local hour: of its type, else of the other."""
        return self.profiles[is_off if is_off in self.profiles else not is_off]
