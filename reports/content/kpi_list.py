"""KPI values of a site as figures: the published marts' rows, each with the trace that makes it again."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import polars as pl

from assets.stores.marts import read_mart
from data_quality.contracts.errors import BadInput
from data_quality.contracts.figure import TraceInput
from data_quality.contracts.site import Site
from data_quality.contracts.time import Period
from reports.computations import to_decimal
from reports.content.model import ReportContent
from reports.figures import FigureBook
from reports.sources import Sources

NAME = "kpis"
Grain = Literal["day", "month", "year"]
# KPI -> column of mart_scope__<grain>_kpi, and its unit; currency stands for the site's own.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "consumption_kwh": ("energy_kwh", "kwh"),
    "peak_15min_kw": ("peak_kw", "kw"),
    "load_factor": ("load_factor", "ratio"),
    "cost": ("cost", "currency"),
    "emission_kgco2e": ("emission_kgco2e", "kgco2e"),
    "eui_kwh_per_m2": ("eui_kwh_per_m2", "kwh/m2"),
}


def kpi_list(
    site: Site,
    period: Period,
    *,
    grain: Grain,
    sources: Sources,
    marts_dir: Path,
    as_of_utc: datetime,
    revision: int = 0,
) -> ReportContent:
    """Every KPI that the marts hold for the site's scopes over the period, as figures without pages.

    Raises BadInput where the marts are not published, or hold nothing of the period.
    """
    rows = _rows(site, period, grain, marts_dir)
    is_synthetic = bool(rows["is_synthetic"].any())
    report_id = f"{NAME}/{site.site_id}/{period.label}/{grain}"
    book = FigureBook(report_id=report_id, revision=revision, as_of_utc=as_of_utc, is_synthetic=is_synthetic)
    for row in rows.iter_rows(named=True):
        inputs = [
            sources.lake_input(site, row["period_start"], row["period_end"], as_of_utc),
            sources.site_input(site),
            *sources.calendar_inputs(site, row["period_start"], row["period_end"]),
        ]
        for kpi, column, unit in _known(row, site):
            _add(book, site, row, kpi=kpi, value=to_decimal(row[column]), unit=unit, inputs=inputs)
    return ReportContent(
        report_id=report_id,
        name=NAME,
        title="KPI values",
        site_id=site.site_id,
        site_name=site.name,
        period=period.label,
        start=period.start,
        end=period.end,
        time_zone=site.time_zone,
        locale=site.locale,
        currency=site.currency,
        revision=revision,
        as_of_utc=as_of_utc,
        status="draft" if is_synthetic else "final",
        is_synthetic=is_synthetic,
        findings=(),
        versions={},
        sections=(),
        figures=book.figures(),
    )


def _add(
    book: FigureBook,
    site: Site,
    row: Mapping[str, Any],
    *,
    kpi: str,
    value: Decimal | None,
    unit: str,
    inputs: list[TraceInput],
) -> None:
    scope, start, end = row["scope"], row["period_start"], row["period_end"]
    book.add(
        f"{scope}/{start}/{kpi}",
        value,
        label=f"{kpi} of {scope}",
        kpi=kpi,
        scope=scope,
        start=start,
        end=end,
        unit=unit,
        computation="scope_kpi",
        parameters={"site": site.site_id, "scope": scope, "kpi": kpi, "start": str(start), "end": str(end)},
        inputs=inputs,
        coverage=row["coverage"],
        estimated_share=row["estimated_share"],
    )


def _rows(site: Site, period: Period, grain: Grain, marts_dir: Path) -> pl.DataFrame:
    rows = read_mart(marts_dir, f"mart_scope__{grain}_kpi", site_id=site.site_id).filter(
        (pl.col("period_start") >= period.start) & (pl.col("period_end") <= period.end)
    )
    if rows.is_empty():
        raise BadInput(
            f"no readings of site {site.site_id!r} make a whole {grain} of {period.label}", reason="nothing_in_period"
        )
    return rows.sort("scope", "period_start")


def _known(row: Mapping[str, Any], site: Site) -> Iterator[tuple[str, str, str]]:
    for kpi, (column, unit) in COLUMNS.items():
        if row.get(column) is not None:
            yield kpi, column, site.currency if unit == "currency" else unit
