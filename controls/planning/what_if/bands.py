"""Intervals of a year's cost over weather years and price paths: a bootstrap of the months that were re-lived.

Of each calendar month one of the stored months of that and the two neighbouring calendar months is drawn, scaled to its
days: weather, prices and use come as they came together, of every year that was re-lived. The same draws serve all
variants, so that an interval of a saving is one of pairs.
"""

from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np

from controls.optimiser.backends.expressions import Floats
from data_quality.contracts.control.what_if import Interval

DRAWS = 2000
_LOW, _HIGH = 5.0, 95.0
MONTHS = 12


def yearly(months: Sequence[date], values: Floats) -> float:
    """The mean year of values by month: each calendar month its own mean."""
    return float(sum(values[[k for k, each in enumerate(months) if each.month == m]].mean() for m in range(1, 13)))


def month_draws(months: Sequence[date], seed: int) -> Callable[[Floats], Interval]:
    """A function from values by month to the 90 % interval of their year. months: every calendar month at least once."""
    rng = np.random.default_rng(seed)
    places, scales = [], []
    for month in range(1, MONTHS + 1):
        near = [k for k, each in enumerate(months) if (each.month - month + 1) % MONTHS <= 2]
        drawn = np.array(near)[rng.integers(len(near), size=DRAWS)]
        # The days of the month that it stands for, in the year of the first month re-lived.
        wanted = next(each for each in months if each.month == month)
        places.append(drawn)
        scales.append(_days(wanted) / np.array([_days(months[k]) for k in drawn]))
    index, scale = np.array(places), np.array(scales)

    def interval(values: Floats) -> Interval:
        low, high = np.percentile((values[index] * scale).sum(axis=0), [_LOW, _HIGH])
        return float(low), float(high)

    return interval


def payback(
    price: tuple[float, float] | None, saving: float, interval: Interval
) -> tuple[float | None, tuple[float | None, float | None] | None]:
    """Years and their interval. None without a price or a saving; an end is None where nothing may be saved at it."""
    if price is None or saving <= 0:
        return None, None
    low, high = price
    worst = high / interval[0] if interval[0] > 0 else None
    return (low + high) / 2 / saving, (low / interval[1] if interval[1] > 0 else None, worst)


def _days(month: date) -> int:
    return monthrange(month.year, month.month)[1]
