"""One problem handed to one solver, silently. HiGHS is what plans are made with; CBC is there to check it."""

from dataclasses import replace

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.backends.program import Arrays, Outcome, Program
from data_quality.contracts.errors import BadInput

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
    from controls.optimiser.backends.solve_highs import relaxed_bound, run_highs

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
