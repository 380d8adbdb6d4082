"""Reconciliation of classes with their circuit: never negative, and together never more than the circuit."""

import numpy as np

from ml.features.series import Vector


def reconciled(estimates: list[Vector], variances: list[Vector], circuit: Vector, *, is_whole: bool) -> list[Vector]:
    """Estimates nearest to those given, in units of their own errors, that fit below the circuit in every step.

    variances: of each estimate, kWh²; a class without one keeps its estimate while it fits. A surplus is taken from
    each class by its variance, and no class goes below zero. is_whole: the classes are all that the circuit feeds, so
    what is missing is given to them the same way. NaN where the circuit has no reading. Source: diagonal minimum-trace
    reconciliation (Wickramasuriya et al. 2019).
    """
    found, weight = np.maximum(np.column_stack(estimates), 0.0), np.column_stack(variances)
    total = np.nan_to_num(circuit)
    for _ in range(len(estimates)):
        gap = total - found.sum(axis=1)
        gap = gap if is_whole else np.minimum(gap, 0.0)
        largest = weight.max(axis=1, keepdims=True)
        # First by the largest, as the sum of very small ones would overflow below a gap.
        shares = np.divide(weight, largest, out=np.zeros_like(weight), where=largest > 0)
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
        found = found + gap[:, None] * shares
        weight = np.where(found > 0, weight, 0.0)
        found = np.maximum(found, 0.0)
    # Classes that keep their estimate may leave a surplus: shared by size.
    over = found.sum(axis=1)
    found *= np.divide(total, over, out=np.ones_like(over), where=over > total)[:, None]
    found[np.isnan(circuit)] = np.nan
    return list(found.T)
