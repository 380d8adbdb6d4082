"""Events that the temperature explains: what it adds to each hour of a meter, learned up to the event's last day."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from ml.anomalies.day_grid import HOURS, DayGrid, Mask, Matrix, logarithms, median_of
from ml.anomalies.past import FEWEST_HOURS
from ml.features.civil import Civil
from ml.features.series import Index, Vector

# Degrees below which load heats and above which it cools; the pair that fits a meter best is taken.
HEATS_BELOW, COOLS_ABOVE = (10.0, 13.0, 16.0), (13.0, 16.0, 19.0, 22.0)
# Days that are learned from, at least and at most, and those before an event that it is compared with.
LEAST_DAYS, MOST_DAYS, BEFORE = 28, 365, 28
# Less than this share of a rise may be left where the temperature explains it.
LEFT = 0.5
# What a slope costs, in squared degrees of evidence: few days of little change leave it near zero.
CAUTION = 100.0
_ROUNDS, _CUT = 3, 2.0
_COSTS = np.diag([1e-6, 1e-6, CAUTION, CAUTION])
_PAIRS = tuple((heats, cools) for heats, cools in product(HEATS_BELOW, COOLS_ABOVE) if heats <= cools)


@dataclass(frozen=True)
class WarmDays:
    """Readings with the mean temperature of each local day in °C; NaN is unknown."""

    grid: DayGrid
    temperature: Vector

    def explain(self, hours: Index) -> bool:
        """True where most of these hours' distance to the weeks before is gone without the temperature's part.

        hours: cells of the grid. What follows the day of the last is not looked at; the event's own days are: the first
        cold days are the only ones that say what cold does.
        """
        first, end = int(hours[0]) // HOURS, int(hours[-1]) // HOURS + 1
        begin = max(0, end - MOST_DAYS)
        plain = logarithms(self.grid.values[begin:end])
        effect = self._effect(plain, begin, end)
        if effect is None:
            return False
        place = hours - begin * HOURS
        rise, left = (self._rise(logs, first - begin, place, begin) for logs in (plain, plain - effect))
        return bool(abs(left) < LEFT * abs(rise))

    def _effect(self, logs: Matrix, begin: int, end: int) -> Matrix | None:
        """Effect of the temperature on the log of each hour of these days; None where too little is known."""
        warmth, is_off = self.temperature[begin:end], self.grid.is_off[begin:end]
        is_day = (np.isfinite(logs).sum(axis=1) >= FEWEST_HOURS) & np.isfinite(warmth)
        if is_day.sum() < LEAST_DAYS:
            return None
        middle = np.nanmean(logs[is_day], axis=1)
        filled = np.where(np.isfinite(logs[is_day]), logs[is_day], middle[:, None])
        bases, slopes = _fitted(filled, middle, warmth[is_day], is_off[is_day])
        return np.asarray(np.nan_to_num(_degrees(warmth, bases)) @ slopes)

    def _rise(self, logs: Matrix, first: int, place: Index, begin: int) -> float:
        """Median by which hours are above the same hours of days of their type before; NaN where none is known."""
        before = slice(max(0, first - BEFORE), first)
        is_off = self.grid.is_off[begin:]
        rises = np.full_like(logs, np.nan)
        for off in (False, True):
            rows = logs[before][is_off[before] == off]
            if len(rows):
                own = is_off[: len(logs)] == off
                rises[own] = logs[own] - median_of(rows, axis=0)
        return float(median_of(rises.ravel()[place], axis=0))


def daily_temperature(temperature: Vector, civil: Civil) -> Vector:
    """Mean of each local day of which most is known. temperature: by the steps of the series."""
    length = min(len(temperature), len(civil))
    day = civil.day[:length]
    temperature = temperature[:length]
    is_known = np.isfinite(temperature)
    days = int(day[-1]) + 1 if length else 0
    known, every = np.bincount(day[is_known], minlength=days), np.bincount(day, minlength=days)
    total = np.bincount(day[is_known], weights=temperature[is_known], minlength=days)
    found: Vector = np.full(days, np.nan)
    return np.divide(total, known, out=found, where=(known > 0) & (known * HOURS >= every * FEWEST_HOURS))


def _degrees(warmth: Vector, bases: tuple[float, float]) -> Matrix:
    """Heating and cooling degrees of each day."""
    return np.column_stack([np.maximum(bases[0] - warmth, 0), np.maximum(warmth - bases[1], 0)])


def _fitted(logs: Matrix, middle: Vector, warmth: Vector, is_off: Mask) -> tuple[tuple[float, float], Matrix]:
    """Bases by the middle of the days, then the slopes of each hour over them; days far from the line count less."""
    days, weights = middle[:, None], np.ones(len(middle))
    best = (HEATS_BELOW[-1], COOLS_ABOVE[-2])
    for _ in range(_ROUNDS):
        tried = [(*_slopes(days, _degrees(warmth, each), is_off, weights), each) for each in _PAIRS]
        _, left, best = min(tried, key=lambda each: float(weights @ each[1][:, 0] ** 2))
        far = np.abs(left[:, 0])
        limit = _CUT * max(float(np.median(far)), 1e-3)
        weights = limit / np.maximum(far, limit)
    return best, _slopes(logs, _degrees(warmth, best), is_off, weights)[0]


def _slopes(values: Matrix, degrees: Matrix, is_off: Mask, weights: Vector) -> tuple[Matrix, Matrix]:
    """Weighted least squares with a cost on slopes and a level for each type of day: slopes, and residuals."""
    design = np.column_stack([~is_off, is_off, degrees]).astype(float)
    weighted = design * weights[:, None]
    found = np.linalg.solve(weighted.T @ design + _COSTS, weighted.T @ values)
    return found[2:], values - design @ found
