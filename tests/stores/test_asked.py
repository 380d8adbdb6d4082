"""Checks whether the store is to be believed: agent, commands, the daily check; and what a migration finds."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from typer.testing import CliRunner

import controls.defs
from assets.stores.revisions import FOLDER
from assets.stores.schema.tables_control import commands, mode_events
from assets.stores.sign import new_key
from assets.stores.transactions import Store, connect_store, migrate, open_store, site_transaction
from controls.agent.main import public_keys_of
from controls.ledger.as_of import commands_at
from controls.ledger.chain import verify_chain
from controls.ledger.device_faults import latch_fault
from controls.ledger.ledger_trust import distrusted
from controls.ledger.modes import current_mode
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import EvidenceGrade, Mode
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import SystemClock
from orchestration.cli.main import build_app
from orchestration.jobs import trust
from orchestration.resources import ProjectResource
from orchestration.schedules import daily_trust
from tests.controls.agent.plant import World
from tests.controls.ledger.rows_of import NOW, add_plan, command, state_of
from tests.stores.everything import change, fill, forged_mode, give_keys, insert, raise_mode

SITE = "site_id: home\nname: Home\ntime_zone: UTC\ncurrency: EUR\ncountry: DE\nmeters: [{meter_id: m1}]\n"


def test_an_agent_writes_nothing_on_a_mode_that_it_does_not_believe_and_says_why(store: Store) -> None:
    world = World(store)
    raise_mode(store, None)
    add_plan(store, command())
    world.release()
    insert(store, mode_events, **forged_mode(person_id="nobody", device_id="pv"))
    change(store, mode_events, mode_events.c.device_id == "", person_id="nobody")
    world.run(5)
    assert world.plant.writers_opened == 0
    assert world.agent.trouble.startswith("the mode is not believed: mode_events 1: the row is not what was written")


def test_an_agent_blocks_a_command_whose_value_was_changed(store: Store) -> None:
    world = World(store)
    raise_mode(store, None)
    add_plan(store, command())
    world.release()
    change(store, commands, commands.c.command_id == "c1", value=4.0)
    world.run(5)
    assert (state_of(store), world.plant.battery.writes) == (S.BLOCKED, [])
    assert "commands c1: the row is not what was written (its seal says something else)" in verify_chain(store, "home")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose engineer and approver have keys."""
    folder = tmp_path / "p"
    (folder / "sites").mkdir(parents=True)
    (folder / "sites" / "home.yaml").write_text(SITE)
    (folder / "meterloom.yaml").write_text("{}\n")
    keys = {name: new_key(folder / "keys", name).public_key for name in ("carla", "anna")}
    (folder / "people.yaml").write_text(
        "people:\n"
        f"  - {{person_id: carla, name: Carla, roles: [engineer, operator], public_key: '{keys['carla']}'}}\n"
        f"  - {{person_id: anna, name: Anna, roles: [approver], public_key: '{keys['anna']}'}}\n"
    )
    return folder


def _run(project: Path, *words: str) -> tuple[int, Any, str]:
    result = CliRunner().invoke(
        build_app(("dispatch", "doctor", "keys")), [*words, "--json", "--project", str(project)]
    )
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr


@pytest.fixture
def opened(project: Path) -> Iterator[Store]:
    store = open_store(load_project(project, {}).store_url, public_keys_of(load_project(project, {})))
    yield store
    store.close()


def _trust_of_doctor(project: Path) -> dict[str, str]:
    _, answer, _ = _run(project, "doctor")
    return next(each for each in answer["checks"] if each["name"] == "ledger/trust")


def test_commands_name_what_was_slipped_in_and_do_not_believe_it(project: Path, opened: Store) -> None:
    assert _run(project, "dispatch", "mode", "PARTIAL", "--site", "home", "--as", "carla", "--reason", "r")[0] == 0
    code, answer, _ = _run(project, "dispatch", "verify", "--site", "home")
    assert (code, answer["mode"], answer["problems"]) == (0, "PARTIAL", [])
    assert _trust_of_doctor(project)["status"] == "ok"
    insert(opened, mode_events, **forged_mode(person_id="nobody"))
    code, answer, _ = _run(project, "dispatch", "verify", "--site", "home")
    assert (code, answer["mode"]) == (1, "PARTIAL"), "the entry before it is signed and stands"
    assert answer["problems"] == ["mode_events 2: the row was not written by this program (no seal)"]
    output = _trust_of_doctor(project)
    assert (output["status"], output["detail"]) == ("fail", answer["problems"][0])
    assert "backup" in output["mend"]


def test_a_latch_is_acknowledged_by_a_named_engineer_with_a_key(project: Path, opened: Store) -> None:
    with site_transaction(opened, "home") as connection:
        latch_fault(connection, "home", "battery", reason="silent", command_id=None, at_utc=NOW)
    words = ("--site", "home", "--reason", "cable mended")
    assert _run(project, "dispatch", "ack", "battery", *words, "--as", "anna")[0] == 2, "no engineer"
    code, _, error = _run(project, "dispatch", "ack", "site", *words, "--as", "carla")
    assert (code, "no fault of 'home' is latched" in error) == (2, True)
    code, answer, _ = _run(project, "dispatch", "ack", "battery", *words, "--as", "carla")
    assert (code, answer["faults"]) == (0, [])
    assert distrusted(opened) == []


def test_keys_that_are_new_adopt_what_stands(project: Path, opened: Store) -> None:
    opened.public_keys = None
    raise_mode(opened, None)
    assert _trust_of_doctor(project)["detail"].startswith("mode_events 1: not signed with the key")
    assert _run(project, "keys", "adopt", "--as", "anna", "--reason", "read")[0] == 0
    assert _trust_of_doctor(project)["status"] == "ok"
    change(opened, mode_events, mode_events.c.id == 1, reason="another")
    code, _, error = _run(project, "keys", "adopt", "--as", "anna", "--reason", "read")
    assert (code, "mode_events 1" in error) == (2, True)


def test_the_daily_check_names_a_bent_row(project: Path, opened: Store, tmp_path: Path) -> None:
    with dg.build_schedule_context(scheduled_execution_time=datetime(2026, 1, 2, 2, 50, tzinfo=UTC)) as context:
        assert [each.run_key for each in daily_trust(context)] == ["trust:2026-01-02"]
    made = dg.Definitions(
        assets=dg.load_assets_from_modules([controls.defs]),
        asset_checks=dg.load_asset_checks_from_modules([controls.defs]),
        jobs=[trust],
        resources={"project": ProjectResource(root=str(project)), "clock": SystemClock()},
    )
    job = made.resolve_job_def("trust")
    raise_mode(opened, None)
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        done = job.execute_in_process(instance=instance).get_asset_check_evaluations()
    checks = {each.check_name: each for each in done}
    # The day's plans are solved again beside it; here there are none.
    assert checks.pop("stored_plans_give_their_hash").passed
    assert checks.pop("optimum_agrees_with_cbc").passed
    (found,) = checks.values()
    assert not found.passed
    assert "mode_events 1: not signed" in str(found.metadata["rows"].value)


def test_a_migration_seals_what_it_finds_and_it_counts_as_before(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'old.db'}")
    fill(store, None)
    # As a project of the version before looks: no seals, and events that do not say grade and mode.
    with store.begin() as connection:
        first = {table for table, _ in ScriptDirectory(str(FOLDER)).get_revision("0001").module.columns()}
        for later in set(sa.inspect(connection).get_table_names()) - first - {"alembic_version"}:
            connection.execute(sa.text(f"DROP TABLE {later}"))
        for later in ("TRIGGER commands_repeated", "TRIGGER mode_events_two_people", "INDEX ux_mode_events_request"):
            connection.execute(sa.text(f"DROP {later}"))
        for later in ("capability", "expires_utc", "approved_by", "request_id"):
            connection.execute(sa.text(f"ALTER TABLE mode_events DROP COLUMN {later}"))
        connection.execute(sa.text("ALTER TABLE report_decisions DROP COLUMN names"))
        connection.execute(sa.text("ALTER TABLE baseline_approvals DROP COLUMN outcome"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    migrate(store.engine)
    give_keys(store, tmp_path)
    second = connect_store(str(store.engine.url), store.public_keys)
    assert distrusted(second) == []
    assert current_mode(second, "home") is Mode.PARTIAL
    row = next(each for each in commands_at(second, "home", NOW) if each.command.command_id == "c1")
    assert (row.evidence_grade, row.mode_at_issue) == (EvidenceGrade.DEVICE_ACKNOWLEDGED, "PARTIAL")
    change(second, mode_events, mode_events.c.id == 1, reason="another")
    assert current_mode(second, "home") is Mode.SIMULATION
    second.close()
    store.close()
