"""`meterloom plan`: solve a dispatch case."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from data_quality.contracts.control.goals import Preset
from orchestration.cli.answer import CHECK_FAILED, Answer, filled
from orchestration.cli.frame import STATELESS, Call, command


@command("plan", takes=STATELESS, example="case.json --solver highs --json")
def plan(
    call: Call,
    case: Annotated[Path, typer.Argument(metavar="CASE.json", help="A dispatch case.")],
    solver: Annotated[Literal["highs", "cbc"], typer.Option("--solver", help="Which solver.")] = "highs",
    gap: Annotated[float, typer.Option("--gap", help="Relative gap at which to stop.")] = 1e-6,
    objective: Annotated[
        Preset | None, typer.Option("--objective", help="What to be good at, instead of the case's own.")
    ] = None,
) -> Answer:
    """Solve a dispatch case; an infeasible one names the constraints in conflict."""
    from controls.optimiser.case_file import load_case
    from controls.optimiser.devices.device import MONEY
    from controls.optimiser.solve import solve
    from data_quality.contracts.finding import Finding

    problem = load_case(case, preset=objective)
    found = solve(problem, solver=solver, gap=gap)
    if isinstance(found, Finding):
        return Answer({"status": found.code, "finding": found}, text=found.message, exit_code=CHECK_FAILED)
    text = "{status}: objective {objective:.6f}, bound {bound:.6f}, gap {gap:.2%}, solved in {solve_seconds:.3f} s"
    # Money is one figure, and what is no money stands beside it: a weighted sum would be neither.
    unpaid = {kind: cost for kind, cost in found.costs.items() if kind not in MONEY}
    each = "; ".join(f"{name} {value:.4f}" for name, value in (unpaid | found.measures).items())
    return Answer(found, text=f"{filled(text, found)}\npaid {found.money:.4f} {problem.currency}; {each}")
