"""Nights that stay near the level of the day: what runs when nobody is there."""

import numpy as np

from ml.anomalies.day_grid import HOURS, Mask
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Past
from ml.features.series import Index, Vector

EVENING, MORNING = 20, 6
LENGTH = HOURS - EVENING + MORNING
WORK = slice(8, 18)
FEWEST_NIGHT, FEWEST_WORK, FEWEST_NIGHTS = 7, 6, 5
# The least by which a night's log must exceed those of nine nights in ten, whatever it is beside the day.
LEAST_RISE = 0.05


class NightWaste:
    """Marks `night` where two nights in a row are high, for themselves and beside the day before them."""

    def __init__(self, past: Past, params: DetectorParams) -> None:
        days = len(past.grid.values)
        # Of the night that begins on a day: the log of its mean, and of its mean over that of the working hours.
        self.level: Vector = np.full(days, np.nan)
        self.contrast: Vector = np.full(days, np.nan)
        self.score: Vector = np.zeros(days)
        self.is_high: Mask = np.zeros(days, dtype=bool)
        # Before a working day or before a day off: weekday of the evening, as calendars of the next days are unknown.
        self.is_free: Mask = past.grid.weekday >= 5
        self.past, self.params = past, params

    def marks(self, day: int) -> list[Mark]:
        """The night that ended on the morning of a day, and the one before it."""
        night = day - 1
        if night < 0:
            return []
        self._measure(night)
        if day < self.params.training_days or not np.isfinite(self.level[night]):
            return []
        self.score[night] = self._score(night)
        if min(self.score[night], self.score[night - 1]) <= 1:
            return []
        self.is_high[night - 1 : night + 1] = True
        return [
            Mark("night", each * HOURS + EVENING, each * HOURS + EVENING + LENGTH, float(self.score[each]))
            for each in (night - 1, night)
        ]

    def _measure(self, night: int) -> None:
        values = self.past.unmarked
        hours = np.append(values[night, EVENING:], values[night + 1, :MORNING])
        work = values[night, WORK]
        hours, work = hours[np.isfinite(hours)], work[np.isfinite(work)]
        if len(hours) < FEWEST_NIGHT or hours.mean() <= 0:
            return
        self.level[night] = np.log(hours.mean())
        if len(work) >= FEWEST_WORK and work.mean() > 0:
            self.contrast[night] = self.level[night] - np.log(work.mean())

    def _score(self, night: int) -> float:
        """How high a night is: 1 at the limit; the mean of its level and of its contrast to the day."""
        first = max(0, night - self.params.window_days)
        nights = np.arange(first, night)
        nights = nights[~self.is_high[first:night]]
        rise, of_level = self._over(self.level, nights, night)
        _, of_contrast = self._over(self.contrast, nights, night)
        if not rise > LEAST_RISE * self.params.caution:
            return 0.0
        return of_level if np.isnan(of_contrast) else (of_level + of_contrast) / 2

    def _over(self, kept: Vector, nights: Index, night: int) -> tuple[float, float]:
        """How far a night is above nine of ten nights like it, and that over its limit; NaN where too few are known."""
        known = nights[np.isfinite(kept[nights])]
        alike = known[self.is_free[known] == self.is_free[night]]
        alike = alike if len(alike) >= FEWEST_NIGHTS else known
        if len(alike) < FEWEST_NIGHTS or not np.isfinite(kept[night]):
            return float("nan"), float("nan")
        middle, high = np.quantile(kept[alike], (0.5, 0.9))
        rise = float(kept[night] - high)
        limit = max(np.log(self.params.night_ratio), self.params.night_spread * (high - middle)) * self.params.caution
        return rise, rise / float(limit)
