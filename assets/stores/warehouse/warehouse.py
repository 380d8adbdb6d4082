"""The warehouse: schema `lake` loaded from Python, marts published as Parquet, on DuckDB or PostgreSQL.

DuckDB locks its file against every other process, so each function opens, works and closes. The SQL that turns
one into the other is dbt's. Everything here can be derived again: a damaged DuckDB file is thrown away on a full load.
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import Field

from assets.stores.postgres import connection_to
from assets.stores.transactions import cannot_be_written, reaching
from assets.stores.warehouse.marts import MARTS, date_column, mart_file, mart_path, write_mart
from assets.stores.warehouse.run_nodes import Engine, PlannedNode
from assets.stores.warehouse.warehouse_postgres import PostgresEngine, read_postgres
from assets.stores.warehouse.warehouse_tables import BUILT_SCHEMA, SOURCE_SCHEMAS, ParquetFiles, conform, create_table
from assets.stores.warehouse.warehouse_views import DUCKDB_AS_OF, parquet_source, quoted, window_view
from assets.stores.whole_file import whole_file
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.model import Model
from data_quality.contracts.settings import Project

if TYPE_CHECKING:
    import duckdb

# Beyond it DuckDB writes to disk what a statement has in hand, rather than take most of the machine.
_MEMORY = "1GB"
# More rows of a site's mart than this go to their files as DuckDB sorts them, and stand nowhere in memory as a whole.
ROWS_IN_MEMORY = 1_000_000
# As polars writes the others.
_PARQUET = "format parquet, compression zstd, row_group_size 262144"
# Nothing is fetched from outside: core, icu, json and parquet are built in.
CLOSED = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_HELD: dict[Path, "duckdb.DuckDBPyConnection"] = {}
_HOLDING = threading.Lock()


class WarehouseTarget(Model):
    """Address of the warehouse: a PostgreSQL URL, or else a DuckDB file."""

    duckdb_file: Path
    postgres_url: str = Field(default="", description="postgresql://…; empty: the DuckDB file")

    @property
    def name(self) -> str:
        """The dbt target: duckdb or postgres."""
        return "postgres" if self.postgres_url else "duckdb"


def target_of(project: Project) -> WarehouseTarget:
    """The warehouse that the project's settings choose."""
    return WarehouseTarget(duckdb_file=project.warehouse_file, postgres_url=project.settings.database.of("warehouse"))


def load_sources(target: WarehouseTarget, tables: Mapping[str, pl.DataFrame | ParquetFiles]) -> dict[str, int]:
    """Replace the given tables of schema `lake`, all or none. Returns the rows of each.

    tables: names and columns of SOURCE_SCHEMAS. A kill in the middle leaves the former content; loading all
    tables also heals a damaged DuckDB file. Raises OurFault for other columns, Unreachable for a held warehouse.
    """
    with engine_of(target, may_discard=set(tables) == set(SOURCE_SCHEMAS)) as engine:
        return engine.load(tables)


@contextmanager
def engine_of(target: WarehouseTarget, *, may_discard: bool = False) -> Iterator[Engine]:
    """The warehouse as nodes are run on it. may_discard: as in `duckdb_session`. Raises Unreachable."""
    if target.postgres_url:
        with connection_to(target.postgres_url) as connection:
            yield PostgresEngine(connection)
        return
    with duckdb_session(target.duckdb_file, may_discard=may_discard) as connection:
        yield DuckDbEngine(connection)


class DuckDbEngine:
    """An Engine over a session of DuckDB. is_locked: no setting can be changed, so that nothing is kept in bounds."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", *, is_locked: bool = False) -> None:
        import duckdb

        self.errors: tuple[type[Exception], ...] = (duckdb.Error,)
        self._connection, self._is_locked = connection, is_locked

    @cached_property
    def _kinds(self) -> dict[str, str]:
        """View or table, of each that stands there."""
        query = "select table_schema || '.' || table_name, table_type from information_schema.tables"
        return {name: "view" if kind == "VIEW" else "table" for name, kind in self.rows(query)}

    def load(self, tables: Mapping[str, pl.DataFrame | ParquetFiles]) -> dict[str, int]:
        """As Engine says. Raises OurFault for other columns than SOURCE_SCHEMAS has."""
        checked = {name: conform(name, table) for name, table in tables.items()}
        with _transaction(self._connection):
            self._execute("create schema if not exists lake")
            counts = {name: self._replace(name, table) for name, table in checked.items()}
            if "readings" in checked:
                readings = checked["readings"]
                # Only the files of the windows are opened: a late reading reads its month, not the lake.
                touched = readings.touched if isinstance(readings, ParquetFiles) else None
                source = parquet_source(_absolute(touched)) if touched else "lake.readings"
                self._execute(create_table("windows"), window_view(source), DUCKDB_AS_OF)
        return counts

    def make(self, node: PlannedNode) -> int:
        """As Engine says."""
        connection, name = self._connection, node.relation
        if node.kind == "test":
            # All names stand in a closed list of ours; the SQL is dbt's.
            return int(within_memory(connection, f"select count(*) from ({node.sql}\n)")[0][0])  # noqa: S608
        self._execute(f"create schema if not exists {node.layer}")
        # A definition of a stranger makes what is not there, and takes the place of nothing.
        former = None if self._is_locked else self._kinds.get(name)
        if former not in (None, node.kind):
            self._execute(f"drop {former} {name}")
        if node.kind == "view" or self._is_locked:
            statement = f"create {'' if self._is_locked else 'or replace '}{node.kind} {name} as ({node.sql}\n)"
            # A definition that ends in "; drop …" would have its second statement run too.
            if len(connection.extract_statements(statement)) != 1:
                raise BadInput(
                    f"model {node.name} of the definition of KPIs is not one statement", reason="no_definition"
                )
            connection.execute(statement)
        elif node.replaced and former == "table":
            fill_within_memory(connection, f"{name}__new", node.sql)
            with _transaction(connection):
                self._execute(f"delete from {name} as kept where {node.replaced}")  # noqa: S608
                self._execute(f"insert into {name} select * from {name}__new", f"drop table {name}__new")  # noqa: S608
        else:
            fill_within_memory(connection, name, node.sql)
        self._kinds[name] = node.kind
        return 0

    def execute(self, *statements: str) -> None:
        """As Engine says."""
        with _transaction(self._connection):
            self._execute(*statements)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """As Engine says."""
        import duckdb

        with suppress(duckdb.CatalogException):
            return self._connection.execute(query).fetchall()
        return []

    def let_go(self) -> None:
        """As in Engine: the publication of the tables, which is next, holds them a second time."""
        import duckdb

        with suppress(duckdb.OutOfMemoryException):
            self._execute("set memory_limit = '64MB'")
        self._execute("reset memory_limit")

    def _execute(self, *statements: str) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def _replace(self, name: str, table: pl.DataFrame | ParquetFiles) -> int:
        # All names stand in a closed list of ours; the paths are quoted.
        # DROP TABLE refuses a view and DROP VIEW a table; readings are either, as there are files or none.
        if former := self._kinds.pop(f"lake.{name}", None):
            self._execute(f"drop {former} lake.{name}")
        if isinstance(table, ParquetFiles) and table.paths:
            # The files are immutable and named by the manifest: read where they are, not copied.
            names, source = ", ".join(SOURCE_SCHEMAS[name]), parquet_source(_absolute((*table.paths, *table.others)))
            self._execute(f"create view lake.{name} as select {names} from {source}")  # noqa: S608
            # Of this load: a count of all would open every file of every site.
            loaded = parquet_source(_absolute(table.paths))
        else:
            self._execute(create_table(name))
            loaded = f"lake.{name}"
        if isinstance(table, pl.DataFrame):
            self._connection.register("incoming", table)
            self._execute(f"insert into lake.{name} select * from incoming")  # noqa: S608
            self._connection.unregister("incoming")
        self._kinds[f"lake.{name}"] = "table" if loaded == f"lake.{name}" else "view"
        return int(self.rows(f"select count(*) from {loaded}")[0][0])  # noqa: S608


@contextmanager
def _transaction(connection: "duckdb.DuckDBPyConnection") -> Iterator[None]:
    """One transaction; nothing of it stays where it breaks off."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def publish_marts(
    target: WarehouseTarget,
    marts_dir: Path,
    names: Sequence[str] = tuple(MARTS),
    *,
    years: Mapping[str, Collection[int]] | None = None,
) -> dict[str, int]:
    """Export marts to Parquet in key order; each file appears whole. Returns the rows of each.

    years: site -> the calendar years that were computed; only their files are written. None: everything, and the
    files of what is gone are removed. Call it after the checks: readers see the former files until then.
    Raises Unreachable.
    """
    counts = {}
    for name in names:
        small, counts[name] = years, 0
        if years is not None and not target.postgres_url:
            large = _large_sites(target, name, years)
            counts[name] = sum(_stream(target, mart_path(marts_dir, name), name, each, years[each]) for each in large)
            small = {site_id: span for site_id, span in years.items() if site_id not in large}
        frame = read_warehouse(target, name) if small is None else read_sites(target, name, small)
        write_mart(frame, marts_dir, name, years=small)
        counts[name] += frame.height
    return counts


def _large_sites(target: WarehouseTarget, name: str, sites: Collection[str]) -> set[str]:
    # The names of marts stand in closed lists of ours.
    where = f"site_id in ({', '.join(map(quoted, sites)) or 'null'})"
    query = f"select site_id from marts.{name} where {where} group by site_id having count(*) > {ROWS_IN_MEMORY}"  # noqa: S608
    return {str(site_id) for (site_id,) in _rows(target, query)}


def _stream(target: WarehouseTarget, folder: Path, name: str, site_id: str, years: Collection[int]) -> int:
    """Write years of a site's mart as DuckDB sorts them, each file whole. Returns the rows."""
    day, keys, count = date_column(name), ", ".join(MARTS[name]), 0
    with duckdb_session(target.duckdb_file) as connection:
        for year in sorted(years):
            query = f"select * from marts.{name} where {_years_of(site_id, day, [year])} order by {keys}"  # noqa: S608
            path = mart_file(folder, site_id, year)
            with whole_file(path) as part:
                [(rows,)] = within_memory(connection, f"copy ({query}) to {quoted(str(part))} ({_PARQUET})")
            if not rows:
                path.unlink(missing_ok=True)
            count += rows
        DuckDbEngine(connection).let_go()
    return count


def within_memory(connection: "duckdb.DuckDBPyConnection", statement: str) -> list[tuple[Any, ...]]:
    """The rows that a statement asks for, in little memory where DuckDB can spill all that it holds; else in what it
    needs.

    Only for what makes no entry in the catalog: see `fill_within_memory`.
    """
    import duckdb

    try:
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        rows = connection.execute(statement).fetchall()
    except duckdb.OutOfMemoryException:
        connection.execute("reset memory_limit")
        return connection.execute(statement).fetchall()
    connection.execute("reset memory_limit")
    return rows


def fill_within_memory(connection: "duckdb.DuckDBPyConnection", table: str, select: str) -> None:
    """Make a table anew of a SELECT's rows, in memory as `within_memory`; until it stands whole the former does.

    Only the rows are made in little memory. Where DuckDB finds none to note how an entry of its catalog is undone, the
    entry stays behind, half made, and the table can be made by nobody until the file is closed.
    """
    import duckdb

    made = f"as ({select}\n)"
    # A transaction of its own: rows that several threads put into a table of the same transaction are seen by nobody.
    connection.execute(f"create or replace table {table}__made {made} with no data")
    try:
        connection.execute(f"set memory_limit = '{_MEMORY}'")
        connection.execute(f"insert into {table}__made ({select}\n)")
    except duckdb.Error as error:
        connection.execute("reset memory_limit")
        connection.execute(f"drop table {table}__made")
        if not isinstance(error, duckdb.OutOfMemoryException):
            raise
        connection.execute(f"create or replace table {table} {made}")
        return
    connection.execute("reset memory_limit")
    with _transaction(connection):
        connection.execute(f"drop table if exists {table}")
        connection.execute(f"alter table {table}__made rename to {table.rpartition('.')[2]}")


def read_sites(target: WarehouseTarget, name: str, years: Mapping[str, Collection[int]]) -> pl.DataFrame:
    """One mart in key order: of each site those calendar years. Raises as read_warehouse."""
    parts = [read_warehouse(target, name, site_id=site_id, years=years[site_id]) for site_id in sorted(years)]
    # Without a site the columns alone.
    return pl.concat(parts or [read_warehouse(target, name, site_id="", years=[])])


def read_warehouse(
    target: WarehouseTarget, name: str, *, site_id: str | None = None, years: Collection[int] = ()
) -> pl.DataFrame:
    """One mart as the warehouse holds it, in key order: all of it, or a site's calendar years from first to last.

    Raises Unreachable, KeyError for an unknown mart.
    """
    keys, day = MARTS[name], date_column(name)
    where = "true" if site_id is None else _years_of(site_id, day, years)
    if target.postgres_url:
        return read_postgres(target.postgres_url, name, keys, where)
    with duckdb_session(target.duckdb_file, read_only=True) as connection:
        # All names stand in closed lists of ours.
        query = f"select * from marts.{name} where {where} order by {', '.join(keys)}"  # noqa: S608
        frame: pl.DataFrame = connection.sql(query).pl()
        return frame


def _years_of(site_id: str, day: str, years: Collection[int]) -> str:
    """Condition on a mart's rows. Without years an empty span: the columns alone."""
    first, after = (min(years), max(years) + 1) if years else (1, 1)
    return f"site_id = {quoted(site_id)} and {day} >= date '{first:04d}-01-01' and {day} < date '{after:04d}-01-01'"


def energy_spans(target: WarehouseTarget, sites: Collection[str]) -> dict[str, tuple[date, date]]:
    """First and last local day with imported energy of these sites, as the KPI models hold them. Raises Unreachable."""
    where = f"site_id in ({', '.join(map(quoted, sites)) or 'null'})"
    days = f"intermediate.int_meter__day_energy where {where}"
    query = f"select site_id, min(local_date), max(local_date) from {days} group by site_id"  # noqa: S608
    return {str(site_id): (first, last) for site_id, first, last in _rows(target, query)}


def built_with(target: WarehouseTarget) -> dict[str, str]:
    """Fingerprint of the dbt project that each part (`kpi`, `kpi|SITE`) of this very warehouse was built with.

    A part that is not named must be built from its first day. Raises Unreachable.
    """
    return {str(part): str(text) for part, text in _rows(target, "select part, fingerprint from lake.built")}


def mark_built(target: WarehouseTarget, parts: Sequence[str], fingerprint: str) -> None:
    """Say what parts were built with; with an empty fingerprint they and every part of them are forgotten.

    Raises Unreachable.
    """
    those = f"part in ({', '.join(map(quoted, parts))})"
    if not fingerprint:
        # Not LIKE: the _ in a site's name would stand for any character there.
        those += "".join(f" or starts_with(part, {quoted(f'{part}|')})" for part in parts)
    rows = ", ".join(f"({quoted(part)}, {quoted(fingerprint)})" for part in parts)
    statements = [
        "create schema if not exists lake",
        create_table("built", BUILT_SCHEMA),
        f"delete from lake.built where {those}",  # noqa: S608
        *([f"insert into lake.built values {rows}"] if fingerprint else []),  # noqa: S608
    ]
    with engine_of(target, may_discard=True) as engine:
        engine.execute(*statements)


def _rows(target: WarehouseTarget, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query of ours; none where the warehouse, or its table, is not there yet or damaged."""
    if not (target.postgres_url or target.duckdb_file.exists()):
        return []
    with engine_of(target, may_discard=True) as engine:
        return engine.rows(query)


@contextmanager
def held_open(target: WarehouseTarget) -> Iterator[None]:
    """Keep a DuckDB file open for all queries here meanwhile: to open one costs more than to query it.

    Others, dbt in this process too, are shut out until the end. Held already, it stays with the first holder. Raises
    Unreachable.
    """
    if target.postgres_url or target.duckdb_file in _HELD:
        yield
        return
    with duckdb_session(target.duckdb_file, may_discard=True) as connection:
        _HELD[target.duckdb_file] = connection
        try:
            yield
        finally:
            with _HOLDING:
                del _HELD[target.duckdb_file]


@contextmanager
def duckdb_session(
    file: Path, *, read_only: bool = False, may_discard: bool = False
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection to the warehouse's file, in UTC, that is nobody else's, also where the file is held open.

    may_discard: a damaged file is thrown away. One that cannot be written is opened to be read. Raises Unreachable.
    """
    import duckdb

    config: dict[str, Any] = dict(CLOSED)
    if cannot_be_written(file):
        read_only, may_discard = True, False
    try:
        # DuckDB refuses a thread that asks a connection while another's question is on its way.
        with _HOLDING:
            held = _HELD[file].cursor() if file in _HELD else None
        if held is None:
            file.parent.mkdir(parents=True, exist_ok=True)
        connection = held or duckdb.connect(str(file), read_only=read_only, config=config)
    except duckdb.Error as error:
        # DuckDB's errors have no codes: its words are all there is.
        if "lock" in str(error).lower():
            raise Unreachable(f"the warehouse {file} is held by another process; end it or wait for it") from error
        if not may_discard:
            raise Unreachable(f"the warehouse {file} cannot be opened; load all sources to rebuild it") from error
        # With its log, which would be replayed into the new file.
        for damaged in (file, file.with_name(file.name + ".wal")):
            damaged.unlink(missing_ok=True)
        connection = duckdb.connect(str(file), config=config)
    try:
        with reaching(""):
            # Else DuckDB would cast instants to dates in the zone of the machine.
            connection.execute("set TimeZone = 'UTC'")
            yield connection
    finally:
        connection.close()


def _absolute(paths: Sequence[Path]) -> list[str]:
    return [str(path.absolute()) for path in paths]
