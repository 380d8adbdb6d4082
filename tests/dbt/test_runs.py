"""Runs of dbt in this process: outcomes, faults, UTC, and a file that is free afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.stores.warehouse.warehouse import WarehouseTarget, load_sources
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, empty_source
from data_quality.contracts.errors import OurFault
from orchestration.warehouse import dbt
from orchestration.warehouse.dbt import (
    build_stage,
    dbt_environment,
    kpi_definition,
    prepare_manifest,
    warehouse_plan,
)
from tests.dbt.by_dbt import run_dbt
from tests.dbt.conftest import World

TWICE = pl.DataFrame([("s", "UTC", "EUR", 1.0)] * 2, schema=SOURCE_SCHEMAS["sites"], orient="row")


@pytest.fixture
def target(tmp_path: Path) -> WarehouseTarget:
    made = WarehouseTarget(duckdb_file=tmp_path / "warehouse.duckdb")
    load_sources(made, {name: empty_source(name) for name in SOURCE_SCHEMAS} | {"sites": TWICE})
    return made


def test_a_failed_data_test_is_an_outcome_and_stops_what_is_downstream(target: WarehouseTarget) -> None:
    outcome = build_stage("kpi", target=target, is_full=True)
    assert not outcome.is_success
    assert [node.failures for node in outcome.failed] == [1]
    assert outcome.failed[0].name.startswith("grain_stg_lake__sites")
    found = {node.name: node.status for node in outcome.nodes}
    assert found["int_scope__period_kpi"] == "skipped"
    # What does not rest on it is made.
    assert found["stg_lake__meters"] == "success"


@pytest.mark.parametrize(
    ("stands", "has_calendar", "status"), [(1, True, "pass"), (2, True, "fail"), (1, False, "fail")]
)
def test_a_reading_that_stands_twice_or_on_no_local_day_stops_the_hours(
    target: WarehouseTarget, stands: int, has_calendar: bool, status: str
) -> None:
    start, day = datetime(2025, 1, 1, 10, 15, tzinfo=UTC), date(2025, 1, 1)
    rows: dict[str, list[tuple[object, ...]]] = {
        "windows": [("s", day, date(2025, 2, 1), start, start + timedelta(days=31), True)],
        "readings": [("s", "m", "import", start, 15, 15, 1.5, "kwh", 0, 1, False, "b", start)] * stands,
        "site_quarter_hours": [("s", start, day, "weekday", None)] if has_calendar else [],
        "meters": [("s", "m", "electricity", None, True, True, None)],
    }
    tables = {name: pl.DataFrame(given, schema=SOURCE_SCHEMAS[name], orient="row") for name, given in rows.items()}
    load_sources(target, tables)
    outcome = build_stage("kpi", target=target, is_full=True)
    found = {node.tested_model: node.status for node in outcome.nodes if node.resource_type == "test"}
    assert found["int_meter__hours"] == status, outcome.failed


def test_the_file_is_free_after_a_run(target: WarehouseTarget) -> None:
    build_stage("kpi", target=target, is_full=True)
    assert load_sources(target, {"sites": TWICE[:1]}) == {"sites": 1}


def test_builds_of_one_server_wait_for_each_other(target: WarehouseTarget, postgres_url: str) -> None:
    server = target.model_copy(update={"postgres_url": postgres_url})
    load_sources(server, {name: empty_source(name) for name in SOURCE_SCHEMAS})
    warehouse_plan(server)
    with ThreadPoolExecutor(3) as threads:
        made = [threads.submit(build_stage, "kpi", target=server, is_full=each < 2) for each in range(4)]
        loaded = threads.submit(load_sources, server, {"sites": TWICE[:1]})
        assert [each.result().failed for each in made] == [()] * 4
    assert loaded.result() == {"sites": 1}


def test_arguments_that_dbt_does_not_know_are_our_fault(target: WarehouseTarget, state_dir: Path) -> None:
    with pytest.raises(OurFault, match="dbt frobnicate"):
        dbt._invoke(["frobnicate"], target=target, state_dir=state_dir, manifest=None)


def test_a_session_in_another_zone_is_refused(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = dbt_environment(world.postgres.target) | {"PGTZ": "Europe/Berlin"}
    monkeypatch.setattr(dbt, "dbt_environment", lambda target: elsewhere)
    with pytest.raises(OurFault, match="session is in zone Europe/Berlin; it must be UTC"):
        run_dbt(["run", "--select", "stg_lake__sites"], target=world.postgres.target, state_dir=tmp_path)


def test_the_project_is_compiled_once_for_each_engine_until_it_changes(
    target: WarehouseTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    invoke = dbt._invoke

    def listened(args: list[str], *, target: WarehouseTarget, **how: Any) -> Any:
        said.append(f"{args[0]} {target.name}")
        return invoke(args, target=target, **how)

    monkeypatch.setattr(dbt, "_invoke", listened)
    first = prepare_manifest(target, state_dir=tmp_path)
    assert prepare_manifest(target, state_dir=tmp_path) == first
    definition, plan = kpi_definition(state_dir=tmp_path), warehouse_plan(target, state_dir=tmp_path)
    assert said == ["compile duckdb"]
    assert {each.sql for each in definition.models} <= {each.sql for each in plan.nodes}
    # Nobody is asked: there is no such server.
    server = target.model_copy(update={"postgres_url": "postgresql://nobody@127.0.0.1:1/none"})
    theirs = warehouse_plan(server, state_dir=tmp_path)
    assert said == ["compile duckdb", "compile postgres"]
    assert [each.unique_id for each in theirs.nodes] == [each.unique_id for each in plan.nodes]
    assert '"none".' not in "".join(each.sql for each in theirs.nodes)
    first.unlink()
    assert prepare_manifest(target, state_dir=tmp_path) == first
    monkeypatch.setattr(dbt, "fingerprint", lambda: "another")
    assert kpi_definition(state_dir=tmp_path) == definition
    assert said[2:] == ["compile duckdb"] * 2
    assert not first.exists()


def test_the_environment_is_as_before_after_a_run(
    target: WarehouseTarget, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    dbt._invoke(["parse"], target=target, state_dir=state_dir, manifest=None)
    assert os.environ["PGTZ"] == "Asia/Tokyo"
    assert "WAREHOUSE_FILE" not in os.environ
