"""A warehouse that is made anew without dbt is the one that dbt makes."""

from pathlib import Path

import pytest

from assets.kpi.incremental.mart_sources import source_tables
from assets.stores.warehouse import warehouse
from assets.stores.warehouse.run_nodes import PlannedNode
from assets.stores.warehouse.warehouse import WarehouseTarget, duckdb_session, held_open, load_sources
from data_quality.contracts.errors import OurFault
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome
from orchestration.warehouse.dbt import build, warehouse_plan
from orchestration.warehouse.dbt_compiled import plan_of
from tests.dbt.conftest import World

MANY_ROWS = "create table rows as select i, i % 7 as k, repeat('x', 20) || i as s from range(30000) as made (i)"
RELATIONS = """
    select table_schema, table_name, table_type from information_schema.tables
    where table_schema in ('staging', 'intermediate', 'marts') order by all
"""


def verdicts(outcome: DbtOutcome) -> set[tuple[str, str, int]]:
    """Status and failures of each node."""
    return {(node.unique_id, node.status, node.failures) for node in outcome.nodes}


@pytest.mark.parametrize("memory", ["1GB", "2MB"])
def test_every_table_view_and_verdict_is_the_one_of_dbt(
    world: World, tmp_path: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In two megabytes no table fits: what runs out of memory is run again in as much as it needs.
    monkeypatch.setattr(warehouse, "_MEMORY", memory)
    target = WarehouseTarget(duckdb_file=tmp_path / "warehouse.duckdb")
    load_sources(target, source_tables(world.sites, world.lake, world.expected))
    plan = warehouse_plan()
    for stage, by_dbt in world.duckdb.outcomes.items():
        with held_open(target):
            # One that stands there as something else, as where a model becomes a view.
            first = next(each for each in plan.of(stage, is_full=True) if each.kind == "table")
            with duckdb_session(target.duckdb_file) as connection:
                connection.execute(f"create schema if not exists {first.layer}")
                connection.execute(f"create view {first.layer}.{first.name} as select 1 as former")
            outcome = build(target, {}, plan.of(stage, is_full=True))
        known = {
            (node.unique_id, node.status, node.failures) for node in by_dbt.nodes if "unit_test" not in node.unique_id
        }
        hooks = {each for each in known if each[0].startswith("operation.")}
        assert outcome.is_success
        assert {(node.unique_id, node.status, node.failures) for node in outcome.nodes} == known - hooks
    with duckdb_session(target.duckdb_file) as connection:
        connection.execute(f"attach '{world.duckdb.target.duckdb_file}' as dbt_made (read_only)")
        made = connection.execute(RELATIONS.replace("where", "where table_catalog = 'warehouse' and")).fetchall()
        theirs = connection.execute(RELATIONS.replace("where", "where table_catalog = 'dbt_made' and")).fetchall()
        assert made == theirs
        for layer, name, kind in made:
            if kind == "BASE TABLE":
                mine, other = f"warehouse.{layer}.{name}", f"dbt_made.{layer}.{name}"
                described = [connection.execute(f"describe {each}").fetchall() for each in (mine, other)]
                assert described[0] == described[1], name
                for left, right in ((mine, other), (other, mine)):
                    (rows,) = connection.execute(
                        f"select count(*) from (from {left} except all from {right})"
                    ).fetchall()
                    assert rows == (0,), name


def node_of(name: str, sql: str) -> PlannedNode:
    """A table of marts."""
    return PlannedNode(
        unique_id=f"model.meterloom.{name}",
        name=name,
        resource_type="model",
        stages=("kpi",),
        layer="marts",
        kind="table",
        tested_model="",
        sql=sql,
    )


def test_a_table_is_made_wherever_in_its_making_the_memory_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = WarehouseTarget(duckdb_file=tmp_path / "warehouse.duckdb")
    with held_open(target):
        with duckdb_session(target.duckdb_file) as connection:
            connection.execute(MANY_ROWS)
        for kib in range(560, 960, 8):
            monkeypatch.setattr(warehouse, "_MEMORY", f"{kib}KiB")
            made = node_of(
                f"m{kib}", "select a.k, b.s from rows a, (from rows where i < 5000 order by s) b where a.i < 3"
            )
            # The second is made in place of the first.
            for _ in range(2):
                outcome = build(target, {}, [made])
                assert outcome.is_success, outcome.nodes[-1].message
    with duckdb_session(target.duckdb_file) as connection:
        there = [name for _, name, _ in connection.execute(RELATIONS).fetchall()]
        assert there == [f"m{kib}" for kib in range(560, 960, 8)]
        for name in there:
            assert connection.execute(f"select count(k) from marts.{name}").fetchall() == [(15_000,)]


def test_all_rows_are_seen_of_a_table_that_several_threads_made(tmp_path: Path) -> None:
    # More than one block of rows, and of no order that would keep one thread behind another.
    target = WarehouseTarget(duckdb_file=tmp_path / "warehouse.duckdb")
    with held_open(target), duckdb_session(target.duckdb_file) as connection:
        connection.execute("create table rows as select i // 4 as hour, i % 200 as k from range(600000) as made (i)")
        for _ in range(2):
            made = node_of("many", "select hour, k, count(*) as n from rows group by all")
            assert build(target, {}, [made]).is_success
            # By the connection that made it too: whoever opens the file anew sees all.
            (found,) = connection.execute("select count(*), count(k), sum(n) from marts.many").fetchall()
            assert found == (600_000, 600_000, 600_000)


def test_what_dbt_makes_with_more_than_one_statement_is_refused_by_name() -> None:
    node = {"resource_type": "model", "depends_on": {"nodes": []}, "tags": ["kpi"], "name": "m", "schema": "marts"}
    config = {"materialized": "table", "pre-hook": [], "post-hook": []}
    for change in ({"materialized": "materialized_view"}, {"post-hook": ["select 1"]}):
        with pytest.raises(OurFault, match=r"model\.m cannot be built by one statement"):
            plan_of({"model.m": {**node, "config": config | change, "compiled_code": "select 1"}}, "d")
