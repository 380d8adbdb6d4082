"""Intervals of a year's cost over weather years and price paths: a bootstrap of the months that were replayed.

Of each calendar month one of the stored months of that and the two neighbouring calendar months is drawn, scaled to its
days: weather, prices and use come as they came together, of every year that was replayed. The same draws serve all
variants, so that an interval of a saving is one of pairs.
"""

from calendar import monthrange
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np

from controls.optimiser.backends.expressions import Floats
from data_quality.contracts.control.what_if import Interval, PathPayback, Price, PricePath, WhatIfMonth

DRAWS = 2000
_LOW, _HIGH = 5.0, 95.0
MONTHS = 12
# A later payback counts as none.
MOST_YEARS = 100


def yearly(months: Sequence[date], values: Floats) -> float:
    """The mean year of values by month: each calendar month its own mean."""
    return float(sum(values[[k for k, each in enumerate(months) if each.month == m]].mean() for m in range(1, 13)))


def month_draws(months: Sequence[date], seed: int) -> Callable[[Floats], Interval]:
    """A function from values by month to the 90 % interval of their year. months: each calendar month once or more."""
    rng = np.random.default_rng(seed)
    places, scales = [], []
    for month in range(1, MONTHS + 1):
        near = [k for k, each in enumerate(months) if (each.month - month + 1) % MONTHS <= 2]
        drawn = np.array(near)[rng.integers(len(near), size=DRAWS)]
        # The days of the month that it stands for, in the year of the first month replayed.
        wanted = next(each for each in months if each.month == month)
        places.append(drawn)
        scales.append(_days(wanted) / np.array([_days(months[k]) for k in drawn]))
    index, scale = np.array(places), np.array(scales)

    def interval(values: Floats) -> Interval:
        low, high = np.percentile((values[index] * scale).sum(axis=0), [_LOW, _HIGH])
        return float(low), float(high)

    return interval


def figures_of(months: Sequence[WhatIfMonth], price: Price | None, *, seed: int) -> dict[str, float | None]:
    """The FIGURES of a variant from its months: what `trace` makes again."""
    starts = [each.month for each in months]
    cost, without = (np.array([getattr(each, name) for each in months]) for name in ("cost", "without"))
    saving, (low, high) = yearly(starts, without - cost), month_draws(starts, seed)(without - cost)
    carbon = [(each.kgco2e, each.kgco2e_without) for each in months]
    found: dict[str, float | None] = {
        "cost": yearly(starts, cost), "without": yearly(starts, without),
        "saving": saving, "saving_low": low, "saving_high": high, "kgco2e": None, "saving_kgco2e": None,
        "payback_years": (price.low + price.high) / 2 / saving if price is not None and saving > 0 else None,
    }  # fmt: skip
    if all(one is not None and other is not None for one, other in carbon):
        after, before = np.array(carbon, np.float64).T
        found |= {"kgco2e": yearly(starts, after), "saving_kgco2e": yearly(starts, before - after)}
    return found


def payback_by(price: float, saving: float, path: PricePath) -> float | None:
    """Years until the savings come to the price, where each year's is dearer than the one before; within a year evenly.

    None where nothing is saved, or it is not paid within MOST_YEARS.
    """
    left, rate = price, saving
    for year in range(MOST_YEARS if saving > 0 else 0):
        if left <= rate:
            return year + left / rate
        left, rate = left - rate, rate * (1 + path.percent_a_year / 100)
    return None


def path_paybacks(
    price: Price | None, saving: float, ends: Interval, paths: Sequence[PricePath]
) -> tuple[PathPayback, ...]:
    """Paybacks by path, each from the least price at the highest saving to the highest at the least."""
    if price is None:
        return ()
    middle, (low, high) = (price.low + price.high) / 2, ends
    return tuple(
        PathPayback(
            **each.model_dump(), payback_years=payback_by(middle, saving, each),
            payback_interval=(payback_by(price.low, high, each), payback_by(price.high, low, each)),
        )
        for each in paths
    )  # fmt: skip


def over_paths(found: Sequence[PathPayback]) -> tuple[float | None, float | None] | None:
    """From the soonest low end to the latest high end; None as the high end where one of them may never pay."""
    if not found:
        return None
    lows = [each.payback_interval[0] for each in found if each.payback_interval[0] is not None]
    highs = [each.payback_interval[1] for each in found if each.payback_interval[1] is not None]
    return (min(lows, default=None), max(highs) if len(highs) == len(found) else None)


def payback_interval(price: Price | None, saving: Interval) -> tuple[float | None, float | None] | None:
    """Payback from the least price at the highest saving to the highest at the least; None where nothing is saved."""
    if price is None:
        return None
    least, most = saving
    return (price.low / most if most > 0 else None, price.high / least if least > 0 else None)


def _days(month: date) -> int:
    return monthrange(month.year, month.month)[1]
