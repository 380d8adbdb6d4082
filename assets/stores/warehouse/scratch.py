"""A warehouse in memory for one question: tables in, rows of compiled models out. No file, no network, no settings.

The SQL may come out of an evidence pack: it is run where it can reach nothing but the tables that it was given.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from assets.stores.transactions import reaching
from assets.stores.warehouse.warehouse_tables import conform, create_table
from assets.stores.warehouse.warehouse_views import window_view
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import KpiDefinition, SqlModel

if TYPE_CHECKING:
    import duckdb

# Definition, source tables by name, names of the wanted models -> their rows, as `rows_of` gives them.
RunSql = Callable[[KpiDefinition, Mapping[str, pl.DataFrame], Collection[str]], dict[str, pl.DataFrame]]
LAYERS = ("lake", "staging", "intermediate", "marts")
# Far more than any period of ours needs; a statement that never ends is somebody's, not a definition.
MAX_SECONDS = 600
# enable_external_access shuts files, COPY and ATTACH as well as the network.
CLOSED = {"enable_external_access": "false", "autoinstall_known_extensions": "false", "threads": "2"}


def rows_of(
    definition: KpiDefinition, tables: Mapping[str, pl.DataFrame], wanted: Collection[str]
) -> dict[str, pl.DataFrame]:
    """All rows of the wanted models over source tables.

    tables: names and columns of SOURCE_SCHEMAS, all of them. Raises BadInput where the definition cannot be run.
    """
    import duckdb

    with _memory() as connection:
        for name, table in tables.items():
            _load(connection, name, table)
        connection.execute(window_view("lake.readings"))
        try:
            for model in definition.behind(*wanted):
                _build(connection, model)
            found = {
                each.name: connection.table(f"{each.layer}.{each.name}").pl()
                for each in definition.models
                if each.name in wanted
            }
        except duckdb.Error as fault:
            raise BadInput(f"the definition of KPIs cannot be run: {fault}", reason="no_definition") from fault
    return found


@contextmanager
def _memory() -> "Iterator[duckdb.DuckDBPyConnection]":
    import duckdb

    with reaching(""):
        connection = duckdb.connect(":memory:", config=dict(CLOSED))
    clock = threading.Timer(MAX_SECONDS, connection.interrupt)
    # Else a process that is done would wait for the clock.
    clock.daemon = True
    clock.start()
    try:
        connection.execute("set TimeZone = 'UTC'")
        # Last of the settings: from here on no SQL, a pack's least of all, can open what is shut.
        connection.execute("set lock_configuration = true")
        for layer in LAYERS:
            connection.execute(f"create schema {layer}")
        yield connection
    finally:
        clock.cancel()
        connection.close()


def _load(connection: "duckdb.DuckDBPyConnection", name: str, table: pl.DataFrame) -> None:
    connection.execute(create_table(name))
    connection.register("incoming", conform(name, table))
    connection.execute(f"insert into lake.{name} select * from incoming")  # noqa: S608 - names of a closed list
    connection.unregister("incoming")


def _build(connection: "duckdb.DuckDBPyConnection", model: SqlModel) -> None:
    kind = "view" if model.is_view else "table"
    statement = f"create {kind} {model.layer}.{model.name} as {model.sql}"
    # A definition that ends in "; drop …" would have its second statement run too.
    if len(connection.extract_statements(statement)) != 1:
        raise BadInput(f"model {model.name} of the definition of KPIs is not one statement", reason="no_definition")
    connection.execute(statement)
