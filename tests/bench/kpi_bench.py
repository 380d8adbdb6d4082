"""KPI throughput: the marts' SQL by dbt on DuckDB, against PostgreSQL and against the same figures in pandas.

All read the same rows, keep the latest per key, and make energy, cost and emission per meter and hour, and energy,
coverage, peak, load factor, cost and emission per scope and day, month and year. Ours sums exactly; pandas in doubles.
`python -m tests.bench.kpi_bench --meters 100 --years 3 --postgres postgresql://…` prints one JSON line.
"""

import argparse
import graphlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.kpi.sources import site_tables, window_rows
from assets.kpi.windows import Window
from assets.sites.calendar import quarter_hours
from assets.stores.lake_block import LAKE_SCHEMA
from assets.stores.warehouse import WarehouseTarget, load_sources
from assets.stores.warehouse_tables import SOURCE_SCHEMAS, ParquetFiles, empty_source
from data_quality.contracts.site import Site
from orchestration.dbt import DbtOutcome, run_dbt

PRICE, FACTOR = "0.25", "0.38"
LAST_YEAR = 2025
BUILD = ["build", "--select", "tag:kpi", "--exclude-resource-type", "unit_test", "--full-refresh"]


def bench(meters: int = 60, years: int = 1, *, postgres_url: str = "") -> dict[str, Any]:
    """`years` years of `meters` meters in ten SEUs. CPU and wall seconds of each side, and their ratios.

    ours_*: the SQL run raw, one model after the other; sql_s: dbt's own times of the models, in a build with tests.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        site = _site(meters)
        calendar = _calendar(site, years)
        file = root / "readings.parquet"
        _readings(site, calendar, file)
        target = WarehouseTarget(duckdb_file=root / "dbt.duckdb")
        tables = _tables(site, calendar, file, years)
        found: dict[str, Any] = {"name": "kpi", "rows": meters * calendar.height}
        models = _compiled_models(root, site, calendar, years)
        ours_kwh, found["ours_cpu_s"], found["ours_wall_s"] = _timed(lambda: _ours(root, tables, models))
        (root / "ours.duckdb").unlink()
        pandas_kwh, found["pandas_cpu_s"], found["pandas_wall_s"] = _timed(lambda: _pandas(site, calendar, file))
        load_sources(target, tables)
        outcome, _, found["dbt_wall_s"] = _timed(lambda: run_dbt(BUILD, target=target, state_dir=root / "dbt"))
        found["sql_s"], found["tests_s"] = _sql_seconds(outcome)
        if postgres_url:
            server = WarehouseTarget(duckdb_file=root / "none.duckdb", postgres_url=postgres_url)
            load_sources(server, tables)
            found["postgres_sql_s"], _ = _sql_seconds(run_dbt(BUILD, target=server, state_dir=root / "dbt"))
    if not np.isclose(ours_kwh, pandas_kwh, rtol=1e-9):
        raise AssertionError(f"the two sides disagree: {ours_kwh} and {pandas_kwh} kWh")
    found["ratio"] = found["pandas_cpu_s"] / found["ours_cpu_s"]
    found["ratio_wall"] = found["pandas_wall_s"] / found["sql_s"]
    found["dbt_by_raw"] = found["dbt_wall_s"] / found["ours_wall_s"]
    if postgres_url:
        found["postgres_by_duckdb"] = found["postgres_sql_s"] / found["sql_s"]
    return {key: round(value, 2) if isinstance(value, float) else value for key, value in found.items()}


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    answer = work()
    return answer, time.process_time() - cpu, time.perf_counter() - wall


def _sql_seconds(outcome: DbtOutcome) -> tuple[float, float]:
    """Seconds of the models, and of the data tests. Raises where one failed."""
    if not outcome.is_success:
        raise AssertionError("; ".join(f"{node.name}: {node.message}" for node in outcome.failed))
    kinds = [(node.resource_type, node.execution_s) for node in outcome.nodes]
    return sum(s for kind, s in kinds if kind == "model"), sum(s for kind, s in kinds if kind == "test")


def _site(meters: int) -> Site:
    names = [f"m{number}" for number in range(meters)]
    seus = [{"seu_id": f"s{part}", "name": "s", "meters": names[part::10]} for part in range(10)]
    return Site.model_validate(
        {
            "site_id": "bench", "name": "Bench", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE",
            "meters": [{"meter_id": name} for name in names], "seus": seus, "floor_area_m2": 1000,
        }
    )  # fmt: skip


def _calendar(site: Site, years: int) -> pl.DataFrame:
    known = [pl.lit(value).cast(pl.Decimal(12, 6)) for value in (PRICE, FACTOR)]
    return (
        quarter_hours(site, date(LAST_YEAR + 1 - years, 1, 1), date(LAST_YEAR + 1, 1, 1))
        .with_columns(price_per_kwh=known[0], electricity_kgco2e_per_kwh=known[1])
        .select(list(SOURCE_SCHEMAS["site_quarter_hours"]))
    )


def _readings(site: Site, calendar: pl.DataFrame, file: Path) -> None:
    """One Parquet file, a row group a meter: the whole would not fit beside what is measured."""
    rng = np.random.default_rng(1)
    starts = calendar["interval_start_utc"]
    every = pl.LazyFrame({"interval_start_utc": starts}).with_columns(
        site_id=pl.lit(site.site_id), register=pl.lit("import"), interval_minutes=15, source_minutes=15,
        unit=pl.lit("kwh"), quality_code=0, source_line=1, is_synthetic=True, batch_id=pl.lit("b"),
        recorded_at_utc=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)),
    )  # fmt: skip
    parts = [
        every.with_columns(
            meter_id=pl.lit(meter.meter_id), value=pl.lit(pl.Series(rng.integers(0, 10**11, len(starts)) / 1e9))
        )
        for meter in site.meters
    ]
    pl.concat(parts).select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items()).sink_parquet(
        file, row_group_size=len(starts)
    )


def _tables(
    site: Site, calendar: pl.DataFrame, file: Path | None, years: int
) -> dict[str, pl.DataFrame | ParquetFiles]:
    first, after = date(LAST_YEAR + 1 - years, 1, 1), date(LAST_YEAR + 1, 1, 1)
    window = Window(site_id=site.site_id, first=first, after=after, is_whole_site=True)
    return {
        "windows": window_rows([window], {site.site_id: site}),
        "readings": ParquetFiles(paths=(file,) if file else ()),
        "site_quarter_hours": calendar,
        "interval_cost": empty_source("interval_cost"),
        **site_tables([site]),
        "seu_expected_days": empty_source("seu_expected_days"),
    }


def _compiled_models(root: Path, site: Site, calendar: pl.DataFrame, years: int) -> list[tuple[str, str, str, str]]:
    """(schema, name, view or table, SQL) of the KPI models in an order that builds."""
    target = WarehouseTarget(duckdb_file=root / "ours.duckdb")
    load_sources(target, _tables(site, calendar, None, years))
    run_dbt(["compile", "--select", "tag:kpi"], target=target, state_dir=root / "dbt")
    nodes = json.loads((root / "dbt" / "duckdb" / "manifest.json").read_text())["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model" and "kpi" in node["tags"]}
    order = graphlib.TopologicalSorter({key: node["depends_on"]["nodes"] for key, node in models.items()})
    return [
        (node["schema"], node["name"], node["config"]["materialized"], node["compiled_code"])
        for node in (models[key] for key in order.static_order() if key in models)
    ]


def _ours(root: Path, tables: Any, models: list[tuple[str, str, str, str]]) -> float:
    import duckdb

    target = WarehouseTarget(duckdb_file=root / "ours.duckdb")
    load_sources(target, tables)
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


def main() -> int:
    """Run once, print one JSON line."""
    options = argparse.ArgumentParser(description="The KPI marts on DuckDB, PostgreSQL and in pandas.")
    options.add_argument("--meters", type=int, default=10)
    options.add_argument("--years", type=int, default=1)
    options.add_argument("--postgres", default="", help="URL of an empty database")
    chosen = options.parse_args()
    found = bench(chosen.meters, chosen.years, postgres_url=chosen.postgres)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
