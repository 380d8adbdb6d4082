"""`meterloom dispatch` as people use it: two people for FULL, a device taken by hand, the first broken event."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.stores.ledgers.plans import PlanStore
from assets.stores.schema.tables_control import command_events
from assets.stores.sign import new_key
from assets.stores.transactions import Store, open_store, site_transaction
from controls.agent.main import public_keys_of
from controls.defs import core_site__released_commands
from controls.ledger.device_faults import latch_fault
from controls.ledger.rows import read_commands, transition
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import EvidenceGrade
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import FixedClock, SystemClock
from orchestration.cli.main import build_app
from orchestration.resources import ProjectResource
from tests.controls.ledger.rows_of import NOW, add_plan, command, push
from tests.controls.planning.examples import plan
from tests.stores.everything import change

SITE = """\
site_id: home
name: Home
time_zone: UTC
currency: EUR
country: DE
meters: [{meter_id: m1}]
assets:
  - {asset_id: battery, kind: battery, template: sim_battery_10kwh, params: {soc_min: 0.1, soc_max: 0.95}}
  - {asset_id: pv, kind: pv, template: sim_pv_inverter}
"""
HEAT = "  - {asset_id: heat, kind: heat_pump, template: heat_pump_sg_ready}\n"
PEOPLE = {
    "carla": "engineer, operator", "eve": "engineer", "olaf": "operator", "anna": "approver",
}  # fmt: skip
POWER = "set_charge_power_kw"
AHEAD = timedelta(days=3650)
Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose people have keys."""
    folder = tmp_path / "p"
    (folder / "sites").mkdir(parents=True)
    (folder / "sites" / "home.yaml").write_text(SITE)
    (folder / "meterloom.yaml").write_text("{}\n")
    keys = {name: new_key(folder / "keys", name).public_key for name in PEOPLE}
    lines = (
        f"  - {{person_id: {name}, name: {name.title()}, roles: [{roles}], public_key: '{keys[name]}'}}\n"
        for name, roles in PEOPLE.items()
    )
    (folder / "people.yaml").write_text("people:\n" + "".join(lines))
    return folder


@pytest.fixture
def run(folder: Path) -> Run:
    """`run("mode", "PARTIAL", who="carla")`: exit code, answer, what was said on standard error."""

    def run(*words: str, who: str = "", why: str = "", text: bool = False) -> tuple[int, Any, str]:
        said = ["dispatch", *words, "--site", "home", "--project", str(folder)]
        said += ["--as", who] if who else []
        said += ["--reason", why] if why else []
        done = CliRunner().invoke(build_app(("dispatch",)), said if text else [*said, "--json"])
        found = done.stdout if text else json.loads(done.stdout) if done.stdout else None
        return done.exit_code, found, done.stderr

    return run


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    opened = open_store(load_project(folder, {}).store_url, public_keys_of(load_project(folder, {})))
    yield opened
    opened.close()


def test_full_takes_two_people_and_ends(run: Run) -> None:
    assert run("mode", "PARTIAL", who="carla", why="commissioned")[0] == 0
    code, answer, _ = run("mode", "FULL", "--expires", "12h", who="carla", why="a month of proof")
    assert (code, answer["mode"], [each["request_id"] for each in answer["requests"]]) == (0, "PARTIAL", [1])
    for who, said in (("carla", "two people"), ("olaf", "role"), ("anna", "role")):
        code, _, error = run("approve", "1", who=who)
        assert (code, said in error) == (2, True), error
    code, answer, _ = run("approve", "1", who="eve", why="I looked")
    assert (code, answer["mode"], answer["requests"]) == (0, "FULL", [])
    _, status, _ = run("status")
    (site, *devices) = status["modes"]
    assert (site["device"], site["mode"], site["until_utc"][:2]) == (None, "FULL", "20")
    assert {(each["device"], each["mode"]) for each in devices} == {("battery", "FULL"), ("pv", "FULL")}
    code, _, error = run("approve", "1", who="eve")
    assert (code, "approved before" in error) == (2, True)
    assert run("verify")[1]["problems"] == []
    # A stop asks nobody.
    assert run("stop", who="olaf", why="smoke")[1]["mode"] == "SIMULATION"


def test_a_device_that_ends_nothing_by_itself_needs_the_owners_signature(run: Run, folder: Path) -> None:
    (folder / "sites" / "home.yaml").write_text(SITE + HEAT)
    code, _, error = run("mode", "FULL", who="carla", why="x")
    assert (code, "approve heat --risk" in error) == (2, True), error
    assert run("mode", "FULL", "--device", "battery", who="carla", why="x")[0] == 0
    assert run("approve", "heat", "--risk", who="carla", why="a relay ends it")[0] == 0
    assert run("mode", "FULL", who="carla", why="x")[0] == 0
    assert run("approve", "heat", "--risk", "--revoke", who="olaf", why="the relay is gone")[0] == 0
    assert "ends" in run("approve", "2", who="eve")[2] or "end a set-point" in run("approve", "2", who="eve")[2]


def test_a_mode_of_one_capability_and_a_slip_of_the_pen(run: Run) -> None:
    assert run("mode", "PARTIAL", who="carla", why="x")[0] == 0
    code, answer, _ = run("mode", "ADVISORY", "--device", "battery", "--capability", POWER, who="olaf")
    assert (code, answer["mode"], answer["history"][-1]["capability"]) == (0, "ADVISORY", POWER)
    modes = {each["device"]: each["mode"] for each in run("status")[1]["modes"]}
    assert modes == {None: "PARTIAL", "battery": "ADVISORY", "pv": "PARTIAL"}
    for words, said in (
        (("--device", "batery"), "no device 'batery'"),
        (("--device", "pv", "--capability", POWER), f"no '{POWER}'"),
        (("--expires", "soon"), "expected 45m, 12h, 30d"),
        (("--expires", "2020-01-01T00:00Z"), "has passed"),
    ):
        code, _, error = run("mode", "PARTIAL", *words, who="carla", why="x")
        assert (code, said in error) == (2, True), error


def test_a_person_takes_a_device_and_gives_it_back(run: Run) -> None:
    words = ("override", "--device", "battery")
    code, answer, _ = run(*words, "--for", "4h", "--value", "3.5", who="olaf", why="guests")
    assert (code, answer["holds"][0]["value"], answer["holds"][0]["person_id"]) == (0, 3.5, "olaf")
    _, shown, _ = run("status", text=True)
    assert "held by hand: battery, until" in shown
    assert run(*words, "--give-back", who="anna", why="x")[0] == 2
    code, answer, _ = run(*words, "--give-back", who="olaf", why="they left")
    assert (code, answer["holds"]) == (0, [])
    assert "is held" in run(*words, "--give-back", who="olaf", why="again")[2]


def test_status_tells_which_plan_sets_devices_and_that_nobody_renewed_one(run: Run, store: Store) -> None:
    assert run("status")[1]["plan"] is None
    young = plan(created_at_utc=SystemClock().now_utc())
    young = young.model_copy(update={"asked_because": "the prices changed"})
    PlanStore(store).add_with_commands(young, [], SystemClock())
    shown, told = run("status", text=True)[1], run("status")[1]["plan"]
    # The plan of the tests is one of a day long past.
    assert "sets no device since" in shown
    assert (told["asked_because"], told["finding"]["code"]) == ("the prices changed", "plan_not_renewed")
    moved = [
        step.model_copy(update={"start_utc": step.start_utc + AHEAD, "end_utc": step.end_utc + AHEAD})
        for step in young.steps
    ]
    ahead = young.model_copy(update={"steps": tuple(moved), "plan_id": "p2", "version": 2})
    PlanStore(store).add_with_commands(ahead, [], SystemClock())
    shown, told = run("status", text=True)[1], run("status")[1]["plan"]
    made = f"plan 2 of {young.created_at_utc:%Y-%m-%d %H:%M}Z"
    until = f"{told['sets_until_utc'][:10]} {told['sets_until_utc'][11:16]}Z"
    assert f"{made}, because the prices changed, sets devices until {until}" in shown
    assert (told["version"], told["finding"]) == (2, None)


def _acknowledged(store: Store) -> None:
    """c1 acknowledged and no more, c2 read back, c3 blocked before it was sent."""
    add_plan(store, command(), command("c2", device_id="pv"), command("c3", capability="other"))
    for name, last in (("c1", S.ISSUED), ("c2", S.ISSUED)):
        row = push(store, name, S.RELEASED, S.PENDING, last)
        with site_transaction(store, "home") as connection:
            grade = EvidenceGrade.DEVICE_ACKNOWLEDGED
            row = transition(connection, row, S.ACKED, at_utc=NOW, reason="ok", evidence_grade=grade) or row
            if name == "c2":
                grade, facts = EvidenceGrade.READ_BACK, {"readback_value": 1.2}
                transition(connection, row, S.VERIFIED, at_utc=NOW, reason="it", facts=facts, evidence_grade=grade)
    push(store, "c3", S.BLOCKED)


def test_evidence_has_a_grade_its_word_and_what_proved_it_and_an_acknowledgement_is_no_success(
    run: Run, store: Store
) -> None:
    _acknowledged(store)
    commands = {each["id"]: each for each in run("ledger")[1]["commands"]}
    first, below = commands["c2"]["evidence"]
    assert (first["grade"], first["means"], first["is_proof"], first["by"]) == (3, "READ_BACK", True, "it")
    assert (first["readback_value"], below["grade"], below["is_proof"]) == (1.2, 2, False)
    (only,) = commands["c1"]["evidence"]
    assert (only["grade"], only["says"], only["is_proof"]) == (2, "acknowledged by the device, not proven", False)
    assert commands["c3"]["evidence"] == []
    for name in ("status", "ledger"):
        shown = next(line for line in run(name, text=True)[1].splitlines() if "ACKED" in line)
        assert "not proven" in shown
        assert "VERIFIED" not in shown
        # An hour alone is that of any day.
        assert f"{commands['c1']['valid_from'][:10]} {commands['c1']['valid_from'][11:16]}Z" in shown


def test_status_shows_latches_and_who_is_at_work(run: Run, store: Store) -> None:
    with site_transaction(store, "home") as connection:
        latch_fault(connection, "home", "battery", reason="silent", command_id=None, at_utc=NOW)
    _, shown, _ = run("status", text=True)
    assert "latched: battery: silent" in shown
    assert "no agent has run here" in shown


def test_verify_names_the_first_broken_event_and_how_many_more(run: Run, store: Store) -> None:
    _acknowledged(store)
    for position in (6, 4):
        change(store, command_events, command_events.c.position == position, reason="another")
    code, answer, _ = run("verify")
    assert (code, answer["verified"]) == (1, False)
    assert answer["first"] == "event 4 (command c1): the hash does not fit its content"
    assert len(answer["problems"]) == 2
    assert run("verify", text=True)[1].splitlines() == [answer["first"], "and 1 more: --json has them all"]


def test_where_the_end_cannot_be_noted_the_release_stands_and_says_so(
    run: Run, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_plan(store, command())
    monkeypatch.setattr(PlanStore, "latest", lambda *_: SimpleNamespace(plan_id="p1"))
    (folder / "var").mkdir(exist_ok=True)
    (folder / "var" / "anchors").write_text("no folder")
    done = core_site__released_commands(
        dg.build_asset_context(partition_key="home"), project=ProjectResource(root=str(folder)), clock=FixedClock(NOW)
    )
    assert "home ended was not noted outside the database" in done.metadata["findings"]
    assert [row.state for row in read_commands(store, "home")] != [S.PROPOSED]
    assert run("verify", text=True)[1].endswith("whole; last noted outside the database: nothing yet\n")


def test_a_release_notes_where_the_ledger_ended_and_verify_holds_it_against_that(
    run: Run, store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_plan(store, command(), command("c2", device_id="pv", capability="set_power_limit_kw", value=6.0))
    assert run("verify", text=True)[1].endswith("whole; last noted outside the database: nothing yet\n")
    # Only the plan's name is asked for, and a stored plan would be a page of figures here.
    monkeypatch.setattr(PlanStore, "latest", lambda *_: SimpleNamespace(plan_id="p1"))
    core_site__released_commands(
        dg.build_asset_context(partition_key="home"), project=ProjectResource(root=str(folder)), clock=FixedClock(NOW)
    )
    said = "the ledger's chain is whole; last noted outside the database: event 4, at 2026-01-01 00:00Z\n"
    assert run("verify", text=True)[1] == said
    file = folder / "var" / "anchors" / "home.jsonl"
    file.write_text(file.read_text().replace('"position":4', '"position":9'))
    code, answer, _ = run("verify")
    assert (code, answer["first"]) == (
        1,
        "event 9: it is missing; an anchor outside the database says that it was there",
    )
    told = json.loads(CliRunner().invoke(build_app(("doctor",)), ["doctor", "--json", "--project", str(folder)]).stdout)
    (trust,) = (each for each in told["checks"] if each["name"] == "ledger/trust")
    assert (trust["status"], answer["first"] in trust["detail"]) == ("fail", True)
