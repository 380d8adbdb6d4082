"""KPI throughput: the marts' SQL on DuckDB against the same figures in pandas, from the same Parquet file.

Both read the file, keep the latest row per key, and make energy, cost and emission per meter and hour, and energy,
coverage, peak, load factor, cost and emission per scope and day, month and year. Ours sums exactly; pandas in doubles.
"""

import graphlib
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.kpi.sources import meter_rows, window_rows
from assets.kpi.windows import Window
from assets.sites.calendar import quarter_hours
from assets.sites.meter_tree import seu_meters
from assets.stores.lake_block import LAKE_SCHEMA
from assets.stores.warehouse import WarehouseTarget, load_sources
from assets.stores.warehouse_tables import SOURCE_SCHEMAS, ParquetFiles, empty_source
from data_quality.contracts.site import Site
from data_quality.contracts.time import parse_period
from orchestration.dbt import run_dbt

YEAR_SLOTS = 35_040
PRICE, FACTOR = "0.25", "0.38"


def bench(meters: int = 60) -> dict[str, Any]:
    """One year of `meters` meters in ten SEUs. Returns name, rows, ours_cpu_s, pandas_cpu_s, ratio."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        site = _site(meters)
        calendar = _calendar(site)
        file = root / "readings.parquet"
        _readings(site, calendar).write_parquet(file)
        models = _compiled_models(root, site, calendar)
        ours_cpu_s, ours_kwh = _timed(lambda: _ours(root, site, calendar, file, models))
        pandas_cpu_s, pandas_kwh = _timed(lambda: _pandas(site, calendar, file))
    if not np.isclose(ours_kwh, pandas_kwh, rtol=1e-9):
        raise AssertionError(f"the two sides disagree: {ours_kwh} and {pandas_kwh} kWh")
    ratio = round(pandas_cpu_s / ours_cpu_s, 2)
    return {
        "name": "kpi",
        "rows": meters * YEAR_SLOTS,
        "ours_cpu_s": round(ours_cpu_s, 2),
        "pandas_cpu_s": round(pandas_cpu_s, 2),
        "ratio": ratio,
    }


def _timed(work: Any) -> tuple[float, float]:
    start = time.process_time()
    answer = work()
    return time.process_time() - start, float(answer)


def _site(meters: int) -> Site:
    names = [f"m{number}" for number in range(meters)]
    seus = [{"seu_id": f"s{part}", "name": "s", "meters": names[part::10]} for part in range(10)]
    return Site.model_validate(
        {
            "site_id": "bench", "name": "Bench", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE",
            "meters": [{"meter_id": name} for name in names], "seus": seus, "floor_area_m2": 1000,
        }
    )  # fmt: skip


def _calendar(site: Site) -> pl.DataFrame:
    year = parse_period("2025", site.time_zone)
    known = [pl.lit(value).cast(pl.Decimal(12, 6)) for value in (PRICE, FACTOR)]
    return (
        quarter_hours(site, year.start, year.end)
        .with_columns(price_per_kwh=known[0], electricity_kgco2e_per_kwh=known[1])
        .select(list(SOURCE_SCHEMAS["site_quarter_hours"]))
    )


def _readings(site: Site, calendar: pl.DataFrame) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    starts = calendar["interval_start_utc"]
    one_year = pl.DataFrame({"interval_start_utc": starts}).with_columns(
        site_id=pl.lit(site.site_id), register=pl.lit("import"), interval_minutes=15, source_minutes=15,
        unit=pl.lit("kwh"), quality_code=0, source_line=1, is_synthetic=True, batch_id=pl.lit("b"),
        recorded_at_utc=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)),
    )  # fmt: skip
    parts = [
        one_year.with_columns(meter_id=pl.lit(meter.meter_id), value=rng.integers(0, 10**11, len(starts)) / 1e9)
        for meter in site.meters
    ]
    return pl.concat(parts).select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items())


def _tables(site: Site, calendar: pl.DataFrame, file: Path | None) -> dict[str, pl.DataFrame | ParquetFiles]:
    year = parse_period("2025", site.time_zone)
    window = Window(site_id=site.site_id, first=year.start, after=year.end, is_whole_site=True)
    return {
        "windows": window_rows([window], {site.site_id: site}),
        "readings": ParquetFiles(paths=(file,) if file else ()),
        "site_quarter_hours": calendar,
        "meters": meter_rows(site),
        "seu_meters": seu_meters(site),
        "sites": pl.DataFrame(
            [(site.site_id, site.time_zone, site.currency, site.floor_area_m2)],
            schema=SOURCE_SCHEMAS["sites"],
            orient="row",
        ),
        "seu_expected_days": empty_source("seu_expected_days"),
    }


def _compiled_models(root: Path, site: Site, calendar: pl.DataFrame) -> list[tuple[str, str, str, str]]:
    """(schema, name, view or table, SQL) of the KPI models in an order that builds."""
    target = WarehouseTarget(duckdb_file=root / "ours.duckdb")
    load_sources(target, _tables(site, calendar, None))
    run_dbt(["compile", "--select", "tag:kpi"], target=target, state_dir=root / "dbt")
    nodes = json.loads((root / "dbt" / "duckdb" / "manifest.json").read_text())["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model" and "kpi" in node["tags"]}
    order = graphlib.TopologicalSorter({key: node["depends_on"]["nodes"] for key, node in models.items()})
    return [
        (node["schema"], node["name"], node["config"]["materialized"], node["compiled_code"])
        for node in (models[key] for key in order.static_order() if key in models)
    ]


def _ours(root: Path, site: Site, calendar: pl.DataFrame, file: Path, models: list[tuple[str, str, str, str]]) -> float:
    import duckdb

    target = WarehouseTarget(duckdb_file=root / "ours.duckdb")
    load_sources(target, _tables(site, calendar, file))
    with duckdb.connect(str(target.duckdb_file)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for schema, name, kind, query in models:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"create or replace {'view' if kind == 'view' else 'table'} {schema}.{name} as {query}")
        total = connection.execute(
            "select sum(energy_kwh) from marts.mart_scope__year_kpi where scope = 'site:bench'"
        ).fetchone()
    return float(total[0])  # type: ignore[index]


def _pandas(site: Site, calendar: pl.DataFrame, file: Path) -> float:
    import pandas as pd

    key = ["site_id", "meter_id", "register", "interval_start_utc"]
    rows = pd.read_parquet(file).sort_values("recorded_at_utc").drop_duplicates(key, keep="last")
    rows = rows[(rows["register"] == "import") & (rows["unit"] == "kwh")]
    known = calendar.drop("site_id").with_columns(pl.col(pl.Decimal).cast(pl.Float64)).to_pandas()
    rows = rows.merge(known, on="interval_start_utc", how="left")
    rows["cost"] = rows["value"] * rows["price_per_kwh"]
    rows["emission"] = rows["value"] * rows["electricity_kgco2e_per_kwh"]
    rows["estimated_minutes"] = rows["interval_minutes"].where(rows["quality_code"].isin([8, 9]), 0)
    rows["hour"] = rows["interval_start_utc"].dt.floor("h")
    sums = {"value": "sum", "cost": "sum", "emission": "sum", "interval_minutes": "sum"}
    rows.groupby(["meter_id", "hour", "local_date"]).agg(sums)
    members = pd.DataFrame(_members(site), columns=["scope", "meter_id", "meter_count"])
    days = rows.groupby(["meter_id", "local_date"], as_index=False).agg(
        {**sums, "estimated_minutes": "sum", "is_synthetic": "any", "recorded_at_utc": "max", "source_minutes": "max"}
    )
    days = (
        days.merge(members, on="meter_id")
        .groupby(["scope", "local_date"], as_index=False)
        .agg(
            {
                **sums,
                "estimated_minutes": "sum",
                "is_synthetic": "any",
                "recorded_at_utc": "max",
                "source_minutes": "max",
            }
        )
    )
    scoped = rows[["meter_id", "interval_start_utc", "local_date", "value"]].merge(members, on="meter_id")
    quarters = scoped.groupby(["scope", "local_date", "interval_start_utc"], as_index=False).agg(
        value=("value", "sum"), present=("value", "size"), meter_count=("meter_count", "max")
    )
    quarters = quarters[quarters["present"] == quarters["meter_count"]]
    peaks = quarters.loc[quarters.groupby(["scope", "local_date"])["value"].idxmax()]
    days = days.merge(
        peaks[["scope", "local_date", "value", "interval_start_utc"]],
        on=["scope", "local_date"],
        suffixes=("", "_peak"),
    )
    dates = pd.to_datetime(days["local_date"])
    answers = []
    for grain in ("D", "M", "Y"):
        grouped = days.groupby(["scope", dates.dt.to_period(grain).rename("period")])
        made = grouped.agg({**sums, "value_peak": "max"})
        made["load_factor"] = made["value"] / (made["value_peak"] * 4 * made["interval_minutes"] / 60)
        answers.append(made.reset_index())
    year = answers[-1]
    return float(year.loc[year["scope"] == "site:bench", "value"].sum())


def _members(site: Site) -> list[tuple[str, str, int]]:
    single = [(f"meter:{meter.meter_id}", meter.meter_id, 1) for meter in site.meters]
    groups = [(f"seu:{seu.seu_id}", meter, len(seu.meters)) for seu in site.seus for meter in seu.meters]
    return [*single, *groups, *(("site:bench", meter.meter_id, len(site.meters)) for meter in site.meters)]
