"""One plan over scenarios: what is slow or soon is decided once, the rest when it is known which scenario came.

Two stages in one program (extensive form): slow devices have their columns once, the others in every scenario, and in
the first hours their powers are equal (non-anticipativity). Minimised is (1 - w) E[cost] + w CVaR (Rockafellar and
Uryasev 2000; formulas 5.18). A battery that waits for the scenario knows more than it will: the plan is a bound from
below of what can be kept, and one in which nothing waits (`blind`) is one from above.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from controls.optimiser.backends.expressions import Floats, Linear, Places
from controls.optimiser.backends.program import Arrays, Program, Row
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Device
from controls.optimiser.lp_build import Problem, build_problem, label_of
from controls.optimiser.solution import Series, cost_of, series_of
from data_quality.contracts.control.plan_scenario import RiskFigures, Scenario, ScenarioCost, ScenarioSet, cost_at
from data_quality.contracts.errors import OurFault

# Of a smaller weight of the risk the mean alone is minimised: a solver takes its parts for zero.
_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True)
class TwoStage:
    """A case with its scenarios as one program. blind: every device does the same in all of them, to the end."""

    case: DispatchCase
    blind: bool = False

    @property
    def known(self) -> ScenarioSet:
        """Its scenarios."""
        if self.case.uncertain is None:
            raise OurFault(f"{self.case.case_id} has no scenarios")
        return self.case.uncertain

    @cached_property
    def soon(self) -> Places:
        """The steps that begin before anybody knows which scenario it is."""
        starts_h = np.cumsum(self.case.step_h) - self.case.step_h
        return np.flatnonzero(starts_h < self.known.risk.shared_h - 1e-9)

    @cached_property
    def cases(self) -> tuple[DispatchCase, ...]:
        """The case in each scenario."""
        return tuple(self.case.in_scenario(one) for one in self.known.scenarios)

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Of each scenario, in one program: families and columns after the first begin with the scenario's number."""
        program, found = Program(), list[Problem]()
        slow: dict[str, dict[str, Linear]] = {}
        for n, case in enumerate(self.cases):
            program.tag = f"s{n:02d}_"
            if n == 0:
                slow = self._slow(program, case)
            found.append(build_problem(case, program=program, given=slow))
            for device in case.devices:
                if n and not self._is_once(device) and not device.forecast:
                    self._shared(program, device, found)
        self._risk(program)
        return tuple(found)

    def _is_once(self, device: Device) -> bool:
        return device.is_slow or (self.blind and not device.forecast)

    def _slow(self, program: Program, case: DispatchCase) -> dict[str, dict[str, Linear]]:
        """First-stage devices, in the program once with their costs: their variables, by device id."""
        found, tag, around = {}, program.tag, case.around
        program.tag = ""
        for device in case.devices:
            if self._is_once(device):
                x = found[device.device_id] = device.variables(program, around)
                for row in device.rows(x, around):
                    program.add(label_of(case, device, row.family), device.prefix, row, steps=around.steps)
                for kind, term in device.cost(x, around.step_h):
                    program.costs.setdefault(kind, []).append(term)
        program.tag = tag
        return found

    def _shared(self, program: Program, device: Device, found: Sequence[Problem]) -> None:
        """In the hours before anybody knows which scenario it is, a device draws what it draws in the first."""
        if (first := self.soon).size:
            mine, others = (device.drawn_kw(each.variables[device.device_id]) for each in (found[-1], found[0]))
            program.add("shared", device.prefix, Row("shared", "shared", mine[first] == others[first], first), steps=0)

    def _risk(self, program: Program) -> None:
        """Value at risk and what each scenario costs beyond it."""
        risk = self.known.risk
        program.tag = ""
        if risk.cvar_weight < _LEAST_WEIGHT:
            return
        at_risk = program.new("risk_cost", 1, lower=-np.inf)
        beyond = program.new("risk_beyond", len(self.cases))
        for n, case in enumerate(self.cases):
            terms = [
                case.weights.get(kind, 1.0) * term.sum()
                for tagged, found in program.costs.items()
                if (kind := _kind_in(tagged, n))
                for term in found
            ]
            row = Row("risk", f"risk_{n:02d}", at_risk + beyond[n] >= sum(terms[1:], start=terms[0]))
            program.add("risk", "site", row, steps=0)
        shares = np.array([one.weight for one in self.known.scenarios]) / (1 - risk.cvar_level)
        program.costs["risk"] = [at_risk, shares * beyond]

    @cached_property
    def weights(self) -> dict[str, float]:
        """Of every kind of cost: by what it is, by its scenario and by risk."""
        risk, found = self.known.risk, dict[str, float]()
        for tagged in self.problems[0].program.costs:
            found[tagged] = self.case.weights.get(tagged, 1.0)
            for n, one in enumerate(self.known.scenarios):
                if kind := _kind_in(tagged, n):
                    found[tagged] = self.case.weights.get(kind, 1.0) * one.weight * (1 - risk.cvar_weight)
        return found | {"risk": risk.cvar_weight}

    @cached_property
    def arrays(self) -> Arrays:
        """The whole problem."""
        return self.problems[0].program.arrays(self.weights)

    def series(self, values: Floats) -> tuple[Series, ...]:
        """Series of each scenario. values: one a column."""
        return tuple(
            series_of(case, {device.device_id: problem.values(device.device_id, values) for device in case.devices})
            for case, problem in zip(self.cases, self.problems, strict=True)
        )

    def figures(self, series: Sequence[Series]) -> RiskFigures:
        """Cost of the plan in each scenario, and its risk figures."""
        costs = [cost_of(case, one, self.case.weights) for case, one in zip(self.cases, series, strict=True)]
        return risk_figures(self.known, costs)

    @cached_property
    def central(self) -> int:
        """The scenario whose net load lies closest to the mean one: that is shown as the plan."""
        net = np.array([_net_kw(case) for case in self.cases])
        weights = np.array([one.weight for one in self.known.scenarios])
        return int(np.abs(net - weights @ net).sum(axis=1).argmin())


def mean_case(case: DispatchCase) -> DispatchCase:
    """The case with the mean of its scenarios, as if nothing else could come."""
    known = case.uncertain.scenarios if case.uncertain else ()
    cases, weights = [case.in_scenario(one) for one in known], np.array([one.weight for one in known])

    def mean(series: Sequence[Sequence[float]]) -> tuple[float, ...]:
        return tuple((weights @ np.array(series)).tolist())

    names = sorted({name for one in known for name in one.given_kw})
    return case.in_scenario(
        Scenario(
            name="mean",
            weight=1.0,
            load_kw=mean([one.load_kw for one in cases]),
            given_kw={name: mean([one.given_kw.get(name) or _own_kw(case, name) for one in known]) for name in names},
            import_price_per_kwh=mean([one.connection.import_price_per_kwh for one in cases]),
            export_price_per_kwh=mean([one.connection.export_price_per_kwh for one in cases]),
        )
    )


def risk_figures(known: ScenarioSet, costs: Sequence[float]) -> RiskFigures:
    """Mean, value at risk and CVaR of one cost a scenario."""
    weights, level = np.array([one.weight for one in known.scenarios]), known.risk.cvar_level
    found = np.array(costs)
    each = tuple(
        ScenarioCost(name=one.name, weight=one.weight, cost=cost)
        for one, cost in zip(known.scenarios, costs, strict=True)
    )
    promised = cost_at(each, level)
    beyond = float(weights @ np.maximum(found - promised, 0.0)) / (1 - level)
    return RiskFigures(
        level=level,
        cvar_weight=known.risk.cvar_weight,
        expected_cost=float(weights @ found),
        promised_cost=promised,
        cvar=promised + beyond,
        costs=each,
    )


def weighed(figures: RiskFigures) -> float:
    """Objective minimised: expected cost and CVaR, weighted."""
    return (1 - figures.cvar_weight) * figures.expected_cost + figures.cvar_weight * figures.cvar


def _own_kw(case: DispatchCase, device_id: str) -> tuple[float, ...]:
    # What a device with a forecast draws, turned about, where nothing is decided: its forecast.
    device = next(one for one in case.devices if one.device_id == device_id)
    found: tuple[float, ...] = getattr(device, device.per_step[0])
    return found


def _net_kw(case: DispatchCase) -> Floats:
    given = [np.array(_own_kw(case, one.device_id)) for one in case.devices if one.forecast]
    return np.array(case.load_kw) - sum(given, start=np.zeros(len(case.load_kw)))


def _kind_in(tagged: str, scenario: int) -> str:
    """The kind of a cost of this scenario alone; empty for another."""
    kind, _, tag = tagged.rpartition(f"s{scenario:02d}_")
    return kind if not tag else ""
