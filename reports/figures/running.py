"""The running figures of a site as figures with their traces, and as command line and API say them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from assets.kpi.from_readings import FACTORED
from assets.kpi.running_cost.month_to_date import RunningFigures, running_figures, source_span
from assets.stores.warehouse.marts import ReadMart
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
    _, end = source_span(site, found.at_utc)
    month = Period(label=f"{found.at_utc:%Y-%m-%dT%H:%MZ}", start=found.month_start, end=end, time_zone=site.time_zone)
    return figure_list(book, name=NAME, title="Running figures", period=month, site=site)


def running_book(
    site: Site, found: RunningFigures, *, sources: Sources, as_of_utc: datetime, revision: int = 0, is_synthetic: bool
) -> FigureBook:
    """The figures themselves."""
    start, end = source_span(site, found.at_utc)
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


# What is said of the month so far and of the whole month.
FIELDS = ("import_kwh", "cost", "emission_kgco2e", "peak_kw")


def running_now(read: ReadMart, site: str, at_utc: datetime | None) -> RunningFigures:
    """The running figures of a site's marts; without an instant, those of the last reading. Raises BadInput."""
    quarters = read("mart_site__quarter_hour_running", site_id=site)
    projections = read("mart_site__day_projection", site_id=site)
    return running_figures(site, quarters, projections, at_utc=at_utc)


def with_coarse_source(found: RunningFigures, site: Site, read: ReadMart) -> RunningFigures:
    """The figures with a finding where the main meters are read less often than the demand's window is long."""
    first, scope = found.month_start, f"site:{site.site_id}"
    inside = pl.col("period_start").is_between(first, source_span(site, found.at_utc)[1], closed="left")
    days = read("mart_scope__day_kpi", site_id=site.site_id, years={first.year}, scope=scope, where=inside)
    minutes = days.filter(pl.col("scope") == scope)["max_source_minutes"]
    return found.with_coarse_source() if (minutes > found.window_minutes).any() else found


def running_result(found: RunningFigures, time_zone: str, figures: Mapping[str, str]) -> dict[str, Any]:
    """The answer's JSON. figures: field -> figure id, of those that are stored."""
    so_far = found.model_dump(include={*FIELDS, "energy_cost", "other_cost", "coverage"})
    return {
        "site": found.site_id,
        "at": found.at_utc,
        "time_zone": time_zone,
        "month_start": found.month_start,
        "currency": found.currency,
        "month_to_date": so_far | {"unpriced_minutes": found.uncosted_minutes},
        "demand": {
            "block_kw": found.block_demand_kw,
            "block_minutes": found.block_minutes,
            "window_minutes": found.window_minutes,
            "charge": found.demand_charge,
        },
        "projection": {
            **{key: getattr(found, f"projected_{key}") for key in FIELDS},
            "method": found.method,
            "as_known_on": found.projected_on,
        },
        "findings": found.findings,
        "figures": figures,
    }
