"""Permission to raise and lower a mode, and what bars raising it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from assets.stores.schema.tables_control import mode_events
from assets.stores.transactions import Store, site_transaction
from controls.ledger.device_faults import acknowledge_fault, is_latched, latch_fault, open_faults
from controls.ledger.modes import current_mode, mode_history, modes_and_faults, set_mode
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.time import FixedClock
from tests.controls.ledger.rows_of import BEN, CARLA, EVE, NOW, OLAF, add_plan, command, push

BATTERY = ("battery", "set_charge_power_kw")


def _set(store: Store, mode: Mode, person: Person = CARLA, reason: str = "test", **place: Any) -> None:
    set_mode(store, "home", mode=mode, person=person, reason=reason, clock=FixedClock(NOW), **place)


def _latch(store: Store, device_id: str = "battery") -> None:
    with site_transaction(store, "home") as connection:
        latch_fault(connection, "home", device_id, reason="test", command_id=None, at_utc=NOW)


def test_a_new_site_is_in_simulation(store: Store) -> None:
    assert current_mode(store, "home") is Mode.SIMULATION
    assert modes_and_faults(store, "home", [BATTERY]) == ({BATTERY: Mode.SIMULATION}, [])


def test_an_entry_nobody_can_read_means_simulation(store: Store) -> None:
    _set(store, Mode.PARTIAL)
    with store.begin() as connection:
        connection.execute(
            mode_events.insert().values(
                site_id="home", device_id="", mode="P\x00RTIAL", person_id="?", reason="", recorded_at_utc=NOW
            )
        )
    assert current_mode(store, "home") is Mode.SIMULATION


def test_the_lower_one_of_site_and_device_counts(store: Store) -> None:
    _set(store, Mode.PARTIAL)
    _set(store, Mode.ADVISORY, device_id="battery")
    assert current_mode(store, "home", "battery") is Mode.ADVISORY
    assert current_mode(store, "home", "pv") is Mode.PARTIAL
    _set(store, Mode.SIMULATION)
    modes, _ = modes_and_faults(store, "home", [BATTERY, ("pv", "")])
    assert modes == {BATTERY: Mode.SIMULATION, ("pv", ""): Mode.SIMULATION}
    assert [event["mode"] for event in mode_history(store, "home")] == ["PARTIAL", "ADVISORY", "SIMULATION"]


@pytest.mark.parametrize(
    ("mode", "person", "is_allowed"),
    [
        (Mode.ADVISORY, OLAF, True),
        (Mode.ADVISORY, EVE, False),
        (Mode.ADVISORY, BEN, False),
        (Mode.PARTIAL, EVE, True),
        (Mode.PARTIAL, OLAF, False),
        (Mode.FULL, CARLA, False),
    ],
)
def test_raising_needs_the_role(store: Store, mode: Mode, person: Person, is_allowed: bool) -> None:
    if is_allowed:
        _set(store, mode, person)
    else:
        with pytest.raises(BadInput):
            _set(store, mode, person)
    assert current_mode(store, "home") is (mode if is_allowed else Mode.SIMULATION)


def test_raising_needs_a_reason_and_lowering_needs_none(store: Store) -> None:
    with pytest.raises(BadInput, match="needs a reason"):
        _set(store, Mode.PARTIAL, reason="  ")
    _set(store, Mode.PARTIAL)
    _set(store, Mode.SIMULATION, OLAF, reason="")
    assert current_mode(store, "home") is Mode.SIMULATION


def test_lowering_is_for_operators_and_engineers(store: Store) -> None:
    _set(store, Mode.PARTIAL)
    with pytest.raises(BadInput, match="has not the role"):
        _set(store, Mode.SIMULATION, BEN)
    _set(store, Mode.ADVISORY, EVE)
    assert current_mode(store, "home") is Mode.ADVISORY


def test_a_devices_own_entry_never_lifts_it_above_the_site(store: Store) -> None:
    _set(store, Mode.PARTIAL, OLAF, device_id="battery")
    assert current_mode(store, "home", "battery") is Mode.SIMULATION
    _set(store, Mode.SIMULATION, OLAF, device_id="battery")
    with pytest.raises(BadInput):
        _set(store, Mode.PARTIAL, OLAF, device_id="battery")


def test_a_latched_fault_forbids_raising_until_an_engineer_acknowledged_it(store: Store) -> None:
    _latch(store)
    with pytest.raises(BadInput, match="fault is latched"):
        _set(store, Mode.ADVISORY)
    clock = FixedClock(NOW)
    for person, reason, message in ((OLAF, "seen", "role"), (EVE, " ", "reason")):
        with pytest.raises(BadInput, match=message):
            acknowledge_fault(store, "home", "battery", person=person, reason=reason, clock=clock)
    with pytest.raises(BadInput, match="no fault"):
        acknowledge_fault(store, "home", "pv", person=EVE, reason="seen", clock=clock)
    acknowledge_fault(store, "home", "battery", person=EVE, reason="cable was loose", clock=clock)
    assert open_faults(store, "home") == []
    _set(store, Mode.ADVISORY)


def test_a_latch_of_the_site_is_a_latch_of_every_device(store: Store) -> None:
    _latch(store, "")
    faults = open_faults(store, "home")
    assert is_latched(faults, "pv")
    _latch(store, "battery")
    assert not is_latched([fault for fault in open_faults(store, "home") if fault.device_id], "pv")


@pytest.mark.parametrize("state", [S.UNKNOWN, S.ISSUED])
def test_a_command_in_doubt_forbids_raising(store: Store, state: S) -> None:
    add_plan(store, command())
    push(store, "c1", S.RELEASED, S.PENDING, S.ISSUED, *([state] if state is not S.ISSUED else []))
    with pytest.raises(BadInput, match="not proven"):
        _set(store, Mode.ADVISORY)


def test_the_lowest_of_site_device_and_capability_counts(store: Store) -> None:
    _set(store, Mode.PARTIAL)
    _set(store, Mode.ADVISORY, device_id="battery", capability="set_charge_power_kw")
    assert current_mode(store, "home", *BATTERY) is Mode.ADVISORY
    assert current_mode(store, "home", "battery", "other") is Mode.PARTIAL
    _set(store, Mode.SIMULATION, device_id="battery")
    assert current_mode(store, "home", "battery", "other") is Mode.SIMULATION
    with pytest.raises(BadInput, match="belongs to a device"):
        _set(store, Mode.ADVISORY, capability="set_charge_power_kw")


def _at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def test_a_mode_that_ended_gives_way_to_what_stood_before_it(store: Store) -> None:
    _set(store, Mode.ADVISORY)
    _set(store, Mode.PARTIAL, expires_utc=_at(2))
    assert current_mode(store, "home", now_utc=_at(2) - timedelta(microseconds=1)) is Mode.PARTIAL
    assert current_mode(store, "home", now_utc=_at(2)) is Mode.ADVISORY
    # Whoever asks without a time gets the lower answer.
    assert current_mode(store, "home") is Mode.ADVISORY
    _set(store, Mode.SIMULATION)
    _set(store, Mode.PARTIAL, expires_utc=_at(1))
    assert current_mode(store, "home", now_utc=_at(1)) is Mode.SIMULATION


def test_no_end_raises_a_mode_again(store: Store) -> None:
    _set(store, Mode.PARTIAL)
    _set(store, Mode.PARTIAL, expires_utc=_at(1), device_id="battery")
    # Nobody said anything of the battery before.
    assert current_mode(store, "home", "battery", now_utc=_at(1)) is Mode.SIMULATION
    with pytest.raises(BadInput, match="has no end"):
        _set(store, Mode.ADVISORY, expires_utc=_at(1))
    with pytest.raises(BadInput, match="has passed"):
        _set(store, Mode.PARTIAL, expires_utc=NOW, device_id="pv")


def test_a_mode_is_prolonged_like_it_is_raised(store: Store) -> None:
    _set(store, Mode.PARTIAL, expires_utc=_at(1))
    for end in (_at(2), None):
        with pytest.raises(BadInput, match="role"):
            _set(store, Mode.PARTIAL, OLAF, expires_utc=end)
    _set(store, Mode.PARTIAL, expires_utc=_at(2))
    assert current_mode(store, "home", now_utc=_at(1)) is Mode.PARTIAL


def test_a_clock_behind_the_ledger_raises_nothing(store: Store) -> None:
    add_plan(store, command(), at=_at(1))
    with pytest.raises(BadInput, match="3600 s behind"):
        _set(store, Mode.ADVISORY)
    _set(store, Mode.SIMULATION)


def test_the_database_takes_no_full_of_one_person(store: Store) -> None:
    values: dict[str, Any] = {"site_id": "home", "device_id": "", "person_id": "carla", "reason": "x"}
    whole = values | {"approved_by": "eve", "expires_utc": _at(1), "request_id": 1, "recorded_at_utc": NOW}
    for bent in ({"approved_by": None}, {"approved_by": "carla"}, {"expires_utc": None}, {"request_id": None}):
        with pytest.raises(sa.exc.DBAPIError, match="second person"), store.begin() as connection:
            connection.execute(mode_events.insert().values(mode="FULL", **(whole | bent)))
    with store.begin() as connection:
        connection.execute(mode_events.insert().values(mode="FULL", **whole))
    with pytest.raises(sa.exc.DBAPIError, match="request_id"), store.begin() as connection:
        connection.execute(mode_events.insert().values(mode="FULL", **whole))
    # The database took it, and nobody believes it: it has no seal, and no request.
    assert current_mode(store, "home", now_utc=NOW) is Mode.SIMULATION
