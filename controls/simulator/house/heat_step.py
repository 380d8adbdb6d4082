"""Heat balance of all rooms over a minute: exact, as long as what comes from outside stands still within it."""

from dataclasses import dataclass

import numpy as np

from controls.simulator.house.truth import Truth
from controls.simulator.physics.noise import Series

MINUTE_H = 1.0 / 60.0


@dataclass(frozen=True)
class HeatStep:
    """next = kept @ [nodes, heaters (0 or 1), kW that windows let in] + given @ kW of all else, a minute later.

    nodes: degC. The kW of all else hold what the outdoors give at 0 degC, so loss x outdoor temperature.
    """

    kept: Series
    given: Series


def heat_step(truth: Truth) -> HeatStep:
    """The matrices of a minute. Solves C dT/dt = -K T + kW by its exponential."""
    from scipy.linalg import expm, solve

    between, heat = truth.between_kw_per_k, truth.heat_kwh_per_k
    conducts = np.diag(truth.loss_kw_per_k + between.sum(axis=1)) - between
    rate = -conducts / heat[:, None]
    kept = expm(MINUTE_H * rate)
    # K is never singular: every node loses heat in the end.
    given = solve(conducts, heat[:, None] * (np.eye(heat.size) - kept) / heat[None, :])
    return HeatStep(kept=np.hstack([kept, given @ truth.to_nodes, given[:, : truth.rooms]]), given=given)
