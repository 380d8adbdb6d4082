"""`meterloom kpis`: KPI values with their figure ids."""

from typing import Annotated

import typer

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import parse_period
from orchestration.cli.frame import Answer, Call, command
from reports.content.kpi_list import Grain, kpi_list
from reports.revise import store_revision
from reports.sources import Sources


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

        if call.as_of_utc is not None:
            # The marts know the present only; an answer that ignored the time would look like the past.
            raise BadInput("kpis cannot answer --as-of yet; enpi and report can", reason="no_as_of")
        project, known = call.project, call.project.site(site)
        span = parse_period(period, known.time_zone)
        freshen_marts(project, say=call.say)
        sources = Sources(lake=project.lake, sites=project.sites, baselines=project.baselines)
        as_of = project.reports.known_at(call.clock)
        content, _ = store_revision(
            lambda revision: kpi_list(
                known,
                span,
                grain=grain,
                sources=sources,
                marts_dir=project.project.marts_dir,
                as_of_utc=as_of,
                revision=revision,
            ),
            project.reports,
            call.clock,
            site=known,
        )
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
