"""One problem handed to one solver, silently. HiGHS is what plans are made with; CBC is there to check it."""

from dataclasses import dataclass
from typing import Literal

from controls.optimiser.linear import Floats
from controls.optimiser.program import Program
from data_quality.contracts.errors import BadInput

SOLVERS = ("highs", "cbc")
# Tighter than the 1e-6 to which plans are verified: at 1e-6 a "zero" mode still lets 5 W through at 5 kW.
FEASIBILITY = 1e-9


@dataclass(frozen=True)
class Outcome:
    """What the solver says; objective, bound and values (one a column) are None unless there is a solution."""

    status: Literal["optimal", "feasible", "infeasible", "stopped"]
    solver: str
    objective: float | None = None
    bound: float | None = None
    values: Floats | None = None


def run_solver(
    program: Program, *, solver: str, gap: float, time_limit_s: float, weights: dict[str, float] | None = None
) -> Outcome:
    """Solve a problem.

    solver: one of SOLVERS. gap: relative. `stopped` means that the time limit passed with nothing proven to hand out.
    Raises BadInput for an unknown solver or one that is not installed, OurFault for an unbounded problem.
    """
    arrays = program.arrays(weights)
    if solver == "highs":
        from controls.optimiser.solve_highs import run_highs

        return run_highs(arrays, gap=gap, time_limit_s=time_limit_s)
    if solver == "cbc":
        from controls.optimiser.solve_pulp import run_cbc

        return run_cbc(program, arrays, gap=gap, time_limit_s=time_limit_s)
    raise BadInput(f"unknown solver {solver!r}; expected {' or '.join(SOLVERS)}", reason="unknown_solver")
