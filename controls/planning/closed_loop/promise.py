"""What a plan over scenarios promises to cost in the hour that it covers, and how often that was passed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import numbers
from controls.optimiser.solution import Solution
from data_quality.contracts.control.closed_loop import Seen
from data_quality.contracts.model import Model

# A cost is passed where that is more than rounding.
_HAIR = 1e-6
_SURE = 1.96


@dataclass(frozen=True)
class Promised:
    """The cost of the first hour that is not passed with probability `level`, and prices to hold it against."""

    start_utc: datetime
    level: float
    cost: float
    buys: tuple[float, ...]
    sells: tuple[float, ...]


class Breaches(Model):
    """How often the hours cost more than promised. low, high: what chance alone leaves 95 % of the time (binomial)."""

    hours: int
    passed: int
    promised_share: float
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """Of hours; None where none was promised."""
        return self.passed / self.hours if self.hours else None


def promised_cost(case: DispatchCase, found: Solution) -> Promised:
    """Of the hour from the plan's start: its decisions are the same in all scenarios, load and sun are not."""
    steps = np.flatnonzero(np.cumsum(case.step_h) <= 1 + 1e-9)
    known, hours = case.uncertain, np.array(case.step_h)[steps]
    assert known is not None
    columns = {name: numbers(series) for name, series in found.series.devices.items()}
    buys, sells = (np.array(series)[steps] for series in (case.connection.import_price_per_kwh, case.connection.export_price_per_kwh))
    costs = []
    for one in known.scenarios:
        net = case.in_scenario(one).net_kw(columns)[steps]
        costs.append(float(hours @ (np.maximum(net, 0) * buys - np.maximum(-net, 0) * sells)))
    order = np.argsort(costs, kind="stable")
    reached = np.cumsum(np.array([known.scenarios[n].weight for n in order]))
    level = known.risk.cvar_level
    cost = costs[order[int(np.searchsorted(reached, level - 1e-9))]]
    return Promised(case.start_utc, level, cost, tuple(buys.tolist()), tuple(sells.tolist()))


def breaches(promises: Sequence[Promised], looks: Sequence[Seen]) -> Breaches:
    """Of hours for which a plan was made at their begin. looks: one a quarter hour, powers since the one before."""
    at = {look.at_utc: look for look in looks}
    level, hours, passed = 0.9, 0, 0
    for one in promises:
        ends = [one.start_utc + timedelta(minutes=15 * (n + 1)) for n in range(len(one.buys))]
        if len(ends) != 4 or any(end not in at for end in ends):
            continue
        paid = sum(
            0.25 * (at[end].import_kw * buys - at[end].export_kw * sells)
            for end, buys, sells in zip(ends, one.buys, one.sells, strict=True)
        )
        level, hours, passed = one.level, hours + 1, passed + (paid > one.cost + _HAIR)
    share = 1 - level
    apart = _SURE * float(np.sqrt(share * (1 - share) / hours)) if hours else 1.0
    return Breaches(hours=hours, passed=passed, promised_share=round(share, 9), low=max(share - apart, 0.0), high=share + apart)
