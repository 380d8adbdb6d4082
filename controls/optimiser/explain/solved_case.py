"""One solved case with its problem, its prices and the engine that solves it again: what an explanation asks.

The relaxed problem stays in one engine, whose last basis is a few steps away from the next answer. Mostly its answer
can be rounded without breaking a row or adding cost, at once or after a few integers are decided, and then is the true
one; only where it cannot are integers searched for from the beginning.

Over scenarios, what is slow or soon is the same in every one, so another choice there is one in all of them, and its
cost is that of the plan. What is decided later is asked in the scenario that is shown, with all that is shared held.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from itertools import count, pairwise
from typing import Self

import numpy as np

from controls.optimiser.backends.expressions import Constraint, Floats, Places
from controls.optimiser.backends.program import FEASIBILITY, Arrays, Outcome, Row
from controls.optimiser.backends.solvers import engine_of, row_duals, run_from_basis, run_highs
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Device, Numbers, Part, numbers
from controls.optimiser.lp_build import Problem, build_problem
from controls.optimiser.solution import Solution, cost_of
from controls.optimiser.stochastic.two_stage import TwoStage
from data_quality.contracts.errors import OurFault

# Of the cost, and of a rounded row: far below the 1e-6 to which a difference is reported.
_EXACT = 1e-8
# Each takes a millisecond or two; a search from the beginning a hundred.
_CASES = 60


class ForcedSolve:
    """A problem with a known best solution, to be solved with other bounds."""

    def __init__(self, arrays: Arrays, values: Floats) -> None:
        self._arrays, self._values = arrays, values
        self._engine = engine_of(arrays, gap=0.0, time_limit_s=60.0, is_relaxed=True)
        self._engine.run()
        self._whole = np.flatnonzero(arrays.is_integer)
        self._by_column = _by_column(arrays)
        self._cases = _CASES

    def relaxed(self, column: int, lower: float, upper: float) -> Outcome:
        """A bound of what it costs with one column between two bounds: `stopped`, or already `optimal`.

        Of the open cases the one of the least bound is split by an integer that cannot be rounded, the first that
        needs none being the best of all; for a few of them only, which is far less than a search from the beginning.
        Raises OurFault where HiGHS says neither what it costs nor that it is impossible.
        """
        order = count()
        first = self._bounded({column: (lower, upper)})
        heap = [(first[0], next(order), {column: (lower, upper)}, first[1])] if first else []
        while heap:
            bound, number, bounds, values = heappop(heap)
            rounded, split = self._rounded(values)
            if split is None:
                objective = float(self._arrays.cost @ rounded + self._arrays.offset)
                if objective - bound <= _EXACT:
                    self._cases = min(self._cases * 2, _CASES)
                    return Outcome("optimal", "HiGHS", objective=objective, bound=bound, values=rounded)
            if split is None or number >= self._cases:
                # A problem that was not of that kind will hardly be so in the next slot.
                self._cases = max(self._cases // 2, 2)
                return Outcome(status="stopped", solver="HiGHS", bound=bound)
            low, high = bounds.get(split, (self._arrays.lower[split], self._arrays.upper[split]))
            for half in ((low, np.floor(values[split])), (np.ceil(values[split]), high)):
                case = bounds | {split: (float(half[0]), float(half[1]))}
                if (found := self._bounded(case)) is not None:
                    heappush(heap, (found[0], next(order), case, found[1]))
        return Outcome(status="infeasible", solver="HiGHS")

    def exact(self, column: int, lower: float, upper: float, *, time_limit_s: float) -> Outcome:
        """The best with one column between two bounds, its integers searched for from the beginning."""
        arrays = self._arrays.bounded(np.array([column]), lower, upper)
        return run_highs(arrays, gap=1e-9, time_limit_s=time_limit_s, start=self._values)

    def _bounded(self, bounds: dict[int, tuple[float, float]]) -> tuple[float, Floats] | None:
        """Cost and values of the relaxed problem with these bounds; None where there is none."""
        import highspy

        arrays, engine = self._arrays, self._engine
        for column, (lower, upper) in bounds.items():
            engine.changeColBounds(column, lower, upper)
        status = run_from_basis(engine)
        cost, values = float(engine.getInfo().objective_function_value), np.array(engine.getSolution().col_value)
        for column in bounds:
            engine.changeColBounds(column, float(arrays.lower[column]), float(arrays.upper[column]))
        if status == highspy.HighsModelStatus.kInfeasible:
            return None
        if status != highspy.HighsModelStatus.kOptimal:
            raise OurFault(f"a forced choice has no answer: {status}")
        return cost, values

    def _rounded(self, values: Floats) -> tuple[Floats, int | None]:
        """The values with integers made whole as long as no row breaks, and the first that cannot be so."""
        arrays, found = self._arrays, values.copy()
        activity = arrays.activity(found)
        low, high = arrays.row_lower - FEASIBILITY, arrays.row_upper + FEASIBILITY
        found[self._whole] = np.where(
            np.abs(found[self._whole] - np.round(found[self._whole])) <= FEASIBILITY,
            np.round(found[self._whole]),
            found[self._whole],
        )
        for column in self._whole[found[self._whole] % 1 != 0].tolist():
            value = found[column]
            rows, entries = self._by_column(column)
            # The nearer whole number first.
            for whole in sorted((np.floor(value), np.ceil(value)), key=lambda each: abs(each - value)):
                moved = activity[rows] + entries * (whole - value)
                if np.all((moved >= low[rows]) & (moved <= high[rows])):
                    found[column], activity[rows] = whole, moved
                    break
            else:
                return found, column
        return found, None


def _by_column(arrays: Arrays) -> Callable[[int], tuple[Places, Floats]]:
    """Rows and entries of a column."""
    rows = np.repeat(np.arange(arrays.row_lower.size), np.diff(arrays.start))
    order = np.argsort(arrays.column, kind="stable")
    first = np.searchsorted(arrays.column[order], np.arange(arrays.column_count + 1))
    places = [order[start:end] for start, end in pairwise(first)]
    return lambda column: (rows[places[column]], arrays.value[places[column]])


# Plans are not distinguished below this, in currency or in the unit of a row.
NOISE = 1e-6


@dataclass(frozen=True, eq=False)
class SolvedCase:
    """Solved case; rare answers are made on request. values: of every column. objective: what the plan costs here.

    noise: a difference that is not larger makes none, for the plan itself is proven no closer. parts: by the names with
    which their families of rows begin.
    """

    case: DispatchCase
    solution: Solution
    problem: Problem
    arrays: Arrays
    values: Floats
    objective: float
    noise: float
    parts: Mapping[str, Part] = field(default_factory=dict)

    @classmethod
    def of(cls, case: DispatchCase, solution: Solution) -> Self:
        """A case without scenarios. solution: with its solver's values."""
        problem = build_problem(case)
        return cls(
            case=case,
            solution=solution,
            problem=problem,
            arrays=problem.program.arrays(case.weights),
            values=np.array(solution.values),
            objective=solution.objective,
            noise=max(NOISE, solution.objective - solution.bound),
            parts={part.prefix: part for part in case.parts},
        )

    @cached_property
    def forced(self) -> ForcedSolve:
        """To be solved with one decision forced."""
        return ForcedSolve(self.arrays, self.values)

    @cached_property
    def duals(self) -> Floats:
        """Of every row, integers held."""
        return row_duals(self.arrays, self.values)

    @cached_property
    def columns(self) -> dict[str, Numbers]:
        """The series of every device by its id."""
        return {name: numbers(found) for name, found in self.solution.series.devices.items()}


def without_noise(value: float) -> float:
    """Nine decimals: the rest is the solver's noise."""
    return round(value, 9) + 0.0


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
        return without_noise(sum(self.price(row, None, t) for row in rows) / self.shown.case.step_h[t])


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
