"""Cost of a day under each policy, on the same load, sun and prices: one function a policy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
from pydantic import ValidationError

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.case import DispatchCase, without_control
from controls.optimiser.devices.device import MONEY, Device, Numbers, numbers
from controls.optimiser.objective import active_measures
from controls.optimiser.solution import Series, Solution, costs_of
from controls.optimiser.solve import solve
from controls.planning.replay.day_scenario import DayScenario
from controls.planning.replay.decisions import (
    Followed,
    closed_series,
    cut_from,
    decided,
    done,
    executed_decisions,
    governed_by,
    measured_ends,
    planned_decisions,
    with_actual_inputs,
)
from data_quality.contracts.control.plan import Objective, Plan, Preset
from data_quality.contracts.finding import Finding
from data_quality.contracts.model_faults import sentence_of

# Increment for the cost of a kWh at the end of the day.
_MORE = 0.1
# Stored amounts that differ by less are the same.
_HAIR = 1e-6


@dataclass(frozen=True)
class PolicyRun:
    """Payments of a policy on the day, by kind of cost, and what it left in each store.

    most_kw: the highest import and the highest export.
    """

    costs: Mapping[str, float]
    ends: Mapping[str, float]
    most_kw: tuple[float, float]
    findings: tuple[Finding, ...] = ()

    @property
    def paid(self) -> float:
        """Money alone: what only weighs in an objective is nobody's bill, and what is left is valued apart."""
        return sum(cost for kind, cost in self.costs.items() if kind in MONEY - {"stored"})


Policy = Callable[["Judged"], PolicyRun | Finding]
# By the name that the command line has for it.
POLICIES: dict[str, Policy] = {}


def policy(name: str) -> Callable[[Policy], Policy]:
    """Make a function over a day a policy."""

    def register(function: Policy) -> Policy:
        POLICIES[name] = function
        return function

    return register


@dataclass(frozen=True)
class Judged:
    """A past day with what all policies are held against: perfect foresight, and the price of what a store holds."""

    day: DayScenario
    _ran: dict[str, PolicyRun | Finding] = field(default_factory=dict)

    def run(self, name: str) -> PolicyRun | Finding:
        """Result of a policy; each runs once."""
        if name not in self._ran:
            self._ran[name] = POLICIES[name](self)
        return self._ran[name]

    def cost(self, run: PolicyRun) -> float:
        """Paid, and what was left in the stores less than at the begin of the day, at its price."""
        return run.paid + self.charge_value(run)

    def charge_value(self, run: PolicyRun) -> float:
        """Cost with foresight of leaving the required amounts in the stores, less that of leaving the run's own.

        So no policy gains on it by its end, however many relays and modes there are. What is left outside a store's
        window, or could not have been left with foresight, counts at `charge_prices`.
        """
        left = {name: run.ends[name] for name in self.wanted}
        devices, saved = self._leaving(left), 0.0
        ends = {one.device_id: one.state.end for one in devices if one.state}
        if any(abs(ends[name] - wanted) > _HAIR for name, wanted in self.wanted.items()):
            answer = solved(self.day.case.model_copy(update={"devices": devices}))
            if isinstance(answer, Solution) and isinstance(self.foresight, Solution):
                saved = self.foresight.objective - answer.objective
            else:
                ends = self.wanted
        rest = {name: ends[name] - amount for name, amount in left.items() if abs(ends[name] - amount) > _HAIR}
        return saved + sum(self.charge_prices[name] * amount for name, amount in rest.items())

    def _leaving(self, ends: Mapping[str, float]) -> tuple[Device, ...]:
        """The devices of the day, to leave other amounts, or the nearest that they may."""
        return tuple(
            one.with_state(end=ends[one.device_id]) or one if one.device_id in ends else one
            for one in self.day.case.devices
        )

    @cached_property
    def wanted(self) -> dict[str, float]:
        """Required amount in each store at the end: as at the start, or the nearest allowed.

        Without devices that are taken away: a car leaves with the required energy under every policy.
        """
        kept = (one for one in self.day.case.devices if not one.is_taken_away)
        return {device.device_id: device.state.end for device in kept if device.state}

    @cached_property
    def foresight(self) -> Solution | Finding:
        """The cheapest that was possible on the day."""
        return solved(self.day.case)

    @cached_property
    def charge_prices(self) -> dict[str, float]:
        """Cost of a unit more in each store at the end of the day with perfect foresight."""
        return {name: self._charge_price(name) for name in self.wanted}

    def _charge_price(self, name: str) -> float:
        case = self.day.case
        found = {}
        for more in (_MORE, -_MORE):
            others = self._leaving({name: self.wanted[name] + more})
            answer = solved(case.model_copy(update={"devices": others}))
            state = next(one.state for one in others if one.device_id == name)
            gap = state.end - self.wanted[name] if state else 0.0
            # A store that is to be left full can hold no more: then what a unit less would have saved.
            if isinstance(answer, Solution) and isinstance(self.foresight, Solution) and abs(gap) > _MORE / 2:
                found[more] = (answer.objective - self.foresight.objective) / gap
                break
        return next(iter(found.values()), 0.0)


def solved(case: DispatchCase) -> Solution | Finding:
    """The cheapest schedule. Where what happened is more than the connection is rated, it carries that."""
    answer = solve(case)
    if isinstance(answer, Solution):
        return answer
    alone = without_control(case)
    return solve(case.model_copy(update={"connection": alone.connection}))


@policy("no_control")
def no_control(judged: Judged) -> PolicyRun | Finding:
    """Nothing is planned; PV is still curtailed where that pays."""
    case = without_control(judged.day.case)
    answer = solve(case)
    if isinstance(answer, Finding):
        return answer
    return PolicyRun(answer.costs, _ends(judged, answer.series), _most_kw(answer.series))


@policy("self_consumption")
def self_consumption(judged: Judged) -> PolicyRun | Finding:
    """Store the surplus regardless of prices: cars and tanks first, which still have the required amount in time;
    then batteries, which follow the meter.
    """
    columns = by_rules(judged.day.case, judged.day.step_h)
    return columns if isinstance(columns, Finding) else run_of(judged, columns)


def by_rules(case: DispatchCase, step_h: Floats) -> dict[str, Numbers] | Finding:
    """The series of every device by the rule of `self_consumption`."""
    load_kw, ruled = np.array(case.load_kw), dict[str, Numbers]()
    nothing = np.zeros(len(step_h))
    by_rule = {d.device_id for d in case.devices if d.by_rule(nothing, step_h) is not None}
    others = [device for device in case.devices if device.device_id not in by_rule]
    net_kw = load_kw + sum((d.drawn_kw(dict.fromkeys(d.columns, nothing)) for d in others), nothing)
    # What can also give comes last: it meets the need that the others have.
    for device in sorted(case.devices, key=lambda one: np.max(one.reach_kw()[1]) > 0):
        columns = device.by_rule(net_kw, step_h)
        if columns is not None:
            ruled[device.device_id] = done(device, columns, step_h)
            drawn_kw = device.drawn_kw(ruled[device.device_id])
            net_kw, load_kw = net_kw + drawn_kw, load_kw + drawn_kw
    # What is left to choose is what nobody plans anyway: PV that is curtailed where that pays.
    rest = case.model_copy(update={"devices": tuple(others), "load_kw": tuple(load_kw.tolist())})
    answer = solve(without_control(rest))
    if isinstance(answer, Finding):
        return answer
    # What has no rule and is not there without control, as a load that nobody sheds, does nothing.
    idle = {device.device_id: dict.fromkeys(device.columns, nothing) for device in others}
    return idle | ruled | {name: numbers(columns) for name, columns in answer.series.devices.items()}


@policy("planned")
def planned(judged: Judged) -> PolicyRun | Finding:
    """Every set-point as planned, on the load and sun that came: the grid closes the balance."""
    return run_of(judged, decided(judged.day, planned_decisions(judged.day)))


@policy("executed")
def executed(judged: Judged) -> PolicyRun | Finding:
    """Execution proven by the devices' own meters or by read-back; their stores as last measured."""
    decisions, proven, slots = executed_decisions(judged.day)
    if not proven:
        message = "no meter and no read-back proves what any device did: executed is not known"
        return Finding(code="no_proof", message=message)
    run = run_of(judged, decided(judged.day, decisions))
    findings = []
    if proven < slots:
        message = f"{slots - proven} of {slots} decisions are not proven; they count as executed as planned"
        findings.append(Finding(code="partly_proven", message=message, facts={"proven": proven, "decisions": slots}))
    return replace(run, ends={**run.ends, **measured_ends(judged.day, decisions)}, findings=tuple(findings))


@policy("right_forecasts")
def right_forecasts(judged: Judged) -> PolicyRun | Finding:
    """The same plans at the same instants, horizons and rules, had load, sun and prices been forecast as they came.

    Each plan begins with what the one before left. Beyond what is known today the forecasts of then stay.
    """
    return _replanned(judged, partial(with_actual_inputs, judged.day))


@policy("perfect_foresight")
def perfect_foresight(judged: Judged) -> PolicyRun | Finding:
    """The cheapest of all, had the whole day been known at its begin."""
    answer = judged.foresight
    if isinstance(answer, Finding):
        return answer
    return run_of(judged, {name: numbers(columns) for name, columns in answer.series.devices.items()})


def _by_preset(judged: Judged, preset: Preset) -> PolicyRun | Finding:
    """The plans by another objective, from the same inputs as of then."""
    day = judged.day

    def wished(plan: Plan, step: int, states: Mapping[str, float]) -> DispatchCase | Finding:
        case = cut_from(day, plan, step, states)
        try:
            objective = Objective.model_validate({**case.objective.model_dump(), "preset": preset})
        except ValidationError as error:
            return Finding(code="no_objective", message=sentence_of(error.errors()[0]))
        if "carbon" in active_measures(objective) and case.carbon_kgco2e_per_kwh is None:
            return Finding(code="no_objective", message="the plans of the day do not know the carbon of a kWh")
        return case.model_copy(update={"objective": objective})

    return _replanned(judged, wished)


def _replanned(
    judged: Judged, case_of_plan: Callable[[Plan, int, Mapping[str, float]], DispatchCase | Finding]
) -> PolicyRun | Finding:
    """Every plan of the day once more at its instant, each from what the one before left, on the day as it was.

    case_of_plan: the problem of a plan from one of its steps on, with what each store holds by then.
    """
    day, states = judged.day, dict(judged.day.begun)
    followed = Followed(day.case.devices)
    for plan, slots in governed_by(day):
        case = case_of_plan(plan, slots[0].step, states)
        if isinstance(case, Finding):
            return case
        answer = solved(case)
        if isinstance(answer, Finding):
            return answer
        followed.follow(case, answer.series, len(slots))
        held = {
            one.device_id: one.carried(answer.series.devices[one.device_id], len(slots) - 1) for one in case.devices
        }
        states = {name: amount for name, amount in (states | held).items() if amount is not None}
    return run_of(judged, followed.done(day.step_h))


def run_of(judged: Judged, columns: Mapping[str, Numbers]) -> PolicyRun:
    """Costs of the series of the day's devices; the grid closes the balance."""
    series = closed_series(judged.day.case, columns)
    return PolicyRun(costs_of(judged.day.case, series), _ends(judged, series), _most_kw(series))


def _most_kw(series: Series) -> tuple[float, float]:
    return max(series.connection["import_kw"]), max(series.connection["export_kw"])


def _ends(judged: Judged, series: Series) -> dict[str, float]:
    """Amount in each store at the end; unchanged for a device without series."""
    return {
        device.device_id: series.devices[device.device_id][device.state.column][-1]
        if device.device_id in series.devices
        else device.state.start
        for device in judged.day.case.devices
        if device.state
    }


# Asked by name only: each is a day of plans more.
PRESETS: tuple[Preset, ...] = ("economic", "comfort", "environmental", "balanced", "peak_shaving")
for _preset in PRESETS:
    POLICIES[_preset] = partial(_by_preset, preset=_preset)
DEFAULT = tuple(name for name in POLICIES if name not in PRESETS)
