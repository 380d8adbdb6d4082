"""`meterloom kpis`: KPI values with their figure ids."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from assets.kpi.scope_streams import FACTORED, carriers_of
from assets.tariffs.periods import tariffs_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_period
from orchestration.cli.answer import Answer, Table
from orchestration.cli.frame import Call, command
from orchestration.cli.options import AnySiteOption, PeriodOption, PortfolioOption
from orchestration.cli.reports.kpi_table import kpi_tables
from orchestration.cli.reports.marts_then import marts_then
from reports.again.figure_sources import Sources
from reports.content.lists.kpi_list import Grain, kpi_list
from reports.content.lists.kpi_portfolio import kpi_portfolio
from reports.gates import refuse_future, refuse_outside
from reports.life.revise import store_revision
from reports.report_content import ReportContent

PRICED = ("cost",)
FIGURE_FIELDS = {
    "kpi", "scope", "start", "end", "value", "unit", "figure_id", "coverage", "estimated_share", "findings",
    "is_synthetic",
}  # fmt: skip
VERSION_FIELDS = {
    "carrier", "factor_id", "kgco2e_per_kwh", "valid_from", "valid_to", "origin", "source", "sha256", "recorded_at_utc",
}  # fmt: skip


KPIS = Table(
    "rows",
    "scope | kpi | from: {since} | value: {value:,.3f} | unit | coverage: {coverage:.1%} | finding: {said} | "
    "figure: {figure_id}",
    since=lambda row: row["hour_start_utc"] or row["start"],
    said=lambda row: ", ".join(row["findings"]) or row["finding"],
)


@command("kpis", example="--site factory --period 2025-Q1 --grain month")
def kpis(
    call: Call,
    period: PeriodOption,
    site: AnySiteOption = None,
    portfolio: PortfolioOption = False,
    grain: Annotated[Grain, typer.Option("--grain", help="hour, day, month or year.")] = "month",
    scope: Annotated[str | None, typer.Option("--scope", help="Only this scope, e.g. tenant:law.")] = None,
    is_long: Annotated[
        bool, typer.Option("--long", help="A row each: figure id, coverage, codes; three decimals.")
    ] = False,
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
        refuse_outside(span, call.project.lake.span(known.site_id, as_of_utc=call.as_of_utc), name="kpis")
    with marts_then(call, asked, site or "all sites") as (marts_dir, as_of_utc):
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

    content, _ = store_revision(build, call.project.reports, call.clock, site=site)
    return content


def row_of(figure: Figure, sources: Sources, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """A figure as a row of the answer: with its finding, and the tariffs and factor versions of its period.

    figures: by id, those that it may be made of among them.
    """
    named = [each.trace.parameters for each in _leaves(figure, figures)]
    behind = list(dict.fromkeys((each["site"], each["scope"]) for each in named))
    versions = [
        version
        for site_id, scope in (behind if figure.kpi in FACTORED else ())
        for version in sources.factor_versions(
            sources.site(site_id), scope, figure.start, figure.end, figure.trace.as_of_utc
        )
    ]
    return {
        **figure.model_dump(include=FIGURE_FIELDS),
        "hour_start_utc": figure.trace.parameters.get("hour_start_utc", ""),
        "finding": "" if figure.status == "ok" else figure.status,
        "tariffs": _tariffs(behind, figure, sources) if figure.kpi in PRICED else [],
        "factors": list(dict.fromkeys(each.factor_id for each in versions)),
        "factor_versions": [each.model_dump(include=VERSION_FIELDS) for each in versions],
    }


def _leaves(figure: Figure, figures: Mapping[str, Figure]) -> Iterator[Figure]:
    """The figures of scopes that it is made of; itself where it is one."""
    if "site" in figure.trace.parameters:
        yield figure
    for given in figure.trace.inputs:
        if given.kind == "figure":
            yield from _leaves(figures[given.id], figures)


def _tariffs(behind: Iterable[tuple[str, str]], figure: Figure, sources: Sources) -> list[str]:
    """Ids of the tariffs that hold on a day of the figure for one of the scope's carriers."""
    found = [
        each.tariff_id
        for site_id, scope in behind
        for carrier in carriers_of(sources.site(site_id), scope)
        for each in tariffs_of(sources.site(site_id), carrier)
        if each.valid_from < figure.end and each.valid_to > figure.start
    ]
    return list(dict.fromkeys(found))
