"""One KPI of a scope over any span of local days, as a row: the marts' own where they have one, else that of its days.

A trace makes the same number again from the readings of the whole span.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl

from assets.stores.warehouse.marts import ReadMart
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, local_day_hours
from reports.figures.kpi_list import COLUMNS, years_of
from reports.recompute.computations import COMBINATIONS

# How the days of a KPI become that of their span; of no other does it follow from its days.
OF_DAYS: Mapping[str, str] = {
    "consumption_kwh": "sum",
    "cost": "sum",
    "emission_kgco2e": "sum",
    "peak_15min_kw": "max",
}


def span_rows(site: Site, scope: str, period: Period, read: ReadMart, *, kpis: tuple[str, ...]) -> pl.DataFrame:
    """A row as kpi_list.kpi_rows has them for each of the KPIs (of OF_DAYS) that some day of the period has."""
    inside = (pl.col("period_start") >= period.start) & (pl.col("period_end") <= period.end)
    rows = read(
        "mart_site__kpi_values",
        site_id=site.site_id,
        years=years_of(period),
        scope=scope,
        where=inside & (pl.col("scope") == scope) & pl.col("kpi").is_in(list(kpis)),
    ).select(COLUMNS)
    is_whole = (pl.col("period_start") == period.start) & (pl.col("period_end") == period.end)
    found = [rows.filter(is_whole & (pl.col("kpi") == kpi)).head(1) for kpi in kpis]
    days = rows.filter(pl.col("grain") == "day")
    missing = [kpi for kpi, own in zip(kpis, found, strict=True) if own.is_empty()]
    made = [_of_days(days.filter(pl.col("kpi") == kpi), period) for kpi in missing]
    rows = pl.concat([*found, *(each for each in made if each is not None)])
    return rows.with_columns(hour_start_utc=pl.lit(None, dtype=pl.Datetime("us", "UTC")))


def _of_days(days: pl.DataFrame, period: Period) -> pl.DataFrame | None:
    known = days.filter(pl.col("exact").is_not_null() | pl.col("value").is_not_null()).sort("period_start")
    if known.is_empty():
        return None
    rows, first = known.to_dicts(), known.row(0, named=True)
    codes = list(dict.fromkeys(code for row in days.to_dicts() for code in (row["findings"] or "").split()))
    hours = {row["period_start"]: local_day_hours(row["period_start"], period.time_zone) for row in rows}
    read = {row["period_start"]: hours[row["period_start"]] * (row["coverage"] or 0.0) for row in rows}
    if len(rows) < period.days and "gap" not in codes:
        codes.append("gap")
    whole = COMBINATIONS[OF_DAYS[first["kpi"]]]([("day", _exact(row)) for row in rows])
    row: dict[str, Any] = {
        **first,
        "grain": f"{period.start}/{period.end}",
        "period_start": period.start,
        "period_end": period.end,
        "exact": whole,
        "value": None if whole is None else float(whole),
        "coverage": sum(read.values()) / period.hours,
        "estimated_share": _weighed(rows, read),
        "finding": codes[0] if codes else None,
        "findings": " ".join(codes) or None,
        "is_synthetic": any(row["is_synthetic"] for row in rows),
    }
    return pl.DataFrame([row], schema=days.schema)


def _exact(row: Mapping[str, Any]) -> Decimal | None:
    exact: Decimal | None = row["exact"]
    return exact if exact is not None else Decimal(repr(row["value"]))


def _weighed(rows: list[dict[str, Any]], weights: Mapping[Any, float]) -> float | None:
    """The share of estimates in what was read of all days; None where a day does not say."""
    shares = [(row["estimated_share"], weights[row["period_start"]]) for row in rows]
    total = sum(weight for _, weight in shares)
    if not total or any(share is None for share, _ in shares):
        return None
    return float(sum(share * weight for share, weight in shares) / total)
