"""The one way to run the KPIs' SQL: nodes that dbt compiled over source tables, one statement a model and a data test.

Dagster's step, a command, a view of the past and a trace all run it here, on an engine of their own: a DuckDB file, a
PostgreSQL server, or DuckDB in memory. dbt itself compiles, checks and documents.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import polars as pl

from assets.stores.warehouse.warehouse_tables import ParquetFiles
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.dbt_outcome import NodeOutcome

# What a node may have become that others may rest on.
WELL = ("success", "pass")


class PlannedNode(Model):
    """One node of the dbt project as one SELECT. layer: its schema; kind: table, view or test; stages: tags of the
    model; tested_model: whose rows a test judges: those that its SELECT finds are wrong; after: nodes without which it
    is skipped; replaced: which rows of a table that keeps others its own take the place of, as a condition; empty: all.
    """

    unique_id: str
    name: str
    resource_type: str = "model"
    stages: tuple[str, ...] = ()
    layer: str
    kind: str
    tested_model: str = ""
    sql: str
    after: tuple[str, ...] = ()
    replaced: str = ""

    @property
    def relation(self) -> str:
        """Its table or view, with the schema."""
        return f"{self.layer}.{self.name}"


class Engine(Protocol):
    """A connection that nodes are run on. errors: what it raises for SQL that cannot be run."""

    errors: tuple[type[Exception], ...]

    def load(self, tables: Mapping[str, pl.DataFrame | ParquetFiles]) -> dict[str, int]:
        """Replace tables of schema `lake`, all or none. Returns the rows of each."""

    def make(self, node: PlannedNode) -> int:
        """Make a node's table or view whole or not at all; of a test the number of rows that are wrong."""

    def execute(self, *statements: str) -> None:
        """Statements of ours, all or none."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query of ours; none where its table is not there yet."""

    def let_go(self) -> None:
        """Give back the memory that tables took."""


def run(
    engine: Engine, sources: Mapping[str, pl.DataFrame | ParquetFiles], nodes: Iterable[PlannedNode]
) -> Iterator[NodeOutcome]:
    """Outcomes of the nodes, each as it is run. What rests on one that failed is skipped and left as it was.

    sources: names and columns of SOURCE_SCHEMAS, loaded first; none of a stage, which loads them as it prepares.
    """
    if sources:
        engine.load(sources)
    unwell: set[str] = set()
    for node in nodes:
        started, wrong, message = time.perf_counter(), 0, ""
        try:
            if unwell.intersection(node.after):
                status = "skipped"
            elif wrong := engine.make(node):
                status, message = "fail", f"{wrong} rows are wrong"
            else:
                status = "pass" if node.kind == "test" else "success"
        except engine.errors as error:
            status, message = "error", str(error)
        if status not in WELL:
            unwell.add(node.unique_id)
        yield NodeOutcome(
            **node.model_dump(include={"unique_id", "name", "resource_type", "tested_model"}),
            status=status,
            message=message,
            execution_s=time.perf_counter() - started,
            failures=wrong,
        )
