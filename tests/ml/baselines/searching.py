"""The search over balance points of daily models by temperature alone, as tests and the bench ask for it."""

import numpy as np

from ml.baselines.models.search import MIN_DAYS, MIN_DEGREE_DAYS, ModelSearch, search_features
from ml.baselines.models.statistics import Vector


def search_many(
    y: Vector,
    temps: Vector,
    *,
    bases_degc: Vector,
    common: Vector | None = None,
    weights: Vector | None = None,
    needs_positive_intercept: bool = False,
) -> ModelSearch:
    """Search all base temperatures of daily models.

    y: (meters, n) kWh per day; temps: (n,) where all meters have the same weather, else (meters, n); nan = unknown.
    common: (n, c) columns beside the intercept, or None; weights: (meters, n) of each day, ones if None.
    """
    known = np.isfinite(y) & np.isfinite(temps)
    weight: Vector = known.astype(np.float64) if weights is None else known * weights
    filled = np.where(np.isfinite(temps), temps, 0.0)
    difference = bases_degc - filled[..., None]
    heating, cooling = np.maximum(difference, 0.0), np.maximum(-difference, 0.0)
    present = known.astype(np.float64)
    qualified = tuple(
        (_counts((part > 0).astype(np.float64), present) >= MIN_DAYS) & (_counts(part, present) >= MIN_DEGREE_DAYS)
        for part in (heating, cooling)
    )
    return search_features(
        np.where(known, y, 0.0),
        heating,
        cooling,
        linear=filled,
        common=common,
        weights=weight,
        qualified=(qualified[0], qualified[1]),
        needs_positive_intercept=needs_positive_intercept,
    )


def _counts(values: Vector, present: Vector) -> Vector:
    sums: Vector = present @ values if values.ndim == 2 else np.einsum("mn,mnk->mk", present, values)
    return sums
