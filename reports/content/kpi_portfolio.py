"""KPI values of all sites together: each is a traced sum of the sites' own figures, one row a currency."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.marts import PORTFOLIO, read_mart
from data_quality.contracts.errors import BadInput
from data_quality.contracts.figure import Figure
from data_quality.contracts.site import Site
from data_quality.contracts.time import Period
from reports.content.kpi_list import COLUMNS, NAME, UNITS, Grain, add_rows
from reports.content.model import ReportContent
from reports.figures import FigureBook
from reports.sources import Sources


def kpi_portfolio(
    period: Period,
    *,
    grain: Grain,
    sources: Sources,
    marts_dir: Path,
    as_of_utc: datetime,
    revision: int = 0,
    scope: str | None = None,
) -> ReportContent:
    """Energy by carrier, water, carbon and cost of all sites, over each whole day, month or year of the period.

    Sites keep their own local days. A sum stands only where every site that has the KPI knows it; the sites' figures
    come first, the sums after them. Raises BadInput for hours, and where there is nothing.
    """
    if grain == "hour":
        raise BadInput("a portfolio has no hours: its sites keep their own local days", reason="no_portfolio_hours")
    rows = _inside(read_mart(marts_dir, "mart_portfolio__kpi_values", site_id=PORTFOLIO), period, grain)
    if scope is not None:
        rows = rows.filter(pl.col("scope") == scope)
    if rows.is_empty():
        raise BadInput(f"no sites make a whole {grain} of {period.label}", reason="nothing_in_period")
    values = read_mart(marts_dir, "mart_site__kpi_values").filter(pl.col("grain") == grain)
    is_synthetic = bool(rows["is_synthetic"].any())
    report_id = "/".join([NAME, PORTFOLIO, period.label, grain, *([scope.replace("/", "~")] if scope else [])])
    book = FigureBook(report_id=report_id, revision=revision, as_of_utc=as_of_utc, is_synthetic=is_synthetic)
    for row in rows.sort("scope", "period_start", "kpi", "unit").iter_rows(named=True):
        _add(book, row, _sites(book, row, values, sources))
    return ReportContent(
        report_id=report_id,
        name=NAME,
        title="KPI values of all sites",
        site_id=PORTFOLIO,
        site_name="Portfolio",
        period=period.label,
        start=period.start,
        end=period.end,
        time_zone=period.time_zone,
        locale="en",
        currency="",
        revision=revision,
        as_of_utc=as_of_utc,
        status="draft" if is_synthetic else "final",
        is_synthetic=is_synthetic,
        findings=(),
        versions={},
        sections=(),
        figures=book.figures(),
    )


def _inside(rows: pl.DataFrame, period: Period, grain: Grain) -> pl.DataFrame:
    return rows.filter(
        (pl.col("grain") == grain) & (pl.col("period_start") >= period.start) & (pl.col("period_end") <= period.end)
    )


def _sites(book: FigureBook, row: Mapping[str, Any], values: pl.DataFrame, sources: Sources) -> list[Figure]:
    """The figures of every site that has the KPI at some time; of one without the period, that it is not there."""
    suffix = str(row["scope"]).removeprefix("portfolio")
    every = values.filter(
        (pl.col("scope") == "site:" + pl.col("site_id") + suffix)
        & (pl.col("kpi") == row["kpi"])
        & (pl.col("unit") == row["unit"])
        & (pl.col("finding").fill_null("") != "water_excluded")
    )
    mine = every.filter(pl.col("period_start") == row["period_start"])
    absent = {"value": None, "exact": None, "coverage": 0.0, "estimated_share": None, "finding": "no_readings"}
    found = []
    for site_id in every["site_id"].unique().sort():
        site: Site = sources.site(site_id)
        own = mine.filter(pl.col("site_id") == site_id)
        if own.is_empty():
            without = {**row, **absent, "scope": f"site:{site_id}{suffix}", "site_id": site_id}
            own = pl.DataFrame([{name: without[name] for name in own.columns}], schema=own.schema)
        before = len(book.figures())
        add_rows(book, site, own.select(COLUMNS), sources=sources)
        found += list(book.figures()[before:])
    return found


def _add(book: FigureBook, row: Mapping[str, Any], parts: list[Figure]) -> None:
    unit = UNITS.get(row["unit"], row["unit"])
    place = f"portfolio/{row['scope']}/{row['grain']}/{row['period_start']}/{row['kpi']}/{unit}"
    book.derive(
        place,
        "sum",
        [(part.trace.parameters["site"], part) for part in parts],
        label=f"{row['kpi']} of {row['scope']}",
        kpi=row["kpi"],
        unit=unit,
        scope=row["scope"],
        status=row["finding"] or "",
    )
