"""Cost of policies on a past day, and what was lost to what, in sums that can be added by hand."""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.planning.plan_inputs import STEP
from controls.planning.replay.day_scenario import Readings
from controls.planning.replay.replay_day import DayReplay, PolicyCost, replay_day
from controls.planning.tariff_terms import Offer, tariff_offer
from data_quality.contracts.finding import Finding
from tests.controls.planning.test_tariff_terms import POWER, home
from tests.controls.planning.toy_days import BATTERY, PRICES, START, battery_meter, quarters, stored, toy_replay

# Foreseen: 4 kW while it is cheap, then 2 kW; it came to 4 kW throughout.
FORESEEN, CAME = (4.0,) * 4 + (2.0,) * 4, (4.0,) * 8
READINGS = Readings(load_kw=quarters(CAME), import_price=quarters(PRICES))


def costs(found: DayReplay) -> dict[str, PolicyCost]:
    return {each.name: each for each in found.policies}


def test_a_day_costs_under_each_policy_what_can_be_added_by_hand() -> None:
    found = costs(toy_replay([stored(FORESEEN)], READINGS))
    # 4 kWh at 1 and 4 kWh at 3 EUR.
    assert found["no_control"].cost == pytest.approx(16)
    # Without sun there is no surplus, and the battery began empty.
    assert found["self_consumption"].cost == pytest.approx(16)
    # It was told to store 2 kWh: 6 at 1 and 2 at 3 EUR.
    assert found["planned"].cost == pytest.approx(12)
    # It could have stored 4 kWh: 8 at 1 EUR.
    assert found["perfect_foresight"].cost == found["right_forecasts"].cost == pytest.approx(8)
    assert {name: each.regret for name, each in found.items()} == pytest.approx(
        {"no_control": 8, "self_consumption": 8, "planned": 4, "right_forecasts": 0, "perfect_foresight": 0}
    )
    assert found["planned"].saving_against_no_control == pytest.approx(4)


def test_what_was_lost_is_split_into_forecast_model_and_execution_and_adds_up() -> None:
    # Told 8 kW-quarters in and out, it did 7; afterwards it held 0.1 kWh less than that leaves.
    meter = battery_meter((3, 0, 2, 2, -1, -2, -2, -2))
    measured = stored((4,) * 4, prices=(3,) * 4, soc_kwh=0.0, first=8, version=2)
    begun = stored(FORESEEN, soc_kwh=0.1)
    found = toy_replay([begun, measured], replace(READINGS, done_kw=meter))
    split = found.lost
    assert split is not None
    assert split.policy == "executed"
    # There was room for 3.9 kWh, it was told to store 2: 1.9 kWh were bought at 3 instead of 1 EUR.
    assert split.forecast_error == pytest.approx(1.9 * (3 - 1))
    assert split.execution_error == pytest.approx(0.25 * (3 - 1))
    # 0.1 kWh is missing that the model still has: at the price of the dear hour.
    assert found.charge_prices == {"battery": pytest.approx(3)}
    assert split.physics_error == pytest.approx(0.1 * 3)
    parts = (split.forecast_error, split.model_error, split.execution_error)
    assert sum(parts) == pytest.approx(split.total, abs=1e-12)
    assert split.total == pytest.approx(costs(found)["executed"].regret)
    assert split.model_error == split.horizon_error + split.physics_error


def test_a_day_that_came_as_foreseen_and_was_done_as_told_has_lost_nothing() -> None:
    done = battery_meter((4, 4, 4, 4, -4, -4, -4, -4))
    found = toy_replay([stored(CAME)], replace(READINGS, done_kw=done))
    assert found.lost is not None
    assert (found.lost.total, found.lost.forecast_error, found.lost.execution_error) == pytest.approx((0, 0, 0))
    # Nobody measured the battery afterwards: that is said, not taken for a model that was right.
    assert found.lost.physics_error is None


def test_a_plan_that_leaves_less_in_the_battery_pays_for_it() -> None:
    # It may end empty: 2 kWh of yesterday's make the day look 6 EUR cheaper than it was.
    found = costs(
        toy_replay(
            [stored(CAME, prices=(3,) * 8, soc_kwh=2.0, end_kwh=0.0)], Readings(quarters(CAME), quarters((3,) * 8))
        )
    )
    assert found["planned"].paid == pytest.approx(18)
    assert found["planned"].end == {"battery": 0.0}
    assert found["planned"].charge_value == pytest.approx(6)
    assert [found[name].cost for name in ("planned", "no_control")] == pytest.approx([24, 24])
    assert found["planned"].saving_against_no_control == pytest.approx(0)


def test_every_quarter_hour_follows_the_newest_plan_known_then() -> None:
    # The second plan, an hour later, knows of the higher load: too late to store more.
    second = stored((4,) * 4, prices=(3,) * 4, soc_kwh=2.0, first=4, version=2, end_kwh=0.0)
    found = toy_replay([stored(FORESEEN), second], READINGS)
    assert [plan.version for plan in found.plans] == [1, 2]
    assert found.plan_hash == second.plan.plan_hash
    assert costs(found)["planned"].cost == pytest.approx(12)
    # A third that asks for nothing: bought at 3 EUR for the rest, and 2 kWh are left at the price of the dear hour.
    idle = stored((0,) * 4, prices=(3,) * 4, soc_kwh=2.0, first=4, version=3, end_kwh=2.0)
    stopped = costs(toy_replay([stored(FORESEEN), second, idle], READINGS))["planned"]
    assert (stopped.paid, stopped.end["battery"]) == pytest.approx((18, 2))


@given(
    loads=st.lists(st.floats(0, 6), min_size=16, max_size=16),
    prices=st.lists(st.floats(0.01, 5), min_size=8, max_size=8),
    soc_kwh=st.floats(0, 4),
)
@settings(max_examples=12, deadline=None)
def test_no_policy_is_cheaper_than_perfect_foresight_with_equal_charge_and_the_split_always_adds_up(
    loads: list[float], prices: list[float], soc_kwh: float
) -> None:
    lossy = {**BATTERY, "charge_efficiency": 0.9, "discharge_efficiency": 0.9}
    plan = stored(loads[:8], prices=prices, soc_kwh=soc_kwh, battery=lossy)
    found = toy_replay([plan], Readings(quarters(loads[8:]), quarters(prices)))
    assert all(each.regret is not None and each.regret >= -1e-4 for each in found.policies)
    assert found.lost is not None
    assert found.lost.forecast_error + found.lost.model_error == pytest.approx(found.lost.total, abs=1e-9)
    assert costs(found)["planned"].regret == pytest.approx(found.lost.total, abs=1e-9)


def test_sun_that_a_limit_held_down_is_not_taken_for_a_dark_day() -> None:
    # Feeding in costs 1 EUR/kWh: 7 kW of sun are cut to what house and battery take, and the meter shows the rest.
    sun = {"pv_kw": [7.0] * 8, "rating_kw": 8.0}
    plan = stored((1,) * 8, prices=(1,) * 8, pv=sun, export_price=-1.0)
    given_kw = [7.0 - step.devices["pv"]["curtailed_kw"] for step in plan.plan.steps]
    assert min(given_kw) < 6
    readings = Readings(quarters((1,) * 8), quarters((1,) * 8), generated_kw={"pv": quarters(given_kw)})
    found = toy_replay([plan], readings)
    assert [each.code for each in found.findings if each.code == "sun_behind_a_limit"] == ["sun_behind_a_limit"]
    assert costs(found)["planned"].cost == pytest.approx(plan.plan.objective, abs=1e-6)
    assert costs(found)["planned"].regret == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("load_kw", "code", "quarter_hours"),
    [
        ({}, "readings_missing", 0),
        (quarters((4,) * 5), "day_is_partial", 5),
        (dict.fromkeys(list(quarters(CAME))[::2], 4.0), "readings_missing", 0),
    ],
    ids=["none", "until now", "every second one"],
)
def test_a_day_is_judged_as_far_as_it_was_read_or_not_at_all(load_kw: dict, code: str, quarter_hours: int) -> None:
    found = toy_replay([stored(FORESEEN)], replace(READINGS, load_kw=load_kw))
    assert code in {each.code for each in found.findings}
    assert (found.quarter_hours, bool(found.policies)) == (quarter_hours, quarter_hours > 0)
    # Whatever was read, a plan gives its hash.
    assert found.is_same


def test_without_a_plan_or_a_proof_the_day_says_so() -> None:
    nothing = toy_replay([], READINGS)
    assert (nothing.plan_hash, nothing.is_same, [each.code for each in nothing.findings]) == (None, False, ["no_plan"])
    unproven = toy_replay([stored(FORESEEN)], READINGS)
    assert [each.code for each in unproven.findings] == ["no_proof"]
    assert "executed" not in costs(unproven)
    assert unproven.lost is not None
    assert (unproven.lost.policy, unproven.lost.execution_error) == ("planned", None)
    half = {START + k * STEP: {"set_charge_power_kw": 0.0} for k in range(4)}
    partly = toy_replay([stored(FORESEEN)], replace(READINGS, set_points={"battery": half}))
    assert [each.code for each in partly.findings] == ["partly_proven"]
    assert partly.findings[0].facts == {"proven": 4, "decisions": 8}
    # Nothing was stored, and discharged all the same as far as the books go: 2 kWh short at 3 EUR, none bought at 1.
    assert partly.lost is not None
    assert partly.lost.execution_error == pytest.approx(2 * 3 - 2 * 1)


def test_a_plan_from_the_day_before_governs_until_the_first_of_the_day() -> None:
    early = stored((4,) * 12, prices=(2.0,) * 4 + PRICES, first=-4, soc_kwh=1.0)
    found = toy_replay([early], READINGS)
    assert "start_as_planned" in {each.code for each in found.findings}
    assert found.begin == pytest.approx({"battery": early.plan.steps[3].devices["battery"]["soc_end_kwh"]})
    assert found.lost is not None
    # All came as foreseen.
    assert found.lost.forecast_error == pytest.approx(0, abs=1e-9)


def test_steps_of_a_chain_are_named_in_the_order_in_which_they_add_up() -> None:
    found = toy_replay([stored(FORESEEN)], replace(READINGS, done_kw=battery_meter((2, 2, 2, 2, -2, -2, -2, -2))))
    chain = [costs(found)[name].cost for name in ("perfect_foresight", "right_forecasts", "planned", "executed")]
    assert found.lost is not None
    steps = (found.lost.horizon_error, found.lost.forecast_error, found.lost.execution_error)
    assert [b - a for a, b in pairwise(chain)] == pytest.approx(list(steps))


def test_a_day_is_billed_by_the_tariff_itself_where_prices_are_not_all() -> None:
    site = home({"demand": [POWER]})

    def bill(first_utc: datetime, net_kw: np.ndarray, most_kw: float) -> Offer | Finding:
        return tariff_offer(site, prices={}, start_utc=first_utc, net_kw=net_kw, most_kw=most_kw)

    flat = (4.9,) * 8
    # One quarter hour of 8 kW that nobody foresaw: 100 a kW of the highest.
    came = (4.0,) * 5 + (8.0,) + (4.0,) * 2
    readings = Readings(quarters(came), quarters(flat), bill=bill)
    found = toy_replay([stored((4,) * 8, prices=flat, soc_kwh=2.0, battery={**BATTERY, "wear_per_kwh": 0.1})], readings)
    run = costs(found)
    assert run["no_control"].paid_by == pytest.approx({"energy": 9 * 4.9, "demand": 800}, abs=1e-6)
    # 9 kWh in two hours: 4.5 kW throughout, with 3.5 kW for a quarter hour out of the battery.
    wear = 3.5 / 4 * 0.1
    best = {"energy": 9 * 4.9, "demand": 450, "wear": wear}
    assert run["perfect_foresight"].paid_by == pytest.approx(best, abs=1e-6)
    assert run["planned"].regret == pytest.approx(350 - wear, abs=1e-6)
    assert found.lost is not None
    assert found.lost.forecast_error == pytest.approx(350 - wear, abs=1e-6)
    unknown = Finding(code="no_tariff_in_force", message="no tariff is in force on 2026-01-01", severity="blocking")
    refused = toy_replay([stored((4,) * 8)], replace(readings, bill=lambda *_: unknown))
    assert ([each.code for each in refused.findings], refused.policies) == (["no_tariff_in_force"], ())


def test_plans_are_made_by_another_objective_of_what_was_known_then() -> None:
    found = costs(toy_replay([stored(FORESEEN)], READINGS))
    plans, names = [stored(FORESEEN)], ("economic", "peak_shaving", "balanced")
    other = replay_day(
        "toy", plans, READINGS, start_utc=START, end_utc=START + 8 * STEP, currency="EUR", policies=names
    )
    assert costs(other)["economic"].cost == pytest.approx(found["planned"].cost)
    # The highest import comes first: empty, it cannot lower the 4 kW of the cheap hour, and may not charge above them.
    assert costs(other)["peak_shaving"].cost == pytest.approx(16)
    assert [(each.code, each.message.partition(":")[0]) for each in other.findings if each.code == "no_objective"] == [
        ("no_objective", "balanced")
    ]


def test_by_its_own_rule_a_battery_takes_what_is_left_over_and_gives_what_is_missing() -> None:
    # 1.5 kWh of surplus go in at 80 %, 1.2 kWh are stored and 0.96 kWh come out again: of 2 kWh 1.04 are bought.
    lossy = {**BATTERY, "charge_efficiency": 0.8, "discharge_efficiency": 0.8}
    sun = {"pv_kw": [3.5] * 4 + [0.0] * 4}
    plan = stored((2,) * 8, battery=lossy, pv=sun)
    readings = Readings(quarters((2,) * 8), quarters(PRICES), generated_kw={"pv": quarters(sun["pv_kw"])})
    rule = costs(toy_replay([plan], readings))["self_consumption"]
    assert (rule.paid, rule.end["battery"]) == pytest.approx((1.04 * 3, 0), abs=1e-6)
    # Of those 1.2 kWh only 1 kWh fits, and 0.8 kWh come out; the rest of the sun goes to the grid for nothing.
    small = {**lossy, "soc_max_kwh": 1.0}
    rule = costs(toy_replay([stored((2,) * 8, battery=small, pv=sun)], readings))["self_consumption"]
    assert rule.paid == pytest.approx((2 - 0.8) * 3, abs=1e-6)
