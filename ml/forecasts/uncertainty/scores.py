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
