"""The running figures of a site as figures: each with the trace that makes it again from the readings."""

from datetime import datetime
from decimal import Decimal

from assets.kpi.running_cost.month_to_date import RunningFigures, span_behind
from assets.kpi.scope_streams import FACTORED
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.figure_book import FigureBook, figure_list
from reports.recompute.computations import RUNNING, to_decimal
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent

NAME = "running"


def running_list(
    site: Site, found: RunningFigures, *, sources: Sources, as_of_utc: datetime, revision: int = 0, is_synthetic: bool
) -> ReportContent:
    """One figure for every field of RUNNING; figures without pages."""
    book = running_book(site, found, sources=sources, as_of_utc=as_of_utc, revision=revision, is_synthetic=is_synthetic)
    _, end = span_behind(site, found.at_utc)
    month = Period(label=f"{found.at_utc:%Y-%m-%dT%H:%MZ}", start=found.month_start, end=end, time_zone=site.time_zone)
    return figure_list(book, name=NAME, title="Running figures", period=month, site=site)


def running_book(
    site: Site, found: RunningFigures, *, sources: Sources, as_of_utc: datetime, revision: int = 0, is_synthetic: bool
) -> FigureBook:
    """The figures themselves."""
    start, end = span_behind(site, found.at_utc)
    place = f"{found.at_utc:%Y-%m-%dT%H:%MZ}"
    book = FigureBook(
        report_id="/".join([NAME, site.site_id, place]),
        revision=revision,
        as_of_utc=as_of_utc,
        is_synthetic=is_synthetic,
    )
    scope = f"site:{site.site_id}"
    inputs = [
        sources.lake_input(site, start, end, as_of_utc),
        sources.site_input(site),
        sources.definition_input(),
        *sources.calendar_inputs(site, start, end),
    ]
    for field, unit in RUNNING.items():
        # Any KPI with an emission in it names the same factors.
        emission = sources.factor_inputs(site, FACTORED[0], scope, start, end, as_of_utc) if "emission" in field else []
        value: Decimal | float | None = getattr(found, field)
        codes = [finding.code for finding in found.findings if finding.touches(field)]
        parameters = {"site": site.site_id, "scope": scope, "field": field, "at_utc": place}
        book.add(
            f"{site.site_id}/{place}/{field}",
            to_decimal(value),
            label=field.replace("_", " "),
            kpi=field,
            scope=scope,
            start=found.month_start,
            end=end,
            unit=site.currency if unit == "currency" else unit,
            computation="running_figure",
            parameters=parameters | {"start": str(start), "end": str(end)},
            inputs=[*inputs, *emission],
            status=(codes or ["unknown"])[0] if value is None else "",
            coverage=found.coverage,
            findings=codes,
        )
    return book
