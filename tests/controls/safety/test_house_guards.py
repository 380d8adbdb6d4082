"""The interlocks at work in an agent: what a house does when its values, its people or its clock do the unexpected."""

import math
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from assets.stores.schema.tables_control import command_events, device_states
from assets.stores.transactions import Store
from controls.agent.context import DeviceThreads
from controls.ledger.chain import verify_chain
from controls.ledger.device_faults import open_faults
from controls.ledger.device_holds import open_holds
from data_quality.contracts.control.command import CommandState as S
from tests.controls.safety.house import House, site

PUMP = {"min_on_s": 600, "min_off_s": 300, "max_starts_per_hour": 4}


def _reason(house: House, name: str) -> str:
    """Reason of the last event of a command in the ledger."""
    rows = house.store.rows(command_events.select().where(command_events.c.command_id == name))
    return str(rows[-1]["reason"])


def test_fault_f50_a_clock_set_back_by_an_hour_puts_everything_back(store: Store) -> None:
    house = House(store, site())
    house.plan("c1", 1.0)
    house.run(5)
    assert house.state("c1") is S.VERIFIED
    house.time.wall -= timedelta(hours=1)
    house.agent.cycle()
    assert house.wire.writes[-1] == ("battery", 0.0)
    assert "stepped" in house.agent.trouble
    house.run(30)
    assert [value for _, value in house.wire.writes].count(1.0) == 1, "not again, though its window seems open"
    assert verify_chain(store, "home") == []


def test_fault_f67_what_a_person_sets_is_found_at_once_and_left_alone_for_two_hours(store: Store) -> None:
    house = House(store, site())
    house.plan("c1", 1.0)
    house.run(5)
    house.wire.forced["battery"] = 3.0
    writes, since = len(house.wire.writes), house.time.mono
    while house.state("c1") is not S.OVERRIDDEN:
        house.run(0.5)
    assert house.time.mono - since <= 10, "two looks of five seconds"
    house.plan("c2", 0.5, minutes=400)
    house.run(60)
    assert (house.state("c2"), house.guard("c2")) == (S.BLOCKED, "I08")
    # A new process neither forgets it nor brings the device home.
    house.new_agent()
    house.run(7000, step_s=20)
    assert len(house.wire.writes) == writes
    assert open_faults(store, "home") == []
    house.time.pass_(300)
    assert open_holds(store, "home", house.time.wall) == []
    house.wire.forced.clear()
    house.plan("c3", 0.5)
    # After five minutes of silence the devices come back in turns, within a minute.
    house.run(75)
    assert house.state("c3") is S.VERIFIED


@pytest.mark.parametrize(
    ("percent", "sentence"),
    [
        (math.nan, "not known"),
        (101.0, "cannot be"),
        (-3.0, "cannot be"),
        (90.0, r"\+40% off what the energy since implies"),
    ],
)
def test_fault_f68_a_state_of_charge_that_cannot_be_blocks_what_comes_and_ends_what_stands(
    store: Store, percent: float, sentence: str
) -> None:
    house = House(store, site(battery={"capacity_kwh": 10}))
    house.plan("c1", 1.0)
    house.run(5)
    assert house.state("c1") is S.VERIFIED
    house.wire.values["battery", "read_soc_percent"] = percent
    house.run(21)
    assert (house.state("c1"), house.guard("c1")) == (S.REVERTED, "I06")
    assert house.wire.writes[-1] == ("battery", 0.0)
    house.plan("c2", 1.0)
    house.run(5)
    assert (house.state("c2"), house.guard("c2")) == (S.BLOCKED, "I06")
    assert house.row("c2").facts["guard"] == "I06"
    writes = [value for _, value in house.wire.writes]
    assert writes.count(1.0) <= 3, "the first and its refreshes"
    assert re.search(sentence, _reason(house, "c2"))


def test_fault_f68_a_frozen_state_of_charge_shows_against_its_energy(store: Store) -> None:
    house = House(store, site(battery={"capacity_kwh": 10}))
    house.wire.values["battery", "read_power_kw"] = 1.4
    house.plan("c1", 1.4, minutes=60)
    house.run(20 * 60, step_s=4)
    assert house.state("c1") is S.VERIFIED, "1.4 kW for twenty minutes are 4.7 % of 10 kWh"
    house.run(3 * 60, step_s=4)
    assert (house.state("c1"), house.guard("c1")) == (S.REVERTED, "I06")


def test_fault_f76_a_flapping_plan_does_not_make_a_compressor_flap(store: Store) -> None:
    house = House(store, site(pump=PUMP))
    starts = 0
    house.run(305, step_s=5)
    for minute in range(35):
        # A price that flaps by the minute: on, then blocked, then on again.
        house.plan(f"c{minute}", 3.0 if minute % 2 == 0 else 1.0, device="pump")
        for _ in range(12):
            stands = house.wire.leases["pump"]["set_sg_ready_state"].state(house.time.mono).value
            was = house.wire.values["pump", "read_power_kw"]
            house.wire.values["pump", "read_power_kw"] = {3.0: 3.0, 1.0: 0.0}.get(stands, was)
            starts += house.wire.values["pump", "read_power_kw"] > was
            house.run(5, step_s=5)
        if minute in (12, 25):
            house.time.pass_(16)
            house.new_agent()
    assert 1 <= starts <= 4
    # Written down, so that the next agent knows of it.
    rows = store.rows(device_states.select())
    assert {row["state"] for row in rows} == {"switched", "seen"}


def test_a_compressor_s_history_survives_a_restart_and_a_gap_counts_as_a_switch(store: Store) -> None:
    house = House(store, site(pump=PUMP))
    house.wire.values["pump", "read_power_kw"] = 3.0
    house.run(590, step_s=5)
    house.time.pass_(16)
    house.new_agent()
    house.run(10, step_s=1)
    house.plan("c1", 1.0, device="pump")
    house.run(3)
    assert house.state("c1") is S.VERIFIED, "it has run for ten minutes, in two processes"
    house.time.pass_(1200)
    house.new_agent()
    house.run(3)
    house.plan("c2", 1.0, device="pump")
    house.run(3)
    assert (house.state("c2"), house.guard("c2")) == (S.BLOCKED, "I03")


def test_fault_f77_no_phase_is_loaded_above_its_fuse(store: Store) -> None:
    """25 A x 0.9 = 22.5 A; 1.5 kW on L2 alone are 6.5 A."""
    house = House(store, site(battery={"on_phases": [2]}))
    house.wire.values["meter", "read_current_l2_a"] = 15.9
    house.plan("c1", 1.5)
    house.run(5)
    assert house.state("c1") is S.VERIFIED
    # The battery draws, and then a kettle comes on beside it.
    house.wire.values["battery", "read_power_kw"] = 1.5
    house.wire.values["meter", "read_current_l2_a"] = 15.9 + 6.5 + 8.0
    house.run(20)
    assert (house.state("c1"), house.guard("c1")) == (S.REVERTED, "I04")
    house.wire.values["battery", "read_power_kw"] = 0.0
    house.wire.values["meter", "read_current_l2_a"] = 16.1
    house.run(6)
    house.plan("c2", 1.5)
    house.run(5)
    assert (house.state("c2"), house.guard("c2")) == (S.BLOCKED, "I04")


def test_fault_f78_a_ceiling_of_the_network_operator_is_obeyed_within_ten_seconds(store: Store) -> None:
    house = House(store, site(dso=True))
    house.wire.values["battery", "read_power_kw"] = 1.5
    house.wire.values["meter", "read_power_kw"] = 6.0
    house.plan("c1", 1.5)
    house.run(6)
    assert house.state("c1") is S.VERIFIED
    house.wire.values["dso", "read_import_limit_kw"] = 4.2
    since = house.time.mono
    while house.state("c1") is S.VERIFIED and house.time.mono < since + 60:
        house.run(0.5)
    assert house.time.mono - since <= 10
    assert (house.state("c1"), house.guard("c1")) == (S.REVERTED, "I05")
    assert house.wire.writes[-1] == ("battery", 0.0)


def test_fault_f78_a_line_that_falls_silent_means_the_failsafe_value_within_two_minutes(store: Store) -> None:
    house = House(store, site(dso=True))
    house.wire.values["battery", "read_power_kw"] = 1.5
    house.wire.values["meter", "read_power_kw"] = 6.0
    house.plan("c1", 1.5)
    house.run(6)
    house.wire.silent.add("dso")
    house.run(100)
    assert house.state("c1") is S.VERIFIED
    house.run(40)
    assert (house.state("c1"), house.guard("c1")) == (S.REVERTED, "I05"), "6 kW are above 4.2 kW"


def test_fault_f82_a_register_that_wears_out_is_written_no_more_than_its_day_allows(store: Store) -> None:
    house = House(store, site(battery={"writes_per_day": 6}))
    for number in range(12):
        house.plan(f"c{number}", 1.0 if number % 2 else 0.5)
        house.run(120, step_s=5)
        if number == 5:
            house.time.pass_(16)
            house.new_agent()
            house.time.pass_(16)
    ours = [value for name, value in house.wire.writes if name == "battery" and value]
    assert len(ours) <= 6, "a restart does not begin the count anew"
    assert house.guard("c11") == "I12"


def test_a_ramp_is_gone_in_steps_and_proven_at_its_end(store: Store) -> None:
    house = House(store, site(battery={"ramp_per_s": 0.25}))
    house.plan("c1", 1.5)
    house.run(20, step_s=0.5)
    values = [value for name, value in house.wire.writes if name == "battery"]
    assert values[:6] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.25, 1.5])
    assert house.state("c1") is S.VERIFIED
    assert verify_chain(store, "home") == []


def test_a_ramp_that_a_guard_stops_ends_at_the_safe_default(store: Store) -> None:
    house = House(store, site(battery={"ramp_per_s": 0.1, "soc_max": 0.9}))
    house.plan("c1", 1.5)
    house.run(4)
    house.wire.values["battery", "read_soc_percent"] = 95.0
    house.run(40)
    assert house.state("c1") is S.UNVERIFIED
    assert house.wire.writes[-1] == ("battery", 0.0)


def test_a_silent_meter_blocks_what_needs_it_and_holds_up_nothing_else(store: Store) -> None:
    house = House(store, site(dso=True))
    house.wire.silent.add("meter")
    house.plan("c1", 1.0)
    house.plan("p1", 3.0, device="pump")
    house.run(20)
    assert (house.state("c1"), house.guard("c1")) == (S.BLOCKED, "I04")
    assert house.state("p1") is S.VERIFIED, "what it draws is not known, so no meter is asked about it"
    assert house.wire.asked.count("dso") >= 9, "each two seconds"
    assert house.wire.asked.count("meter") <= 5, "each five seconds"


def test_phases_are_signed_by_the_power_of_their_phase(store: Store) -> None:
    house = House(store, site())
    house.wire.values["meter", "read_power_l2_kw"] = -0.33
    house.run(1)
    device = house.agent.devices[0]
    assert house.values.live(device, device.slots[0], house.time.mono)["phase_a"] == (1.5, -1.5, 1.5)
    house.wire.values["meter", "read_current_l1_a"] = math.nan
    house.run(3)
    assert house.values.live(device, device.slots[0], house.time.mono)["phase_a"] is None


def test_a_sensor_of_the_zone_speaks_for_a_device(store: Store) -> None:
    made = site(pump={"full_degc": 70, "empty_degc": 40, "zone_sensor": "battery"})
    house = House(store, made)
    house.run(1)
    pump = house.agent.devices[1]
    assert house.values.live(pump, pump.slots[0], house.time.mono)["degc"] is None, "named, and tells nothing"
    house = House(store, site(pump={"full_degc": 70, "empty_degc": 40}))
    house.wire.values["pump", "read_store_degc"] = 70.5
    house.time.pass_(20)
    house.run(1)
    house.plan("c1", 3.0, device="pump")
    house.plan("c2", 1.0)
    house.run(5)
    assert (house.state("c1"), house.guard("c1")) == (S.BLOCKED, "I07")


def test_with_threads_a_meter_that_hangs_holds_nobody_up(store: Store) -> None:
    house = House(store, site())
    go_on = threading.Event()
    house.wire.hang = go_on
    house.context.lanes = DeviceThreads(ThreadPoolExecutor(2), ThreadPoolExecutor(2))
    device = house.agent.devices[0]
    try:
        house.values.observe(house.context, house.agent.devices)
        assert house.values.live(device, device.slots[0], house.time.mono)["grid_kw"] is None
        go_on.set()
        while house.values.live(device, device.slots[0], house.time.mono)["grid_kw"] is None:
            house.values.observe(house.context, house.agent.devices)
    finally:
        go_on.set()
        house.context.lanes.close()
