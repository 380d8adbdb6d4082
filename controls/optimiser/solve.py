"""One call from a request to a verified solution, or to the finding why there is none."""

import time
from dataclasses import dataclass, replace

import numpy as np

from controls.optimiser.backends.expressions import Floats, Places
from controls.optimiser.backends.program import Arrays, Outcome
from controls.optimiser.backends.solvers import relaxed_bound, run_solver
from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.conflicts import TIME_LIMIT_S, explain_conflict
from controls.optimiser.devices.device import numbers
from controls.optimiser.lp_build import Problem, build_problem
from controls.optimiser.objective import GOALS, MEASURES, bound_of, goal_weights, goals_of, measures_of
from controls.optimiser.out_of_time import none_in_time
from controls.optimiser.solution import Series, Solution, cost_of, costs_of, replay_case, series_of
from controls.optimiser.stochastic.room_columns import run_by_columns
from controls.optimiser.stochastic.solve_scenarios import room_blocks, solve_scenarios, usual_gap
from data_quality.contracts.control.plan import GoalName, PlanRequest
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.finding import Finding

RELAXED_WITHIN_S = 10.0


def solve(
    request: PlanRequest | DispatchCase,
    *,
    solver: str = "highs",
    gap: float | None = None,
    time_limit_s: float = 30.0,
    time_zone: str = "UTC",
    previous: Series | None = None,
    is_relaxed_first: bool = False,
) -> Solution | Finding:
    """The best schedule by the case's objective, checked step by step before it is handed out.

    solver: highs or cbc. gap: relative, a share; None: as its rooms allow (usual_gap). time_limit_s: of all goals
    together; a plan that is found but not proven by then is labelled `feasible` and says its gap. time_zone: of the
    times in findings. previous: the series of an earlier plan of the same steps, to begin the search from. Between
    plans that are equally good it decides: whoever wants the same plan of the same inputs gives none.
    is_relaxed_first: try the problem without its integers, whose schedule is the optimum where it keeps every rule all
    the same: of a battery at prices that pay for no loss. Of plans that are equally good it may be another one.
    Answers a blocking Finding `infeasible` (naming the limits that contradict one another) or `no_plan_in_time`; there
    is no other way out. Raises BadInput for an unknown solver. Source: formulas 5.18.
    """
    case = case_of(request) if isinstance(request, PlanRequest) else request
    gap = usual_gap(case) if gap is None else gap
    if case.uncertain:
        if solver != "highs":
            raise BadInput(f"scenarios are solved by highs, not by {solver}", reason="unknown_solver")

        def alone(known: DispatchCase, within_s: float) -> float | None:
            found = solve(known, gap=gap, time_limit_s=within_s)
            return found.objective if isinstance(found, Solution) else None

        solution = solve_scenarios(case, alone=alone, gap=gap, time_limit_s=time_limit_s)
        if isinstance(solution, Outcome):
            return _no_plan(case, solution, time_limit_s, time_zone, explain_s=TIME_LIMIT_S)
        return solution
    run = _Run(solver, gap, time_limit_s, known=previous, is_relaxed_first=is_relaxed_first)
    is_optimal = True
    for goal in goals_of(case.objective):
        solution = run.solved(case, goal.goal)
        if not isinstance(solution, Solution):
            break
        is_optimal &= solution.status == "optimal"
        case = case.model_copy(update={"kept": case.kept | {goal.goal: bound_of(goal, solution.objective)}})
        # Fits every bound kept so far: the next goal begins with a plan in hand.
        run.known, run.found = solution.series, solution
    else:
        solution = run.solved(case, None)
    if isinstance(solution, Outcome):
        # Why there is none is looked for in the time that is left.
        left_s = min(max(time_limit_s - run.solve_seconds, 1.0), TIME_LIMIT_S)
        return _no_plan(case, solution, time_limit_s, time_zone, explain_s=left_s)
    return solution if is_optimal else solution.model_copy(update={"status": "feasible"})


def _no_plan(case: DispatchCase, outcome: Outcome, time_limit_s: float, time_zone: str, *, explain_s: float) -> Finding:
    if outcome.status == "infeasible":
        # Of the case, or of the first scenario that no plan serves.
        for one in case.uncertain.scenarios if case.uncertain else ():
            alone = solve(case.in_scenario(one), time_zone=time_zone)
            if isinstance(alone, Finding):
                return alone.model_copy(update={"message": f"in scenario {one.name}: {alone.message}"})
        if case.uncertain is None:
            return explain_conflict(case, time_zone=time_zone, time_limit_s=explain_s)
        return Finding(
            code="infeasible",
            severity="blocking",
            scope=case.case_id,
            message="each scenario has a plan of its own, but what they share at first serves them not all",
            facts={"shared_h": case.uncertain.risk.shared_h},
        )
    return none_in_time(case, solver=outcome.solver, time_limit_s=time_limit_s, time_zone=time_zone)


@dataclass
class _Run:
    """The solving of one case, goal after goal: seconds add up, and each goal may use what the others left."""

    solver: str
    gap: float
    time_limit_s: float
    known: Series | None
    found: Solution | None = None
    is_relaxed_first: bool = False
    build_seconds: float = 0.0
    solve_seconds: float = 0.0

    def solved(self, case: DispatchCase, goal: GoalName | None) -> Solution | Outcome:
        """The best plan by one goal, or by the case's weights; the solver's outcome where there is none."""
        started = time.perf_counter()
        problem = build_problem(case)
        weights = case.weights if goal is None else goal_weights(goal, problem.program.costs)
        arrays = problem.program.arrays(weights)
        built = time.perf_counter()
        left_s = max(self.time_limit_s - self.solve_seconds, 0.0)
        start = None if self.known is None else start_of(case, problem, self.known)
        if self.solver == "highs" and (rooms := room_blocks(case, problem)):
            outcome = run_by_columns(
                arrays,
                rooms,
                step_h=np.array(case.step_h),
                weights=weights,
                gap=self.gap,
                time_limit_s=left_s,
                bounds=_bound_rows(problem),
                start=start,
            )
        elif self.is_relaxed_first and self.solver == "highs" and (relaxed := _relaxed(case, problem, arrays, weights)):
            outcome = relaxed
        else:
            outcome = run_solver(
                problem.program, solver=self.solver, gap=self.gap, time_limit_s=left_s, arrays=arrays, start=start
            )
        self.build_seconds += built - started
        self.solve_seconds += time.perf_counter() - built
        if outcome.values is None and self.found is not None:
            # Time ran out in this goal, or a hair of rounding hid every plan: what the goal before found keeps all.
            series, cost = self.found.series, cost_of(case, self.found.series, weights)
            bound = min(cost, relaxed_bound(arrays))
            outcome = Outcome("feasible", outcome.solver, cost, bound, np.array(self.found.values))
        elif outcome.values is not None:
            series = _series(case, problem, outcome.values)
        if outcome.objective is None or outcome.bound is None or outcome.values is None:
            return outcome
        objective = _verified_cost(case, series, outcome, weights)
        # A bound a hair above the verified cost is rounding, and would make the gap negative.
        bound = min(outcome.bound, objective)
        return Solution(
            status="optimal" if outcome.status == "optimal" else "feasible",
            objective=objective,
            bound=bound,
            # A plan that costs nothing would divide by zero.
            gap=(objective - bound) / max(abs(objective), 1e-9),
            build_seconds=self.build_seconds,
            solve_seconds=self.solve_seconds,
            solver=outcome.solver,
            costs={kind: cost for kind, cost in costs_of(case, series).items() if kind not in MEASURES},
            measures=measures_of(numbers(series.connection), np.array(case.step_h), case.carbon_kgco2e_per_kwh),
            kept=case.kept,
            series=series,
            values=tuple(outcome.values.tolist()),
        )


def _series(case: DispatchCase, problem: Problem, values: Floats) -> Series:
    return series_of(case, {device.device_id: problem.values(device.device_id, values) for device in case.devices})


def _relaxed(case: DispatchCase, problem: Problem, arrays: Arrays, weights: dict[str, float]) -> Outcome | None:
    """The optimum without integers, where its schedule keeps every rule at the solver's cost; else None."""
    from controls.optimiser.backends.solvers import run_highs

    free = replace(arrays, is_integer=np.zeros_like(arrays.is_integer))
    found = run_highs(free, gap=0.0, time_limit_s=RELAXED_WITHIN_S)
    if found.values is None or found.objective is None or found.status != "optimal":
        return None
    series = _series(case, problem, found.values)
    is_paid = cost_of(case, series, weights) <= found.objective + _noise(found.objective)
    return found if is_paid and not replay_case(case, series).problems else None


def _noise(claimed: float) -> float:
    # Looser than the constraints: a cost adds up the noise of every step.
    return 1e-5 * max(1.0, abs(claimed))


def _bound_rows(problem: Problem) -> dict[str, Places]:
    """Rows that bound each kind of cost, by goals that came first."""
    first = {family.label: family.first for family in problem.program.families}
    found = dict[str, list[int]]()
    for goal, kinds in GOALS.items():
        for kind in kinds if f"{goal}_max" in first else ():
            found.setdefault(kind, []).append(first[f"{goal}_max"])
    return {kind: np.array(rows) for kind, rows in found.items() if kind in {"comfort", "stored"}}


def start_of(case: DispatchCase, problem: Problem, series: Series) -> Floats:
    """The values of a problem's columns by a schedule of the same steps, NaN where it has none."""
    start = np.full(problem.program.width, np.nan)
    for part in case.parts:
        warm = numbers(series.devices.get(part.device_id, {}) if part.device_id else series.connection)
        for name, values in part.warm_start(warm).items():
            if (columns := problem.variables[part.device_id].get(name)) is not None and columns.size == values.size:
                start[columns.column] = values
    return start


def _verified_cost(case: DispatchCase, series: Series, outcome: Outcome, weights: dict[str, float]) -> float:
    replay = replay_case(case, series)
    if replay.problems:
        raise OurFault(f"{outcome.solver} handed out a plan that breaks its case: {'; '.join(replay.problems[:3])}")
    claimed, bound, cost = outcome.objective, outcome.bound, cost_of(case, series, weights)
    if claimed is None or bound is None:
        raise OurFault(f"{outcome.solver} hands out a plan without its cost")
    # A search that stops within its gap may leave a peak or a tier above what it must be: the schedule then costs less
    # than claimed, but never less than the bound.
    noise = _noise(claimed)
    if not bound - noise <= cost <= claimed + noise:
        raise OurFault(f"{outcome.solver} claims a cost of {claimed}, its schedule costs {cost}")
    return cost
