"""A stage of the warehouse made anew from SQL that dbt compiled, on DuckDB: one statement a model, one a data test.

The same tables, views and verdicts as `dbt build --full-refresh`, without the seconds that dbt needs to start and to
render what it has rendered before. A build that keeps rows of former ones is dbt's.
"""

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from assets.stores.warehouse.warehouse import WarehouseTarget, duckdb_session, fill_within_memory, let_go, within_memory
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome, NodeOutcome

if TYPE_CHECKING:
    import duckdb


class PlannedNode(Model):
    """One node of the dbt project as one SELECT. layer: its schema; kind: table, view or test; stages: tags of the
    model; tested_model: whose rows a test judges: those that its SELECT finds are wrong.
    """

    unique_id: str
    name: str
    resource_type: str
    stages: tuple[str, ...]
    layer: str
    kind: str
    tested_model: str
    sql: str


class FullBuild(Model):
    """All nodes, each behind what it reads."""

    nodes: tuple[PlannedNode, ...]

    def of(self, stage: str) -> list[PlannedNode]:
        """Those of one stage, in building order."""
        return [each for each in self.nodes if stage in each.stages]


def build_anew(target: WarehouseTarget, nodes: Iterable[PlannedNode]) -> DbtOutcome:
    """Run every node until one fails; those behind it are left as they were.

    Raises Unreachable where another process holds the warehouse.
    """
    outcomes = []
    with duckdb_session(target.duckdb_file) as connection:
        try:
            for outcome in _outcomes(connection, list(nodes)):
                outcomes.append(outcome)
                if outcome.status not in {"success", "pass"}:
                    return DbtOutcome(is_success=False, nodes=tuple(outcomes))
        finally:
            # Of a build that failed too: the connection may be held open by whoever called.
            let_go(connection)
    return DbtOutcome(is_success=True, nodes=tuple(outcomes))


def _outcomes(connection: "duckdb.DuckDBPyConnection", nodes: list[PlannedNode]) -> Iterator[NodeOutcome]:
    import duckdb

    for layer in sorted({each.layer for each in nodes}):
        connection.execute(f"create schema if not exists {layer}")
    there = connection.execute("select table_schema, table_name, table_type from information_schema.tables").fetchall()
    kinds = {(layer, name): "view" if kind == "VIEW" else "table" for layer, name, kind in there}
    for node in nodes:
        started, wrong = time.perf_counter(), 0
        try:
            if node.kind == "test":
                # All names stand in a closed list of ours; the SQL is dbt's.
                (wrong,) = within_memory(connection, f"select count(*) from ({node.sql}\n)")[0]  # noqa: S608
            else:
                former = kinds.get((node.layer, node.name), node.kind)
                if former != node.kind:
                    connection.execute(f"drop {former} {node.layer}.{node.name}")
                if node.kind == "table":
                    fill_within_memory(connection, f"{node.layer}.{node.name}", node.sql)
                else:
                    connection.execute(f"create or replace view {node.layer}.{node.name} as ({node.sql}\n)")
            status = "success" if node.kind != "test" else "fail" if wrong else "pass"
            message = f"{wrong} rows are wrong" if wrong else ""
        except duckdb.Error as error:
            status, message = "error", str(error)
        yield NodeOutcome(
            unique_id=node.unique_id,
            name=node.name,
            resource_type=node.resource_type,
            status=status,
            message=message,
            execution_s=time.perf_counter() - started,
            failures=wrong,
            tested_model=node.tested_model,
        )
