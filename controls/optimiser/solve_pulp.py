"""One PuLP problem handed to one solver, silently. HiGHS proves a bound; CBC is there to check HiGHS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from data_quality.contracts.errors import BadInput, OurFault

if TYPE_CHECKING:
    import pulp

SOLVERS = ("highs", "cbc")
# Tighter than the 1e-6 to which plans are verified: at 1e-6 a "zero" mode still lets 5 W through at 5 kW.
_FEASIBILITY = 1e-9


@dataclass(frozen=True)
class Outcome:
    """What the solver says; objective and bound are None unless there is a solution."""

    status: Literal["optimal", "feasible", "infeasible", "stopped"]
    solver: str
    objective: float | None = None
    bound: float | None = None


def run_solver(lp: "pulp.LpProblem", *, solver: str, gap: float, time_limit_s: float) -> Outcome:
    """Solve in place: afterwards every variable has its value where there is a solution.

    solver: one of SOLVERS. gap: relative. `stopped` means that the time limit passed with nothing proven to hand out.
    Raises BadInput for an unknown solver or one that is not installed, OurFault for an unbounded problem.
    """
    if solver == "highs":
        return _run_highs(lp, gap=gap, time_limit_s=time_limit_s)
    if solver == "cbc":
        return _run_cbc(lp, gap=gap, time_limit_s=time_limit_s)
    raise BadInput(f"unknown solver {solver!r}; expected {' or '.join(SOLVERS)}", reason="unknown_solver")


def _run_highs(lp: "pulp.LpProblem", *, gap: float, time_limit_s: float) -> Outcome:
    import pulp

    engine = pulp.HiGHS(
        msg=False,
        gapRel=gap,
        timeLimit=time_limit_s,
        # One thread: the answer does not depend on how many are free.
        threads=1,
        mip_feasibility_tolerance=_FEASIBILITY,
        primal_feasibility_tolerance=_FEASIBILITY,
        dual_feasibility_tolerance=_FEASIBILITY,
    )
    lp.solve(engine)
    model = lp.solverModel
    name = f"HiGHS {model.version()}"
    status = _status(lp)
    if status not in {"optimal", "feasible"}:
        return Outcome(status=status, solver=name)
    objective = float(model.getObjectiveValue())
    # A problem without integers has no MIP bound: its optimum is its own.
    bound = float(model.getInfo().mip_dual_bound) if lp.isMIP() else objective
    return Outcome(status=status, solver=name, objective=objective, bound=min(bound, objective))


def _run_cbc(lp: "pulp.LpProblem", *, gap: float, time_limit_s: float) -> Outcome:
    import pulp
    from pulp.apis import coin_api

    engine = pulp.COIN_CMD(
        path=coin_api.pulp_cbc_path,
        msg=False,
        gapRel=gap,
        timeLimit=time_limit_s,
        threads=1,
        options=[f"integerTolerance {_FEASIBILITY}", f"primalTolerance {_FEASIBILITY}"],
    )
    if not engine.available():
        raise BadInput("CBC is not part of this installation of PuLP; use the solver 'highs'", reason="unknown_solver")
    lp.solve(engine)
    status = _status(lp)
    if status == "infeasible":
        return Outcome(status="infeasible", solver="CBC")
    if status != "optimal":
        # CBC tells its bound to its log alone, so what it had when time ran out is not proven.
        return Outcome(status="stopped", solver="CBC")
    # A problem that costs nothing has a stand-in term to which CBC gives no value.
    objective = sum(factor * (variable.value() or 0.0) for variable, factor in lp.objective.items())
    # CBC may stop within the gap it was given and call it optimal: its proof is worth no more than that.
    return Outcome(status="optimal", solver="CBC", objective=objective, bound=objective - gap * abs(objective))


def _status(lp: "pulp.LpProblem") -> Literal["optimal", "feasible", "infeasible", "stopped"]:
    import pulp

    if lp.status == pulp.LpStatusUnbounded:
        raise OurFault("the dispatch problem is unbounded: a limit is missing")
    if lp.status == pulp.LpStatusInfeasible:
        return "infeasible"
    if lp.status != pulp.LpStatusOptimal:
        return "stopped"
    # PuLP's status says optimal at a time limit too; only the second status tells them apart.
    return "optimal" if lp.sol_status == pulp.LpSolutionOptimal else "feasible"


def values_of(variables: Sequence[Any]) -> list[float]:
    """The solved values of a list of variables."""
    return [float(variable.value()) for variable in variables]
