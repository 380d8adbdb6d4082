"""The warehouse: schema `lake` loaded from Python, marts published as Parquet, on DuckDB or PostgreSQL.

DuckDB locks its file against every other process, so each function opens, works and closes. The SQL that turns
one into the other is dbt's. Everything here can be derived again: a damaged DuckDB file is thrown away on a full load.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import Field

from assets.stores import warehouse_postgres
from assets.stores.lake_block import write_atomic
from assets.stores.marts import MARTS, mart_path
from assets.stores.warehouse_tables import SOURCE_SCHEMAS, ParquetFiles, column_types, conform
from data_quality.contracts.errors import OurFault, Unreachable
from data_quality.contracts.model import Model
from data_quality.contracts.settings import Project

if TYPE_CHECKING:
    import duckdb

# Nothing is fetched from outside: core, icu, json and parquet are built in.
CLOSED = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}


class WarehouseTarget(Model):
    """Where the warehouse lives: a PostgreSQL URL, or else a DuckDB file."""

    duckdb_file: Path
    postgres_url: str = Field(default="", description="postgresql://…; empty: the DuckDB file")

    @property
    def name(self) -> str:
        """The dbt target: duckdb or postgres."""
        return "postgres" if self.postgres_url else "duckdb"


def target_of(project: Project) -> WarehouseTarget:
    """The warehouse that the project's settings choose."""
    return WarehouseTarget(duckdb_file=project.warehouse_file, postgres_url=project.settings.database.url)


def load_sources(target: WarehouseTarget, tables: Mapping[str, pl.DataFrame | ParquetFiles]) -> dict[str, int]:
    """Replace the given tables of schema `lake`, all or none. Returns the rows of each.

    tables: names and columns of SOURCE_SCHEMAS. A kill in the middle leaves the former content; loading all
    tables also heals a damaged DuckDB file. Raises OurFault for other columns, Unreachable for a held warehouse.
    """
    checked = {name: conform(name, table) for name, table in tables.items()}
    if target.postgres_url:
        return warehouse_postgres.load(target.postgres_url, checked)
    with _duckdb(target.duckdb_file, may_discard=set(checked) == set(SOURCE_SCHEMAS)) as connection:
        connection.execute("begin")
        connection.execute("create schema if not exists lake")
        counts = {name: _replace(connection, name, table) for name, table in checked.items()}
        connection.execute("commit")
    return counts


def publish_marts(target: WarehouseTarget, marts_dir: Path, names: Sequence[str] = tuple(MARTS)) -> dict[str, int]:
    """Export marts to Parquet in key order; each file appears whole. Returns the rows of each.

    Call it after the checks: readers see the former files until then. Raises Unreachable.
    """
    counts = {}
    for name in names:
        frame = read_warehouse(target, name)
        write_atomic(frame, mart_path(marts_dir, name))
        counts[name] = frame.height
    return counts


def read_warehouse(target: WarehouseTarget, name: str) -> pl.DataFrame:
    """One mart as the warehouse holds it, in key order. Raises Unreachable, KeyError for an unknown mart."""
    keys = MARTS[name]
    if target.postgres_url:
        return warehouse_postgres.read(target.postgres_url, name, keys)
    with _duckdb(target.duckdb_file, read_only=True) as connection:
        # Both names stand in a closed list of ours.
        frame: pl.DataFrame = connection.sql(f"select * from marts.{name} order by {', '.join(keys)}").pl()  # noqa: S608
        return frame


@contextmanager
def _duckdb(file: Path, *, read_only: bool = False, may_discard: bool = False) -> Iterator["duckdb.DuckDBPyConnection"]:
    import duckdb

    file.parent.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = dict(CLOSED)
    try:
        connection = duckdb.connect(str(file), read_only=read_only, config=config)
    except duckdb.Error as error:
        if "lock" in str(error).lower():
            raise Unreachable(f"the warehouse {file} is held by another process; end it or wait for it") from error
        if not may_discard:
            raise Unreachable(f"the warehouse {file} cannot be opened; load all sources to rebuild it") from error
        for damaged in (file, file.with_name(file.name + ".wal")):
            damaged.unlink(missing_ok=True)
        connection = duckdb.connect(str(file), config=config)
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _replace(connection: "duckdb.DuckDBPyConnection", name: str, table: pl.DataFrame | ParquetFiles) -> int:
    # All names stand in a closed list of ours; the paths are quoted.
    _drop(connection, name)
    if isinstance(table, ParquetFiles) and table.paths:
        # The files are immutable and named by the manifest: read where they are, not copied.
        paths = ", ".join("'" + str(path.absolute()).replace("'", "''") + "'" for path in table.paths)
        names = ", ".join(SOURCE_SCHEMAS[name])
        source = f"read_parquet([{paths}], hive_partitioning = false)"
        connection.execute(f"create view lake.{name} as select {names} from {source}")  # noqa: S608
    else:
        columns = ", ".join(f"{column} {kind}" for column, kind in column_types(name).items())
        connection.execute(f"create table lake.{name} ({columns})")
    if isinstance(table, pl.DataFrame):
        connection.register("incoming", table)
        connection.execute(f"insert into lake.{name} select * from incoming")  # noqa: S608
        connection.unregister("incoming")
    counted = connection.execute(f"select count(*) from lake.{name}").fetchone()  # noqa: S608
    if counted is None:
        raise OurFault(f"no row count for lake.{name}")
    return int(counted[0])


def _drop(connection: "duckdb.DuckDBPyConnection", name: str) -> None:
    found = connection.execute(
        "select table_type from information_schema.tables where table_schema = 'lake' and table_name = ?", [name]
    ).fetchone()
    if found is not None:
        connection.execute(f"drop {'view' if found[0] == 'VIEW' else 'table'} lake.{name}")
