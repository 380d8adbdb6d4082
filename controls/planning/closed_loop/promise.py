"""Expected cost of a plan over scenarios in the hour that it covers, and how often it was exceeded."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.plans import PlanStore
from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.devices.connection import at_the_grid
from controls.optimiser.devices.device import numbers
from controls.optimiser.moving_steps import STEP_H
from controls.optimiser.solution import Series
from controls.planning.frozen_plan import series_of
from controls.planning.plan_inputs import STEP
from controls.planning.replay.day_readings import power_kw
from data_quality.contracts.control.closed_loop import SiteObservation
from data_quality.contracts.errors import OurFault, WorldFault
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site

# A cost is passed where that is more than rounding.
_HAIR = 1e-6
_SURE = 1.96
# Stored plans of so long are held against what came.
LOOKED_BACK, _HOUR = timedelta(days=3), timedelta(hours=1)
# How fast promises learn: a broken one adds so much of what an hour usually costs; over how many hours that is.
_EASES, _USUAL_HOURS = 0.1, 168


@dataclass(frozen=True)
class CostBound:
    """The cost of the first hour that is not passed with probability `level`, and prices to hold it against."""

    start_utc: datetime
    level: float
    cost: float
    buys: tuple[float, ...]
    sells: tuple[float, ...]


class Breaches(Model):
    """Share of hours that cost more than promised. low, high: what chance alone leaves 95 % of the time (binomial)."""

    hours: int
    passed: int
    promised_share: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """Share of hours above the promised cost, next to the promised share, as text."""
        if self.share is None:
            return f"no hour is over that was promised; {self.promised_share:.0%} of them may cost more"
        return (
            f"{self.passed} of {self.hours} hours cost more than promised, {self.share:.1%} where"
            f" {self.promised_share:.0%} were (chance alone: {self.low:.1%} to {self.high:.1%})"
        )

    @property
    def share(self) -> float | None:
        """Of hours; None where none was promised."""
        return self.passed / self.hours if self.hours else None


def promised_cost(case: DispatchCase, series: Series) -> CostBound:
    """Of the hour from the plan's start: its decisions are the same in all scenarios, load and sun are not."""
    steps = np.flatnonzero(np.cumsum(case.step_h) <= 1 + 1e-9)
    known, hours = case.uncertain, np.array(case.step_h)[steps]
    if known is None:
        raise OurFault(f"{case.case_id}: a plan without scenarios promises nothing")
    columns = {name: numbers(each) for name, each in series.devices.items()}
    buys, sells = (
        np.array(price)[steps] for price in (case.connection.import_price_per_kwh, case.connection.export_price_per_kwh)
    )
    costs = []
    for one in known.scenarios:
        net = case.in_scenario(one).net_kw(columns)[steps]
        costs.append(float(hours @ (np.maximum(net, 0) * buys - np.maximum(-net, 0) * sells)))
    order = np.argsort(costs, kind="stable")
    reached = np.cumsum(np.array([known.scenarios[n].weight for n in order]))
    level = known.risk.cvar_level
    cost = costs[order[int(np.searchsorted(reached, level - 1e-9))]]
    return CostBound(case.start_utc, level, cost, tuple(buys.tolist()), tuple(sells.tolist()))


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
    _open: CostBound | None = None
    _paid: list[float] = field(default_factory=list)

    def make(self, case: DispatchCase, series: Series) -> None:
        """A plan's promise of its first hour; one that is not over is forgotten."""
        made = promised_cost(case, series)
        self.level = made.level
        self._open, self._paid = replace(made, cost=made.cost + self.ease * self.usual), []

    def look(self, seen: SiteObservation) -> None:
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
        """Number of times that they were broken."""
        share = 1 - self.level
        margin = _SURE * float(np.sqrt(share * (1 - share) / self.hours)) if self.hours else 1.0
        return Breaches(
            hours=self.hours,
            passed=self.passed,
            promised_share=round(share, 9),
            low=max(share - margin, 0.0),
            high=share + margin,
        )


class CoveredHour(Model):
    """First hour of a stored plan over scenarios: what it was promised not to cost, and what it cost by the meters."""

    plan_id: str
    start_utc: datetime
    promised: float
    paid: float

    @property
    def is_passed(self) -> bool:
        """Whether it cost more."""
        return self.paid > self.promised + _HAIR


def covered_hours(site: Site, lake: Lake, plans: PlanStore, *, now_utc: datetime) -> tuple[list[CoveredHour], Breaches]:
    """Promised hours of the stored plans of the last days, by the meters at the grid, and how often they were broken.

    Hours that another plan took over in, or that are not read whole, are left out. A stored promise learns nothing of
    those before.
    """
    stored = [_stored_promise(plans, each) for each in plans.begun_ids(site.site_id, now_utc - LOOKED_BACK, now_utc)]
    meters = [meter.meter_id for meter in at_the_grid(site)]
    frame = lake.current(site.site_id, start_utc=now_utc - LOOKED_BACK, end_utc=now_utc, meters=meters)
    bought, sold = ([power_kw(frame, site, meter, way) for meter in meters] for way in ("import", "export"))
    kept, found = Promises(), list[CoveredHour]()
    for one, after in zip_longest(stored, stored[1:]):
        made = one.promised
        if made is None or (after is not None and after.start_utc < one.start_utc + _HOUR):
            continue
        paid = 0.0
        for n, (buy, sell) in enumerate(zip(made.buys, made.sells, strict=True)):
            at = one.start_utc + n * STEP
            import_kw = sum(known.get(at, np.nan) for known in bought)
            # A meter that counts one way alone has no export.
            export_kw = sum(known.get(at, np.nan) for known in sold if known)
            paid += STEP_H * (import_kw * buy - export_kw * sell)
        if np.isfinite(paid):
            found.append(CoveredHour(plan_id=one.plan_id, start_utc=one.start_utc, promised=made.cost, paid=paid))
            kept.level = made.level
    kept.hours, kept.passed = len(found), sum(each.is_passed for each in found)
    return found, kept.breaches


class _StoredPromise(NamedTuple):
    """Promise of a stored plan; None where it is not over scenarios."""

    plan_id: str
    start_utc: datetime
    promised: CostBound | None


def _stored_promise(plans: PlanStore, plan_id: str) -> _StoredPromise:
    """Kept by its id: a stored plan never changes, and reading it back takes a while."""

    def read() -> _StoredPromise:
        plan = plans.get(plan_id)
        is_promised = plan.request.uncertain is not None
        promised = promised_cost(case_of(plan.request), series_of(plan)) if is_promised else None
        return _StoredPromise(plan_id, plan.request.start_utc, promised)

    return plans.cache.once("promises", plan_id, read)


def coverage_sentence(site: Site, lake: Lake, plans: PlanStore, *, now_utc: datetime) -> str:
    """The same in a sentence; where nobody can tell, why: a good plan is none the worse for it."""
    try:
        return covered_hours(site, lake, plans, now_utc=now_utc)[1].sentence
    except WorldFault as fault:
        return f"how earlier plans kept theirs is not known: {fault}"
