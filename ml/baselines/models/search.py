"""Balance points searched over the whole grid at once, for one meter or a portfolio: batched normal equations.

Every model of the grid shares its columns with the others, so their sums of products are formed once; intercept, day
types and drivers are eliminated from them, and the one or two slopes left have a closed form. No model is fitted by
itself. Which of the found models is kept is decided in choose.py.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml.baselines.models.statistics import Vector

Mask = npt.NDArray[np.bool_]
# CalTRACK 3.3.2.1: a balance point needs that many days, and degree days.
MIN_DAYS, MIN_DEGREE_DAYS = 10, 20.0
# Two slopes of which the second hardly differs from the first in shape cannot be told apart.
_MIN_SHARE = 1e-7


@dataclass(frozen=True, slots=True)
class BestModels:
    """The best model of one shape for each meter: sse (inf where none qualifies), slopes, base temperatures, and how
    many of the grid were fitted and not taken for each reason.

    heating, cooling: places in the grid (−1: none); slope_h, slope_c: kWh per day and degree day.
    """

    sse: Vector
    heating: npt.NDArray[np.int64]
    cooling: npt.NDArray[np.int64]
    slope_h: Vector
    slope_c: Vector
    fitted: int
    reasons: dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class ModelSearch:
    """All shapes for each meter: mean, linear, heating, cooling, both, one_point. syy: weighted squares about the
    mean; n: rows in use; n_common: columns before the slopes.
    """

    shapes: dict[str, BestModels]
    syy: Vector
    n: Vector
    n_common: int


def search_features(
    y: Vector,
    heating: Vector,
    cooling: Vector,
    *,
    linear: Vector,
    common: Vector | None,
    weights: Vector,
    qualified: tuple[Mask, Mask],
    needs_positive_intercept: bool = False,
) -> ModelSearch:
    """Search all base temperatures, by degree days.

    y: (meters, n) kWh per day. heating, cooling: (n, K) or (meters, n, K); linear: (n,) or (meters, n). common: (n, c)
    columns beside the intercept, or None. weights (meters, n): 0 leaves a row out. qualified: (meters, K) of each
    base, heating and cooling.
    """
    n = (weights > 0).sum(axis=1).astype(np.float64)
    total = weights.sum(axis=1)
    mean = np.einsum("mn,mn->m", weights, y) / total
    # About the mean: in squares of large loads the digits of what varies would be lost.
    sums = _project(y - mean[:, None], heating, cooling, linear, common, weights)
    level = mean - sums.origin
    shapes = {
        "mean": _mean(sums),
        "linear": _linear(sums),
        "heating": _single(sums, 0, qualified[0], level, needs_positive_intercept),
        "cooling": _single(sums, 1, qualified[1], level, needs_positive_intercept),
        "both": _pair(sums, qualified, level, needs_positive_intercept),
        "one_point": _one_point(sums, qualified),
    }
    centred = np.einsum("mn,mn->m", weights, (y - mean[:, None]) ** 2)
    return ModelSearch(shapes=shapes, syy=centred, n=n, n_common=1 if common is None else 1 + common.shape[1])


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of products after intercept and common columns are eliminated. left_*: what remains of a column's own
    square, 0–1; shift_*: how much the intercept falls with one unit of the slope; origin: minus its start value.
    """

    syy: Vector
    hh: Vector
    cc: Vector
    hc: Vector
    hy: Vector
    cy: Vector
    tt: Vector
    ty: Vector
    share_h: Vector
    share_c: Vector
    share_t: Vector
    shift_h: Vector
    shift_c: Vector
    origin: Vector


def _project(
    y: Vector, heating: Vector, cooling: Vector, linear: Vector, common: Vector | None, weights: Vector
) -> _Sums:
    m, n = weights.shape
    ones = np.ones((n, 1))
    base = ones if common is None else np.column_stack([ones, common])
    weighted = weights * y
    inverse = _inverse(np.matmul(weights, (base[:, :, None] * base[:, None, :]).reshape(n, -1)), base.shape[1])
    zy = weighted @ base
    zy_i = np.einsum("mij,mj->mi", inverse, zy)
    parts = []
    for values in (heating, cooling, linear[..., None]):
        if values.ndim == 2:
            zk = np.matmul(weights, (base[:, :, None] * values[:, None, :]).reshape(n, -1)).reshape(
                m, base.shape[1], -1
            )
            ky, kk = weighted @ values, weights @ values**2
        else:
            zk = np.einsum("mn,nz,mnk->mzk", weights, base, values, optimize=True)
            ky, kk = np.einsum("mn,mnk->mk", weighted, values), np.einsum("mn,mnk->mk", weights, values**2)
        slope = np.einsum("mij,mjk->mik", inverse, zk)
        left = kk - np.einsum("mzk,mzk->mk", zk, slope)
        share = np.divide(left, kk, out=np.zeros_like(left), where=kk > 0)
        parts.append((left, ky - np.einsum("mz,mzk->mk", zy_i, zk), share, slope, zk))
    (hh, hy, share_h, slope_h, z_h), (cc, cy, share_c, slope_c, _), (tt, ty, share_t, _, _) = parts
    cross = _cross(heating, cooling, weights) - np.einsum("mzh,mzc->mhc", z_h, slope_c)
    syy = np.einsum("mn,mn->m", weighted, y) - np.einsum("mz,mz->m", zy, zy_i)
    return _Sums(
        syy=syy, hh=hh, cc=cc, hc=cross, hy=hy, cy=cy, tt=tt[:, 0], ty=ty[:, 0], share_h=share_h, share_c=share_c,
        share_t=share_t[:, 0], shift_h=slope_h[:, 0], shift_c=slope_c[:, 0], origin=-zy_i[:, 0],
    )  # fmt: skip


def _inverse(flat: Vector, size: int) -> Vector:
    gram = flat.reshape(-1, size, size)
    if size == 1:
        return np.divide(1.0, gram)
    # Columns that determine each other must not stop the search; whether the taken model is determined comes later.
    inverse: Vector = np.linalg.pinv(gram, hermitian=True).astype(np.float64, copy=False)
    return inverse


def _cross(heating: Vector, cooling: Vector, weights: Vector) -> Vector:
    if heating.ndim == 3:
        product: Vector = np.matmul(np.swapaxes(heating * weights[:, :, None], 1, 2), cooling)
        return product
    if (weights == weights[:1]).all():
        # The usual portfolio: no meter lacks a day, so one product serves all.
        shared = (heating * weights[0][:, None]).T @ cooling
        return np.broadcast_to(shared, (len(weights), *shared.shape))
    columns = (heating[:, :, None] * cooling[:, None, :]).reshape(len(heating), -1)
    return (weights @ columns).reshape(len(weights), heating.shape[1], cooling.shape[1])


def _mean(sums: _Sums) -> BestModels:
    none = np.full(len(sums.syy), -1)
    zero = np.zeros(len(sums.syy))
    return BestModels(np.maximum(sums.syy, 0.0), none, none, zero, zero, 1, {})


def _linear(sums: _Sums) -> BestModels:
    is_fit = sums.share_t > _MIN_SHARE
    slope = np.divide(sums.ty, sums.tt, out=np.zeros_like(sums.ty), where=is_fit)
    sse = np.where(is_fit, np.maximum(sums.syy - slope * sums.ty, 0.0), np.inf)
    none = np.full(len(sse), -1)
    return BestModels(sse, none, none, slope, np.zeros_like(slope), 1, {"no_variation": (~is_fit).astype(np.int64)})


def _single(sums: _Sums, side: int, qualified: Mask, level: Vector, needs_intercept: bool) -> BestModels:
    kk, ky, share, shift = (
        (sums.hh, sums.hy, sums.share_h, sums.shift_h),
        (sums.cc, sums.cy, sums.share_c, sums.shift_c),
    )[side]
    is_fit = share > _MIN_SHARE
    slope = np.divide(ky, kk, out=np.zeros_like(ky), where=is_fit)
    intercept = level[:, None] - shift * slope
    reasons, good = _verdicts(qualified & is_fit, slope > 0, intercept > 0 if needs_intercept else None)
    sse = np.where(good, np.maximum(sums.syy[:, None] - slope * ky, 0.0), np.inf)
    best = np.argmin(sse, axis=1)
    rows = np.arange(len(best))
    none, zero = np.full(len(best), -1), np.zeros(len(best))
    places = (best, none) if side == 0 else (none, best)
    slopes = (slope[rows, best], zero) if side == 0 else (zero, slope[rows, best])
    return BestModels(sse[rows, best], places[0], places[1], slopes[0], slopes[1], kk.shape[1], reasons)


def _two_slopes(hh: Vector, cc: Vector, hc: Vector, hy: Vector, cy: Vector) -> tuple[Vector, Vector, Mask]:
    product = hh * cc
    determinant = product - hc * hc
    is_fit = determinant > _MIN_SHARE * product
    scale = np.divide(1.0, determinant, out=np.zeros_like(determinant), where=is_fit)
    return (hy * cc - cy * hc) * scale, (cy * hh - hy * hc) * scale, is_fit


def _pair(sums: _Sums, qualified: tuple[Mask, Mask], level: Vector, needs_intercept: bool) -> BestModels:
    m, count = sums.hy.shape
    # The heating base is never above the cooling base: a mild day would need both.
    h, c = np.triu_indices(count)
    hh, cc, hc, hy, cy = sums.hh[:, h], sums.cc[:, c], sums.hc[:, h, c], sums.hy[:, h], sums.cy[:, c]
    slope_h, slope_c, is_fit = _two_slopes(hh, cc, hc, hy, cy)
    is_fit &= (sums.share_h[:, h] > _MIN_SHARE) & (sums.share_c[:, c] > _MIN_SHARE)
    is_positive = (slope_h > 0) & (slope_c > 0)
    intercept = level[:, None] - sums.shift_h[:, h] * slope_h - sums.shift_c[:, c] * slope_c
    usable = qualified[0][:, h] & qualified[1][:, c] & is_fit
    reasons, good = _verdicts(usable, is_positive, intercept > 0 if needs_intercept else None)
    sse = np.where(good, np.maximum(sums.syy[:, None] - slope_h * hy - slope_c * cy, 0.0), np.inf)
    best, rows = np.argmin(sse, axis=1), np.arange(m)
    return BestModels(sse[rows, best], h[best], c[best], slope_h[rows, best], slope_c[rows, best], len(h), reasons)


def _one_point(sums: _Sums, qualified: tuple[Mask, Mask]) -> BestModels:
    """One change point, a slope on either side; one of them falls where the other rises, or stays flat."""
    m, count = sums.hy.shape
    diagonal = np.arange(count)
    hc = sums.hc[:, diagonal, diagonal]
    slope_h, slope_c, is_fit = _two_slopes(sums.hh, sums.cc, hc, sums.hy, sums.cy)
    is_fit &= (sums.share_h > _MIN_SHARE) & (sums.share_c > _MIN_SHARE)
    # A warm side that uses less with heat, or a cold side that uses less with cold, is weather only where the other
    # side is steeper: else the line is one of rising energy through the point, and "linear" says it with less.
    is_rising = (slope_h > 0) & (slope_c <= 0) & (slope_h > -slope_c)
    is_falling = (slope_c > 0) & (slope_h <= 0) & (slope_c > -slope_h)
    reasons, good = _verdicts(qualified[0] & qualified[1] & is_fit, is_rising | is_falling, None)
    sse = np.where(good, np.maximum(sums.syy[:, None] - slope_h * sums.hy - slope_c * sums.cy, 0.0), np.inf)
    best, rows = np.argmin(sse, axis=1), np.arange(m)
    return BestModels(sse[rows, best], best, best, slope_h[rows, best], slope_c[rows, best], count, reasons)


def _verdicts(
    usable: Mask, has_sign: Mask, has_intercept: Mask | None
) -> tuple[dict[str, npt.NDArray[np.int64]], Mask]:
    """Candidates of the grid that are out, counted by the first reason that applies, and those that are in."""
    reasons = {"too_few_degree_days": (~usable).sum(axis=-1), "slope_not_positive": (usable & ~has_sign).sum(axis=-1)}
    good = usable & has_sign
    if has_intercept is not None:
        reasons["intercept_not_positive"] = (good & ~has_intercept).sum(axis=-1)
        good = good & has_intercept
    return reasons, good
