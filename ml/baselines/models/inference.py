"""Least squares and what follows from it: coefficients, their covariance and tests, and many refits at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from data_quality.contracts.baselines.baseline import Coefficient
from ml.baselines.models.statistics import Vector, variance_inflation

# Columns of the design that nearly determine each other: beyond this condition of the scaled normal equations a
# coefficient means nothing.
_SINGULAR = 1e-12
# Sets of rows solved together: their counts over a year of hours take 4 MB.
_BLOCK = 64


def solve(design: Vector, y: Vector, weights: Vector) -> Vector:
    """Weighted least squares of the weighted design (numpy's, by its singular values): (p,) coefficients."""
    # Not by normal equations: they square the condition, and one fit has the time.
    root = np.sqrt(weights)
    values: Vector = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0].astype(np.float64, copy=False)
    return values


def is_determined(design: Vector, weights: Vector) -> bool:
    """True where no column is a combination of the others."""
    gram = _scaled_gram(design, weights)
    return bool(np.linalg.eigvalsh(gram)[0] > _SINGULAR)


def _scaled_gram(design: Vector, weights: Vector) -> Vector:
    gram = design.T @ (design * weights[:, None])
    size = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    scaled: Vector = gram / np.outer(size, size)
    return scaled


def covariance_of(design: Vector, residuals: Vector, weights: Vector) -> Vector:
    """s²·(X'WX)⁻¹ with s² = Σw·e² / (n − p)."""
    n, p = design.shape
    variance = float(np.sum(weights * residuals**2)) / max(n - p, 1)
    covariance: Vector = variance * inverse_of(design.T @ (design * weights[:, None]))
    return covariance


def inverse_of(gram: Vector) -> Vector:
    """Inverse of a sum of squares and products; the one of minimum norm where columns determine each other."""
    size = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    scaled = gram / np.outer(size, size)
    try:
        inverse = np.linalg.inv(scaled)
    except np.linalg.LinAlgError:
        inverse = np.linalg.pinv(scaled, hermitian=True)
    found: Vector = inverse / np.outer(size, size)
    return found


def coefficient_table(
    names: Sequence[str], values: Vector, design: Vector, residuals: Vector, weights: Vector, confidence: float
) -> tuple[Coefficient, ...]:
    """Each coefficient with standard error, two-sided t interval, p-value and variance inflation."""
    # Not scipy.stats, which is slow to import for two functions.
    from scipy.special import stdtr, stdtrit

    dof = max(len(residuals) - len(values), 1)
    errors = np.sqrt(np.maximum(np.diag(covariance_of(design, residuals, weights)), 0.0))
    reach = float(stdtrit(dof, 0.5 + confidence / 2.0))
    t_values = np.divide(values, errors, out=np.full_like(values, np.inf), where=errors > 0)
    p_values = 2.0 * stdtr(dof, -np.abs(t_values))
    vif = variance_inflation(design, weights)
    return tuple(
        Coefficient(
            name=name,
            value=float(values[j]),
            standard_error=float(errors[j]),
            ci_low=float(values[j] - reach * errors[j]),
            ci_high=float(values[j] + reach * errors[j]),
            p_value=float(p_values[j]),
            vif=vif[j],
        )
        for j, name in enumerate(names)
    )


def solve_many(design: Vector, y: Vector, weights: Vector, rows: npt.NDArray[np.int64], *, levels: int = 0) -> Vector:
    """Coefficients (B, p) of weighted least squares on each set of rows (B, k), repeats allowed.

    How often each row was drawn is its weight: one product of matrices gives the normal equations of a block of sets.
    levels: that many first columns are 0/1 and exclude each other (levels of the hours of the week): they are
    eliminated first. A level that was never drawn keeps the value nearest to nothing (minimum norm).
    """
    n = len(y)
    found = np.empty((len(rows), design.shape[1]))
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        flat = block + np.arange(len(block))[:, None] * n
        counts = np.bincount(flat.ravel(), minlength=len(block) * n).reshape(len(block), n).astype(np.float64)
        found[first : first + len(block)] = (
            _with_levels(design, y, counts * weights, levels) if levels else _plain(design, y, counts * weights)
        )
    return found


def _plain(design: Vector, y: Vector, counts: Vector) -> Vector:
    p = design.shape[1]
    products = (design[:, :, None] * design[:, None, :]).reshape(len(y), p * p)
    gram = (counts @ products).reshape(-1, p, p)
    moments = counts @ (design * y[:, None])
    return solve_stack(gram, moments)


def _with_levels(design: Vector, y: Vector, counts: Vector, levels: int) -> Vector:
    # reduceat sums runs: rows of a level must stand together.
    order = np.argsort(np.argmax(design[:, :levels], axis=1), kind="stable")
    level = np.argmax(design[order, :levels], axis=1)
    starts = np.flatnonzero(np.diff(level, prepend=-1))
    pieces, target, weight = design[order, levels:], y[order], counts[:, order]
    totals = _by_level(weight, starts)
    totals_y = _by_level(weight * target, starts)
    q = pieces.shape[1]
    mixed = np.stack([_by_level(weight * pieces[:, j], starts) for j in range(q)], axis=2) if q else None
    safe = np.where(totals > 0, totals, 1.0)
    if mixed is None:
        return totals_y / safe
    products = (pieces[:, :, None] * pieces[:, None, :]).reshape(len(target), q * q)
    gram = (weight @ products).reshape(-1, q, q) - np.einsum("blj,blk->bjk", mixed / safe[:, :, None], mixed)
    moments = weight @ (pieces * target[:, None]) - np.einsum("blj,bl->bj", mixed, totals_y / safe)
    slopes = solve_stack(gram, moments)
    means = (totals_y - np.einsum("blj,bj->bl", mixed, slopes)) / safe
    return np.concatenate([means, slopes], axis=1)


def _by_level(values: Vector, starts: npt.NDArray[np.int64]) -> Vector:
    sums: Vector = np.add.reduceat(values, starts, axis=1)
    return sums


def solve_stack(gram: Vector, moments: Vector) -> Vector:
    """A stack of small normal equations; those that do not determine their coefficients are solved by minimum norm."""
    size = np.sqrt(np.maximum(np.einsum("...jj->...j", gram), 1e-300))
    scaled = gram / (size[..., :, None] * size[..., None, :])
    right = moments / size
    lowest = np.linalg.eigvalsh(scaled)[..., 0] if gram.shape[-1] else np.ones(gram.shape[:-2])
    out = np.empty_like(right)
    good = lowest > _SINGULAR
    if good.any():
        out[good] = np.linalg.solve(scaled[good], right[good][..., None])[..., 0]
    if not good.all():
        out[~good] = np.einsum("...jk,...k->...j", np.linalg.pinv(scaled[~good], hermitian=True), right[~good])
    solved: Vector = out / size
    return solved
