"""`meterloom trace`: where a figure comes from, recomputed from its inputs."""

from typing import Annotated

import typer

from orchestration.cli.frame import CHECK_FAILED, DONE, Answer, Call, command
from reports.trace import readings_behind, trace_figure, versions_today


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "trace", example="meterloom trace 4f1c2ab09d3e77aa --rows")
    def trace(
        call: Call,
        figure_id: Annotated[str, typer.Argument(metavar="FIGURE_ID")],
        rows: Annotated[bool, typer.Option("--rows", help="List the readings behind it.")] = False,
        versions: Annotated[bool, typer.Option("--versions", help="Say what would change today.")] = False,
    ) -> Answer:
        """Walk a printed figure back to its inputs and recompute it from them, as known when it was made."""
        project = call.project
        sources = project.sources()
        found = trace_figure(figure_id, reports=project.reports, sources=sources)
        figure = found.figure
        data = {
            "figure": figure.model_dump(exclude={"trace"}),
            "inputs": [
                {"kind": i.kind, "id": i.id, "role": i.role, "sha256": i.sha256, "value": i.value} for i in found.inputs
            ],
            "versions": found.versions,
            "computation": figure.trace.computation,
            "parameters": figure.trace.parameters,
            "as_of": figure.trace.as_of_utc,
            "recomputed": found.recomputed,
            "is_equal": found.is_equal,
            "difference": found.difference,
        }
        lines = [
            f"{figure.label}: {figure.value} {figure.unit} ({figure.scope}, {figure.start} to {figure.end})",
            f"recomputed: {found.recomputed}, {'equal' if found.is_equal else f'differs by {found.difference}'}",
            f"by {figure.trace.computation}, as known at {figure.trace.as_of_utc:%Y-%m-%d %H:%M:%S}Z, from",
        ]
        lines[:1] = [lines[0], *([f"to be read with: {', '.join(figure.findings)}"] if figure.findings else [])]
        lines += [f"  {i.kind:8} {i.role:10} {i.id}  {i.sha256[:16] or i.value}" for i in found.inputs]
        if versions:
            changes = versions_today(figure, reports=project.reports, sources=sources)
            data["changes"] = [change.model_dump() for change in changes]
            lines += [f"today {c.kind} {c.id} is {c.now[:16]}, was {c.then[:16]}" for c in changes]
            lines += [] if changes else ["today nothing would change it"]
        columns: list[str] = []
        shown: list[list[str]] = []
        if rows:
            frame = readings_behind(figure, reports=project.reports, sources=sources)
            data["rows"] = frame.to_dicts()
            columns, shown = frame.columns, [[str(value) for value in row] for row in frame.iter_rows()]
        return Answer(
            data=data,
            text="\n".join(lines),
            columns=columns,
            rows=shown,
            exit_code=DONE if found.is_equal else CHECK_FAILED,
        )
