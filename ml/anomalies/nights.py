"""Nights that stay near the level of the day: consumption without presence."""

import math

import numpy as np

from ml.anomalies.day_grid import HOURS, Mask
from ml.anomalies.logistic import Features, Logistic
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Past
from ml.features.series import Index, Vector

EVENING, MORNING = 20, 6
LENGTH = HOURS - EVENING + MORNING
WORK = slice(8, 18)
FEWEST_NIGHT, FEWEST_WORK, FEWEST_NIGHTS = 7, 6, 5
RECENT, WEEK = 7, 7
MEASURES = ("level", "contrast", "floor", "edge", "flat")
LEAST_SPREAD = 0.02


class NightWaste:
    """Marks `night` where two nights in a row are high, absolutely and relative to the day before them."""

    def __init__(self, past: Past, params: DetectorParams, model: Logistic) -> None:
        days = len(past.grid.values)
        # Of the night that begins on a day, logs: mean; mean over that of the working hours; lowest hours; first hours
        # over the hours before; how its hours spread; and mean over the high hours of the week before.
        self.measures: dict[str, Vector] = {name: np.full(days, np.nan) for name in (*MEASURES, "near_day")}
        self.odds: Vector = np.full(days, -np.inf)
        self.is_high: Mask = np.zeros(days, dtype=bool)
        # Before a working day or before a day off: weekday of the evening, as calendars of the next days are unknown.
        self.is_free: Mask = past.grid.weekday >= 5
        self.past, self.params, self.model = past, params, model

    def marks(self, day: int) -> list[Mark]:
        """The night that ended on the morning of a day, and the one before it."""
        night = day - 1
        if night < 0:
            return []
        self._measure(night)
        features = self.features(night) if day >= self.params.training_days else None
        if features is None:
            return []
        limit = self.params.night_odds + self.params.shift
        self.odds[night] = self.model.odds(features)
        nights = self._high(night, limit)
        self.is_high[nights] = True
        return [
            Mark("night", each * HOURS + EVENING, each * HOURS + EVENING + LENGTH, 1 + float(self.odds[night]) - limit)
            for each in nights
        ]

    def _high(self, night: int, limit: float) -> list[int]:
        """This night where it goes on with high ones, or with the one before it where both are high."""
        if night and self.is_high[night - 1] and self.odds[night] > limit - self.params.night_ease:
            return [night]
        is_pair = night and min(self.odds[night], self.odds[night - 1]) > limit - self.params.night_ease
        return [night - 1, night] if is_pair and self.odds[night - 1 : night + 1].mean() > limit else []

    def _measure(self, night: int) -> None:
        values = self.past.unmarked
        hours = np.append(values[night, EVENING:], values[night + 1, :MORNING])
        work = values[night, WORK]
        hours, work = hours[np.isfinite(hours)], work[np.isfinite(work)]
        if len(hours) < FEWEST_NIGHT or hours.mean() <= 0:
            return
        level = self.measures["level"][night] = np.log(hours.mean())
        if len(work) >= FEWEST_WORK and work.mean() > 0:
            self.measures["contrast"][night] = level - np.log(work.mean())
        lowest = np.sort(hours)[: FEWEST_NIGHT // 2].mean()
        if lowest > 0:
            self.measures["floor"][night] = np.log(lowest)
        week = values[max(0, night - WEEK) : night]
        week = week[np.isfinite(week)]
        if len(week) >= 3 * HOURS and (high := _at(np.sort(week), 0.9)) > 0:
            self.measures["near_day"][night] = level - np.log(high)
        before, first = values[night, EVENING - 2 : EVENING], values[night, EVENING : EVENING + 2]
        if (before > 0).all() and (first > 0).all():
            self.measures["edge"][night] = np.log(first.mean() / before.mean())
        self.measures["flat"][night] = np.log(max(float(hours.std() / hours.mean()), LEAST_SPREAD))

    def features(self, night: int) -> Features | None:
        """Features of a night of waste; None where too few are known."""
        first = max(0, night - self.params.window_days)
        nights = np.arange(first, night)
        nights = nights[~self.is_high[first:night]]
        found: dict[str, float] = {"near_day": float(self.measures["near_day"][night])}
        for name in MEASURES:
            found |= self._over(name, nights, night)
        # Without its level a night cannot be judged; what else is unknown says nothing.
        if np.isnan(found["level"]):
            return None
        return {name: value if np.isfinite(value) else 0.0 for name, value in found.items()}

    def _over(self, name: str, nights: Index, night: int) -> dict[str, float]:
        """Height of a night above the recent ones like it, above nine of ten of all, and the first in spreads."""
        kept = self.measures[name]
        own = float(kept[night])
        known = nights[np.isfinite(kept[nights])]
        alike = known[self.is_free[known] == self.is_free[night]]
        alike = alike if len(alike) >= FEWEST_NIGHTS else known
        if len(alike) < FEWEST_NIGHTS or np.isnan(own):
            return dict.fromkeys((name, f"{name}_beyond", f"{name}_z"), float("nan"))
        ordered = np.sort(kept[alike])
        rise = own - _at(np.sort(kept[alike[-RECENT:]]), 0.5)
        low, high = _at(ordered, 0.1), _at(ordered, 0.9)
        z = max(rise, 0.0) / max((high - low) / 2, LEAST_SPREAD)
        return {name: rise, f"{name}_beyond": own - high, f"{name}_z": math.log1p(z)}


def _at(ordered: Vector, share: float) -> float:
    """A quantile of a few sorted values; a tenth of the time of numpy's own."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))
