"""Previews of a mart in Dagster: its newest days as lines or its newest periods as a table, of one site."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from orchestration.previews import Preview, lines, table

# The whole site's electricity first; a mart of forty scopes is no picture.
_SCOPE = "site:{}"
# Mart -> its column of time, what is drawn, how many of the newest rows, unit.
LINES: Mapping[str, tuple[str, tuple[str, ...], int, str]] = {
    "mart_scope__hour_kpi": ("hour_start_utc", ("energy_kwh",), 24 * 14, "kWh per hour"),
    "mart_scope__day_kpi": ("period_start", ("energy_kwh",), 120, "kWh per day"),
}
_PERIOD = ("period_start", "energy_kwh", "peak_kw", "cost", "emission_kgco2e", "coverage")
# Mart -> columns of its table.
TABLES: Mapping[str, tuple[str, ...]] = {
    "mart_scope__month_kpi": _PERIOD,
    "mart_scope__year_kpi": (*_PERIOD, "eui_kwh_per_m2"),
    "mart_site__kpi_values": ("period_start", "kpi", "value", "unit", "finding"),
    "mart_seu__month_enpi": ("month_start", "seu_id", "actual_kwh", "expected_kwh", "delta_kwh", "compared_days"),
}
HEADINGS = {
    "period_start": "from",
    "month_start": "month",
    "seu_id": "energy use",
    "energy_kwh": "energy, kWh",
    "peak_kw": "peak, kW",
    "emission_kgco2e": "emission, kgCO2e",
    "eui_kwh_per_m2": "kWh per m²",
    "actual_kwh": "actual, kWh",
    "expected_kwh": "expected, kWh",
    "delta_kwh": "difference, kWh",
    "compared_days": "days compared",
}
# Actual against expected, a picture for each use.
USES = "mart_seu__day_enpi"
PREVIEWED = {*LINES, *TABLES, USES}
USE_DAYS, TABLE_ROWS = 120, 48


def mart_preview(name: str, rows: pl.DataFrame, *, site_id: str) -> dict[str, Preview]:
    """Metadata of a mart, by label. rows: of the site, in key order; empty without any."""
    if name == USES:
        return use_pictures(rows)
    if "scope" in rows.columns:
        rows = rows.filter(pl.col("scope") == _SCOPE.format(site_id))
    if name in LINES:
        time, drawn, count, unit = LINES[name]
        newest = rows.tail(count)
        if newest.is_empty():
            return {}
        return {"newest": lines(newest[time].to_list(), _series(newest, drawn), title=f"{site_id}", unit=unit)}
    if "grain" in rows.columns:
        months = rows.filter((pl.col("grain") == "month") & pl.col("value").is_not_null())
        rows = months.filter(pl.col("period_start") == pl.col("period_start").max())
    columns = TABLES[name]
    # The newest on top: a table is cut at its end.
    shown = rows.select(columns).reverse().with_columns(pl.col(pl.Decimal).cast(pl.Float64))
    return (
        {}
        if shown.is_empty()
        else {site_id: table([HEADINGS.get(name, name) for name in columns], shown.rows(), limit=TABLE_ROWS)}
    )


def use_pictures(days: pl.DataFrame, actual: str = "actual_kwh", *, count: int = USE_DAYS) -> dict[str, Preview]:
    """A picture for each energy use: what it took beside what its baseline expects, over so many of its newest days."""
    found = {}
    for (seu_id,), rows in days.partition_by("seu_id", as_dict=True, maintain_order=True).items():
        newest = rows.tail(count)
        series = {"actual": newest[actual].to_list(), "expected": newest["expected_kwh"].to_list()}
        found[str(seu_id)] = lines(newest["local_date"].to_list(), series, title=f"{seu_id}", unit="kWh per day")
    return found


def _series(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    return {name.rpartition("_")[0]: rows[name].to_list() for name in columns}
