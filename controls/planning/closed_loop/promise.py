"""What a plan over scenarios promises to cost in the hour that it covers, and how often that was passed."""

from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import numbers
from controls.optimiser.moving_steps import STEP_H
from controls.optimiser.solution import Solution
from data_quality.contracts.control.closed_loop import Seen
from data_quality.contracts.errors import OurFault
from data_quality.contracts.model import Model

# A cost is passed where that is more than rounding.
_HAIR = 1e-6
_SURE = 1.96
# How fast promises learn: a broken one adds so much of what an hour usually costs; over how many hours that is.
_EASES, _USUAL_HOURS = 0.1, 168


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
    if known is None:
        raise OurFault(f"{case.case_id}: a plan without scenarios promises nothing")
    columns = {name: numbers(series) for name, series in found.series.devices.items()}
    buys, sells = (
        np.array(series)[steps]
        for series in (case.connection.import_price_per_kwh, case.connection.export_price_per_kwh)
    )
    costs = []
    for one in known.scenarios:
        net = case.in_scenario(one).net_kw(columns)[steps]
        costs.append(float(hours @ (np.maximum(net, 0) * buys - np.maximum(-net, 0) * sells)))
    order = np.argsort(costs, kind="stable")
    reached = np.cumsum(np.array([known.scenarios[n].weight for n in order]))
    level = known.risk.cvar_level
    cost = costs[order[int(np.searchsorted(reached, level - 1e-9))]]
    return Promised(case.start_utc, level, cost, tuple(buys.tolist()), tuple(sells.tolist()))


@dataclass
class Promises:
    """Promises made, and what the hours that they covered came to.

    ease: what is added to the next promise, as a share of what hours cost. It grows with each promise that is
    broken and falls with each that is kept, so that in the long run as many are broken as are said to be, whatever
    the scenarios leave out (adaptive conformal inference, Gibbs and Candes 2021).
    """

    level: float = 0.9
    ease: float = 0.0
    hours: int = 0
    passed: int = 0
    usual: float = 0.0
    _open: Promised | None = None
    _paid: list[float] = field(default_factory=list)

    def make(self, case: DispatchCase, found: Solution) -> None:
        """A plan's promise of its first hour; one that is not over is forgotten."""
        made = promised_cost(case, found)
        self.level = made.level
        self._open, self._paid = replace(made, cost=made.cost + self.ease * self.usual), []

    def look(self, seen: Seen) -> None:
        """A quarter hour more of the covered hour."""
        one = self._open
        if one is None or seen.at_utc <= one.start_utc:
            return
        n = len(self._paid)
        self._paid.append(STEP_H * (seen.import_kw * one.buys[n] - seen.export_kw * one.sells[n]))
        if len(self._paid) < len(one.buys):
            return
        paid, self._open = sum(self._paid), None
        is_passed = paid > one.cost + _HAIR
        self.hours, self.passed = self.hours + 1, self.passed + is_passed
        self.usual += (abs(paid) - self.usual) / min(self.hours, _USUAL_HOURS)
        self.ease += _EASES * (is_passed - (1 - self.level))

    @property
    def breaches(self) -> Breaches:
        """How often they were broken."""
        share = 1 - self.level
        apart = _SURE * float(np.sqrt(share * (1 - share) / self.hours)) if self.hours else 1.0
        return Breaches(
            hours=self.hours,
            passed=self.passed,
            promised_share=round(share, 9),
            low=max(share - apart, 0.0),
            high=share + apart,
        )
