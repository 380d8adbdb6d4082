"""A warehouse in memory for one question: tables in, rows of compiled models out. No file, no network, no settings.

The SQL may come out of an evidence pack: it is run where it can reach nothing but the tables that it was given.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from assets.stores.transactions import reaching
from assets.stores.warehouse.run_nodes import PlannedNode, run
from assets.stores.warehouse.warehouse import DuckDbEngine
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import KpiDefinition

if TYPE_CHECKING:
    import duckdb

# Definition, source tables by name, names of the wanted models -> their rows, as `rows_of` gives them.
RunSql = Callable[[KpiDefinition, Mapping[str, pl.DataFrame], Collection[str]], dict[str, pl.DataFrame]]
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

    nodes = {
        each.name: PlannedNode(
            unique_id=each.name,
            name=each.name,
            layer=each.layer,
            kind="view" if each.is_view else "table",
            sql=each.sql,
        )
        for each in definition.behind(*wanted)
    }
    with _memory() as connection:
        for outcome in run(DuckDbEngine(connection, is_locked=True), tables, nodes.values()):
            if outcome.status == "error":
                raise BadInput(f"the definition of KPIs cannot be run: {outcome.message}", reason="no_definition")
        try:
            # Only here are the rows of a view computed.
            return {name: connection.table(nodes[name].relation).pl() for name in wanted}
        except duckdb.Error as fault:
            raise BadInput(f"the definition of KPIs cannot be run: {fault}", reason="no_definition") from fault


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
        yield connection
    finally:
        clock.cancel()
        connection.close()
