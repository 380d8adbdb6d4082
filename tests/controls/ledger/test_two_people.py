"""FULL needs two people: whatever looks like fewer is refused, written down, and raises nothing."""

import json
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.published.publications import sign_act
from assets.stores.schema.tables_control import approval_events, mode_events, mode_requests
from assets.stores.sign import Signer, new_key
from assets.stores.transactions import Store, connect_store, open_store, site_transaction
from controls.ledger.approvals import Kind, Outcome, audited, read_approvals, record
from controls.ledger.device_faults import latch_fault
from controls.ledger.modes import current_mode, read_modes, set_mode
from controls.ledger.two_people import LONGEST, WAITS, approve_full, open_requests, request_full, revoke_request
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.time import FixedClock
from tests.controls.agent.plant import World
from tests.controls.ledger.rows_of import CARLA, EVE, NOW, OLAF, add_plan, command, push
from tests.stores.everything import change

SOON = FixedClock(NOW + timedelta(hours=1))


def _partial(store: Store) -> None:
    set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=FixedClock(NOW))


def _ask(store: Store, **changes: Any) -> int:
    values: dict[str, Any] = {"person": CARLA, "reason": "a month of proof", "clock": FixedClock(NOW)} | changes
    return request_full(store, "home", **values).request_id


def _approve(store: Store, request_id: int, person: Person = EVE, clock: FixedClock = SOON, **more: Any) -> None:
    with audited(store, "home", Kind.MODE_REQUEST, str(request_id), person=person, clock=clock):
        approve_full(store, "home", request_id, person=person, clock=clock, **more)


def _mode(store: Store, at: datetime | None = None) -> Mode:
    return current_mode(store, "home", now_utc=at or SOON.now_utc())


def test_two_engineers_raise_the_site_to_full_for_thirty_days(store: Store) -> None:
    _partial(store)
    name = _ask(store)
    assert _mode(store) is Mode.PARTIAL, "the first signature changes nothing"
    assert [each.request_id for each in open_requests(store, "home", NOW)] == [name]
    _approve(store, name)
    assert _mode(store) is Mode.FULL
    assert open_requests(store, "home", SOON.now_utc()) == []
    end = NOW + LONGEST
    assert (_mode(store, end - timedelta(seconds=1)), _mode(store, end)) == (Mode.FULL, Mode.PARTIAL)
    event = store.rows(mode_events.select().where(mode_events.c.mode == "FULL"))[0]
    assert (event["person_id"], event["approved_by"], event["expires_utc"]) == ("carla", "eve", end)


def test_full_of_one_device_needs_the_site_there_too(store: Store) -> None:
    _partial(store)
    _approve(store, _ask(store, device_id="battery", expires_utc=NOW + timedelta(days=2)))
    assert current_mode(store, "home", "battery", now_utc=SOON.now_utc()) is Mode.PARTIAL
    assert read_modes(store, "home", now_utc=SOON.now_utc()).own(("battery", "")).mode is Mode.FULL


def test_without_an_earlier_mode_full_falls_to_simulation_and_a_stop_counts_at_once(store: Store) -> None:
    _approve(store, _ask(store))
    assert (_mode(store), _mode(store, NOW + LONGEST)) == (Mode.FULL, Mode.SIMULATION)
    set_mode(store, "home", mode=Mode.SIMULATION, person=OLAF, reason="smoke", clock=SOON)
    assert _mode(store) is Mode.SIMULATION


FAULTS = ("same person", "altered", "lapsed", "replay", "revoked", "stopped meanwhile", "unknown", "no engineer")


def _fault(store: Store, fault: str, name: int) -> None:
    if fault == "same person":
        _approve(store, name, CARLA)
    elif fault == "altered":
        change(store, mode_requests, mode_requests.c.id == name, device_id="battery")
        _approve(store, name)
    elif fault == "lapsed":
        _approve(store, name, clock=FixedClock(NOW + WAITS))
    elif fault == "replay":
        _approve(store, name)
        set_mode(store, "home", mode=Mode.PARTIAL, person=OLAF, reason="enough", clock=SOON)
        _approve(store, name)
    elif fault == "revoked":
        revoke_request(store, "home", name, person=OLAF, reason="not today", clock=SOON)
        _approve(store, name)
    elif fault == "stopped meanwhile":
        set_mode(store, "home", mode=Mode.SIMULATION, person=OLAF, reason="smoke", clock=SOON)
        set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="aired", clock=SOON)
        _approve(store, name)
    else:
        _approve(store, name + 1 if fault == "unknown" else name, EVE if fault == "unknown" else OLAF)


def _refused(store: Store) -> list[dict[str, Any]]:
    return store.rows(approval_events.select().where(approval_events.c.outcome == "REFUSED"))


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_f79_an_approval_that_is_not_one_is_refused_and_written_down(
    store: Store, fault: str, tmp_path: Path
) -> None:
    _partial(store)
    with pytest.raises(BadInput) as error:
        _fault(store, fault, _ask(store))
    history = [{"what": "refused", "said": error.value.reason, "rows": len(_refused(store))}]
    history.append({"what": "mode", "is": _mode(store).name})
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(each) + "\n" for each in history))
    assert history == [
        {"what": "refused", "said": history[0]["said"], "rows": 1},
        {"what": "mode", "is": "PARTIAL"},
    ]
    # Written down by name, and as what it was.
    assert _refused(store)[0]["reason"] == str(error.value)


def test_fault_f79_the_harness_sees_an_approval_that_went_through(store: Store) -> None:
    _partial(store)
    _approve(store, _ask(store))
    assert (_mode(store), _refused(store)) == (Mode.FULL, [])


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_fault_f79_one_request_is_used_once_by_two_who_approve_at_once(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'two.db'}"
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    store = open_store(url)
    name, start, outcomes = _ask(store), threading.Barrier(3), []
    third = EVE.model_copy(update={"person_id": "ida", "name": "Ida"})

    def run(person: Person) -> None:
        mine = connect_store(url)
        start.wait()
        try:
            approve_full(mine, "home", name, person=person, clock=SOON)
            outcomes.append("done")
        except BadInput as fault:
            outcomes.append(fault.reason)
        mine.close()

    threads = [threading.Thread(target=run, args=[person]) for person in (EVE, third, EVE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "request_used", "request_used"]
    assert _mode(store) is Mode.FULL
    store.close()


@pytest.mark.parametrize("moment", ["at the request", "at the approval"])
@pytest.mark.parametrize("what", ["latch", "doubt", "clock", "no own end"])
def test_full_is_refused_while_anything_stands_against_it(store: Store, what: str, moment: str) -> None:
    _partial(store)
    name = _ask(store) if moment == "at the approval" else 0
    more: dict[str, Any] = {}
    clock = SOON
    if what == "latch":
        with site_transaction(store, "home") as connection:
            latch_fault(connection, "home", "pv", reason="test", command_id=None, at_utc=NOW)
    elif what == "doubt":
        add_plan(store, command())
        push(store, "c1", S.RELEASED, S.PENDING, S.ISSUED, S.UNKNOWN)
    elif what == "clock":
        clock = FixedClock(NOW - timedelta(minutes=1))
    else:
        more = {"without_ttl": ("heat_pump",)}
    with pytest.raises(BadInput):
        _approve(store, name, clock=clock, **more) if name else _ask(store, clock=clock, **more)
    assert _mode(store) is Mode.PARTIAL


def test_the_owners_signature_under_the_risk_opens_full_and_taking_it_back_closes_it(store: Store) -> None:
    def say(outcome: Outcome, person: Person) -> None:
        with site_transaction(store, "home") as connection:
            record(
                connection, "home", Kind.RESIDUAL_RISK, "heat_pump", outcome,
                person=person, reason="a contactor beside it ends it", at_utc=NOW,
            )  # fmt: skip

    with pytest.raises(BadInput, match="role"):
        say(Outcome.APPROVED, OLAF)
    say(Outcome.APPROVED, CARLA)
    name = _ask(store, without_ttl=("heat_pump",))
    say(Outcome.REVOKED, OLAF)
    with pytest.raises(BadInput, match="does not end a set-point by itself"):
        _approve(store, name, without_ttl=("heat_pump",))
    say(Outcome.APPROVED, CARLA)
    assert read_approvals(store, "home", Kind.RESIDUAL_RISK).missing(["heat_pump"]) == []
    # A row that nobody can believe approves nothing any more: it may have been the revocation.
    change(store, approval_events, approval_events.c.id == 2, outcome="APPROVED")
    assert read_approvals(store, "home", Kind.RESIDUAL_RISK).missing(["heat_pump"]) == ["heat_pump"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"person": OLAF}, "role"),
        ({"expires_utc": NOW}, "has passed"),
        ({"expires_utc": NOW + LONGEST + timedelta(seconds=1)}, "30 days at most"),
        ({"capability": "set_charge_power_kw"}, "belongs to a device"),
    ],
)
def test_a_request_needs_reason_role_and_an_end_in_sight(store: Store, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        _ask(store, **changes)


def test_where_people_have_keys_both_must_have_signed(store: Store, tmp_path: Path) -> None:
    keys = {person: new_key(tmp_path / "keys", person.person_id) for person in (CARLA, EVE)}
    store.public_keys = {person.person_id: key.public_key for person, key in keys.items()}

    def ask(signer: Signer | None) -> int:
        with store.together():
            name = _ask(store, clock=SOON)
            sign_act(store, signer, CARLA, kind="dispatch mode", subject="home", facts={}, clock=SOON)
        return name

    def approve(name: int, signer: Signer | None) -> None:
        with store.together():
            approve_full(store, "home", name, person=EVE, clock=SOON)
            sign_act(store, signer, EVE, kind="dispatch approve", subject="home", facts={}, clock=SOON)

    with pytest.raises(BadInput, match="not signed"):
        approve(ask(None), keys[EVE])
    approve(ask(keys[CARLA]), None)
    assert _mode(store) is Mode.SIMULATION, "the second signature is missing"
    approve(ask(keys[CARLA]), keys[EVE])
    assert _mode(store) is Mode.FULL


@pytest.mark.parametrize(
    ("has_own_end", "is_signed", "mode"), [(True, False, "FULL"), (False, False, "PARTIAL"), (False, True, "FULL")]
)
def test_a_device_that_came_later_without_its_own_end_stays_in_partial(
    store: Store, has_own_end: bool, is_signed: bool, mode: str
) -> None:
    """FULL was given before it was there: the last look before the wire asks for the signature all the same."""
    world = World(store)
    name = request_full(store, "home", person=CARLA, reason="x", clock=world.time).request_id
    approve_full(store, "home", name, person=EVE, clock=world.time)
    for device in world.agent.devices:
        device.template = device.template.model_copy(update={"has_device_ttl": has_own_end})
    if is_signed:
        with site_transaction(store, "home") as connection:
            record(
                connection, "home", Kind.RESIDUAL_RISK, "battery", Outcome.APPROVED,
                person=CARLA, reason="a relay", at_utc=NOW,
            )  # fmt: skip
    world.run(2)
    add_plan(store, command())
    world.release()
    world.run(3)
    row = world.row()
    assert (row.state, row.mode_at_issue) == (S.VERIFIED, mode)
