"""KPI throughput: the marts' SQL as a build runs it on DuckDB, against PostgreSQL, the same SQL raw, and pandas.

All read the same rows and keep the latest per key. pandas (kpi_pandas.py) makes energy, cost, emission and the highest
quarter hour of meters and scopes by the hour; energy, coverage, estimated share, coincident peak with its instant, load
factor, cost and emission of scopes by day, month and year; and of these the rows of the catalogue. Ours makes that
and more: running figures, degree days, allocations and the catalogue's rows of what this site has not, each with its
finding. Both store what they make: ours in exact decimals in tables, pandas in doubles as Parquet.
`ours` and `pandas`: CPU seconds from Parquet to the last mart, one thread each. `raw` and `build_wall`: wall seconds
from loaded sources, on all cores; a build with all data tests. `sql` and `postgres_sql`: its models, summed.
`python -m tests.bench.kpi_bench --meters 100 --years 3 --packaged-postgres` prints one JSON line.
"""

import argparse
import graphlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.kpi.incremental.mart_sources import site_tables, window_rows
from assets.kpi.mart_windows import Window
from assets.sites.calendar import quarter_hours
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.warehouse.warehouse import WarehouseTarget, load_sources
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, ParquetFiles, empty_source
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome
from data_quality.contracts.site_file.site import Site
from orchestration.warehouse.dbt import build_stage
from tests.bench.kpi_pandas import pandas_way
from tests.bench.postgres import packaged_postgres
from tests.dbt.by_dbt import invoke

PRICE, FACTOR = "0.25", "0.38"
AREA_M2 = 1000
LAST_YEAR = 2025
Tables = dict[str, pl.DataFrame | ParquetFiles]


def bench(meters: int = 60, years: int = 1, *, postgres_url: str = "") -> dict[str, Any]:
    """`years` years of `meters` meters in ten SEUs: seconds of each side (see above), and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        site = _site(meters)
        calendar = _calendar(site, years)
        file = root / "readings.parquet"
        _readings(site, calendar, file)
        tables = _tables(site, calendar, file, years)
        found: dict[str, Any] = {"name": "kpi", "rows": meters * calendar.height}
        target = WarehouseTarget(duckdb_file=root / "warehouse.duckdb")
        models = _compiled_models(root, target, _tables(site, calendar, None, years))
        (ours_kwh, _), found["ours_cpu_s"], _ = _timed(lambda: _ours(root, tables, models, threads=1))
        pandas_kwh, found["pandas_cpu_s"], found["pandas_wall_s"] = _timed(lambda: _pandas(site, calendar, file))
        _, found["raw_wall_s"] = _ours(root, tables, models)
        load_sources(target, tables)
        outcome, _, found["build_wall_s"] = _timed(lambda: build_stage("kpi", target=target, is_full=True))
        found["sql_s"], found["tests_s"] = _sql_seconds(outcome)
        if postgres_url:
            server = WarehouseTarget(duckdb_file=root / "none.duckdb", postgres_url=postgres_url)
            load_sources(server, tables)
            found["postgres_sql_s"], _ = _sql_seconds(build_stage("kpi", target=server, is_full=True))
    if not np.isclose(ours_kwh, pandas_kwh, rtol=1e-9):
        raise AssertionError(f"the two sides disagree: {ours_kwh} and {pandas_kwh} kWh")
    found["ratio"] = found["pandas_cpu_s"] / found["ours_cpu_s"]
    found["build_by_raw"] = found["build_wall_s"] / found["raw_wall_s"]
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
            "meters": [{"meter_id": name} for name in names], "seus": seus, "floor_area_m2": AREA_M2,
        }
    )  # fmt: skip


def _calendar(site: Site, years: int) -> pl.DataFrame:
    return (
        quarter_hours(site, date(LAST_YEAR + 1 - years, 1, 1), date(LAST_YEAR + 1, 1, 1))
        .with_columns(price_per_kwh=pl.lit(PRICE).cast(pl.Decimal(12, 6)))
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


def _tables(site: Site, calendar: pl.DataFrame, file: Path | None, years: int) -> Tables:
    first, after = date(LAST_YEAR + 1 - years, 1, 1), date(LAST_YEAR + 1, 1, 1)
    window = Window(site_id=site.site_id, first=first, after=after, is_whole_site=True)
    return {
        **{name: empty_source(name) for name in SOURCE_SCHEMAS if name not in ("windows", "readings")},
        "windows": window_rows([window], {site.site_id: site}),
        "readings": ParquetFiles(paths=(file,) if file else ()),
        "site_quarter_hours": calendar,
        "meter_factors": pl.DataFrame(
            [(site.site_id, meter.meter_id, first, after, Decimal(FACTOR)) for meter in site.meters],
            schema=SOURCE_SCHEMAS["meter_factors"],
            orient="row",
        ),
        **site_tables([site]),
    }


def _compiled_models(root: Path, target: WarehouseTarget, tables: Tables) -> list[tuple[str, str, str, str]]:
    """(schema, name, view or table, SQL) of the KPI models in an order that builds."""
    load_sources(target, tables)
    # Not by run_dbt, which has dbt write no manifest.
    invoke(["compile", "--select", "tag:kpi"], target=target, state_dir=root / "dbt")
    nodes = json.loads((root / "dbt" / "duckdb" / "manifest.json").read_text())["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model" and "kpi" in node["tags"]}
    order = graphlib.TopologicalSorter({key: node["depends_on"]["nodes"] for key, node in models.items()})
    return [
        (node["schema"], node["name"], node["config"]["materialized"], node["compiled_code"])
        for node in (models[key] for key in order.static_order() if key in models)
    ]


def _ours(
    root: Path, tables: Tables, models: list[tuple[str, str, str, str]], *, threads: int | None = None
) -> tuple[float, float]:
    """The site's kWh of all years, and the wall seconds of the models alone. threads: None for all cores, as in dbt."""
    import duckdb

    # A file of the same name: the compiled SQL names its database.
    target = WarehouseTarget(duckdb_file=root / "raw" / "warehouse.duckdb")
    load_sources(target, tables)
    with duckdb.connect(str(target.duckdb_file)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        if threads is not None:
            connection.execute(f"set threads = {threads}")
        start = time.perf_counter()
        for schema, name, kind, query in models:
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"create or replace {'view' if kind == 'view' else 'table'} {schema}.{name} as {query}")
        raw_s = time.perf_counter() - start
        total = connection.execute(
            "select sum(energy_kwh) from marts.mart_scope__year_kpi where scope = 'site:bench'"
        ).fetchone()
    target.duckdb_file.unlink()
    return float(total[0]), raw_s  # type: ignore[index]


def _pandas(site: Site, calendar: pl.DataFrame, file: Path) -> float:
    folder = file.with_name("pandas")
    folder.mkdir(exist_ok=True)
    return pandas_way(calendar, file, _members(site), folder, kgco2e_per_kwh=float(FACTOR), area_m2=AREA_M2)


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
    options.add_argument("--packaged-postgres", action="store_true", help="start the packaged server, where installed")
    chosen = options.parse_args()
    with packaged_postgres() if chosen.packaged_postgres else nullcontext(chosen.postgres) as url:
        found = bench(chosen.meters, chosen.years, postgres_url=url)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
