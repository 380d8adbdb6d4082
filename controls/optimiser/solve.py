"""One call from a request to a verified solution, or to the finding that says why there is none."""

import time

from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.check_solution import replay_case
from controls.optimiser.conflicts import explain_conflict
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Series, Solution, costs_of, series_of
from controls.optimiser.solvers import Outcome, run_solver
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding


def solve(
    request: PlanRequest | DispatchCase, *, solver: str = "highs", gap: float = 1e-6, time_limit_s: float = 30.0
) -> Solution | Finding:
    """The cheapest schedule, checked step by step before it is handed out.

    solver: highs or cbc. gap: relative, a share. Answers a blocking Finding `infeasible` (naming the limits that
    contradict one another) or `no_plan_in_time`; there is no other way out. Raises BadInput for an unknown solver.
    Source: formulas 5.18.
    """
    case = case_of(request) if isinstance(request, PlanRequest) else request
    started = time.perf_counter()
    problem = build_problem(case)
    built = time.perf_counter()
    outcome = run_solver(problem.program, solver=solver, gap=gap, time_limit_s=time_limit_s, weights=case.weights)
    solved = time.perf_counter()
    if outcome.status == "infeasible":
        return explain_conflict(case)
    if outcome.objective is None or outcome.bound is None or outcome.values is None:
        return Finding(
            code="no_plan_in_time",
            severity="blocking",
            scope=case.case_id,
            message=f"{outcome.solver} proved no plan within {time_limit_s:g} s",
            facts={"time_limit_s": time_limit_s},
        )
    series = series_of(
        case, {device.device_id: problem.values(device.device_id, outcome.values) for device in case.devices}
    )
    objective = _verified_cost(case, series, outcome)
    # A bound a hair above the verified cost is rounding, and would make the gap negative.
    bound = min(outcome.bound, objective)
    return Solution(
        status="optimal" if outcome.status == "optimal" else "feasible",
        objective=objective,
        bound=bound,
        # A plan that costs nothing would divide by zero.
        gap=(objective - bound) / max(abs(objective), 1e-9),
        build_seconds=built - started,
        solve_seconds=solved - built,
        solver=outcome.solver,
        costs=costs_of(case, series),
        series=series,
        values=tuple(outcome.values.tolist()),
    )


def _verified_cost(case: DispatchCase, series: Series, outcome: Outcome) -> float:
    replay = replay_case(case, series)
    if replay.problems:
        raise OurFault(f"{outcome.solver} handed out a plan that breaks its case: {'; '.join(replay.problems[:3])}")
    claimed, bound = outcome.objective, outcome.bound
    if claimed is None or bound is None:
        raise OurFault(f"{outcome.solver} hands out a plan without its cost")
    # Looser than the constraints: a cost adds up the noise of every step. A search that stops within its gap may leave
    # a peak or a tier above what it must be: the schedule then costs less than claimed, but never less than the bound.
    noise = 1e-5 * max(1.0, abs(claimed))
    if not bound - noise <= replay.cost <= claimed + noise:
        raise OurFault(f"{outcome.solver} claims a cost of {claimed}, its schedule costs {replay.cost}")
    return replay.cost
