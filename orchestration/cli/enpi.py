"""`meterloom enpi`: EnPI and status of one SEU."""

from typing import Annotated

import typer

from data_quality.contracts.time import parse_period
from orchestration.cli.frame import Answer, Call, command
from reports.assess import assess_seu
from reports.make import baselines_in_force
from reports.sources import Sources, seu_of


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "enpi", example="meterloom enpi --site factory --seu compressors --period 2025-Q1")
    def enpi(
        call: Call,
        site: Annotated[str, typer.Option("--site", help="Which site.")],
        seu: Annotated[str, typer.Option("--seu", help="Which significant energy use.")],
        period: Annotated[str, typer.Option("--period", help="2025, 2025-Q1, 2025-03 or START/END.")],
    ) -> Answer:
        """Compare an SEU with its approved baseline: EnPI, deviation, signed status, review flags."""
        project, known = call.project, call.project.site(site)
        use = seu_of(known, seu)
        span = parse_period(period, known.time_zone)
        as_of = call.as_of_utc or project.reports.known_at(call.clock)
        versions = baselines_in_force(known, project.baselines, as_of_utc=as_of)
        sources = Sources(lake=project.lake, sites=project.sites, baselines=project.baselines)
        result = assess_seu(known, use.seu_id, span, sources=sources, versions=versions, as_of_utc=as_of)
        data = result.model_dump(mode="json")
        rows = [[key, str(value)] for key, value in data.items() if key != "months"]
        return Answer(data=data, columns=["", use.name], rows=rows)
