"""Policies side by side: means over the houses they were run on, and how sure these are."""

from collections.abc import Sequence

import numpy as np

from controls.planning.closed_loop.run_loop import LoopRun
from data_quality.contracts.model import Model

# Of the mean over seeds, by resampling them: few houses say little, and no shape is assumed.
_RESAMPLED, _SURE = 2000, 0.9


class Between(Model):
    """Where the mean lies with 90 % confidence."""

    low: float
    high: float


class PolicyLine(Model):
    """Means over seeds; money in the site's currency, switchings of a mean relay. interval: by figure (bootstrap over
    seeds), empty for a single one. saved_share: of the cost without control, where that was run too.
    """

    name: str
    cost: float
    kgco2e: float
    discomfort_degree_hours: float
    breach_share: float
    cycles: float
    switchings: float
    self_consumption: float | None
    saved_share: float | None
    seeds: int
    interval: dict[str, Between]


def side_by_side(runs: Sequence[LoopRun]) -> tuple[PolicyLine, ...]:
    """One line a policy, in the order in which they were run."""
    by_policy = dict[str, list[LoopRun]]()
    for run in runs:
        by_policy.setdefault(run.policy, []).append(run)
    plain = {run.seed: run.lived.cost for run in by_policy.get("no_control", [])}
    return tuple(_line(name, each, plain) for name, each in by_policy.items())


def _line(name: str, runs: Sequence[LoopRun], plain: dict[int, float]) -> PolicyLine:
    values = {
        "cost": [run.lived.cost for run in runs],
        "kgco2e": [run.lived.kgco2e for run in runs],
        "discomfort_degree_hours": [run.lived.discomfort_kh for run in runs],
        "breach_share": [run.lived.breach_share for run in runs],
        "cycles": [run.lived.cycles for run in runs],
        "switchings": [run.lived.switchings for run in runs],
        "self_consumption": [run.self_consumption for run in runs if run.self_consumption is not None],
        "saved_share": [1 - run.lived.cost / plain[run.seed] for run in runs if plain.get(run.seed)],
    }
    means = {key: float(np.mean(found)) if found else None for key, found in values.items()}
    between = {key: _between(found) for key, found in values.items() if len(found) > 1}
    return PolicyLine.model_validate({"name": name, "seeds": len(runs), "interval": between, **means})


def _between(values: Sequence[float]) -> Between:
    # The same draws for all figures: whoever runs it again reads the same interval.
    drawn = np.random.default_rng(0).integers(0, len(values), (_RESAMPLED, len(values)))
    low, high = np.quantile(np.array(values)[drawn].mean(axis=1), [(1 - _SURE) / 2, (1 + _SURE) / 2]).tolist()
    return Between(low=low, high=high)
