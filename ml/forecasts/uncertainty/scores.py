"""Scores of quantiles: pinball loss, and the continuous ranked probability score that follows from it.

Source: Gneiting & Raftery 2007 (proper scores); the CRPS is twice the pinball loss integrated over all quantiles, here
over the three that are known.
"""

import numpy as np

from ml.features.series import Vector
from ml.forecasts.forecast_model import HIGH, LOW, Quantiles


def pinball(actual: Vector, predicted: Vector, quantile: float) -> float:
    """Mean pinball loss of one quantile, in the unit of the series."""
    error = actual - predicted
    return float(np.mean(np.maximum(quantile * error, (quantile - 1.0) * error)))


def mean_pinball(actual: Vector, quantiles: Quantiles) -> float:
    """Mean over P10, P50 and P90."""
    parts = ((quantiles.p10, LOW), (quantiles.p50, 0.5), (quantiles.p90, HIGH))
    return float(np.mean([pinball(actual, predicted, quantile) for predicted, quantile in parts]))


def crps(actual: Vector, quantiles: Quantiles) -> float:
    """Continuous ranked probability score by three quantiles, in the unit of the series."""
    return 2 * mean_pinball(actual, quantiles)


def crps_of_courses(actual: Vector, courses: Vector) -> float:
    """Continuous ranked probability score by courses × steps, fair to few of them (Ferro 2014), mean over the steps."""
    count = len(courses)
    near = np.mean(np.abs(courses - actual), axis=0)
    # Sum of |x_i − x_j| over all pairs, from the order alone.
    weight = 2 * np.arange(1, count + 1) - count - 1
    spread = 2 * weight @ np.sort(courses, axis=0) / (count * (count - 1))
    return float(np.mean(near - spread / 2))


def energy_score(actual: Vector, courses: Vector) -> float:
    """The CRPS of whole courses: distances are Euclidean over all steps. Source: Gneiting & Raftery 2007."""
    distances = np.linalg.norm(courses[:, None, :] - courses[None, :, :], axis=2)
    return float(np.mean(np.linalg.norm(courses - actual, axis=1)) - np.mean(distances) / 2)


def variogram_score(actual: Vector, courses: Vector) -> float:
    """Error of the differences between steps, by their square roots; detects a false correlation best.

    Mean over all pairs of steps. Source: Scheuerer & Hamill 2015, order 0.5.
    """
    expected = np.mean(np.sqrt(np.abs(courses[:, :, None] - courses[:, None, :])), axis=0)
    return float(np.mean((np.sqrt(np.abs(np.subtract.outer(actual, actual))) - expected) ** 2))
