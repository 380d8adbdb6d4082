"""Courses of all steps that belong together: what several hours do jointly cannot be read off their quantiles.

A Gaussian copula on the ranks of past out-of-sample errors says which steps err together; the forecast's own quantile
function says how far. The draws' ranks then reorder equidistant quantiles (ensemble copula coupling, Schefzik,
Thorarinsdottir & Gneiting 2013), so that a handful of courses has the forecast's P10, P50 and P90 too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.features.feature import mean_of_known
from ml.features.series import Vector
from ml.forecasts.backtest import Forecasts
from ml.forecasts.forecast_model import Quantiles

ERRORS_FILE = "error_days.json"
COURSES = 20
# As far as plans look ahead, by quarter hours, and a week by hours: beyond, courses would fill the store.
MAX_STEPS = 200
# A course is one guess of many: digits beyond these say nothing and are stored all the same.
COURSE_DECIMALS = 4
# Two months of days say what the errors of a season have in common, and are a small file.
MAX_DAYS, MIN_DAYS = 60, 5
# The correlation of a pair of steps counts with so many days of what pairs so far apart have in common.
PRIOR_DAYS = 30
# Tails: no course goes further than what happens once in 740 steps.
MAX_SCORE = 3.0


@dataclass(frozen=True)
class ErrorMemory:
    """Days × steps of past errors as normal scores, by rank among the errors of the same lead; NaN where unknown."""

    scores: Vector

    @classmethod
    def of(cls, run: Forecasts) -> "ErrorMemory | None":
        """From a backtest whose origins were all asked for equally many steps; None under five of them."""
        horizon = len(run.step) // max(len(np.unique(run.origin)), 1)
        if not horizon:
            return None
        errors = np.where(run.quantiles.is_known, run.actual - run.quantiles.p50, np.nan).reshape(-1, horizon)
        width = np.where(run.quantiles.is_known, run.quantiles.p90 - run.quantiles.p10, np.nan).reshape(-1, horizon)
        # An error counts by the width that was stated: a night of small errors is as telling as a day of large ones.
        shares = np.divide(errors, width, out=np.full(errors.shape, np.nan), where=width > 0)
        kept = shares[~np.isnan(shares).all(axis=1)][-MAX_DAYS:]
        return cls(np.round(_normal_scores(kept), 3)) if len(kept) >= MIN_DAYS else None

    def correlation(self, horizon: int) -> Vector:
        """Steps × steps: positive semi-definite, ones on the diagonal, for a horizon of any length."""
        known = ~np.isnan(self.scores)
        centred = np.where(known, self.scores - mean_of_known(self.scores), 0.0)
        days = known.astype(np.float64).T @ known
        own = np.divide(centred.T @ centred, days, out=np.zeros(days.shape), where=days > 0)
        size = np.sqrt(np.diag(own))
        own = np.divide(own, np.outer(size, size), out=np.zeros(own.shape), where=np.outer(size, size) > 0)
        steps = len(own)
        distance = np.abs(np.subtract.outer(np.arange(horizon), np.arange(horizon)))
        found = _by_distance(own, days, horizon)[distance]
        # Beyond the steps that the memory holds, the distance alone decides.
        both = min(steps, horizon)
        weight = (days / (days + PRIOR_DAYS))[:both, :both]
        found[:both, :both] = weight * own[:both, :both] + (1 - weight) * found[:both, :both]
        return _positive(found)

    def to_file(self) -> bytes:
        """A small JSON document."""
        rows = [[None if np.isnan(value) else float(value) for value in row] for row in self.scores]
        return json.dumps({"normal_scores": rows}, separators=(",", ":")).encode()

    @classmethod
    def in_files(cls, files: Mapping[str, bytes]) -> "ErrorMemory | None":
        """The memory among a model's files; None for a model that was registered without one."""
        if ERRORS_FILE not in files:
            return None
        return cls(np.array(json.loads(files[ERRORS_FILE])["normal_scores"], dtype=np.float64))


def courses(
    forecast: Quantiles, memory: ErrorMemory, *, seed: int, count: int = COURSES, floor: float | None = None
) -> Vector:
    """Count × steps: equally likely courses of a forecast without gaps; the same seed gives the same courses."""
    horizon = len(forecast.p50)
    # Cholesky's root is the only one of its kind: every machine draws the same.
    root = np.linalg.cholesky(memory.correlation(horizon))
    drawn = np.random.default_rng(seed).standard_normal((count, horizon)) @ root.T
    rank = drawn.argsort(axis=0).argsort(axis=0)
    scores = _inverse_normal((np.arange(count) + 0.5) / count)[rank]
    return quantile_function(forecast, scores, floor=floor)


def stored_courses(
    forecast: Quantiles, memory: ErrorMemory | None, *, seed: int, floor: float | None = None
) -> tuple[tuple[float, ...], ...]:
    """The courses that are kept with a forecast; none of a model without a memory, or of more than 200 steps."""
    if memory is None or len(forecast.p50) > MAX_STEPS:
        return ()
    drawn = np.round(courses(forecast, memory, seed=seed, floor=floor), COURSE_DECIMALS)
    return tuple(map(tuple, drawn.tolist()))


def quantile_function(forecast: Quantiles, score: Vector, *, floor: float | None = None) -> Vector:
    """Values at normal scores (… × steps): straight from P10 over P50 to P90, the tails go on as straight.

    So each half is half of a normal distribution, cut at three standard deviations and at the floor.
    """
    share = np.clip(score, -MAX_SCORE, MAX_SCORE) / _inverse_normal(np.array([0.9]))[0]
    value: Vector = forecast.p50 + np.where(
        share < 0, share * (forecast.p50 - forecast.p10), share * (forecast.p90 - forecast.p50)
    )
    return value if floor is None else np.maximum(value, floor)


def _normal_scores(shares: Vector) -> Vector:
    """By rank in each column, NaN left where it is."""
    count = np.sum(~np.isnan(shares), axis=0)
    # NaN sorts last, and so takes no rank from what is known.
    rank = shares.argsort(axis=0).argsort(axis=0)
    level = np.where(np.isnan(shares), 0.5, (rank + 0.5) / np.maximum(count, 1))
    return np.where(np.isnan(shares), np.nan, _inverse_normal(level))


def _by_distance(own: Vector, days: Vector, horizon: int) -> Vector:
    """Correlation by how many steps lie between: the mean over all such pairs, then fading as it did at first."""
    steps = len(own)
    means = []
    for gap in range(steps):
        weight = np.diagonal(days, gap)
        means.append(float(np.average(np.diagonal(own, gap), weights=weight)) if weight.sum() > 0 else 0.0)
    fading = min(max(means[1], 0.0), 0.999) if steps > 1 else 0.0
    beyond = means[-1] * fading ** np.arange(1, max(horizon - steps, 0) + 1)
    found: Vector = np.concatenate([[1.0], means[1:], beyond])[:horizon]
    return found


def _positive(matrix: Vector) -> Vector:
    """The nearest matrix of correlations by cutting negative eigenvalues (many steps, few days)."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    cut = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    size = np.sqrt(np.diag(cut))
    found: Vector = cut / np.outer(size, size)
    return found


def _inverse_normal(level: Vector) -> Vector:
    from scipy.special import ndtri

    found: Vector = ndtri(level)
    return found
