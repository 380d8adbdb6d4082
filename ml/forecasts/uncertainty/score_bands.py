"""Interval of a score, by drawing the backtest's days again, in blocks of neighbours.

Circular block bootstrap (Politis & Romano 1992): days near each other err alike, and hours of a day more so.
"""

from dataclasses import dataclass

import numpy as np

from ml.features.series import Index, Vector
from ml.forecasts.backtest import Forecasts
from ml.forecasts.forecast_model import HIGH, LOW

RESAMPLES = 1999
# An interval that holds the true score nine times in ten.
LEVEL = 0.90


@dataclass(frozen=True)
class Band:
    """A figure and the interval that chance leaves to it."""

    value: float
    low: float
    high: float


def block_length(days: int) -> int:
    """The length that loses least grows with the cube root of the days (Hall, Horowitz & Jing 1995)."""
    return min(max(2, round(float(np.cbrt(days)))), days - 1)


def drawn_days(days: int, rng: np.random.Generator) -> Index:
    """Resamples × days: days drawn in blocks, at least three of them to draw from."""
    block = block_length(days)
    starts = rng.integers(0, days, (RESAMPLES, -(-days // block)))
    drawn: Index = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :days] % days
    return drawn


def score_bands(run: Forecasts, floor: Forecasts | None, *, seed: int = 0) -> dict[str, Band]:
    """nrmse, wape, crps, bias, coverage and, where a floor is given, floor_nrmse and skill (1 − CRPS / CRPS of the
    floor), of answers that all count, the floor's to the same steps. Empty under three days, or where nothing was used.
    """
    origins, day = np.unique(run.origin, return_inverse=True)
    if len(origins) < 3 or not np.abs(run.actual).sum() > 0 or run.actual.sum() == 0:
        return {}
    sums = np.stack([np.bincount(day, weights=each) for each in (*_rows(run), *(_rows(floor) if floor else ()))])
    drawn = drawn_days(len(origins), np.random.default_rng(seed))
    resampled = sums[:, drawn].sum(axis=2)
    value, others = _figures(sums.sum(axis=1)), _figures(resampled)
    # Means of blocks wander less than those of the series by this factor.
    wider = np.sqrt(len(origins) / (len(origins) - block_length(len(origins))))
    tail = (1 - LEVEL) / 2
    bands = {}
    for name, middle in value.items():
        low, high = np.quantile(others[name], [tail, 1 - tail])
        bands[name] = Band(
            float(middle), float(middle + wider * (low - middle)), float(middle + wider * (high - middle))
        )
    return bands


def _rows(run: Forecasts) -> tuple[Vector, ...]:
    """Sums over days: count, actual, its size, error, its size, its square, pinball loss, covered."""
    q, actual = run.quantiles, run.actual
    error = q.p50 - actual
    loss = np.mean(
        [
            np.maximum(level * (actual - quantile), (level - 1) * (actual - quantile))
            for quantile, level in ((q.p10, LOW), (q.p50, 0.5), (q.p90, HIGH))
        ],
        axis=0,
    )
    covered = ((actual >= q.p10) & (actual <= q.p90)).astype(np.float64)
    return np.ones(len(actual)), actual, np.abs(actual), error, np.abs(error), error**2, loss, covered


def _figures(sums: Vector) -> dict[str, Vector]:
    """From sums of `_rows` of a model, and after them of the floor where there is one (formulas 5.17)."""
    count, actual, size, error, wrong, square, loss, covered = sums[:8]
    mean = np.abs(actual) / count
    found = {
        "nrmse": np.sqrt(square / count) / mean,
        "wape": wrong / size,
        "crps": 2 * loss / count,
        "bias": error / count / mean,
        "coverage": covered / count,
    }
    if len(sums) > 8:
        found["floor_nrmse"] = np.sqrt(sums[13] / count) / mean
        # A floor without any loss cannot be beaten.
        found["skill"] = 1 - np.divide(loss, sums[14], out=np.ones_like(loss), where=sums[14] > 0)
    return found
