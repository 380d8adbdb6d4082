"""The KPI marts in pandas, as one would write them: the other side of the KPI bench. In doubles, not exactly."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

KEY = ["site_id", "meter_id", "register", "interval_start_utc"]
USED = [*KEY, "interval_minutes", "source_minutes", "value", "unit", "quality_code", "is_synthetic", "recorded_at_utc"]
SUMS = {"value": "sum", "cost": "sum", "emission": "sum", "interval_minutes": "sum"}
ALL = {**SUMS, "estimated_minutes": "sum", "is_synthetic": "any", "recorded_at_utc": "max", "source_minutes": "max"}
COMPLETE = 0.99


def pandas_way(
    calendar: pl.DataFrame,
    file: Path,
    members: Sequence[tuple[str, str, int]],
    folder: Path,
    *,
    kgco2e_per_kwh: float,
    area_m2: float,
) -> float:
    """Hours, days, months and years of meters and scopes, and their KPIs as rows, as Parquet. Returns the site's kWh.

    calendar: interval_start_utc, local_date, price_per_kwh. members: scope, meter, meters of the scope; the last scope
    is the site's.
    """
    import pandas as pd

    rows = pd.read_parquet(file, columns=USED).sort_values("recorded_at_utc").drop_duplicates(KEY, keep="last")
    rows = rows[(rows["register"] == "import") & (rows["unit"] == "kwh")]
    known = calendar.select("interval_start_utc", "local_date", pl.col("price_per_kwh").cast(pl.Float64)).to_pandas()
    rows = rows.merge(known, on="interval_start_utc", how="left")
    rows["cost"] = rows["value"] * rows["price_per_kwh"]
    rows["emission"] = rows["value"] * kgco2e_per_kwh
    rows["estimated_minutes"] = rows["interval_minutes"].where(rows["quality_code"].isin([8, 9]), 0)
    rows["hour"] = rows["interval_start_utc"].dt.floor("h")
    scopes = pd.DataFrame(members, columns=["scope", "meter_id", "meter_count"])
    for name, hours in zip(("meter_hours", "scope_hours"), _hours(rows, scopes), strict=True):
        hours.to_parquet(folder / f"{name}.parquet")
    days = _days(rows, scopes).merge(_peaks(rows, scopes), on=["scope", "local_date"], how="left")
    quarters = known.groupby("local_date", as_index=False).agg(quarters=("interval_start_utc", "size"))
    days = days.merge(quarters, on="local_date")
    days["expected_minutes"] = days["quarters"] * 15 * days["meter_count"]
    dates = pd.to_datetime(days["local_date"])
    periods = [_period(days, dates, grain) for grain in ("D", "M", "Y")]
    for each in periods:
        each.astype({"period": str}).to_parquet(folder / f"period_{each['grain'].iloc[0]}.parquet")
    values = pd.concat([_catalogue(pd, each, members[-1][0], area_m2) for each in periods], ignore_index=True)
    values.astype({"period": str}).to_parquet(folder / "values.parquet")
    year = periods[-1]
    return float(year.loc[year["scope"] == members[-1][0], "value"].sum())


def _hours(rows: Any, scopes: Any) -> Any:
    """Energy, cost, emission, coverage and highest quarter hour of meters, and of scopes of several, by the hour."""
    by = ["meter_id", "hour", "local_date"]
    hours = rows.groupby(by, as_index=False).agg(
        **{name: (name, how) for name, how in SUMS.items()}, peak=("value", "max")
    )
    several = scopes[~scopes["scope"].str.startswith("meter:")]
    joined = hours.merge(several, on="meter_id")
    return hours, joined.groupby(["scope", "hour", "local_date"], as_index=False).agg({**SUMS, "meter_count": "max"})


def _days(rows: Any, scopes: Any) -> Any:
    days = rows.groupby(["meter_id", "local_date"], as_index=False).agg(ALL)
    return (
        days.merge(scopes, on="meter_id")
        .groupby(["scope", "local_date"], as_index=False)
        .agg({**ALL, "meter_count": "max"})
    )


def _peaks(rows: Any, scopes: Any) -> Any:
    """The highest quarter hour of each scope and day in which every meter is present, and their sum."""
    scoped = rows[["meter_id", "interval_start_utc", "local_date", "value"]].merge(scopes, on="meter_id")
    quarters = scoped.groupby(["scope", "local_date", "interval_start_utc"], as_index=False).agg(
        value=("value", "sum"), present=("value", "size"), meter_count=("meter_count", "max")
    )
    quarters = quarters[quarters["present"] == quarters["meter_count"]]
    by_day = quarters.groupby(["scope", "local_date"])
    sums = by_day.agg(complete=("value", "sum"), complete_quarters=("value", "size")).reset_index()
    peaks = quarters.loc[by_day["value"].idxmax(), ["scope", "local_date", "value", "interval_start_utc"]]
    return sums.merge(
        peaks.rename(columns={"value": "peak", "interval_start_utc": "peak_at"}), on=["scope", "local_date"]
    )


def _period(days: Any, dates: Any, grain: str) -> Any:
    sums = dict.fromkeys(
        ["value", "cost", "emission", "interval_minutes", "estimated_minutes", "expected_minutes"], "sum"
    )
    by = ["scope", dates.dt.to_period(grain).rename("period")]
    more = {"is_synthetic": "any", "recorded_at_utc": "max", "source_minutes": "max", "peak": "max"}
    made = days.groupby(by).agg({**sums, **more, "complete": "sum", "complete_quarters": "sum", "local_date": "size"})
    highest = days.loc[days.groupby(by)["peak"].idxmax(), "peak_at"].to_numpy()
    made = made.assign(peak_at=highest, grain=grain, coverage=made["interval_minutes"] / made["expected_minutes"])
    made["estimated_share"] = made["estimated_minutes"] / made["interval_minutes"]
    made["peak_kw"] = made["peak"] * 4
    made["load_factor"] = made["complete"] / (made["peak_kw"] * made["complete_quarters"] / 4)
    return made.reset_index()


def _catalogue(pd: Any, periods: Any, site_scope: str, area_m2: float) -> Any:
    """One row a KPI with unit, coverage and finding."""
    carried = ["scope", "grain", "period", "coverage", "estimated_share", "is_synthetic"]
    gap = periods["coverage"] < 1
    parts = []
    for kpi, column, unit in (
        ("consumption_kwh", "value", "kwh"), ("peak_15min_kw", "peak_kw", "kw"), ("load_factor", "load_factor", "1"),
        ("cost", "cost", "EUR"), ("emission_kgco2e", "emission", "kgco2e"),
    ):  # fmt: skip
        finding = pd.Series("gap", index=periods.index).where(gap)
        parts.append(periods[carried].assign(kpi=kpi, value=periods[column], unit=unit, finding=finding))
    site = periods[periods["scope"] == site_scope]
    for kpi, column, unit in (
        ("eui_kwh_per_m2", "value", "kwh_per_m2"),
        ("emission_kgco2e_per_m2", "emission", "kgco2e_per_m2"),
    ):
        is_known = (site["coverage"] >= COMPLETE) & (kpi != "eui_kwh_per_m2" or site["grain"] == "Y")
        finding = pd.Series("gap", index=site.index).where(~is_known)
        parts.append(
            site[carried].assign(kpi=kpi, value=(site[column] / area_m2).where(is_known), unit=unit, finding=finding)
        )
    return pd.concat(parts, ignore_index=True)
