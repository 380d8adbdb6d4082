"""An estimate of what a kind of waste took, and the statistics that several kinds share. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

# Two-sided 90 % of a normal error.
Z90 = 1.6448536269514722
_LAD_ROUNDS = 12


@dataclass(frozen=True)
class Estimate:
    """kWh that a meter's hours would not have needed, with the standard error of their sum.

    scope: `meter:…` or `site:…`. money: where the bill engine tells the saving, else hours are priced. numbers: value
    and unit of what the sentences quote, by name; one of a saving, cost or payback stands for what is made of the rest.
    money_interval: at 90 %, where it is not even. texts: names that stand in sentences, and the source of a cost.
    """

    scope: str
    saved_kwh: Mapping[str, np.ndarray] = field(default_factory=dict)
    error_kwh: float = 0.0
    money: float | None = None
    money_error: float = 0.0
    numbers: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    money_interval: tuple[float, float] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def total_kwh(self) -> float:
        """The saving, kWh."""
        return float(sum(np.nansum(each) for each in self.saved_kwh.values()))

    @property
    def money_band(self) -> tuple[float, float]:
        """The 90 % interval of the money."""
        money, half = self.money or 0.0, Z90 * self.money_error
        return self.money_interval or (money - half, money + half)


class _Levels(NamedTuple):
    """Two levels of a sample: which values are high, the mean of the low ones, their spread and their number."""

    is_high: np.ndarray
    low: float
    spread: float
    n_low: int


def two_levels(values: np.ndarray, *, least_share: float, most_share: float, least_gap: float) -> _Levels | None:
    """Split a sample at the place of largest variance between (Otsu); None where it has one level.

    least_gap: distance of the means in spreads of the low level. A uniform sample has 3.5, a normal one 2.7.
    """
    n = values.size
    if n < 20:
        return None
    ordered = np.sort(values)
    sums, count = np.cumsum(ordered)[:-1], np.arange(1, n)
    below, above = sums / count, (ordered.sum() - sums) / (n - count)
    at = int(np.argmax(count * (n - count) * (above - below) ** 2)) + 1
    low, high = ordered[:at], ordered[at:]
    spread = float(np.std(low, ddof=1)) if low.size > 1 else 0.0
    share, distance = high.size / n, float(high.mean() - low.mean())
    is_split = high[0] - low[-1] >= spread and distance >= least_gap * max(spread, float(np.std(high)) / 2)
    if low.size < 10 or not least_share <= share <= most_share or not is_split:
        return None
    return _Levels(values >= high[0], float(low.mean()), spread, int(low.size))


def weather_free(values: np.ndarray, outdoor_degc: np.ndarray | None) -> np.ndarray:
    """Values less what follows the outdoor temperature, by least absolute deviations on degrees below 12, above 18.

    A minority of nights that were left on does not move such a line. Without temperatures the values less their median.
    """
    if outdoor_degc is None or not np.isfinite(outdoor_degc).all():
        return np.asarray(values - np.median(values))
    design = np.column_stack((np.ones(values.size), np.maximum(12 - outdoor_degc, 0), np.maximum(outdoor_degc - 18, 0)))
    weight = np.ones(values.size)
    rest = values - np.median(values)
    for _ in range(_LAD_ROUNDS):
        root = np.sqrt(weight)[:, None]
        found = np.linalg.lstsq(design * root, values * root[:, 0], rcond=None)[0]
        rest = values - design @ found
        weight = 1 / np.maximum(np.abs(rest), 1e-3 * max(float(np.std(values)), 1e-9))
    return np.asarray(rest)


def hours_above(meter_kwh: np.ndarray, quantile: float) -> float:
    """A quantile of the hours that were read, kWh; zero of none."""
    known = meter_kwh[np.isfinite(meter_kwh)]
    return float(np.quantile(known, quantile)) if known.size else 0.0


def variance_of_runs(values: np.ndarray, runs: np.ndarray) -> float:
    """Variance of the sum of separate runs of so many neighbours each, by a first-order memory."""
    rho = _memory(values)
    of_each = runs * (1 + rho) / (1 - rho) - 2 * rho * (1 - rho**runs) / (1 - rho) ** 2
    return float(np.var(values) * of_each.sum())


def counts_as(values: np.ndarray, count: int) -> float:
    """Effective number of independent values of so many neighbours, by the lag-1 autocorrelation of a sample (5.5)."""
    rho = _memory(values)
    return count * (1 - rho) / (1 + rho)


def _memory(values: np.ndarray) -> float:
    """Lag-1 autocorrelation, from 0 to 0.95."""
    rest = values - values.mean()
    spread = float(rest @ rest)
    rho = float(rest[:-1] @ rest[1:]) / spread if values.size > 2 and spread > 0 else 0.0
    return min(max(rho, 0.0), 0.95)
