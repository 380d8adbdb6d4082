"""`meterloom running`: a site's month to date, its demand window so far, and what the month comes to."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from assets.kpi.coarse import COARSE, is_coarse
from assets.kpi.month_to_date import RunningFigures, running_figures, span_behind
from assets.stores.marts import read_mart
from data_quality.contracts.finding import Finding
from data_quality.contracts.site import Site
from data_quality.contracts.time import Period, parse_instant
from orchestration.cli.frame import Answer, Call, command
from reports.content.model import ReportContent
from reports.content.running_list import running_list
from reports.revise import store_revision
from reports.sources import Sources


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "running", example="meterloom running --site factory --at 2025-03-17T14:30:00+01:00")
    def running(
        call: Call,
        site: Annotated[str, typer.Option("--site", help="Which site.")],
        at: Annotated[str | None, typer.Option("--at", help="Instant (ISO 8601); the last reading's end.")] = None,
    ) -> Answer:
        """Show cost, carbon and peak of the month to date, running demand, and the projection to its end."""
        from orchestration.fresh import freshen_marts

        project, known = call.project, call.project.site(site)
        at_utc = parse_instant(at, known.time_zone) if at is not None else None
        if call.as_of_utc is None:
            freshen_marts(project, say=call.say)
            found = _figures(project.project.marts_dir, site, at_utc)
            as_of = project.reports.known_at(call.clock)
        else:
            from orchestration.past import marts_as_of

            call.say(f"building the marts of {site} as known at {call.as_of_utc:%Y-%m-%d %H:%M:%S}Z")
            with marts_as_of(project, [known], call.as_of_utc) as marts_dir:
                found = _figures(marts_dir, site, at_utc)
            as_of = call.as_of_utc
        sources = project.sources()
        found = with_coarse_source(found, known, sources, as_of)
        return _answer(found, known.time_zone, _stored(call, known, found, sources, as_of))


def _figures(marts_dir: Path, site: str, at_utc: datetime | None) -> RunningFigures:
    quarters = read_mart(marts_dir, "mart_site__quarter_hour_running", site_id=site)
    projections = read_mart(marts_dir, "mart_site__day_projection", site_id=site)
    return running_figures(site, quarters, projections, at_utc=at_utc)


def with_coarse_source(found: RunningFigures, site: Site, sources: Sources, as_of_utc: datetime) -> RunningFigures:
    """The figures with a finding where the main meters are read less often than the demand's window is long."""
    month = Period(label="", start=found.month_start, end=span_behind(site, found.at_utc)[1], time_zone=site.time_zone)
    readings = sources.site_streams(site, month.start, month.end, as_of_utc)
    scope = f"site:{site.site_id}"
    if not is_coarse(readings, site=site, scope=scope, period=month, minutes=found.window_minutes):
        return found
    message = f"the main meters are read less often than every {found.window_minutes} minutes: the peak may be higher"
    finding = Finding(code=COARSE, message=message, scope=scope, facts={"window_minutes": found.window_minutes})
    return found.model_copy(update={"findings": (*found.findings, finding)})


def _stored(call: Call, site: Site, found: RunningFigures, sources: Sources, as_of_utc: datetime) -> dict[str, str]:
    """The figures with their traces, kept so that each can be walked back: field -> figure id."""
    project = call.project
    start, end = span_behind(site, found.at_utc)
    month = Period(label="", start=start, end=end, time_zone=site.time_zone)
    is_synthetic = sources.has_synthetic(site, month, as_of_utc)

    def build(revision: int) -> ReportContent:
        return running_list(
            site, found, sources=sources, as_of_utc=as_of_utc, revision=revision, is_synthetic=is_synthetic
        )

    content, _ = store_revision(build, project.reports, call.clock, site=site)
    return {figure.kpi: figure.figure_id for figure in content.figures}


def _answer(found: RunningFigures, time_zone: str, figures: Mapping[str, str]) -> Answer:
    def shown(value: object, decimals: int = 2) -> str:
        return "unknown" if value is None else f"{value:,.{decimals}f}"

    rows = [
        ["import, kWh", shown(found.import_kwh), shown(found.projected_import_kwh), figures.get("import_kwh", "")],
        [f"cost, {found.currency}", shown(found.cost), shown(found.projected_cost), figures.get("cost", "")],
        [
            "emission, kgCO2e", shown(found.emission_kgco2e), shown(found.projected_emission_kgco2e),
            figures.get("emission_kgco2e", ""),
        ],
        ["peak, kW", shown(found.peak_kw), shown(found.projected_peak_kw), figures.get("peak_kw", "")],
    ]  # fmt: skip
    text = [
        f"{found.site_id} at {found.at_utc:%Y-%m-%d %H:%M} UTC, month of {found.month_start:%Y-%m} ({time_zone}), "
        f"{found.coverage:.2%} read",
        f"demand of the last {found.block_minutes} of {found.window_minutes} minutes: "
        f"{shown(found.block_demand_kw)} kW{f' ({found.demand_charge})' if found.demand_charge else ''}",
        f"projected by {found.method} as known on {found.projected_on}" if found.method else "not projected",
        *(f"{finding.code}: {finding.message}" for finding in found.findings),
    ]
    data = {
        "site": found.site_id,
        "at": found.at_utc,
        "time_zone": time_zone,
        "month_start": found.month_start,
        "currency": found.currency,
        "month_to_date": {
            "import_kwh": found.import_kwh,
            "cost": found.cost,
            "energy_cost": found.energy_cost,
            "other_cost": found.other_cost,
            "emission_kgco2e": found.emission_kgco2e,
            "peak_kw": found.peak_kw,
            "coverage": found.coverage,
            "unpriced_minutes": found.uncosted_minutes,
        },
        "demand": {
            "block_kw": found.block_demand_kw,
            "block_minutes": found.block_minutes,
            "window_minutes": found.window_minutes,
            "charge": found.demand_charge,
        },
        "projection": {
            "import_kwh": found.projected_import_kwh,
            "cost": found.projected_cost,
            "emission_kgco2e": found.projected_emission_kgco2e,
            "peak_kw": found.projected_peak_kw,
            "method": found.method,
            "as_known_on": found.projected_on,
        },
        "findings": [finding.model_dump() for finding in found.findings],
        "figures": dict(figures),
    }
    return Answer(data=data, columns=["", "month to date", "whole month", "figure"], rows=rows, text="\n".join(text))
