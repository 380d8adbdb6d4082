"""A second opinion on the band of a saving: blocks of the baseline drawn again and refitted (formulas 5.5)."""

from dataclasses import dataclass

import numpy as np

from ml.baselines.models.fit import Fit, Rows
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import Usage

# A week: neighbouring days are alike, and a weekend is drawn with its working days.
BLOCK_DAYS = 7
_ROWS_A_DAY = {"hourly": 24, "daily": 1}
# Refits at once: their counts over a year of hours take 4 MB.
_CHUNK = 50


@dataclass(frozen=True, slots=True)
class BootstrapBand:
    """Interval of the saving by moving blocks, in the unit of the energy.

    resamples of block_rows consecutive rows each (7 days; one bill); seed of the draws.
    """

    confidence: float
    half_width: float
    low: float
    high: float
    resamples: int
    block_rows: int
    seed: int


def block_rows(fit: Fit) -> int:
    """Rows of one block: seven days, or one bill; never more than a quarter of the baseline."""
    rows = BLOCK_DAYS * _ROWS_A_DAY.get(fit.frequency, 0) or 1
    return max(min(rows, fit.n // 4), 1)


def drawn_rows(n: int, *, length: int, block: int, resamples: int, rng: np.random.Generator) -> Rows:
    """(resamples, length) places among n rows, in blocks that run on round the end, so that each row is as likely."""
    blocks = -(-length // block)
    starts = rng.integers(0, n, size=(resamples, blocks))
    places = (starts[:, :, None] + np.arange(block)[None, None, :]).reshape(resamples, blocks * block)
    rows: Rows = (places[:, :length] % n).astype(np.int64)
    return rows


def bootstrap_band(
    fit: Fit, period: Usage, *, savings: float, confidence: float, resamples: int, seed: int
) -> BootstrapBand:
    """The interval of `savings` (expected − actual over the rows of `period`), same form and balance points.

    Each resample fits drawn blocks of baseline rows, predicts the period, and adds drawn blocks of residuals as the
    period's own noise. Residuals are scaled by sqrt(n/(n − p)): a fit shrinks them. The interval is the percentile one
    of the error, mirrored about the saving; half_width is half its length.
    """
    rng = np.random.default_rng(seed)
    block = block_rows(fit)
    base = float(fit.predict(period).sum())
    rows = drawn_rows(fit.n, length=fit.n, block=block, resamples=resamples, rng=rng)
    design = period_sum(fit, period)
    model = np.concatenate([fit.refit_many(rows[i : i + _CHUNK]) @ design for i in range(0, resamples, _CHUNK)]) - base
    error = model - _noise(fit, period, block=block, resamples=resamples, rng=rng)
    low, high = np.quantile(error, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0])
    return BootstrapBand(
        confidence=confidence,
        half_width=float(high - low) / 2.0,
        low=savings - float(high),
        high=savings - float(low),
        resamples=resamples,
        block_rows=block,
        seed=seed,
    )


def period_sum(fit: Fit, period: Usage) -> Vector:
    """Σ of the design rows of the period in energy units (p,): a total prediction is its product with coefficients."""
    per_row = fit.form.design(period)
    if fit.frequency == "billing":
        per_row = per_row * period.frame["days"].to_numpy()[:, None]
    total: Vector = per_row.sum(axis=0)
    return total


def _noise(fit: Fit, period: Usage, *, block: int, resamples: int, rng: np.random.Generator) -> Vector:
    """Σ of drawn residuals over the period's rows (resamples,); a bill's residual per day scales with 1/√days."""
    m = period.frame.height
    # Residuals of a fit are smaller than the noise by what its coefficients took up.
    scale = np.sqrt(fit.n / max(fit.n - fit.n_params, 1))
    residuals = fit.residuals * np.sqrt(fit.weights) * scale
    length = np.sqrt(period.frame["days"].to_numpy()) if fit.frequency == "billing" else np.ones(m)
    rows = drawn_rows(fit.n, length=m, block=block, resamples=resamples, rng=rng)
    total: Vector = residuals[rows] @ length
    return total
