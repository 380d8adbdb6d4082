"""The PostgreSQL side of the warehouse: COPY in, COPY out, sessions in UTC."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.postgres import connection_to
from assets.stores.warehouse.run_nodes import PlannedNode
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, ParquetFiles, conform, create_table
from assets.stores.warehouse.warehouse_views import POSTGRES_AS_OF, window_view
from data_quality.contracts.errors import OurFault, Unreachable

if TYPE_CHECKING:
    import psycopg

# With its offset: no setting of a session can shift what is copied in.
INSTANT_FORMAT = "%Y-%m-%d %H:%M:%S%.6f+00"
# A lake of years goes through memory in parts.
FILES_AT_ONCE = 256
# The layer between sources and marts.
BETWEEN = "intermediate"
# Held while loading or building: two at once would drop each other's views. The server keeps it until the session ends.
ALONE = "select pg_advisory_lock(hashtext('meterloom.warehouse'))"
# The join with the windows asks by site and time: a late reading must not scan the whole table.
READINGS_INDEX = "create index if not exists readings_by_time on lake.readings (site_id, interval_start_utc)"


class PostgresEngine:
    """An Engine over a connection, which commits what is loaded and each node that is made; others wait for its end."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        import psycopg

        self.errors: tuple[type[Exception], ...] = (psycopg.DatabaseError,)
        self._connection, self._is_alone = connection, False

    def load(self, tables: Mapping[str, pl.DataFrame | ParquetFiles]) -> dict[str, int]:
        """As Engine says. Raises OurFault for other columns than SOURCE_SCHEMAS has."""
        checked = {name: conform(name, table) for name, table in tables.items()}
        self._wait_for_others()
        with self._connection.transaction():
            self.execute("create schema if not exists lake")
            counts = {name: _replace(self._connection, name, table) for name, table in checked.items()}
            if "readings" in checked:
                self.execute(create_table("windows"), READINGS_INDEX, window_view("lake.readings"), POSTGRES_AS_OF)
        return counts

    def make(self, node: PlannedNode) -> int:
        """As Engine says."""
        self._wait_for_others()
        with self._connection.transaction():
            return self._made(node)

    def _wait_for_others(self) -> None:
        if not self._is_alone:
            self.rows(ALONE)
            self._is_alone = True

    def _made(self, node: PlannedNode) -> int:
        # The planner takes a view over fresh tables for one row, and goes through all days again for each of them.
        self.execute("set local enable_nestloop = off")
        if node.kind == "test":
            query = f"select count(*) from ({node.sql}\n) as wrong"  # noqa: S608
            return int(self._connection.execute(query.encode()).fetchall()[0][0])
        self.execute(f"create schema if not exists {node.layer}")
        # All names stand in a closed list of ours; the SQL is dbt's.
        name, fresh = node.relation, f"{node.name}__new"
        # Either is there, or nothing.
        found = self.rows(f"select relkind::text from pg_class where oid = to_regclass('{name}')")  # noqa: S608
        former = ["view" if kind == "v" else "table" for (kind,) in found]
        if node.replaced and former == ["table"]:
            self.execute(
                f"create temporary table {fresh} on commit drop as {node.sql}",
                f"delete from {name} as kept where {node.replaced}",  # noqa: S608
                f"insert into {name} select * from {fresh}",  # noqa: S608
            )
            return 0
        self.execute(f"create {node.kind} {node.layer}.{fresh} as {node.sql}")
        # The views over it go along; who made them makes them again.
        self.execute(*(f"drop {kind} {name} cascade" for kind in former))
        self.execute(f"alter {node.kind} {node.layer}.{fresh} rename to {node.name}")
        return 0

    def execute(self, *statements: str) -> None:
        """As Engine says."""
        with self._connection.transaction():
            for statement in statements:
                self._connection.execute(statement.encode())

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """As Engine says."""
        import psycopg

        with suppress(psycopg.errors.UndefinedTable), self._connection.transaction():
            return self._connection.execute(query.encode()).fetchall()
        return []

    def let_go(self) -> None:
        """Nothing: the server minds its own memory."""


def erase_site(url: str, site_id: str, sums: str) -> None:
    """Take every row of a site out of the warehouse, and those of `sums` over sites, and let no page of a table keep
    one; rows of other sites and the views over them stay. The next build makes the site's anew. Raises Unreachable.
    """
    from psycopg import sql

    with connection_to(url) as connection:
        found = connection.execute(
            "select relnamespace::regnamespace::text, relname, exists "
            "(select 1 from pg_attribute where attrelid = tables.oid and attname = 'site_id') from pg_class as tables "
            "where relkind = 'r' and relnamespace::regnamespace::text = any(%s)",
            [["lake", "staging", BETWEEN, "marts"]],
        ).fetchall()
        sited = [sql.Identifier(schema, name) for schema, name, has_site in found if has_site]
        for table in sited:
            connection.execute(sql.SQL("delete from {} where site_id in (%s, %s)").format(table), [site_id, sums])
        for schema, name, has_site in found:
            if schema == BETWEEN and not has_site:
                # By numbers of the last build, of whichever sites it was: each build fills it before it asks.
                connection.execute(sql.SQL("truncate {}").format(sql.Identifier(schema, name)))
        # Else the next load would take its readings for copied, and the next build its tables for made.
        for name, column, before in (("copied_files", "path", "/site="), ("built", "part || '/'", "|")):
            if ("lake", name, False) in found:
                query = f"delete from lake.{name} where strpos({column}, %s) > 0 or strpos({column}, %s) > 0"  # noqa: S608
                connection.execute(query.encode(), [f"{before}{each}/" for each in (site_id, sums)])
    with connection_to(url) as connection:
        connection.autocommit = True
        for table in sited:
            # The planner's notes of a table hold values of it.
            connection.execute(sql.SQL("vacuum (full, analyze) {}").format(table))


def read_postgres(url: str, name: str, keys: Sequence[str], where: str) -> pl.DataFrame:
    """The rows of one mart that a condition holds for, in key order, with the types that DuckDB would give it."""
    with connection_to(url) as connection:
        columns = connection.execute(
            "select column_name, data_type, numeric_precision, numeric_scale from information_schema.columns "
            "where table_schema = 'marts' and table_name = %s order by ordinal_position",
            [name],
        ).fetchall()
        if not columns:
            raise Unreachable(f"the warehouse holds no mart {name} yet")
        kinds = {str(column): str(kind) for column, kind, _, _ in columns}
        exported = ", ".join(_exported(column, kind) for column, kind in kinds.items())
        # Byte order, as DuckDB and polars sort text.
        order = ", ".join(f'{key} collate "C"' if kinds[key] == "text" else key for key in keys)
        # All names stand in closed lists of ours.
        query = f"select {exported} from marts.{name} where {where} order by {order}"  # noqa: S608
        # COPY: fetched row by row, a year of quarter hours would become millions of Python objects.
        with connection.cursor().copy(f"copy ({query}) to stdout (format csv, header)".encode()) as copy:
            content = b"".join(bytes(block) for block in copy)
    # As texts first: CSV has no types, and a guess by the first rows may differ from the column's own.
    texts = pl.read_csv(io.BytesIO(content), schema=dict.fromkeys([column[0] for column in columns], pl.String))
    return texts.select(_typed(*column) for column in columns)


def _exported(column: str, kind: str) -> str:
    if kind == "timestamp with time zone":
        # As a number: an instant's text would show the session's zone and drop zeros at its end.
        return f'(extract(epoch from "{column}") * 1000000)::bigint as "{column}"'
    # CSV would say t and f of a boolean, which polars does not read as such.
    return f'"{column}"::integer as "{column}"' if kind == "boolean" else f'"{column}"'


def _typed(column: str, kind: str, precision: int | None, scale: int | None) -> pl.Expr:
    text = pl.col(column)
    if kind == "timestamp with time zone":
        return text.cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
    if kind == "boolean":
        return text.cast(pl.Int32).cast(pl.Boolean)
    if kind == "numeric":
        return text.cast(pl.Decimal(precision, scale or 0))
    if kind == "date":
        return text.str.to_date("%Y-%m-%d")
    simple = {"text": pl.String, "integer": pl.Int32, "bigint": pl.Int64, "double precision": pl.Float64}
    if kind not in simple:
        raise OurFault(f"mart column {column} has type {kind}, which no mart may have")
    return text.cast(simple[kind])


def _replace(connection: "psycopg.Connection[Any]", name: str, table: pl.DataFrame | ParquetFiles) -> int:
    # All names stand in a closed list of ours.
    found = connection.execute(
        "select column_name from information_schema.columns where table_schema = 'lake' and table_name = %s", [name]
    ).fetchall()
    if found and {row[0] for row in found} != set(SOURCE_SCHEMAS[name]):
        # A table of an earlier version's columns goes with the views over it, which the next build makes anew.
        connection.execute(f"drop table lake.{name} cascade".encode())
    connection.execute(create_table(name))
    missing = _not_copied_yet(connection, name, table)
    if missing is None:
        # Emptied, not dropped: the staging views hang on it.
        connection.execute(f"truncate lake.{name}".encode())
    fresh = table if missing is None else missing
    with connection.cursor().copy(f"copy lake.{name} from stdin (format csv)".encode()) as copy:
        for part in _parts(fresh):
            copy.write(part.write_csv(include_header=False, datetime_format=INSTANT_FORMAT))
    if isinstance(fresh, ParquetFiles) and fresh.paths:
        with connection.cursor() as cursor:
            cursor.executemany("insert into lake.copied_files values (%s)", [(str(path),) for path in fresh.paths])
    # The models run at once, long before autovacuum would have counted the rows for the planner.
    connection.execute(f"analyze lake.{name}".encode())
    return int(connection.execute(f"select count(*) from lake.{name}".encode()).fetchall()[0][0])  # noqa: S608


def _not_copied_yet(
    connection: "psycopg.Connection[Any]", name: str, table: pl.DataFrame | ParquetFiles
) -> ParquetFiles | None:
    """The files whose rows the table lacks; None where the table must be filled anew.

    The lake's files never change, so a copied one is copied for good; only a file that the manifest no longer names
    makes the table start again.
    """
    if name != "readings":
        return None
    connection.execute("create table if not exists lake.copied_files (path text primary key)")
    known = {str(row[0]) for row in connection.execute("select path from lake.copied_files").fetchall()}
    named = {str(path) for path in table.paths} if isinstance(table, ParquetFiles) else set()
    filled = connection.execute("select exists (select 1 from lake.readings)").fetchall()[0][0]
    # A table filled before files were noted, or emptied by hand, is filled anew.
    is_whole = bool(filled) == bool(known)
    # Of a site that this load leaves as it is, what was copied stays, and nothing more is.
    if isinstance(table, ParquetFiles):
        known -= {str(path) for path in table.others}
    if not isinstance(table, ParquetFiles) or not is_whole or not known <= named:
        connection.execute("truncate lake.copied_files")
        return None
    return ParquetFiles(paths=tuple(path for path in table.paths if str(path) not in known))


def _parts(table: pl.DataFrame | ParquetFiles) -> Iterator[pl.DataFrame]:
    if isinstance(table, pl.DataFrame):
        yield table
        return
    for first in range(0, len(table.paths), FILES_AT_ONCE):
        files = list(table.paths[first : first + FILES_AT_ONCE])
        yield pl.scan_parquet(files, hive_partitioning=False).select(list(LAKE_SCHEMA)).collect()
