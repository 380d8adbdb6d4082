"""`meterloom kpis`: KPI values with their figure ids."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from data_quality.contracts.site import Site
from data_quality.contracts.time import Period, parse_period
from orchestration.cli.frame import Answer, Call, command
from reports.content.kpi_list import Grain, kpi_list
from reports.content.model import ReportContent
from reports.revise import store_revision
from reports.sources import Sources


def stored(call: Call, site: Site, span: Period, grain: Grain, marts_dir: Path, as_of_utc: datetime) -> ReportContent:
    """The marts' values as figures with their traces, kept so that each can be walked back."""
    project = call.project
    sources = Sources(lake=project.lake, sites=project.sites, baselines=project.baselines)
    content, _ = store_revision(
        lambda revision: kpi_list(
            site, span, grain=grain, sources=sources, marts_dir=marts_dir, as_of_utc=as_of_utc, revision=revision
        ),
        project.reports,
        call.clock,
        site=site,
    )
    return content


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "kpis", example="meterloom kpis --site factory --period 2025-Q1 --grain month")
    def kpis(
        call: Call,
        site: Annotated[str, typer.Option("--site", help="Which site.")],
        period: Annotated[str, typer.Option("--period", help="2025, 2025-Q1, 2025-03 or START/END.")],
        grain: Annotated[Grain, typer.Option("--grain", help="day, month or year.")] = "month",
    ) -> Answer:
        """Show consumption, peak, load factor, cost, emissions and EUI per scope; each value can be traced."""
        from orchestration.fresh import freshen_marts

        project, known = call.project, call.project.site(site)
        span = parse_period(period, known.time_zone)
        if call.as_of_utc is None:
            freshen_marts(project, say=call.say)
            as_of = project.reports.known_at(call.clock)
            content = stored(call, known, span, grain, project.project.marts_dir, as_of)
        else:
            from orchestration.past import marts_as_of

            call.say(f"building the marts of {site} as known at {call.as_of_utc:%Y-%m-%d %H:%M:%S}Z")
            with marts_as_of(project, known, call.as_of_utc) as marts_dir:
                content = stored(call, known, span, grain, marts_dir, call.as_of_utc)
        figures = content.figures
        rows = [
            {
                "kpi": f.kpi,
                "scope": f.scope,
                "start": f.start,
                "end": f.end,
                "value": f.value,
                "unit": f.unit,
                "figure_id": f.figure_id,
                "coverage": f.coverage,
                "estimated_share": f.estimated_share,
                "is_synthetic": f.is_synthetic,
            }
            for f in figures
        ]
        shown = [[f.scope, f.kpi, str(f.start), f"{float(f.value or 0):,.3f}", f.unit, f.figure_id] for f in figures]
        return Answer(data={"rows": rows}, columns=["scope", "kpi", "from", "value", "unit", "figure"], rows=shown)
