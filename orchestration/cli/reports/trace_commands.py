"""`meterloom trace`: where a figure comes from, recomputed from its inputs."""

from typing import Annotated

import typer

from orchestration.cli.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.cli.frame import Call, command
from reports.life.figure_trace import readings_behind, trace_figure, versions_today


@command("trace", example="4f1c2ab09d3e77aa --rows")
def trace(
    call: Call,
    figure_id: Annotated[str, typer.Argument(metavar="FIGURE_ID")],
    rows: Annotated[bool, typer.Option("--rows", help="List the readings behind it.")] = False,
    versions: Annotated[bool, typer.Option("--versions", help="Say what would change today.")] = False,
) -> Answer:
    """Walk a printed figure back to its inputs and recompute it from them, as known when it was made."""
    reports, sources = call.project.reports, call.sources
    found = trace_figure(figure_id, reports=reports, sources=sources)
    figure = found.figure
    result = {
        "figure": figure.model_dump(exclude={"trace"}),
        "inputs": [each.model_dump(include={"kind", "id", "role", "sha256", "value"}) for each in found.inputs],
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
        *([f"to be read with: {', '.join(figure.findings)}"] if figure.findings else []),
        f"recomputed: {found.recomputed}, {'equal' if found.is_equal else f'differs by {found.difference}'}",
        f"by {figure.trace.computation}, as known at {figure.trace.as_of_utc:%Y-%m-%d %H:%M:%S}Z, from",
    ]
    lines += [f"  {i.kind:8} {i.role:10} {i.id}  {i.sha256[:16] or i.value}" for i in found.inputs]
    if versions:
        result["changes"] = changes = versions_today(figure, reports=reports, sources=sources)
        lines += [f"today {c.kind} {c.id} is {c.now[:16]}, was {c.then[:16]}" for c in changes]
        lines += [] if changes else ["today nothing would change it"]
    table = None
    if rows:
        frame = readings_behind(figure, reports=reports, sources=sources)
        result["rows"] = frame.to_dicts()
        table = Table(frame.rows(), {name: f"{{{number}}}" for number, name in enumerate(frame.columns)})
    return Answer(result, table, "\n".join(lines), DONE if found.is_equal else CHECK_FAILED)
