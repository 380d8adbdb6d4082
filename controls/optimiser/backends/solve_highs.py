"""The arrays of a problem handed to HiGHS as they are: no object a row, no names."""

from typing import TYPE_CHECKING

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.backends.program import FEASIBILITY, Arrays, Outcome
from data_quality.contracts.errors import OurFault

if TYPE_CHECKING:
    import highspy


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


def relaxed_bound(arrays: Arrays) -> float:
    """What no solution costs less than: the optimum without integers. Raises OurFault where there is none."""
    import highspy

    engine = engine_of(arrays, gap=0.0, time_limit_s=60.0, is_relaxed=True)
    engine.run()
    if engine.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise OurFault("a problem with a solution has none without its integers")
    return float(engine.getInfo().objective_function_value)


def row_duals(arrays: Arrays, values: Floats) -> Floats:
    """What one unit more on the right side of each row would add to the cost, with every integer held at its value.

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
