"""One problem handed to one solver, silently. HiGHS, which takes its arrays as they are, makes plans; CBC checks it."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from controls.optimiser.backends.expressions import Floats, Places
from controls.optimiser.backends.program import FEASIBILITY, Arrays, Outcome, Program
from data_quality.contracts.errors import BadInput, OurFault

if TYPE_CHECKING:
    import highspy


# A gap this wide is closed by rounding what the relaxation says with its rows shifted back into their limits; looking
# for more with smaller programs takes half of the time and finds nothing cheaper (of 36 plans of a house of 17 rooms
# none; 0.23 s of processor a plan with, 0.08 s without).
_ROUGH_GAP = 0.005
_ROUGH = {
    "mip_heuristic_run_shifting": True,
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_heuristic_run_feasibility_jump": False,
}
# From so many columns on (a house over scenarios) an interior point is through with them sooner than simplex: 0.28 s of
# processor a plan against 0.40 s.
_WIDE = 4000


def run_highs(arrays: Arrays, *, gap: float, time_limit_s: float, start: Floats | None = None) -> Outcome:
    """Solve; see solvers.run_solver. start: values to begin from, NaN where none is known."""
    import highspy

    engine = engine_of(arrays, gap=gap, time_limit_s=time_limit_s)
    if start is not None and (known := np.flatnonzero(np.isfinite(start))).size:
        engine.setSolution(known.size, known.astype(np.int32), start[known])
    engine.run()
    name, status = f"HiGHS {engine.version()}", engine.getModelStatus()
    kinds = highspy.HighsModelStatus
    if status in {kinds.kInfeasible, kinds.kUnboundedOrInfeasible}:
        # Every variable that costs something is bounded from that side, or it is our own fault:
        # tell the two apart without the cost.
        if status == kinds.kUnboundedOrInfeasible and arrays.cost.any():
            alone = run_highs(arrays.without_cost(), gap=gap, time_limit_s=time_limit_s)
            if alone.status != "infeasible":
                raise OurFault("the dispatch problem is unbounded: a limit is missing")
        return Outcome(status="infeasible", solver=name)
    if status == kinds.kUnbounded:
        raise OurFault("the dispatch problem is unbounded: a limit is missing")
    info = engine.getInfo()
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Outcome(status="stopped", solver=name)
    objective = float(info.objective_function_value)
    # A problem without integers has no MIP bound: its optimum is its own.
    is_optimal = status == kinds.kOptimal
    bound = float(info.mip_dual_bound) if arrays.is_integer.any() else objective
    if not is_optimal and not arrays.is_integer.any():
        return Outcome(status="stopped", solver=name)
    return Outcome(
        status="optimal" if is_optimal else "feasible",
        solver=name,
        objective=objective,
        bound=min(bound, objective),
        values=np.array(engine.getSolution().col_value),
    )


def relaxed_bound(arrays: Arrays, *, time_limit_s: float = 60.0) -> float:
    """Lower bound of every solution's cost: the optimum without integers, or where time is up the bound by the
    columns' own limits, where it is finite. Raises OurFault where there is none.
    """
    import highspy

    at, paid = np.where(arrays.cost > 0, arrays.lower, arrays.upper), arrays.cost != 0
    at_once = float(arrays.offset + arrays.cost[paid] @ at[paid])
    is_known = bool(np.isfinite(at_once))
    engine = engine_of(arrays, gap=0.0, time_limit_s=time_limit_s if is_known else 60.0, is_relaxed=True)
    engine.run()
    if is_known and engine.getModelStatus() == highspy.HighsModelStatus.kTimeLimit:
        return at_once
    if engine.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise OurFault("a problem with a solution has none without its integers")
    return float(engine.getInfo().objective_function_value)


def row_duals(arrays: Arrays, values: Floats) -> Floats:
    """Dual value of each row: the cost of one unit more on its right side, with every integer held at its value.

    values: a solution. A dual is of the linear problem that is left, and so a price at the margin. Raises OurFault
    where that problem has no solution.
    """
    import highspy

    whole = np.flatnonzero(arrays.is_integer)
    held = np.round(values[whole])
    engine = engine_of(arrays.bounded(whole, held, held), gap=0.0, time_limit_s=60.0, is_relaxed=True)
    engine.run()
    if engine.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise OurFault("a plan whose integers are held has no prices")
    return np.array(engine.getSolution().row_dual)


def engine_of(arrays: Arrays, *, gap: float, time_limit_s: float, is_relaxed: bool = False) -> "highspy.Highs":
    """The problem in HiGHS, not yet run. is_relaxed: its integers may be any number."""
    import highspy

    engine = highspy.Highs()
    engine.silent()
    options: dict[str, bool | str] = {**_ROUGH} if gap >= _ROUGH_GAP else {}
    if options and arrays.column_count >= _WIDE:
        options["mip_lp_solver"] = "ipx"
    for option, value in {
        "mip_rel_gap": gap,
        # A plan of a few cents would otherwise stop at HiGHS' own 1e-6 in currency: far below a cent, but not equal.
        "mip_abs_gap": min(1e-6, gap),
        "time_limit": time_limit_s,
        # One thread: the answer does not depend on how many are free.
        "threads": 1,
        # At 1e-9 itself HiGHS now and then calls a plan the best that is not: its propagation rounds that much.
        "mip_feasibility_tolerance": 10 * FEASIBILITY,
        "primal_feasibility_tolerance": FEASIBILITY,
        "dual_feasibility_tolerance": FEASIBILITY,
        **options,
    }.items():
        engine.setOptionValue(option, value)
    # As plain arrays: a HighsLp would be copied field by field, which takes ten times as long.
    engine.passModel(
        arrays.column_count,
        arrays.row_lower.size,
        arrays.value.size,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        arrays.offset,
        arrays.cost,
        arrays.lower,
        arrays.upper,
        arrays.row_lower,
        arrays.row_upper,
        arrays.start.astype(np.int32),
        arrays.column.astype(np.int32),
        arrays.value,
        (arrays.is_integer & (not is_relaxed)).astype(np.int32),
    )
    return engine


def run_from_basis(engine: "highspy.Highs") -> "highspy.HighsModelStatus":
    """Status after a run from the last basis; one that says neither a cost nor that there is none begins anew."""
    import highspy

    engine.run()
    status: highspy.HighsModelStatus = engine.getModelStatus()
    if status not in {highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible}:
        engine.clearSolver()
        engine.run()
        status = engine.getModelStatus()
    return status


class GrowingLp:
    """A problem without its integers that gets more columns, solved anew from its last basis.

    more_rows: lower and upper of rows behind its own, which only new columns enter; a new column lies from 0 up.
    """

    def __init__(self, arrays: Arrays, *, more_rows: tuple[Floats, Floats]) -> None:
        import highspy

        self._kinds, self._inf = highspy.HighsModelStatus, highspy.kHighsInf
        self._engine = engine_of(arrays, gap=0.0, time_limit_s=60.0, is_relaxed=True)
        # From the last basis on; an interior point would begin anew with every column.
        self._engine.setOptionValue("solver", "simplex")
        self._own_columns, self._more = arrays.column_count, more_rows
        self._has_more = False
        self.name = f"HiGHS {self._engine.version()}"

    def solve_alone(self) -> Floats | None:
        """Duals of its own rows before there is any new column; None where it has no solution."""
        found = self.solve()
        return None if found is None else found[1]

    def solve(self) -> tuple[float, Floats] | None:
        """The least cost, and the duals of all rows; None where there is no solution."""
        status = run_from_basis(self._engine)
        if status == self._kinds.kInfeasible:
            return None
        if status != self._kinds.kOptimal:
            raise OurFault(f"a problem of schedules ended as {self._engine.modelStatusToString(status)}")
        cost = float(self._engine.getInfo().objective_function_value)
        return cost, np.array(self._engine.getSolution().row_dual)

    def add_column(self, cost: float, rows: Places, values: Floats) -> None:
        """One more column. rows: of its own ones, then of the more."""
        if not self._has_more:
            low, high = self._more
            none = np.zeros(0, np.int32)
            self._engine.addRows(low.size, low, high, 0, np.zeros(low.size, np.int32), none, np.zeros(0))
            self._has_more = True
        self._engine.addCol(cost, 0.0, self._inf, rows.size, rows.astype(np.int32), values)

    def shares(self) -> Floats:
        """Share of each new column in the last solution."""
        return np.array(self._engine.getSolution().col_value)[self._own_columns :]

    def choose(self, among: Places, one: int) -> None:
        """Of some new columns only this one."""
        for column in among.tolist():
            at = 1.0 if column == one else 0.0
            self._engine.changeColBounds(self._own_columns + column, at, at)

    def whole_shares(self, *, gap: float, time_limit_s: float) -> Floats | None:
        """Values of the new columns with all of them 0 or 1; None where no such solution is found in time."""
        import highspy

        engine = self._engine
        new = np.arange(self._own_columns, engine.getNumCol(), dtype=np.int32)
        engine.changeColsBounds(new.size, new, np.zeros(new.size), np.ones(new.size))
        kinds = np.full(new.size, highspy.HighsVarType.kInteger)
        engine.changeColsIntegrality(new.size, new, kinds)
        for option, value in (("solver", "choose"), ("mip_rel_gap", gap), ("time_limit", time_limit_s)):
            engine.setOptionValue(option, value)
        engine.run()
        if engine.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
            return None
        return self.shares()


SOLVERS = ("highs", "cbc")


def run_solver(
    program: Program,
    *,
    solver: str,
    gap: float,
    time_limit_s: float,
    weights: dict[str, float] | None = None,
    arrays: Arrays | None = None,
    start: Floats | None = None,
) -> Outcome:
    """Solve a problem.

    solver: one of SOLVERS. gap: relative. arrays: those of the program and weights, where they are made already.
    start: values to begin from, one a column, NaN where none is known; CBC begins anew. `stopped` means that the time
    limit passed with nothing to hand out; what is found until then is `feasible`, its bound at least that of the
    problem without integers. Raises BadInput for an unknown solver or one that is not installed,
    OurFault for an unbounded problem.
    """
    arrays = program.arrays(weights) if arrays is None else arrays
    if solver == "highs":
        found = run_highs(arrays, gap=gap, time_limit_s=time_limit_s, start=start)
    elif solver == "cbc":
        from controls.optimiser.backends.solve_pulp import run_cbc

        found = run_cbc(program, arrays, gap=gap, time_limit_s=time_limit_s)
    else:
        raise BadInput(f"unknown solver {solver!r}; expected {' or '.join(SOLVERS)}", reason="unknown_solver")
    if found.status != "feasible" or found.objective is None:
        return found
    # Stopped early, a search may know less than the problem without its integers says at once.
    proven = [
        bound
        for bound in (found.bound, relaxed_bound(arrays, time_limit_s=max(time_limit_s / 3, 1.0)))
        if bound is not None
    ]
    return replace(found, bound=min(found.objective, max(proven)))
