"""Broken SQL must be noticed: each mutant changes one line of a copy of the project, and a unit test goes red."""

import shutil
from pathlib import Path

import pytest

from assets.stores.warehouse.warehouse import WarehouseTarget
from orchestration.warehouse import dbt
from tests.dbt.by_dbt import run_dbt
from tests.dbt.conftest import World

MUTANTS = {
    "superseded readings count": (
        "staging/stg_lake__15min_readings",
        "latest_recorded_at_utc, true",
        "latest_recorded_at_utc, true) or (true",
    ),
    "export is consumption": ("intermediate/int_meter__hours", "readings.register = 'import'", "true"),
    "water has the price of gas": ("intermediate/int_meter__hours", "kinds.carrier = prices.carrier", "true"),
    "a factor outlives its days": ("intermediate/int_meter__hours", "calendar.local_date < factors.valid_to", "true"),
    "a hole is zero": (
        "intermediate/int_scope__days",
        "    sums.energy_kwh,",
        "    coalesce(sums.energy_kwh, 0) as energy_kwh,",
    ),
    "half a scope has a peak": (
        "intermediate/int_scope__hours",
        "_kwh) = max(meter_count) then",
        "_kwh) > 0 then",
    ),
    "a lost reading is a saving": (
        "intermediate/int_seu__day_enpi",
        ">= days.expected_minutes as is_compared",
        "> 0 as is_compared",
    ),
    "signs are swapped": (
        "marts/mart_seu__day_enpi",
        "days.actual_kwh - days.expected_kwh end",
        "days.expected_kwh - days.actual_kwh end",
    ),
    "a month to date goes on over its end": (
        "marts/mart_site__quarter_hour_running",
        "partition by site_id, month_start",
        "partition by site_id",
    ),
    "a day with a hole stands for its weekday": (
        "intermediate/int_site__weekdays_to_come",
        "where past.is_complete",
        "where true",
    ),
    "one day is enough to project from": (
        "marts/mart_site__day_projection",
        "ahead.least_days >= 2",
        "ahead.least_days >= 1",
    ),
    "the last quarter hour of a day is named": (
        "intermediate/int_scope__day_peak",
        "when first_kwh then 0 when second_kwh then 1 when third_kwh then 2 else 3",
        "when fourth_kwh then 3 when third_kwh then 2 when second_kwh then 1 else 0",
    ),
    "the last peak is named": (
        "intermediate/int_scope__period_energy",
        "max({{ earliest_rank",
        "min({{ earliest_rank",
    ),
}


@pytest.fixture(scope="module")
def folder(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project and of a built warehouse: in the same place dbt parses what changed, and no more."""
    folder = tmp_path_factory.mktemp("mutants")
    shutil.copytree(dbt.PROJECT_DIR, folder / "project", ignore=shutil.ignore_patterns("target", "logs"))
    shutil.copy(world.duckdb.target.duckdb_file, folder / "warehouse.duckdb")
    return folder


@pytest.mark.parametrize("name", list(MUTANTS))
def test_a_unit_test_notices(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    model, line, change = MUTANTS[name]
    monkeypatch.setattr(dbt, "PROJECT_DIR", folder / "project")
    sql = folder / "project" / "models" / f"{model}.sql"
    text = sql.read_text()
    assert line in text
    sql.write_text(text.replace(line, change))
    select = f"{sql.stem},test_type:unit"
    target = WarehouseTarget(duckdb_file=folder / "warehouse.duckdb")
    try:
        outcome = run_dbt(["test", "--select", select], target=target, state_dir=folder / "state")
    finally:
        sql.write_text(text)
    noticed = {(node.resource_type, node.status) for node in outcome.failed}
    # A rank of the smaller peak names an instant beyond all time: the engine itself refuses it.
    allowed = {("unit_test", "fail"), ("unit_test", "error")} if "last peak" in name else {("unit_test", "fail")}
    assert noticed, "no unit test noticed"
    assert noticed <= allowed, outcome.failed
