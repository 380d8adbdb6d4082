"""One seeded lake, built once on both engines by the real dbt under a foreign TZ."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from assets.kpi.incremental.mart_sources import source_tables
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.factor_ledger import FactorStore
from assets.stores.transactions import Store, open_store
from assets.stores.warehouse.warehouse import WarehouseTarget, load_sources, publish_marts
from data_quality.contracts.factor import Factor, FactorSet
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from tests.dbt.by_dbt import run_dbt
from tests.kpi.seeded import expected_days, filled_lake, plant, rich_plant

OFFICE = {
    "site_id": "office",
    "time_zone": "Asia/Kolkata",
    "currency": "INR",
    "country": "IN",
    "tariffs": [],
    "factors": [],
    "floor_area_m2": None,
}


@dataclass
class Built:
    """Result of one engine on the lake."""

    target: WarehouseTarget
    marts_dir: Path
    outcomes: dict[str, DbtOutcome]


@dataclass
class World:
    """The lake that was built, and what it was built from."""

    lake: Lake
    sites: dict[str, Site]
    expected: pl.DataFrame
    duckdb: Built
    postgres: Built


@pytest.fixture(scope="session")
def foreign_zone() -> Iterator[None]:
    """The machine stands in Berlin, so that a session in local time would be noticed."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of dbt's state in tests."""
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture(scope="session")
def warehouse_url(postgres_server: str) -> Iterator[str]:
    """A database for the warehouse on the real server."""
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS warehouse_test")
        connection.execute("CREATE DATABASE warehouse_test")
    base, _, query = postgres_server.partition("?")
    url = base.rsplit("/", 1)[0] + "/warehouse_test" + (f"?{query}" if query else "")
    yield url
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE warehouse_test WITH (FORCE)")


@pytest.fixture(scope="session")
def world(
    tmp_path_factory: pytest.TempPathFactory, state_dir: Path, warehouse_url: str, foreign_zone: None
) -> Iterator[World]:
    """Two sites in zones of whole and half hours, built on DuckDB and on PostgreSQL with all tests."""
    folder = tmp_path_factory.mktemp("world")
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    lake = Lake(folder / "lake", store)
    sites = {"plant": rich_plant(), "office": plant(**OFFICE)}
    for seed, site in enumerate(sites.values()):
        filled_lake(lake, site, seed=seed)
    record_factor(store)
    expected = pl.concat([expected_days(site, seed=seed) for seed, site in enumerate(sites.values())])
    tables = source_tables(sites, lake, expected)
    built = []
    for url in ("", warehouse_url):
        target = WarehouseTarget(duckdb_file=folder / "warehouse.duckdb", postgres_url=url)
        load_sources(target, tables)
        outcomes = {
            tag: run_dbt(["build", "--select", f"tag:{tag}"], target=target, state_dir=state_dir)
            for tag in ("kpi", "enpi")
        }
        failed = [f"{node.name}: {node.message}" for outcome in outcomes.values() for node in outcome.failed]
        assert not failed, "\n".join(failed)
        publish_marts(target, folder / target.name)
        built.append(Built(target=target, marts_dir=folder / target.name, outcomes=outcomes))
    yield World(lake=lake, sites=sites, expected=expected, duckdb=built[0], postgres=built[1])
    store.close()


def record_factor(store: Store) -> None:
    """A factor of gas for all sites, of more decimals than a price has; site files name none."""
    gas = Factor(
        factor_id="gas",
        scope=1,
        activity="natural gas",
        unit="kWh",
        kg_co2e_per_unit=Decimal("0.183996820123456"),
        valid_from=date(2025, 1, 1),
        valid_to=date(2025, 10, 26),
    )
    clock = FixedClock(datetime(2025, 11, 2, 12, tzinfo=UTC))
    FactorStore(store).add(FactorSet(path="gas.csv", sha256="0" * 64, factors=(gas,)), clock=clock)


@pytest.fixture
def as_of() -> datetime:
    """Between the first batch and its corrections."""
    return datetime(2025, 11, 1, 12, tzinfo=UTC)
