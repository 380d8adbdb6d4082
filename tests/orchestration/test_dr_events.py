"""Events of demand response over a project: acts by people, a real agent in simulated time, and settlement."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.audit import bad_rows
from assets.stores.ledgers.dr_events import DrEvents
from assets.stores.published.publications import sign_act
from assets.stores.schema.tables_control import approval_events
from assets.stores.schema.tables_demand_response import dr_events
from assets.stores.sign import new_key
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.ledger.chain import verify_chain
from controls.ledger.device_holds import open_holds
from controls.ledger.modes import set_mode
from controls.ledger.rows import read_commands
from controls.simulator.vtn import LocalVtn
from controls.templates.load_templates import load_template
from data_quality.contracts.baselines.baseline import canonical_sha256
from data_quality.contracts.baselines.event_baseline import SettledEvent
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.dr_event import ClassTerms, ClassVote, DrEvent
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person, Role
from orchestration.demand_response.acts import (
    approve_event,
    arm_event,
    create_event,
    propose_event,
    stop_event,
    vote_class,
)
from orchestration.demand_response.run import advance
from orchestration.demand_response.settle import settle_event
from orchestration.open_project import OpenProject
from tests.controls.agent.plant import Plant, PlantDevice, Time
from tests.controls.programmes.published import faults
from tests.controls.programmes.test_openadr3 import NAME, SECRET, source
from tests.orchestration.test_cli import run
from tests.stores.everything import change

SITE = """
site_id: plant
name: Plant
time_zone: UTC
currency: EUR
country: DE
weekly_rest: []
meters: [{meter_id: main}, {meter_id: fans, parent: main}, {meter_id: light, parent: main}]
assets:
  - {asset_id: fans, kind: sheddable_load, template: sim_sheddable_load, meter: fans}
  - {asset_id: light, kind: sheddable_load, template: sim_sheddable_load, meter: light}
sheddable_loads:
  - {load_id: fans, asset: fans, meter: fans, max_shed_kw: 5, max_minutes: 120, rebound_share: 0.5, cost_per_kwh: 0.1}
  - {load_id: light, asset: light, meter: light, max_shed_kw: 3, max_minutes: 120, cost_per_kwh: 0.2}
  - {load_id: stairs, meter: light, max_shed_kw: 2, max_minutes: 120, cost_per_kwh: 0.9}
"""
PEOPLE = {
    "ann": (Role.OPERATOR, Role.ENGINEER), "bob": (Role.APPROVER,), "cyd": (Role.APPROVER, Role.OPERATOR),
    "dan": (Role.ANALYST,),
}  # fmt: skip
ANN, BOB, CYD, DAN = (Person(person_id=name, name=name.title(), roles=roles) for name, roles in PEOPLE.items())
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
START = datetime(2026, 6, 30, 14, tzinfo=UTC)
NOW = START - 4 * HOUR
SPAN = (START, START + HOUR)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fans at 20 kW, light at 18, and 100 in all, on every day of twenty weeks up to the day after the event."""
    folder = tmp_path_factory.mktemp("dr")
    (folder / "plant.yaml").write_text(SITE)
    assert run("init", str(folder / "p"), "--site", str(folder / "plant.yaml"))[0] == 0
    first = (START - timedelta(days=140)).replace(hour=0)
    rows = ["meter,timestamp,kwh"]
    for n in range(141 * 24):
        at = first + n * HOUR
        shed = 7 if START <= at < START + HOUR else 0
        # A load that is never twice the same, or no method has an error.
        main = 100 + (n * 37 % 11) / 10 - shed
        rows += [f"{name},{at.isoformat()},{kw}" for name, kw in (("fans", 20), ("light", 18), ("main", main))]
    (folder / "energy.csv").write_text("\n".join(rows) + "\n")
    code, _, error = run("ingest", str(folder / "energy.csv"), "--site", "plant", folder=folder / "p")
    assert code == 0, error
    people = [{"person_id": name, "name": name.title(), "roles": list(roles)} for name, roles in PEOPLE.items()]
    (folder / "p" / "people.yaml").write_text(json.dumps({"people": people}))
    return folder / "p"


@pytest.fixture
def here(made: Path, tmp_path: Path) -> Iterator["Here"]:
    import shutil

    shutil.copytree(made, tmp_path / "p")
    found = Here(tmp_path / "p")
    yield found
    found.project.close()


class Here:
    """A project, its people, its time, and an agent over two simulated loads."""

    def __init__(self, folder: Path) -> None:
        self.project, self.time = OpenProject(str(folder)), Time(wall=NOW)
        self.plant = Plant(self.time)
        self.plant.devices = {n: PlantDevice(load_template("sim_sheddable_load"), self.time) for n in ("fans", "light")}
        context = AgentContext(
            store=self.project.store, site_id="plant", holder="agent", clock=self.time, monotonic=self.time.monotonic,
            transports=self.plant,
        )  # fmt: skip
        self.agent = Agent(context, devices_of(self.project.site("plant")))

    def mode(self, mode: Mode) -> None:
        set_mode(self.project.store, "plant", mode=mode, person=ANN, reason="test", clock=self.time)

    def create(self, kw: float = 7, **said: Any) -> DrEvent:
        return create_event(self.project, "plant", "own_peak", SPAN, kw, clock=self.time, **{"person": ANN} | said)[0]

    def propose(self, event: DrEvent, person: Person | None = ANN) -> DrEvent:
        found = propose_event(self.project, event.event_id, clock=self.time, person=person, reason="called")
        assert isinstance(found, DrEvent)
        return found

    def approve(self, event: DrEvent, person: Person = BOB, digest: str = "") -> DrEvent:
        said: dict[str, Any] = {"clock": self.time, "person": person, "reason": "seen"}
        return approve_event(self.project, event.event_id, digest or event.digest, **said)

    def arm(self, event: DrEvent, person: Person = ANN) -> DrEvent:
        return arm_event(self.project, event.event_id, clock=self.time, person=person, reason="go")

    def armed(self) -> DrEvent:
        return self.arm(self.approve(self.propose(self.create())))

    def run(self, seconds: float, step_s: float = 5) -> None:
        """Agent and clock go on; events are looked at every half minute."""
        for n in range(round(seconds / step_s)):
            if n % 6 == 0:
                advance(self.project, self.time)
            self.agent.cycle()
            self.time.pass_(step_s)

    def begin(self) -> None:
        self.agent.cycle()
        self.time.pass_((START - self.time.wall).total_seconds() - 10)
        self.run(120)

    def now(self, event: DrEvent) -> DrEvent:
        return DrEvents(self.project.store).named(event.event_id)

    @property
    def values(self) -> dict[str, float]:
        return {name: device.value for name, device in self.plant.devices.items()}

    @property
    def refused(self) -> list[tuple[str, str]]:
        query = approval_events.select().where(approval_events.c.outcome == "REFUSED").order_by(approval_events.c.id)
        return [(row["kind"], row["person_id"]) for row in self.project.store.rows(query)]


def test_an_event_goes_from_its_call_to_its_settlement_through_the_agent(here: Here) -> None:
    here.mode(Mode.PARTIAL)
    event = here.armed()
    assert [(each.device_id, each.value, each.kw) for each in event.commands] == [("fans", 15, 5), ("light", 16, 2)]
    here.begin()
    event = here.now(event)
    assert event.state == "active", event.reason
    assert [row.state for row in _rows(here)] == [S.VERIFIED, S.VERIFIED]
    assert here.values == {"fans": 15.0, "light": 16.0}
    here.run(3600, step_s=15)
    back = here.now(event)
    assert back.state == "restore"
    here.run(700, step_s=10)
    assert here.values == {"fans": 20.0, "light": 20.0}
    assert open_holds(here.project.store, "plant", here.time.wall) == []
    assert verify_chain(here.project.store, "plant") == []
    after, settled = settle_event(here.project, event.event_id, clock=here.time, person=ANN)
    assert after.state == "settled"
    assert settled.rule is not None
    assert settled.best is not None
    assert settled.rule.method == "matching-day"
    assert settled.rule.shed_kwh == pytest.approx(7, abs=1)
    assert settled.income == pytest.approx(12 * min(settled.least_kw or 0, 7), abs=0.01)
    assert (settled.penalty, settled.version, settled.target_kwh) == (0, 1, 7)
    assert settle_event(here.project, event.event_id, clock=here.time, person=ANN)[1].version == 1
    assert [each for each in bad_rows(here.project.store) if each.table.startswith("dr_")] == []
    _expect_reports(here.project.project.root, event.event_id, settled.rule)


def _expect_reports(folder: Path, event_id: str, rule: SettledEvent) -> None:
    """The settled event leaves as three reports of OpenADR, whose sums are the settlement's."""
    path = folder / "reports.json"
    code, out, error = run("export", "openadr", "--event", event_id, "--to", str(path), "--json", folder=folder)
    assert code == 0, error
    assert [(each["payload_type"], each["intervals"]) for each in json.loads(out)["reports"]] == [
        ("USAGE", len(rule.intervals)), ("DEMAND", len(rule.intervals)), ("BASELINE", len(rule.intervals))
    ]  # fmt: skip
    sums = {}
    for body in json.loads(path.read_text()):
        assert faults("3.1", "report", body) == []
        intervals = body["resources"][0]["intervals"]
        sums[body["reportName"]] = sum(each["payloads"][0]["values"][0] for each in intervals)
    assert sums["USAGE"] == pytest.approx(rule.actual_kwh)
    assert sums["BASELINE"] == pytest.approx(rule.baseline_kwh)
    assert sums["DEMAND"] / len(rule.intervals) == pytest.approx(rule.actual_kwh)
    _expect_pushed(folder, event_id, sums)


def _expect_pushed(folder: Path, event_id: str, sums: dict[str, float]) -> None:
    """A server gets the reports of the event under its own id of it, which somebody names where it did not call."""
    people = {"person_id": "ann", "name": "Ann", "roles": ["operator"]}
    people["public_key"] = new_key(folder / "keys", "ann").public_key
    (folder / "people.yaml").write_text(json.dumps({"people": [people]}))
    words = ("export", "openadr", "--event", event_id, "--to", str(folder / "reports.json"), "--push", "--as", "ann")
    code, _, error = run(*words, folder=folder)
    assert (code, "was called by no OpenADR server" in error) == (2, True), error
    site = folder / "sites" / "plant.yaml"
    with LocalVtn("ven-1", SECRET, [NAME]) as vtn, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSO_SECRET", SECRET)
        own = source(vtn.url).model_dump(mode="json", exclude_none=True)
        site.write_text(f"{site.read_text()}\nsignal_sources: {json.dumps([own])}\n")
        code, out, error = run(*words, "--event-id", "e-9", "--json", folder=folder)
        assert (code, json.loads(out)["pushed"]) == (0, 3), error
        bodies = list(vtn.objects["reports"].values())
    assert {(each["eventID"], each["clientName"]) for each in bodies} == {("e-9", "home")}
    assert {each["reportName"] for each in bodies} == sums.keys()


@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.ADVISORY])
def test_fault_f83_below_partial_an_event_runs_and_nothing_is_sent(here: Here, mode: Mode) -> None:
    here.mode(mode)
    event = here.armed()
    here.begin()
    assert here.now(event).state == "active"
    rows = read_commands(here.project.store, "plant")
    assert [row.state for row in rows] == [S.ADVISED, S.ADVISED]
    assert [each.writes for each in here.plant.devices.values()] == [[], []]
    assert open_holds(here.project.store, "plant", here.time.wall) == []


def test_a_stop_by_one_person_leaves_no_command_and_each_device_at_its_safe_value_within_a_minute(here: Here) -> None:
    here.mode(Mode.PARTIAL)
    event = here.armed()
    here.begin()
    assert here.values["fans"] == 15.0
    stop_event(here.project, event.event_id, clock=here.time, person=CYD, reason="rooms are warm")
    assert open_holds(here.project.store, "plant", here.time.wall) == []
    here.run(60)
    assert here.values == {"fans": 20.0, "light": 20.0}
    assert all(row.state in (S.SUPERSEDED, S.REVERTED, S.COMPLETED, S.BLOCKED) for row in _rows(here))
    here.run(3600, step_s=60)
    assert (here.now(event).state, here.values["fans"]) == ("stopped", 20.0)


def _rows(here: Here) -> list[Any]:
    return read_commands(here.project.store, "plant")


def test_a_device_taken_by_hand_trips_the_event_and_the_others_come_back(here: Here) -> None:
    here.mode(Mode.PARTIAL)
    event = here.armed()
    here.begin()
    here.plant.devices["light"].forced = 12.0
    here.run(120)
    tripped = here.now(event)
    assert (tripped.state, "taken by hand" in tripped.reason) == ("restore", True)
    here.run(600, step_s=10)
    assert here.values["fans"] == 20.0


def test_fault_f79_what_is_no_approval_of_this_list_by_a_second_person_is_refused_and_written_down(here: Here) -> None:
    event = here.propose(here.create())
    for who, digest, reason in (
        (ANN, "", "missing_role"), (DAN, "", "missing_role"), (BOB, "f" * 64, "altered_plan"),
        (BOB, "f", "altered_plan"),
    ):  # fmt: skip
        with pytest.raises(BadInput) as said:
            here.approve(event, who, digest)
        assert said.value.reason == reason
    with pytest.raises(BadInput) as said:
        here.arm(event)
    assert said.value.reason == "wrong_state"
    own = here.propose(event, CYD)
    with pytest.raises(BadInput) as said:
        here.approve(own, CYD)
    assert said.value.reason == "same_person"
    given = here.approve(own)
    with pytest.raises(BadInput) as said:
        here.approve(given, CYD)
    assert said.value.reason == "wrong_state", "a yes is used once"
    # The key of who approved is changed.
    path = here.project.project.people_file
    here.project.close()
    people = json.loads(path.read_text())["people"]
    path.write_text(json.dumps({"people": [each for each in people if each["person_id"] != "bob"]}))
    again = Here(here.project.project.root)
    with pytest.raises(BadInput) as said:
        again.arm(given)
    assert said.value.reason == "key_revoked"
    assert again.refused == [
        ("DR_EVENT", "ann"), ("DR_EVENT", "dan"), ("DR_EVENT", "bob"), ("DR_EVENT", "bob"), ("DR_EVENT", "ann"),
        ("DR_EVENT", "cyd"), ("DR_EVENT", "cyd"), ("DR_EVENT", "ann"),
    ]  # fmt: skip
    assert _rows(again) == []
    again.project.close()


def test_fault_f79_a_bent_row_of_an_event_is_refused(here: Here) -> None:
    event = here.approve(here.propose(here.create()))
    change(here.project.store, dr_events, dr_events.c.state == "approved", reason="nothing to see")
    with pytest.raises(Exception, match=r"not what was|seal"):
        here.arm(event)
    assert _rows(here) == []


def test_a_source_has_one_event_and_a_machine_needs_two_people(here: Here) -> None:
    said: dict[str, Any] = {"clock": here.time, "source": "openadr:7"}
    event, is_new = create_event(here.project, "plant", "own_peak", SPAN, 7, **said)
    assert is_new
    assert create_event(here.project, "plant", "own_peak", SPAN, 7, **said) == (event, False)
    # A signal that runs begins a minute after each look at it.
    assert create_event(here.project, "plant", "own_peak", (START + MINUTE, SPAN[1]), 7, **said) == (event, False)
    event = here.propose(event, None)
    first = here.approve(event)
    assert first.state == "proposed"
    with pytest.raises(BadInput, match="already"):
        here.approve(first)
    assert here.approve(first, CYD).state == "approved"


def test_a_class_of_two_people_approves_what_it_holds_and_no_more(here: Here) -> None:
    vote = ClassVote(site_id="plant", programme="own_peak", max_kw=7, max_minutes=60, is_yes=True, person_id="",
                     reason="small")  # fmt: skip
    assert vote_class(here.project, vote, clock=here.time, person=BOB) == ["bob"]
    with pytest.raises(BadInput, match="two people"):
        vote_class(here.project, vote, clock=here.time, person=BOB)
    assert vote_class(here.project, vote, clock=here.time, person=CYD) == ["bob", "cyd"]
    event = here.propose(here.create(), None)
    assert (event.state, "pre-approved" in event.reason) == ("approved", True)
    stop_event(here.project, event.event_id, clock=here.time, person=ANN, reason="no", is_opt_out=True)
    assert here.propose(here.create(7.5)).state == "proposed"


def of_class(
    here: Here, *, is_armed: bool = True, is_yes: bool = True, people: tuple[Person, ...] = (BOB, CYD)
) -> None:
    vote = ClassVote(site_id="plant", programme="own_peak", max_kw=7, max_minutes=60, is_armed=is_armed, is_yes=is_yes,
                     person_id="", reason="small")  # fmt: skip
    for person in people:
        vote_class(here.project, vote, clock=here.time, person=person)


def test_an_event_of_a_class_that_arms_is_carried_out_and_settled_without_a_person(here: Here) -> None:
    here.mode(Mode.PARTIAL)
    of_class(here)
    event = here.propose(here.create(person=None, source="workflow:peak:2026-06-30"), None)
    assert (event.state, event.armed_by, "needs no person" in event.reason) == ("armed", "cyd", True)
    states = [each.state for each in DrEvents(here.project.store).history(event)]
    assert states == ["created", "approved", "armed"]
    here.begin()
    assert here.now(event).state == "active"
    assert here.values == {"fans": 15.0, "light": 16.0}
    here.run(3600, step_s=15)
    here.run(700, step_s=10)
    assert here.values == {"fans": 20.0, "light": 20.0}
    after, settled = settle_event(here.project, event.event_id, clock=here.time)
    assert (after.state, settled.person_id) == ("settled", "")
    assert settled.rule is not None
    assert settled.rule.shed_kwh == pytest.approx(7, abs=1)
    assert here.refused == []


@pytest.mark.parametrize("is_armed", [False, True], ids=["an operator arms", "taken back"])
def test_an_event_of_a_class_that_does_not_arm_or_was_taken_back_never_begins(here: Here, is_armed: bool) -> None:
    here.mode(Mode.PARTIAL)
    of_class(here, is_armed=is_armed)
    event = here.propose(here.create(person=None, source="dso:1"), None)
    if is_armed:
        of_class(here, is_yes=False, people=(CYD,))
    here.begin()
    found = here.now(event)
    said = "its pre-approved class was taken back" if is_armed else "while it was approved"
    assert (found.state, said in found.reason) == ("lapsed", True)
    assert here.values == {"fans": 20.0, "light": 20.0}


def test_two_who_may_not_carry_out_events_cannot_sign_a_class_that_arms(here: Here) -> None:
    of_class(here, people=(BOB,))
    people = json.loads((here.project.project.root / "people.yaml").read_text())
    people["people"][2]["roles"] = ["approver"]
    (here.project.project.root / "people.yaml").write_text(json.dumps(people))
    later = OpenProject(str(here.project.project.root))
    vote = ClassVote(site_id="plant", programme="own_peak", max_kw=7, max_minutes=60, is_armed=True, is_yes=True,
                     person_id="", reason="small")  # fmt: skip
    with pytest.raises(BadInput) as said:
        vote_class(later, vote, clock=here.time, person=later.people.known("cyd"))
    assert said.value.reason == "no_operator"
    later.close()


def test_a_class_that_arms_is_another_than_one_that_does_not_and_the_latter_keeps_its_name() -> None:
    given: dict[str, Any] = {"site_id": "plant", "programme": "own_peak", "max_kw": 7, "max_minutes": 60}
    names = {ClassTerms(**given, is_armed=each).class_id for each in (True, False)}
    assert len(names) == 2
    # As signed before there were classes that arm.
    assert ClassTerms(**given).class_id == canonical_sha256({**given, "max_kw": 7.0})[:12]


def test_what_cannot_be_an_event_is_one_sentence(here: Here) -> None:
    event = here.create()
    for reason, span, programme, kw in (
        ("overlapping_events", SPAN, "own_peak", 5), ("no_programme", SPAN, "own_peek", 5),
        ("event_past", (NOW - HOUR, NOW), "own_peak", 5),
        ("bad_target", (START + HOUR, START + 2 * HOUR), "own_peak", 0),
        ("not_in_programme", (START + HOUR, START + 6 * HOUR), "own_peak", 5),
    ):  # fmt: skip
        with pytest.raises(BadInput) as said:
            create_event(here.project, "plant", programme, span, kw, clock=here.time, person=ANN)
        assert said.value.reason == reason
    with pytest.raises(BadInput) as said:
        settle_event(here.project, event.event_id, clock=here.time)
    assert said.value.reason == "not_over"
    stop_event(here.project, event.event_id, clock=here.time, person=ANN, reason="no", is_opt_out=True)
    assert here.now(event).state == "opted_out"
    much = here.create(50)
    assert isinstance(propose_event(here.project, much.event_id, clock=here.time, person=ANN), Finding)


def test_events_are_listed_and_shown_by_the_command(made: Path) -> None:
    soon = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + 24 * HOUR
    words = ("--site", "plant", "--programme", "own_peak", "--event", f"{soon.isoformat()}/{(soon + HOUR).isoformat()}")
    code, out, error = run("dr", "event", "create", *words, "--target-kw", "4", "--as", "ann", "--json", folder=made)
    assert code == 0, error
    event = json.loads(out)["event"]
    assert {"id", "programme", "state", "start_utc", "end_utc", "digest", "approvals", "commands"} <= event.keys()
    code, out, _ = run("dr", "event", "show", event["id"], "--json", folder=made)
    assert (code, json.loads(out)["event"]["state"], json.loads(out)["event"]["settlement"]) == (0, "created", None)
    assert event["id"] in run("dr", "event", "list", folder=made)[1]
    assert "0 moved" in run("dr", "event", "advance", folder=made)[1]


def test_where_people_have_keys_a_signed_event_runs_and_ends_without_holding_the_site(here: Here) -> None:
    folder = here.project.project.root
    here.project.close()
    keys = {name: new_key(folder / "keys", name) for name in PEOPLE}
    people = [
        {"person_id": name, "name": name, "roles": list(PEOPLE[name]), "public_key": keys[name].public_key}
        for name in keys
    ]
    (folder / "people.yaml").write_text(json.dumps({"people": people}))
    site = Here(folder)
    store = site.project.store

    def signed(person: Person) -> Any:
        return lambda kind, subject, **facts: sign_act(
            store, keys[person.person_id], person, kind=kind, subject=subject, facts=facts, clock=site.time
        )

    with store.together():
        site.mode(Mode.PARTIAL)
        signed(ANN)("dispatch mode", "plant")
    event = site.create()
    said: dict[str, Any] = {"clock": site.time, "reason": "go"}
    made = propose_event(site.project, event.event_id, person=ANN, sign=signed(ANN), **said)
    assert isinstance(made, DrEvent)
    bob = site.project.people.known("bob")
    approve_event(site.project, event.event_id, made.digest, person=bob, sign=signed(bob), **said)
    arm_event(site.project, event.event_id, person=ANN, sign=signed(ANN), **said)
    site.begin()
    assert site.values == {"fans": 15.0, "light": 16.0}
    stop_event(site.project, event.event_id, clock=site.time, person=CYD, reason="no key at hand")
    site.run(60)
    assert site.values == {"fans": 20.0, "light": 20.0}
    assert open_holds(store, "plant", site.time.wall) == []
    site.project.close()


def test_fault_f81_a_plan_whose_return_would_be_above_the_peak_is_refused(here: Here) -> None:
    folder = here.project.project.root
    path = next((folder / "sites").glob("plant.yaml"))
    path.write_text(
        path.read_text().replace("max_shed_kw: 5,", "max_shed_kw: 18,").replace("_share: 0.5", "_share: 0.9")
    )
    here.project.close()
    again = Here(folder)
    with pytest.raises(BadInput) as said:
        again.propose(again.create(18))
    assert said.value.reason == "rebound_above_peak"
    again.project.close()
