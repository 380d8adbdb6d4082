"""The effect of an arm that was drawn, with a standard error that asks for no like variances."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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
