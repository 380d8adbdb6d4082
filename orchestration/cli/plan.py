"""`meterloom plan`: solve a dispatch case."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestration.cli.frame import CHECK_FAILED, DONE, Answer, Call, command


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "plan", example="meterloom plan case.json --solver highs --json")
    def plan(
        call: Call,
        case: Annotated[Path, typer.Argument(metavar="CASE.json", help="A dispatch case.")],
        solver: Annotated[Literal["highs", "cbc"], typer.Option("--solver", help="Which solver.")] = "highs",
        gap: Annotated[float, typer.Option("--gap", help="Relative gap at which to stop.")] = 1e-6,
    ) -> Answer:
        """Solve a dispatch case; an infeasible one names the constraints in conflict."""
        from controls.optimiser.case_file import load_case
        from controls.optimiser.solve import solve
        from data_quality.contracts.finding import Finding

        solution = solve(load_case(case), solver=solver, gap=gap)
        if isinstance(solution, Finding):
            return Answer(
                data={"status": solution.code, "finding": solution.model_dump()},
                text=solution.message,
                exit_code=CHECK_FAILED,
            )
        data = solution.model_dump(mode="json")
        return Answer(
            data=data,
            text=f"{solution.status}: objective {solution.objective:.6f}, bound {solution.bound:.6f}, "
            f"gap {solution.gap:.2%}, solved in {solution.solve_seconds:.3f} s",
            exit_code=DONE,
        )
