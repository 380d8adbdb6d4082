"""Runs of dbt in this process: outcomes, faults, UTC, and a file that is free afterwards."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from assets.stores.warehouse.warehouse import WarehouseTarget, load_sources
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, empty_source
from data_quality.contracts.errors import OurFault
from data_quality.contracts.work.project_cache import Place
from orchestration.warehouse import dbt
from orchestration.warehouse.dbt import dbt_environment, prepare_manifest, run_dbt
from tests.dbt.conftest import World

TWICE = pl.DataFrame([("s", "UTC", "EUR", 1.0)] * 2, schema=SOURCE_SCHEMAS["sites"], orient="row")


@pytest.fixture
def target(tmp_path: Path) -> WarehouseTarget:
    made = WarehouseTarget(duckdb_file=tmp_path / "warehouse.duckdb")
    load_sources(made, {name: empty_source(name) for name in SOURCE_SCHEMAS} | {"sites": TWICE})
    return made


def test_a_failed_data_test_is_an_outcome_and_stops_what_is_downstream(
    target: WarehouseTarget, state_dir: Path
) -> None:
    args = ["build", "--select", "stg_lake__sites", "int_scope__period_kpi", "--exclude-resource-type", "unit_test"]
    outcome = run_dbt(args, target=target, state_dir=state_dir)
    assert not outcome.is_success
    assert [node.failures for node in outcome.failed] == [1]
    assert outcome.failed[0].name.startswith("grain_stg_lake__sites")
    assert {node.name: node.status for node in outcome.nodes}["int_scope__period_kpi"] == "skipped"


@pytest.mark.parametrize(
    ("stands", "has_calendar", "status"), [(1, True, "pass"), (2, True, "fail"), (1, False, "fail")]
)
def test_a_reading_that_stands_twice_or_on_no_local_day_stops_the_hours(
    target: WarehouseTarget, state_dir: Path, stands: int, has_calendar: bool, status: str
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
    args = ["build", "--select", "+int_meter__hours", "--exclude-resource-type", "unit_test"]
    outcome = run_dbt(args, target=target, state_dir=state_dir)
    found = {node.tested_model: node.status for node in outcome.nodes if node.resource_type == "test"}
    assert found["int_meter__hours"] == status, outcome.failed


def test_the_file_is_free_after_a_run(target: WarehouseTarget, state_dir: Path) -> None:
    run_dbt(["run", "--select", "stg_lake__sites"], target=target, state_dir=state_dir)
    assert load_sources(target, {"sites": TWICE[:1]}) == {"sites": 1}


def test_arguments_that_dbt_does_not_know_are_our_fault(target: WarehouseTarget, state_dir: Path) -> None:
    with pytest.raises(OurFault, match="dbt frobnicate"):
        run_dbt(["frobnicate"], target=target, state_dir=state_dir)


def test_a_session_in_another_zone_is_refused(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = dbt_environment(world.postgres.target) | {"PGTZ": "Europe/Berlin"}
    monkeypatch.setattr(dbt, "dbt_environment", lambda target: elsewhere)
    with pytest.raises(OurFault, match="session is in zone Europe/Berlin; it must be UTC"):
        run_dbt(["run", "--select", "stg_lake__sites"], target=world.postgres.target, state_dir=tmp_path)


def test_a_manifest_is_parsed_once_until_the_project_changes(
    target: WarehouseTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parses: list[str] = []
    real = dbt._parse
    monkeypatch.setattr(dbt, "_parse", lambda *args, **more: (parses.append("one"), real(*args, **more))[1])
    monkeypatch.setattr(dbt, "_manifests", Place(1))
    first = prepare_manifest(target, state_dir=tmp_path)
    assert prepare_manifest(target, state_dir=tmp_path) == first
    assert parses == ["one"]
    parsed = dbt._parsed(target, state_dir=tmp_path)
    # The next process: it reads what this one parsed, and that is the same project.
    monkeypatch.setattr(dbt, "_manifests", Place(1))
    again = dbt._parsed(target, state_dir=tmp_path)
    assert parses == ["one"]
    assert again is not parsed
    assert {key: node.to_dict() for key, node in again.nodes.items()} == {
        key: node.to_dict() for key, node in parsed.nodes.items()
    }
    # A manifest is lost, the parse is not: dbt writes it in a command of its own, in a process that ran none before.
    first.unlink()
    ask = f"from orchestration.warehouse.dbt import *; prepare_manifest({target!r}, state_dir=Path({str(tmp_path)!r}))"
    imports = "from pathlib import PosixPath; from assets.stores.warehouse.warehouse import WarehouseTarget"
    subprocess.run([sys.executable, "-W", "ignore", "-c", f"{imports}; {ask}"], check=True, cwd=dbt.PROJECT_DIR.parent)
    assert first.exists()
    monkeypatch.setattr(dbt, "fingerprint", lambda: "another")
    prepare_manifest(target, state_dir=tmp_path)
    assert parses == ["one", "one"]


def test_the_environment_is_as_before_after_a_run(
    target: WarehouseTarget, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    run_dbt(["run", "--select", "stg_lake__sites"], target=target, state_dir=state_dir)
    assert os.environ["PGTZ"] == "Asia/Tokyo"
    assert "WAREHOUSE_FILE" not in os.environ


def test_a_warehouse_of_the_same_name_elsewhere_is_another_and_is_not_parsed_again(
    tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    invoke = dbt._invoke

    def listened(args: list[str], **how: Any) -> Any:
        said.append(args[0])
        return invoke(args, **how)

    monkeypatch.setattr(dbt, "_invoke", listened)
    rows = []
    for count in (1, 2):
        (tmp_path / str(count)).mkdir()
        made = WarehouseTarget(duckdb_file=tmp_path / str(count) / "twin.duckdb")
        load_sources(made, {name: empty_source(name) for name in SOURCE_SCHEMAS} | {"sites": TWICE[:count]})
        assert run_dbt(["run", "--select", "stg_lake__sites"], target=made, state_dir=state_dir).is_success
        with duckdb.connect(str(made.duckdb_file), read_only=True) as connection:
            rows += connection.execute("select count(*) from staging.stg_lake__sites").fetchall()
    assert rows == [(1,), (2,)]
    assert said == ["parse", "run", "run"]
