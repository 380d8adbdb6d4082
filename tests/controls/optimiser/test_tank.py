"""Relays on one tank: cases whose optimum a person can add up, minimum times one by one, bad input by name."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.optimiser.case import DispatchCase, without_control
from controls.optimiser.case_file import load_case
from controls.optimiser.conflicts import explain_conflict
from controls.optimiser.devices.components.switching import shared_out, shortest
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.device import AssetState, numbers
from controls.optimiser.devices.tank import Tank
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from data_quality.contracts.control.plan import Objective
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset
from tests.controls.optimiser.test_case_file import file_with
from tests.controls.optimiser.toys import TOY


def tank(steps: int, **changes: Any) -> Tank:
    """One relay of 2 kW, no loss, 10 kWh, draws 1 kW."""
    figures = {
        "device_id": "tank", "relays_kw": (2.0,), "draw_kw": (1.0,) * steps, "max_kwh": 10.0, "init_kwh": 1.0,
        "end_min_kwh": 1.0,
    }  # fmt: skip
    return Tank.model_validate(figures | changes)


def case_with(prices: tuple[float, ...], step_h: float = 1.0, **changes: Any) -> DispatchCase:
    """Nothing but a tank, import at these prices."""
    return DispatchCase(
        case_id="heat",
        currency="EUR",
        start_utc=datetime(2026, 1, 1, tzinfo=UTC),
        step_h=(step_h,) * len(prices),
        load_kw=(0.0,) * len(prices),
        connection=Connection(
            import_price_per_kwh=prices,
            export_price_per_kwh=(0.0,) * len(prices),
            import_max_kw=20.0,
            export_max_kw=0.0,
        ),
        devices=(tank(len(prices), **changes),),
    )


def planned(case: DispatchCase, solver: str = "highs") -> Solution:
    answer = solve(case, solver=solver, gap=1e-9)
    assert isinstance(answer, Solution), answer
    assert replay_case(case, answer.series).problems == ()
    return answer


def column(answer: Solution, name: str) -> list[float]:
    return list(answer.series.devices["tank"][name])


def test_a_tank_heats_when_it_is_cheap_and_is_never_empty() -> None:
    # 4 kWh go, 4 have to come: 1 kWh of store lasts for the first hour only; then 2 kWh an hour in the cheap two.
    answer = planned(case_with((0.3, 0.1, 0.2, 0.4)))
    assert column(answer, "relay_01") == [0, 1, 1, 0]
    assert column(answer, "tank_end_kwh") == [0.0, 1.0, 2.0, 1.0]
    assert answer.objective == pytest.approx(2 * 0.1 + 2 * 0.2)


def test_a_heat_pump_behind_the_relays_needs_less_where_it_gives_more() -> None:
    answer = planned(case_with((0.3, 0.3), cop=(1.0, 4.0), end_min_kwh=0.0))
    assert column(answer, "relays_kw") == [0.0, 2.0]
    assert column(answer, "tank_end_kwh") == [0.0, 7.0]


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_minimum_time_on_is_kept_and_costs_its_dear_hour(solver: str) -> None:
    # Free, it would heat in the hours at 0.1 alone, one by one; two hours on each time take in a dear one.
    prices = (0.1, 0.4, 0.2, 0.5)
    assert planned(case_with(prices), solver).objective == pytest.approx(2 * 0.1 + 2 * 0.2)
    held = planned(case_with(prices, min_on_h=2.0), solver)
    assert column(held, "relay_01") == [1, 1, 0, 0]
    assert held.objective == pytest.approx(2 * 0.1 + 2 * 0.4)


def test_what_was_switched_before_the_plan_is_still_held() -> None:
    prices = (0.5, 0.1, 0.1, 0.5)
    on = planned(case_with(prices, min_on_h=2.0, was_on=(True,), since_h=(1.0,)))
    assert column(on, "relay_01")[0] == 1
    off = planned(case_with((0.1, 0.1, 0.5, 0.5), min_off_h=2.0, was_on=(False,), since_h=(1.0,), init_kwh=2.0))
    assert column(off, "relay_01")[0] == 0


def test_each_switching_costs_what_it_wears() -> None:
    prices = (0.1, 0.2, 0.1, 0.2)
    assert column(planned(case_with(prices)), "relay_01") == [1, 0, 1, 0]
    once = planned(case_with(prices, switch_price=0.3))
    assert column(once, "relay_01") == [1, 1, 0, 0]
    assert once.costs["wear"] == pytest.approx(0.3)


def test_below_its_lower_band_it_heats_up_to_the_upper() -> None:
    prices, band = (0.1, 0.1, 0.5, 0.5, 0.5), {"thermostat_on_kwh": 2.0, "thermostat_off_kwh": 5.0}
    free = planned(case_with(prices, end_min_kwh=0.0, **band))
    assert column(free, "relay_01") == [1, 1, 0, 0, 0]
    # 1 kWh at the start lies below the band: on until 5 kWh are there, which takes four hours.
    assert column(planned(case_with(prices, end_min_kwh=0.0, reheats=True, **band)), "relay_01") == [1, 1, 1, 1, 0]


def test_missing_comfort_is_a_price_and_no_wall() -> None:
    case = case_with((0.5, 0.5), comfort_min_kwh=2.0, comfort_price_per_kwh_h=0.2, init_kwh=3.0, end_min_kwh=0.0)
    answer = planned(case)
    # 1 kWh is missing for an hour: 0.2 is cheaper than 2 kWh at 0.5.
    assert column(answer, "tank_end_kwh") == [2.0, 1.0]
    assert answer.costs["comfort"] == pytest.approx(0.2)
    dear = planned(case.model_copy(update={"objective": Objective(preset="comfort")}))
    assert column(dear, "relay_01") == [0, 1]


def test_equal_relays_are_counted_and_share_their_hours_by_turns() -> None:
    on = shared_out(np.array([1, 2, 1, 1, 0]), np.ones(5), [False] * 3, [9.0, 8.0, 7.0])
    # The one on for longest goes off first.
    assert on.tolist() == [[1, 1, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    assert shortest(on[0], np.ones(5), was_on=False, since_h=9.0, least_on_h=3.0, least_off_h=0.0) == 1.0


def _by_hand(case: DispatchCase) -> Iterator[float]:
    """The cost of every schedule of every relay that the checker lets pass, tried one by one."""
    device, step_h = case.devices[0], np.array(case.step_h)
    assert isinstance(device, Tank)
    for bits in product((0.0, 1.0), repeat=step_h.size * len(device.relays_kw)):
        on = np.array(bits).reshape(len(device.relays_kw), step_h.size)
        before = np.column_stack([np.array(device.was_on, float), on[:, :-1]])
        columns = device.stored(np.array(device.relays_kw) @ on, step_h)
        columns |= {f"relay_{n:02d}": row for n, row in enumerate(on, 1)}
        columns |= {"starts": np.maximum(on - before, 0).sum(axis=0)}
        if all(np.max(error) < 1e-6 for _, error in device.errors(columns, step_h)):
            paid = step_h * np.array(case.connection.import_price_per_kwh) * columns["relays_kw"]
            yield float(paid.sum() + device.switch_price * columns["starts"].sum())


@pytest.mark.parametrize(("seed", "min_h", "switch_price"), [(0, 2.0, 0.0), (1, 2.0, 0.05), (2, 3.0, 0.0)])
def test_counting_equal_relays_costs_what_trying_every_schedule_of_each_costs(
    seed: int, min_h: float, switch_price: float
) -> None:
    rng = np.random.default_rng(seed)
    case = case_with(
        tuple(rng.uniform(0.1, 0.5, 4).round(2).tolist()),
        relays_kw=(1.0, 2.0, 1.0), draw_kw=tuple(rng.uniform(0.5, 2.0, 4).round(1).tolist()), init_kwh=2.0,
        end_min_kwh=1.0, min_on_h=min_h, min_off_h=min_h, switch_price=switch_price, was_on=(True, False, False),
        since_h=(1.0, 1.0, 5.0), max_kwh=6.0,
    )  # fmt: skip
    assert planned(case).objective == pytest.approx(min(_by_hand(case)))


def test_a_conflict_names_the_heat_that_cannot_be_there() -> None:
    cold = case_with((0.1, 0.1), init_kwh=0.0, draw_kw=(3.0, 1.0), end_min_kwh=0.0)
    found = explain_conflict(cold)
    assert found.facts == {"families": "tank_window", "tank_window_kwh": pytest.approx(1.0)}
    held = case_with((0.1, 0.1), max_kwh=2.0, draw_kw=(0.0, 0.0), min_on_h=2.0, was_on=(True,), since_h=(0.0,))
    facts = explain_conflict(held).facts
    assert facts["families"] == "tank_window,minimum_on"
    assert facts["tank_window_kwh"] == pytest.approx(3.0)


def test_where_nobody_plans_its_thermostat_heats_and_ends_with_the_same_heat() -> None:
    prices, band = (0.5, 0.5, 0.1, 0.1, 0.5, 0.4), {"thermostat_on_kwh": 2.0, "thermostat_off_kwh": 5.0}
    case = case_with(prices, init_kwh=3.0, end_min_kwh=3.0, **band)
    alone = planned(without_control(case))
    # 3, then 2 (not below the band), then heat until 5 are there; the last hours give what the plan ends with too.
    assert column(alone, "tank_end_kwh")[:2] == [2.0, 3.0]
    assert column(alone, "tank_end_kwh")[-1] == pytest.approx(3.0)
    assert sum(column(alone, "relays_kw")) == pytest.approx(6.0)
    assert planned(case).objective < alone.objective


def test_without_control_the_tank_ends_with_the_heat_that_the_plan_leaves() -> None:
    # 3 kWh are drawn and relays give 2 at once: the plan takes 2 in the second and 2 in the third hour and ends with 2,
    # for 0.2 + 0.4. Its thermostat heats from empty on, as the plan; ending with 1, it would leave 1 kWh for 0.2 out.
    case = case_with((0.3, 0.1, 0.2))
    made = planned(case)
    assert column(made, "tank_end_kwh") == pytest.approx([0.0, 1.0, 2.0])
    assert made.money == pytest.approx(0.6)
    assert planned(without_control(case)).money == pytest.approx(0.4)
    alone = planned(without_control(case, made.series.devices))
    assert column(alone, "tank_end_kwh") == pytest.approx([0.0, 1.0, 2.0])
    assert alone.money == pytest.approx(0.6)
    # At a COP of 4 the same heat is a quarter of the current.
    warm = case_with((0.3, 0.1, 0.2), cop=4.0, relays_kw=(0.5,))
    assert planned(without_control(warm, planned(warm).series.devices)).money == pytest.approx(0.15)


@settings(max_examples=25, deadline=None)
@given(
    prices=st.lists(st.sampled_from((0.1, 0.2, 0.35)), min_size=3, max_size=6),
    draw_kw=st.sampled_from((0.3, 0.7, 1.1)),
    init_kwh=st.sampled_from((1.0, 2.5, 4.0)),
    more_kwh=st.sampled_from((0.5, 3.0)),
)
def test_heat_that_is_there_from_begin_to_end_changes_neither_plan_nor_what_it_is_compared_with(
    prices: list[float], draw_kw: float, init_kwh: float, more_kwh: float
) -> None:
    found = []
    for extra in (0.0, more_kwh):
        levels = {
            "min_kwh": extra,
            "max_kwh": 10 + extra,
            "init_kwh": init_kwh + extra,
            "end_min_kwh": init_kwh + extra,
        }
        case = case_with(tuple(prices), draw_kw=(draw_kw,) * len(prices), **levels)
        made = planned(case)
        alone = planned(without_control(case, made.series.devices))
        assert column(alone, "tank_end_kwh")[-1] == pytest.approx(column(made, "tank_end_kwh")[-1], abs=1e-6)
        found.append((made.money, alone.money, sum(column(alone, "relays_kw"))))
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_the_checker_finds_what_a_wrong_row_would_let_pass() -> None:
    case = case_with(
        (0.1, 0.1, 0.1), min_on_h=2.0, reheats=True, thermostat_on_kwh=2.0, thermostat_off_kwh=6.0, switch_price=0.1
    )
    good = planned(case).series
    columns = numbers(good.devices["tank"])
    wrong = columns | {"relay_01": np.array([0.0, 1.0, 0.0]), "relays_kw": np.array([0.0, 2.0, 0.5])}
    fields = {words for words, error in case.devices[0].errors(wrong, np.ones(3)) if np.max(error) > 1e-6}
    assert fields == {
        "heat balance",
        "another power than the relays'",
        "relay_01 shorter on or off than its minimum",
        "another count of starts",
        "reheating with every relay off",
    }


def test_other_decisions_and_commands_are_absolute() -> None:
    case = case_with((0.3, 0.1, 0.2, 0.4), relays_kw=(2.0, 2.0))
    answer = planned(case)
    device, columns = case.devices[0], numbers(answer.series.devices["tank"])
    assert [one.words for one in device.alternatives(columns, 0)] == ["heating"]
    assert [(one.lower, one.upper) for one in device.alternatives(columns, 1)] == [(0.0, 0.0)]
    step = {name: values[1] for name, values in columns.items()}
    assert device.commands(step, 1) == {"set_relay_01_state": 1.0, "set_relay_02_state": 1.0}


TANK = {
    "relays_kw": [2.0, 3.0],
    "cop": 1.0,
    "loss_kw": 0.1,
    "min": 0,
    "max": 9,
    "init": 4,
    "end_min": 4,
    "draw_kw": [1, 1],
}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"relays_kw": [2.0, 0.0]}, "tank.relays_kw: relay 2 has no power"),
        ({"relays_kw": []}, "tank.relays_kw: expected 1 or more of them"),
        ({"draw_kw": [1]}, "draw_kw has 1 values, the case 2 steps"),
        ({"cop": 0}, "cop must be above 0"),
        ({"min": 10}, "min 10.0 must not be above max 9.0"),
        ({"loss_kw": "NaN"}, "tank.loss_kw"),
    ],
)
def test_a_tank_that_cannot_be_is_refused_by_name(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load_case(file_with(tmp_path, tank=TANK | wrong))


def test_a_tank_that_begins_outside_its_bounds_is_a_conflict_and_no_plan(tmp_path: Path) -> None:
    answer = solve(load_case(file_with(tmp_path, tank=TANK | {"init": 30, "draw_kw": [0, 0]})))
    assert isinstance(answer, Finding)
    assert answer.facts["families"] == "tank_window"


PARAMS = {"relays_kw": [2.4, 1.2], "capacity_kwh": 12, "empty_degc": 20, "full_degc": 80, "draw_kw": [0.5] * 24}
GIVEN = AssetState(
    site_id="home", state=6.0, import_price_per_kwh=(1.0, 1.0), start_utc=datetime(2026, 1, 1, tzinfo=UTC)
)


def asset(**changes: Any) -> Asset:
    return Asset(asset_id="tank", kind="tank", params=PARAMS | changes)


def test_a_sites_tank_says_degrees_and_is_planned_in_kwh() -> None:
    assert Tank.measured(asset(), "home", 50.0) == pytest.approx(6.0)
    made = Tank.from_asset(asset(thermostat_on_degc=45, thermostat_off_degc=70, comfort_degc=40), GIVEN)
    assert (made.init_kwh, made.end_min_kwh, made.max_kwh, made.draw_kw) == (6.0, 6.0, 12.0, (0.5, 0.5))
    assert made.band_kwh == (pytest.approx(5.0), pytest.approx(10.0))
    assert Tank.model_validate_json(json.dumps(made.model_dump(mode="json"))) == made


@pytest.mark.parametrize("state", [11.9, 12.0, 12.4])
def test_a_tank_that_is_full_is_planned_though_no_whole_relay_ends_there(state: float) -> None:
    at = {**GIVEN.__dict__, "state": state, "step_h": 0.25, "import_price_per_kwh": (1.0,) * 40}
    made = Tank.from_asset(asset(min_on_h=0.5), AssetState(**at))
    # Half an hour of the smaller relay below the ceiling.
    assert made.end_min_kwh == pytest.approx(11.4)
    case = case_with((0.2,) * 40, step_h=0.25).model_copy(update={"devices": (made,)})
    answer = solve(case)
    assert isinstance(answer, Solution), answer
    assert answer.series.devices["tank"]["tank_end_kwh"][-1] >= 11.4
    # No end that is given can be hit either.
    assert Tank.from_asset(asset(min_on_h=0.5), AssetState(**at | {"end": 12.0})).end_min_kwh == pytest.approx(11.4)


def test_in_partial_its_own_thermostat_heats_and_nothing_is_commanded() -> None:
    made = Tank.from_asset(asset(), GIVEN.__class__(**{**GIVEN.__dict__, "share": 0.3}))
    assert not made.is_planned
    assert made.commands({"relays_kw": 1.0}, 0) == {}


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"relays_kw": [2.4, 0]}, 6.0, r"params.relays_kw: relay 2 has no power"),
        ({"relays_kw": None}, 6.0, r"params.relays_kw"),
        ({}, 30.0, r"site home, asset 'tank': it holds 30.00 kWh, outside 0..12 kWh: repair its sensor"),
        ({"full_degc": 10}, 6.0, r"temperatures must rise: 20, 10"),
    ],
)
def test_a_sites_tank_that_cannot_be_is_refused_by_name(changes: dict[str, Any], state: float, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Tank.from_asset(asset(**changes), GIVEN.__class__(**{**GIVEN.__dict__, "state": state}))


def test_relays_that_heat_for_a_share_of_every_step_give_any_heat() -> None:
    shares = Tank(
        device_id="tank", relays_kw=(2.0,), draw_kw=(1.0, 0.0), max_kwh=3.0, init_kwh=1.5, end_min_kwh=1.0,
        duty_from_h=0.5,
    )  # fmt: skip
    answer = solve(TOY.model_copy(update={"devices": (shares,)}))
    assert isinstance(answer, Solution)
    # Half a kilowatt hour at 0.10 beside the load of 1 kW at 0.10 and 0.30; a whole hour would store four times that.
    assert answer.objective == pytest.approx(0.45)
