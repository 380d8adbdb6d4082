"""A plan over scenarios for its explanation: shared decisions in the whole program, the rest in one scenario.

What is slow or soon is the same in every scenario, so another choice there is one in all of them, and its cost is that
of the plan. What is decided later is asked in the scenario that is shown, with all that is shared held.
"""

from dataclasses import dataclass

import numpy as np

from controls.optimiser.backends.expressions import Constraint
from controls.optimiser.backends.program import Row
from controls.optimiser.backends.solve_highs import run_highs
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Device
from controls.optimiser.explain.solved_case import NOISE, SolvedCase, kept
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Solution, cost_of
from controls.optimiser.stochastic.two_stage import TwoStage

# What is held may differ by this, kW: a plan is true to less, and equal to the last digit no solver keeps it.
_HAIR_KW = 1e-8


@dataclass(frozen=True)
class Views:
    """shown: the case, or the scenario that is shown; whole: all scenarios; soon: steps that all share; weight: what a
    unit of the shown scenario's cost adds to the plan's. Without scenarios both are one, and nothing is shared.
    """

    shown: SolvedCase
    whole: SolvedCase
    soon: frozenset[int] = frozenset()
    scenario: str = ""
    scenarios: int = 0
    weight: float = 1.0

    def is_shared(self, device: Device | None, t: int | None) -> bool:
        """Whether a device (None: the connection) does the same in all scenarios in a step (None: in all steps)."""
        if not self.scenarios:
            return False
        return (device is not None and device.is_slow) or (t in self.soon and not (device and device.forecast))

    def price(self, row: int, device: Device | None, t: int | None) -> float:
        """Shadow price of a row's right side, per unit: over all scenarios, or in the one shown."""
        return float(self.whole.duals[row]) / (1.0 if self.is_shared(device, t) else self.weight)

    def marginal_price(self, t: int) -> float:
        """Marginal price of a kWh of load in step t: over all scenarios, or in the one shown."""
        balances = [each for each in self.whole.problem.program.families if each.label == "power_balance"]
        rows = [each.first + t for each in balances if t in self.soon or each.prefix in self.whole.parts]
        # The row equates supply and load in kW: one kW more over the step is step_h kWh more.
        return kept(sum(self.price(row, None, t) for row in rows) / self.shown.case.step_h[t])


def views_of(case: DispatchCase, solution: Solution) -> Views:
    """Views of a solved case. solution: with its solver's values."""
    if case.uncertain is None:
        solved = SolvedCase.of(case, solution)
        return Views(solved, solved)
    both, values = TwoStage(case), np.array(solution.values)
    problem, one = both.problems[both.central], both.known.scenarios[both.central]
    tag = f"s{both.central:02d}_"
    shown = both.cases[both.central]
    slow = {device.prefix for device in case.devices if device.is_slow}
    whole = SolvedCase(
        case=shown,
        solution=solution,
        problem=problem,
        arrays=both.arrays,
        values=values,
        objective=solution.objective,
        noise=max(NOISE, solution.objective - solution.bound),
        parts={("" if part.prefix in slow else tag) + part.prefix: part for part in shown.parts},
    )
    risk = both.known.risk
    beyond = [each.first for each in problem.program.families if each.label == "risk"]
    # What lies beyond the value at risk counts once more; where only that counts, the others do not.
    more = float(whole.duals[beyond[both.central]]) if beyond else 0.0
    weight = (1 - risk.cvar_weight) * one.weight + more
    return Views(
        shown=_held(both, whole),
        whole=whole,
        soon=frozenset(both.soon.tolist()),
        scenario=one.name,
        scenarios=len(both.cases),
        weight=weight if weight > NOISE else 1.0,
    )


def _held(both: TwoStage, whole: SolvedCase) -> SolvedCase:
    """The scenario that is shown, with what all scenarios share held as planned."""
    case, solution = whole.case, whole.solution
    problem, steps = build_problem(case), np.arange(len(case.step_h))
    values = np.zeros(problem.program.width)
    for part_id, variables in problem.variables.items():
        for name, columns in variables.items():
            values[columns.column] = whole.values[whole.problem.variables[part_id][name].column]
    for device in case.devices:
        at = steps if device.is_slow else both.soon
        if at.size and not device.forecast:
            drawn = device.drawn_kw(problem.variables[device.device_id])[at]
            planned = np.asarray(device.drawn_kw(whole.columns[device.device_id]), np.float64)[at]
            between = Constraint.between(drawn - planned, -_HAIR_KW, _HAIR_KW)
            problem.program.add("shared", device.prefix, Row("shared", "shared", between, at), steps=0)
    arrays, cost = problem.program.arrays(case.weights), cost_of(case, solution.series, case.weights)
    best = run_highs(arrays, gap=NOISE, time_limit_s=5.0, start=values)
    return SolvedCase(
        case=case,
        solution=solution,
        problem=problem,
        arrays=arrays,
        values=values,
        objective=cost,
        # Within the gap of the whole plan, this scenario alone might do better.
        noise=max(NOISE, cost - (-np.inf if best.bound is None else best.bound)),
        parts={part.prefix: part for part in case.parts},
    )
