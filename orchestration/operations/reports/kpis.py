"""`meterloom kpis`: KPI values with their figure ids."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_period
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import Call, operation
from orchestration.operations.options import AnySiteOption, PeriodOption, PortfolioOption
from orchestration.operations.question import Option
from orchestration.operations.reports.kept_figures import keep_figures
from orchestration.operations.reports.kpi_table import kpi_tables
from orchestration.operations.reports.marts_then import marts_then
from orchestration.views.kpi_row import row_of
from reports.figures.kpi_list import Grain, kpi_list
from reports.figures.portfolio import kpi_portfolio
from reports.gates import refuse_future
from reports.readings_gate import refuse_without_readings
from reports.report_content import ReportContent

KPIS = Table(
    "rows",
    "scope | kpi | from: {since} | value: {value:,.3f} | unit | coverage: {coverage:.1%} | finding: {said} | "
    "figure: {figure_id}",
    since=lambda row: row["hour_start_utc"] or row["start"],
    said=lambda row: ", ".join(row["findings"]) or row["finding"],
)


@operation("kpis", example="--site factory --period 2025-Q1 --grain month")
def kpis(
    call: Call,
    period: PeriodOption,
    site: AnySiteOption = None,
    portfolio: PortfolioOption = False,
    grain: Annotated[Grain, Option("--grain", help="hour, day, month or year.")] = "month",
    scope: Annotated[str | None, Option("--scope", help="Only this scope, e.g. tenant:law.")] = None,
    is_long: Annotated[bool, Option("--long", help="A row each: figure id, coverage, codes; three decimals.")] = False,
) -> Answer:
    """Show the KPIs of the catalogue per scope; each value can be traced, and a missing one says why."""
    # Equal means both or neither.
    if portfolio == (site is not None):
        raise BadInput("name --site SITE or --portfolio, one of them", reason="no_site")
    known = None if site is None else call.project.site(site)
    # Of all sites together only the dates are asked: each keeps its own local days.
    span = parse_period(period, known.time_zone if known else "UTC")
    asked = list(call.project.sites.values()) if known is None else [known]
    # Told before the marts are made fresh, which may take minutes.
    refuse_future(span, call.project.reports.known_at(call.clock), name="kpis")
    if known is not None:
        refuse_without_readings(call.project.lake, known, span, name="kpis", as_of_utc=call.as_of_utc)
    marts_dir, as_of_utc = marts_then(call, asked, site or "all sites")
    content = stored(call, known, span, grain, marts_dir, as_of_utc, scope)
    figures = [figure for figure in content.figures if not portfolio or figure.scope.startswith("portfolio")]
    by_id = {figure.figure_id: figure for figure in content.figures}
    rows = [row_of(figure, call.sources, by_id) for figure in figures]
    days = f"local days of {known.time_zone if known else 'each site'}"
    if is_long:
        return Answer({"rows": rows}, KPIS, days)
    simulated = "; some readings are simulated" if any(row["is_synthetic"] for row in rows) else ""
    shown = kpi_tables(rows, grain=grain, time_zone=known.time_zone if known else "UTC")
    return Answer({"rows": rows}, shown, f"{days}{simulated}; --long gives figure ids and coverage")


def stored(
    call: Call,
    site: Site | None,
    span: Period,
    grain: Grain,
    marts_dir: Path,
    as_of_utc: datetime,
    scope: str | None,
) -> ReportContent:
    """The marts' values as figures with their traces, kept so that each can be walked back."""

    def build(revision: int) -> ReportContent:
        make = kpi_portfolio if site is None else partial(kpi_list, site)
        return make(
            span,
            grain=grain,
            sources=call.sources,
            marts_dir=marts_dir,
            as_of_utc=as_of_utc,
            revision=revision,
            scope=scope,
        )

    return keep_figures(call, build, site)
