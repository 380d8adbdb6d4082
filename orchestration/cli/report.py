"""`meterloom report`: build, store and render a report."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from data_quality.contracts.time import parse_period
from orchestration.cli.frame import Answer, Call, command
from reports.gates import publishable
from reports.make import make_enpi_quarter
from reports.render_json import figure_rows
from reports.sources import Sources


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "report", example="meterloom report enpi_quarter --site factory --period 2025-Q1")
    def report(
        call: Call,
        name: Annotated[Literal["enpi_quarter"], typer.Argument(metavar="NAME", help="enpi_quarter")],
        site: Annotated[str, typer.Option("--site", help="Which site.")],
        period: Annotated[str, typer.Option("--period", help="2025-Q1, or other whole months.")],
        out: Annotated[Path | None, typer.Option("--out", help="Folder of the files.")] = None,
        formats: Annotated[str, typer.Option("--format", help="pdf,xlsx,json")] = "pdf,xlsx",
    ) -> Answer:
        """Make a report: what it prints can be traced, what is missing is said on page one."""
        from orchestration.fresh import freshen_marts

        project, known = call.project, call.project.site(site)
        if call.as_of_utc is None:
            freshen_marts(project, say=call.say)
        made = make_enpi_quarter(
            known,
            parse_period(period, known.time_zone),
            sources=Sources(lake=project.lake, sites=project.sites, baselines=project.baselines),
            baselines=project.baselines,
            reports=project.reports,
            clock=call.clock,
            out_dir=out or project.project.reports_dir,
            formats=[part.strip() for part in formats.split(",") if part.strip()],
            as_of_utc=call.as_of_utc,
        )
        content = made.content
        findings = list(content.findings)
        lines = [f"{content.title} of {content.site_name}, {content.period}, revision {content.revision}"]
        lines += [f"  {path}" for path in made.files.values()]
        lines += [f"  {finding.severity}: {finding.message}" for finding in findings]
        return Answer(
            data={
                "revision": content.revision,
                "report_id": content.report_id,
                "status": content.status,
                "files": [str(path) for path in made.files.values()],
                "figures": figure_rows(content),
                "findings": [finding.model_dump() for finding in findings],
                "against_publication": [finding.code for finding in publishable(content)],
            },
            text="\n".join(lines),
        )
