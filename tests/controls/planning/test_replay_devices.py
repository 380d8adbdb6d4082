"""Cars and tanks on a past day: what each policy does with them, in sums that can be added by hand."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sites.load_sites import load_site
from assets.stores.ledgers.plans import StoredContent
from controls.planning.plan_inputs import STEP
from controls.planning.replay.day_scenario import Readings
from controls.planning.replay.replay_day import DayReplay, PolicyCost, replay_day
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import DeviceFigures
from tests.controls.planning.examples import DAY, prices
from tests.controls.planning.test_demo_home import HOME_FILE, home_request, planned
from tests.controls.planning.toy_days import BATTERY, PRICES, START, quarters, stored, toy_replay

NO_BATTERY = {**BATTERY, "soc_max_kwh": 0.0}
NOTHING = (0.0,) * 8
STAY = {"from_step": 0, "to_step": 8, "energy_kwh": 2.0, "min_kw": 1.0, "max_kw": 4.0, "efficiency": 1.0}
HEAT = {
    "relays_kw": [4.0], "draw_kw": [0.0] * 4 + [1.0] * 4, "max_kwh": 4.0, "init_kwh": 1.0, "end_min_kwh": 1.0,
}  # fmt: skip


def car(*stays: dict[str, object], **figures: object) -> DeviceFigures:
    """A charger with a car of 10 kWh."""
    sessions = {"capacity_kwh": 10.0, "sessions": list(stays), "is_away": not stays}
    return DeviceFigures(kind="ev_charger", device_id="car", figures=sessions | figures)


def tank(**figures: object) -> DeviceFigures:
    """A relay of 4 kW, so that a quarter hour of it is 1 kWh of heat."""
    return DeviceFigures(kind="tank", device_id="tank", figures=HEAT | figures)


def costs(found: DayReplay) -> dict[str, float]:
    return {each.name: each.cost for each in found.policies}


def policy(found: DayReplay, name: str) -> PolicyCost:
    return next(each for each in found.policies if each.name == name)


def test_a_car_charges_at_once_or_from_the_sun_or_when_it_is_cheap_and_always_leaves_with_what_was_wanted() -> None:
    # 2 kWh within two hours; 2 kW of sun are foreseen for the last half hour, that is 1 kWh.
    sun = [0.0] * 6 + [2.0] * 2
    plan = stored(NOTHING, battery=NO_BATTERY, pv={"pv_kw": sun}, others=[car(STAY)])
    came = Readings(quarters(NOTHING), quarters(PRICES), generated_kw={"pv": quarters(sun)})
    found = toy_replay([plan], came)
    # At once: 2 kWh at 1. Surplus first: it waits, and then needs 4 kW, of which the sun gives half: 1 kWh at 3 EUR.
    # Planned: 1 kWh at 1, 1 kWh of sun.
    assert {name: costs(found)[name] for name in ("no_control", "self_consumption", "planned")} == pytest.approx(
        {"no_control": 2, "self_consumption": 3, "planned": 1}, abs=1e-6
    )
    assert costs(found)["perfect_foresight"] == pytest.approx(1, abs=1e-6)
    assert [each.end["car"] for each in found.policies] == pytest.approx([2] * len(found.policies), abs=1e-6)
    # No sun came: what was to come from it is bought at 3, and could have been at 1.
    dark = toy_replay([plan], replace(came, generated_kw={"pv": quarters(NOTHING)}))
    assert costs(dark) == pytest.approx(
        {"no_control": 2, "self_consumption": 6, "planned": 4, "right_forecasts": 2, "perfect_foresight": 2}, abs=1e-6
    )
    assert dark.lost is not None
    assert (dark.lost.forecast_error, dark.lost.model_error) == pytest.approx((2, 0), abs=1e-6)
    assert "held_as_planned" not in {each.code for each in dark.findings}


def test_a_tank_follows_its_thermostat_or_the_plan_and_what_is_left_in_it_is_worth_what_foresight_had_paid() -> None:
    came = Readings(quarters(NOTHING), quarters(PRICES))
    found = toy_replay([stored(NOTHING, battery=NO_BATTERY, others=[tank()])], came)
    # 1 kWh is drawn in the dear hour: heated before it at 1, or by the thermostat at its end at 3 EUR.
    assert costs(found) == pytest.approx(
        {"no_control": 3, "self_consumption": 3, "planned": 1, "right_forecasts": 1, "perfect_foresight": 1}, abs=1e-6
    )
    # Half of it is drawn: a whole relay heats 1 kWh all the same, and the half that is left would have cost 0.5.
    half = [stored(NOTHING, battery=NO_BATTERY, others=[tank(draw_kw=[0.0] * 4 + [0.5] * 4)])]
    whole = policy(toy_replay(half, came), "planned")
    assert (whole.paid, whole.end["tank"], whole.charge_value) == pytest.approx((1, 1.5, -0.5), abs=1e-6)
    assert whole.regret == pytest.approx(0, abs=1e-6)
    assert policy(toy_replay(half, came), "no_control").cost == pytest.approx(1.5, abs=1e-6)


def test_the_sun_heats_the_tank_before_it_fills_the_battery() -> None:
    # 1 kWh of surplus in the first hour, 1 kWh of heat drawn in the second: nothing is left for the battery.
    sun = [1.0] * 4 + [0.0] * 4
    plan = stored(NOTHING, pv={"pv_kw": sun}, others=[tank()])
    came = Readings(quarters(NOTHING), quarters(PRICES), generated_kw={"pv": quarters(sun)})
    ruled = policy(toy_replay([plan], came), "self_consumption")
    assert (ruled.cost, ruled.end["battery"], ruled.end["tank"]) == pytest.approx((0, 0, 1), abs=1e-6)


def test_a_car_that_comes_within_the_day_is_there_from_then_on_and_one_that_stays_is_left_as_planned() -> None:
    # Two hours of plan after an hour without a car: it is to hold 2 kWh by the end of the plan, an hour after the day.
    away = stored(NOTHING, battery=NO_BATTERY, others=[car()])
    there = stored(NOTHING, prices=(3,) * 4 + (1,) * 4, battery=NO_BATTERY, first=4, version=2, others=[car(STAY)])
    found = toy_replay([away, there], Readings(quarters(NOTHING), quarters((1,) * 4 + (3,) * 4)))
    # All of it waits for the cheap hour after the day: whoever plans nothing does so too, for equal ends.
    assert costs(found)["planned"] == costs(found)["no_control"] == pytest.approx(0, abs=1e-6)
    dear = stored(NOTHING, prices=(1,) * 4 + (3,) * 4, battery=NO_BATTERY, first=4, version=2, others=[car(STAY)])
    found = toy_replay([away, dear], Readings(quarters(NOTHING), quarters((1,) * 4 + (3, 1, 1, 3))))
    # 2 kWh by the end of the day: at once, 1 kWh at 3 and one at 1; in the two cheap quarter hours 2 kWh at 1.
    assert costs(found)["no_control"] == pytest.approx(4, abs=1e-6)
    assert costs(found)["perfect_foresight"] == costs(found)["right_forecasts"] == pytest.approx(2, abs=1e-6)


def test_a_policy_that_needs_a_wider_connection_than_there_is_says_so() -> None:
    # 18 kW of load and a car of 4 kW in the same half hour, behind 20 kW.
    load = (18.0,) * 2 + (1.0,) * 6
    found = toy_replay(
        [stored(load, battery=NO_BATTERY, others=[car(STAY)])], Readings(quarters(load), quarters(PRICES))
    )
    assert [each.message for each in found.findings if each.code == "beyond_connection"] == [
        "no_control: it draws up to 22.00 kW, the connection is rated 20 kW"
    ]
    assert policy(found, "no_control").regret == pytest.approx(0, abs=1e-6)


def test_what_a_car_was_told_and_did_not_do_is_made_up_for_before_it_leaves() -> None:
    plan = stored(NOTHING, battery=NO_BATTERY, others=[car(STAY)])
    idle = {START + k * STEP: {"set_charge_power_kw": 0.0} for k in range(8)}
    found = toy_replay([plan], Readings(quarters(NOTHING), quarters(PRICES), set_points={"car": idle, "battery": idle}))
    assert found.lost is not None
    # 2 kWh at 3 instead of 1 EUR.
    assert (policy(found, "executed").cost, found.lost.execution_error) == pytest.approx((6, 4), abs=1e-6)
    assert not found.findings


def test_a_tank_that_its_own_thermostat_heats_and_a_machine_stay_as_they_were_planned_and_that_is_told() -> None:
    machine = {"programme_kw": [2.0] * 4, "windows": [[0, 8]]}
    washing = DeviceFigures(kind="appliance", device_id="washer", figures=machine)
    plan = stored(NOTHING, others=[tank(is_planned=False), washing])
    found = toy_replay([plan], Readings(quarters(NOTHING), quarters(PRICES)))
    assert [each.message for each in found.findings if each.code == "held_as_planned"] == [
        "tank, washer: kept as planned under every policy, and so no part of regret or saving"
    ]
    # 2 kWh of the machine at 1, 1 kWh of heat at 3 EUR from the thermostat, or out of the battery.
    assert costs(found)["no_control"] == pytest.approx(2 + 3, abs=1e-6)
    assert costs(found)["perfect_foresight"] == pytest.approx(2 + 1, abs=1e-6)
    assert found.is_same


@given(
    loads=st.lists(st.floats(0, 4), min_size=16, max_size=16),
    prices=st.lists(st.floats(-1, 5), min_size=16, max_size=16),
    soc_kwh=st.floats(0, 4),
    heat_kwh=st.floats(1, 4),
    wanted_kwh=st.floats(0.3, 4),
)
@settings(max_examples=6, deadline=None)
def test_no_policy_beats_perfect_foresight_on_a_day_with_battery_car_and_tank_and_the_split_adds_up(
    loads: list[float], prices: list[float], soc_kwh: float, heat_kwh: float, wanted_kwh: float
) -> None:
    others = [
        car({**STAY, "from_step": 1, "to_step": 7, "energy_kwh": wanted_kwh, "efficiency": 0.9}),
        tank(init_kwh=heat_kwh, end_min_kwh=heat_kwh, max_kwh=6.0, relays_kw=[2.0, 1.0], loss_kw=0.1),
    ]
    lossy = {**BATTERY, "charge_efficiency": 0.9, "discharge_efficiency": 0.9}
    plan = stored(loads[:8], prices=prices[:8], soc_kwh=soc_kwh, battery=lossy, others=others)
    found = toy_replay([plan], Readings(quarters(loads[8:]), quarters(prices[8:])))
    # A search stops within a millionth of the cost.
    assert {each.name: each.regret for each in found.policies if (each.regret or 0.0) < -1e-4} == {}
    assert found.lost is not None
    assert found.lost.forecast_error + found.lost.model_error == pytest.approx(found.lost.total, abs=1e-9)
    assert policy(found, "planned").regret == pytest.approx(found.lost.total, abs=1e-9)


def test_a_stored_plan_of_the_demo_home_is_judged_with_all_its_devices() -> None:
    dispatch_request = home_request(load_site(HOME_FILE), now_utc=DAY, prices=prices(hours=12), mode=Mode.FULL)
    plan, _ = planned(load_site(HOME_FILE), dispatch_request)
    whole = StoredContent(plan=plan, content=plan.model_dump(mode="json"))
    first, last = plan.steps[0].start_utc, plan.steps[-1].end_utc
    at = [step.start_utc for step in plan.steps]
    pv = next(one for one in dispatch_request.devices if one.kind == "pv")
    came = Readings(
        dict(zip(at, dispatch_request.load_kw, strict=True)),
        dict(zip(at, dispatch_request.import_price_per_kwh, strict=True)),
        dict(zip(at, dispatch_request.export_price_per_kwh, strict=True)),
        generated_kw={"pv": dict(zip(at, pv.figures["pv_kw"], strict=True))},
    )
    found = replay_day("home", [whole], came, start_utc=first, end_utc=last, currency="CZK")
    assert found.is_same
    assert {each.code for each in found.findings} == {"no_proof"}
    assert set(found.begin) == {"battery", "ev_charger", "hot_water"}
    assert all(each.regret is not None and each.regret >= -1e-4 for each in found.policies)
    # It came as foreseen: what is lost is that relays stay on for whole quarter hours, and a horizon.
    assert found.lost is not None
    assert found.lost.forecast_error == pytest.approx(0, abs=1e-3)
    assert policy(found, "planned").cost < policy(found, "no_control").cost
