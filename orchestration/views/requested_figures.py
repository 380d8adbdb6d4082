"""Ids of numbers that an answer prints: each can be traced by it, as long as asked figures are kept."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from assets.kpi.claims.mv_savings import ProjectSavings
from assets.stores.published.report_ledger import ReportStore
from assets.stores.published.requested_figures import RequestedFigures
from assets.stores.transactions import Store
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.reporting.figure import KPI, Figure
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, Period, months_of
from orchestration.views.series_ids import SERIES, interval_figure
from reports.datasets.anomalies import AnomalyData
from reports.datasets.base import Item, ReportInput
from reports.datasets.footprint_figures import FootprintData
from reports.datasets.project import MEASURES as PROJECT
from reports.datasets.project import ProjectData
from reports.datasets.template_queries import TemplateQueries
from reports.figure_book import FigureBook
from reports.figures.bill_figures import AuditedBill, BillFigures
from reports.figures.kpi_list import inputs_of
from reports.recompute.computations import VERSIONS, to_decimal, version_named
from reports.recompute.figure import pinned
from reports.recompute.figure_sources import Sources, parse_dates
from reports.recompute.hours import QUARTER

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

OF_EVENTS = ("measured_kwh", "expected_kwh", "kwh", "cost")


class FigureLookup:
    """Figures by id: those of reports and recommendations, then those that somebody asked for a while ago."""

    def __init__(self, reports: ReportStore, asked: RequestedFigures, sources: Sources, now_utc: datetime) -> None:
        self.store: Store = reports.store
        self._reports, self._asked, self._sources, self._now_utc = reports, asked, sources, now_utc

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id, or None."""
        # Both are asked whatever is found, so that nobody learns by the clock what there is.
        kept_id, _, row = figure_id.partition("-")
        found, requested = self._reports.figure(figure_id), self._asked.figure(kept_id, now_utc=self._now_utc)
        if row and requested is not None:
            requested = interval_figure(requested, row) if requested.trace.computation == SERIES else None
        # A number of a command's answer is made by that command alone.
        is_known = requested is not None and requested.trace.computation in VERSIONS
        return found or (completed(requested, self._sources) if requested is not None and is_known else None)

    def behind(self, figure_id: str) -> Figure | None:
        """As `figure`, of one that another is made of."""
        return self._reports.behind(figure_id) or self.figure(figure_id)


def completed(figure: Figure, sources: Sources) -> Figure:
    """A KPI or a quarter hour with all its inputs, as known at its instant; any other as it is."""
    if figure.trace.computation not in (KPI, QUARTER) or any(each.kind == "lake" for each in figure.trace.inputs):
        return figure
    named, as_of_utc = figure.trace.parameters, figure.trace.as_of_utc
    then = pinned(figure, sources)
    start, end = parse_dates(named)
    baseline_id, version = version_named(figure.trace) or (None, None)
    row: dict[str, Any] = {"kpi": named["kpi"], "scope": named["scope"], "period_start": start, "period_end": end}
    row |= {"baseline_id": baseline_id, "baseline_version": version}
    held = {(each.role, each.id): each for each in figure.trace.inputs}
    # What was kept is what it was made of, whatever that is today.
    every = [held.get((each.role, each.id), each) for each in inputs_of(then.site(named["site"]), row, then, as_of_utc)]
    if figure.trace.computation == QUARTER:
        # No SQL makes it.
        every = [each for each in every if each.role != "definition"]
    return figure.model_copy(update={"trace": figure.trace.model_copy(update={"inputs": tuple(every)})})


def figure_lookup(project: "OpenProject", sources: Sources, clock: Clock) -> FigureLookup:
    """Figures of reports and those that were asked for."""
    return FigureLookup(project.reports, RequestedFigures(project.project.data_dir), sources, clock.now_utc())


def event_ids(
    project: "OpenProject", site: Site, events: Sequence[str], *, as_of_utc: datetime, clock: Clock
) -> dict[str, dict[str, str]]:
    """Event -> measure -> id of the numbers of stored anomaly events of a site."""
    sources = project.sources()
    nothing = Period(label="", start=as_of_utc.date(), end=as_of_utc.date(), time_zone=site.time_zone)
    given = ReportInput(site=site, period=nothing, as_of_utc=as_of_utc, sources=sources, versions={})
    data = AnomalyData(given)
    book = FigureBook(
        report_id=f"anomalies/{site.site_id}", revision=0, as_of_utc=as_of_utc, is_synthetic=site.is_simulated
    )
    ask = TemplateQueries(given, {"anomalies": data}, book)
    items = {each: item for each in events if (item := data.item(each)) is not None}
    made = {name: {of: ask.question(f"anomalies.{of}", item) for of in OF_EVENTS} for name, item in items.items()}
    ids = project.store_figures(book.figures(), clock)
    return {name: {of: ids.of(figure) for of, figure in figures.items()} for name, figures in made.items()}


def bill_ids(
    project: "OpenProject", site: Site, bills: Sequence[AuditedBill], *, as_of_utc: datetime, clock: Clock
) -> dict[tuple[str, str], dict[str, str]]:
    """Bill and line (empty: the whole bill) -> id of what was billed, what was expected, and the difference.

    Nothing of a bill whose dates were not read.
    """
    figures = BillFigures(site, bills, as_of_utc=as_of_utc)
    lines = [(bill, line) for bill in bills for line in (None, *(bill.audit.lines if bill.audit is not None else ()))]
    made = {(bill.bill_id, "" if line is None else line.id): figures.of(bill, line) for bill, line in lines}
    ids = project.store_figures(figures.book.figures(), clock)
    return {at: {of: ids.of(each) for of, each in of_bill._asdict().items()} for at, of_bill in made.items() if of_bill}


def project_ids(
    project: "OpenProject",
    site: Site,
    version: BaselineVersion,
    found: ProjectSavings,
    *,
    as_of_utc: datetime,
    clock: Clock,
) -> dict[str, str]:
    """Measure -> id of the numbers of what an M&V project saved, by its baseline; nothing of one that is another."""
    span = Period(label=f"{found.start}/{found.end}", start=found.start, end=found.end, time_zone=site.time_zone)
    sources, name = project.sources(), found.project_id
    given = ReportInput(
        site=site, period=span, as_of_utc=as_of_utc, sources=sources, versions={}, project_versions={name: version},
        confidence=found.confidence,
    )  # fmt: skip
    book = FigureBook(
        report_id=f"project/{site.site_id}/{name}/{span.label}", revision=0, as_of_utc=as_of_utc,
        is_synthetic=sources.has_synthetic(site, span, as_of_utc),
    )  # fmt: skip
    ask, item = TemplateQueries(given, {"project": ProjectData(given)}, book), Item(name, name, f"project:{name}", span)
    energies = {of: each for of, each in found.model_dump().items() if of.endswith("_kwh") and of in PROJECT}
    made = {of: ask.question(f"project.{of}", item) for of in energies}
    ids = project.store_figures(book.figures(), clock)
    return {of: ids.of(each) for of, each in made.items() if each.value == to_decimal(energies[of])}


def footprint_ids(
    project: "OpenProject",
    site: Site,
    span: Period,
    queries: Sequence[tuple[str, str, date | None]],
    *,
    as_of_utc: datetime,
    clock: Clock,
) -> dict[tuple[str, str, date | None], tuple[Decimal | None, str]]:
    """Value and id of numbers of a site's inventory over whole months; nothing of any other span.

    queries: measure, carrier (empty: all of them) and the first day of a month (None: the span).
    """
    if span.start.day != 1 or span.end.day != 1:
        return {}
    sources = project.sources()
    given = ReportInput(site=site, period=span, as_of_utc=as_of_utc, sources=sources, versions={})
    book = FigureBook(
        report_id=f"footprint/{site.site_id}/{span.start}/{span.end}",
        revision=0,
        as_of_utc=as_of_utc,
        is_synthetic=sources.has_synthetic(site, span, as_of_utc),
    )
    ask = TemplateQueries(given, {"footprint": FootprintData(given)}, book)
    spans = {None: span} | {each.start: each for each in months_of(span)}
    made = {}
    for measure, carrier, month in queries:
        scope = f"carrier:{carrier}" if carrier else f"site:{site.site_id}"
        item = Item(key=carrier, label=carrier or site.name, scope=scope, period=spans[month])
        made[measure, carrier, month] = ask.question(f"footprint.{measure}", item)
    ids = project.store_figures(book.figures(), clock)
    return {key: (figure.value, ids.of(figure)) for key, figure in made.items()}
