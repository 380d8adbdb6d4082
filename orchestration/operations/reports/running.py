"""`meterloom running`: a site's month to date, its demand window so far, and what the month comes to."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated

from assets.kpi.running_cost.month_to_date import RunningFigures, source_span
from assets.stores.warehouse.marts import read_mart
from data_quality.contracts.time import Period, parse_instant, zone
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import Call, Option, operation
from orchestration.operations.options import SiteOption
from reports.figures.running import running_list, running_now, running_result, with_coarse_source
from reports.report_content import ReportContent
from reports.texts.locales import format_alike, unit_text
from reports.writer import words

# What is shown of the month so far and of the whole month: field -> its name and unit (none: the site's currency).
NAMES = {
    "import_kwh": ("Import", "kwh"),
    "cost": ("Energy cost", ""),
    "emission_kgco2e": ("Carbon", "kgco2e"),
    "peak_kw": ("Peak demand", "kw"),
}
RUNNING = ": {0} | unit: {1} | month to date: {2} | whole month: {3} | figure: {4}"


@operation("running", example="--site factory --at 2025-03-17T14:30:00+01:00")
def running(
    call: Call,
    site: SiteOption,
    at: Annotated[str | None, Option("Instant (ISO 8601); the last reading's end.")] = None,
) -> Answer:
    """Show cost, carbon and peak of the month to date, running demand, and the projection to its end."""
    known = call.project.site(site)
    at_utc = parse_instant(at, known.time_zone) if at is not None else None
    marts_dir, as_of_utc = call.fresh_marts([known], site)
    read = partial(read_mart, marts_dir)
    found = with_coarse_source(running_now(read, site, at_utc), known, read)
    start, end = source_span(known, found.at_utc)
    month = Period(label="", start=start, end=end, time_zone=known.time_zone)
    is_synthetic = call.sources.has_synthetic(known, month, as_of_utc)

    def build(revision: int) -> ReportContent:
        return running_list(
            known, found, sources=call.sources, as_of_utc=as_of_utc, revision=revision, is_synthetic=is_synthetic
        )

    content = call.kept(build, known)
    figures = {figure.kpi: figure.figure_id for figure in content.figures}
    result = running_result(found, known.time_zone, figures)
    return Answer(result, partial(running_parts, found, known.time_zone, figures))


def running_parts(found: RunningFigures, time_zone: str, figures: Mapping[str, str]) -> list[Table | str]:
    """Headline, the table of the month so far and of the whole month, then the demand window and findings."""
    rows = [
        (name, unit_text(unit), *format_alike([getattr(found, key), getattr(found, f"projected_{key}")], unit), id_)
        for key, name, unit, id_ in (
            (key, name, unit or found.currency, figures.get(key, "")) for key, (name, unit) in NAMES.items()
        )
    ]
    at_local = found.at_utc.astimezone(zone(time_zone))
    head = (
        f"{found.site_id} at {at_local:%Y-%m-%d %H:%M} ({time_zone}), month {found.month_start:%Y-%m}: "
        f"{found.coverage:.1%} of its time so far is read"
    )
    [demand] = format_alike([found.block_demand_kw], "kw")
    text = [
        f"demand of the last {found.block_minutes} of {found.window_minutes} minutes: {demand} kW"
        f"{f' ({found.demand_charge})' if found.demand_charge else ''}",
        f"whole month by {words(found.method)}, as known on {found.projected_on}" if found.method else "not projected",
        *(f"{words(finding.code)}: {finding.message}" for finding in found.findings),
    ]
    return [head, "", Table(rows, RUNNING), "", "\n".join(text)]
