"""Effect of an arm that was drawn, and a test that may look early and keeps its error: limits by alpha spending in the
manner of O'Brien and Fleming.

Each side has spent 2 - 2 Phi(z / sqrt(t)) by a share t of the information (Lan and DeMets 1983). The limits follow from
it by integrating the path of a Wiener process that has not crossed any limit before (Armitage, McPherson and Rowe
1969). A band of that many standard errors at each look holds at all looks together (Jennison and Turnbull).
"""

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Both sides together: a claim of either sign is false in 5 % of all experiments without an effect.
ALPHA = 0.1
# Shares of the whole at which an experiment is looked at, whoever asks when.
LOOKS = (0.25, 0.5, 0.75, 1.0)
# Beyond it nothing is spent in any experiment that a person lives to see.
_MOST = 8.0
_POINTS = 401
_NORMAL = NormalDist()


@lru_cache(maxsize=256)
def limits(shares: tuple[float, ...], alpha: float = ALPHA) -> tuple[float, ...]:
    """Standard errors that an effect must exceed at each look, either way.

    shares: of the information at each look, rising, above 0 and at most 1. alpha: of both sides together. Raises
    ValueError for others.
    """
    if not shares or any(b <= a for a, b in zip((0.0, *shares), shares, strict=False)) or shares[-1] > 1:
        raise ValueError(f"shares of the information rise from above 0 to 1, got {shares}")
    found: list[float] = []
    path = density = np.zeros(0)
    before = spent = 0.0
    for share in shares:
        due = (4.0 * _NORMAL.cdf(_NORMAL.inv_cdf(alpha / 4) / sqrt(share))) - spent
        spent += due
        step = sqrt(share - before)
        # The limit that a path, which crossed none so far, crosses at this look with probability `due`.
        root = sqrt(share)
        low, high = 0.0, _MOST
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if _crossing(path, density, step, middle * root) > due else (low, middle)
        limit = high
        edge = limit * sqrt(share)
        ahead = np.linspace(-edge, edge, _POINTS)
        density = _moved(path, density, ahead, step)
        path, before = ahead, share
        found.append(limit)
    return tuple(found)


def _crossing(path: Floats, density: Floats, step: float, edge: float) -> float:
    if not path.size:
        return 2.0 * _NORMAL.cdf(-edge / step)
    out = _tail((edge - path) / step) + _tail((edge + path) / step)
    return float(np.trapezoid(density * out, path))


def _tail(z: Floats) -> Floats:
    from scipy.special import ndtr

    found: Floats = ndtr(-z)
    return found


def _moved(path: Floats, density: Floats, ahead: Floats, step: float) -> Floats:
    """Density of the path at the next look, where it still goes on."""
    if not path.size:
        return _bell(ahead / step) / step
    steps = _bell((ahead[:, None] - path[None, :]) / step) / step * density[None, :]
    return np.asarray(np.trapezoid(steps, path, axis=1), np.float64)


def _bell(z: Floats) -> Floats:
    found: Floats = np.exp(-0.5 * z * z) / sqrt(2 * np.pi)
    return found


def widened(limit: float, freedom: float) -> float:
    """The limit where the standard error is itself estimated: of Student's t with the same chance beyond it."""
    from scipy.special import stdtrit

    return -float(stdtrit(freedom, max(_NORMAL.cdf(-limit), 1e-12)))


def first_exceedance(effects: Sequence[float], errors: Sequence[float], beyond: Sequence[float]) -> int | None:
    """The look at which an effect first exceeded its limit; None: none has."""
    pairs = zip(effects, errors, beyond, strict=True)
    return next((look for look, (effect, error, limit) in enumerate(pairs) if abs(effect) > limit * error), None)


def effect_of(
    outcome: Floats, is_other: Floats, extra: Floats, groups: Sequence[object] | None = None
) -> tuple[float, float, float]:
    """Effect of the other arm, its standard error, and the degrees of freedom, by least squares.

    extra: [n, k] what else is known, narrowing the error and moving no mean. groups: what was drawn together, as all
    that a site is shown of a kind; None: each on its own. Errors after HC3 (MacKinnon and White 1985), and its sums
    over groups.
    """
    size = outcome.size
    scale = np.where(np.ptp(extra, axis=0) > 0, extra.std(axis=0), 1.0) if extra.size else np.ones(extra.shape[1])
    known = (extra - extra.mean(axis=0)) / scale if extra.size else extra
    design = np.column_stack([is_other, np.ones(size), known])
    inverse = np.linalg.pinv(design.T @ design)
    beta = inverse @ design.T @ outcome
    leverage = np.minimum(np.einsum("ij,jk,ik->i", design, inverse, design), 0.95)
    scores = design * ((outcome - design @ beta) / (1.0 - leverage))[:, None]
    drawn = size
    if groups is not None:
        places = {name: place for place, name in enumerate(dict.fromkeys(groups))}
        summed = np.zeros((len(places), design.shape[1]))
        np.add.at(summed, [places[name] for name in groups], scores)
        scores, drawn = summed, len(places)
    spread = inverse @ scores.T @ scores @ inverse
    freedom = max(drawn - int(np.linalg.matrix_rank(design)), 1)
    return float(beta[0]), float(np.sqrt(max(spread[0, 0], 0.0))), float(freedom)
