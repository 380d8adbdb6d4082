"""An SG-ready heat pump: what its own control does, what the other states are worth, and what may not be."""

import json
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controls.optimiser.case import DispatchCase, without_control
from controls.optimiser.case_file import load_case
from controls.optimiser.conflicts import explain_conflict
from controls.optimiser.devices.device import AssetState, numbers
from controls.optimiser.devices.heat_pump import STATES, HeatPump
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Asset
from tests.controls.optimiser.test_case_file import file_with
from tests.controls.optimiser.test_tank import case_with as tank_case


def pump(steps: int, **changes: Any) -> HeatPump:
    """2 kW at a COP of 3; 3 kWh of heat go in each hour; its own control holds 6 of 20 kWh."""
    figures = {
        "device_id": "hp", "cop": 3.0, "draw_kw": (3.0,) * steps, "max_kwh": 20.0, "init_kwh": 6.0, "end_min_kwh": 0.0,
        "normal_kwh": 6.0, "normal_kw": 2.0, "recommended_kw": 3.0, "forced_kw": 5.0, "min_state_h": 0.0,
    }  # fmt: skip
    return HeatPump.model_validate(figures | changes)


def case_with(prices: tuple[float, ...], **changes: Any) -> DispatchCase:
    """Nothing but a heat pump, import at these prices, hour by hour."""
    return tank_case(prices).model_copy(update={"devices": (pump(len(prices), **changes),)})


def planned(case: DispatchCase, solver: str = "highs") -> Solution:
    answer = solve(case, solver=solver, gap=1e-9)
    assert isinstance(answer, Solution), answer
    assert replay_case(case, answer.series).problems == ()
    return answer


def column(answer: Solution, name: str) -> list[float]:
    return list(answer.series.devices["hp"][name])


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_what_is_called_the_best_plan_is_the_best(solver: str) -> None:
    # A kWh before the last hour: blocked in it, the store ends 1.05 kWh cooler, and nobody asks for more.
    case = case_with((0.2, 0.3, 0.3), draw_kw=(1.0, 0.0, 1.0), loss_kw=0.05, blocked_before_h=0.5)
    answer = planned(case, solver)
    assert column(answer, "sg_ready_state") == [2.0, 2.0, 1.0]
    assert answer.objective == pytest.approx(0.075, abs=1e-6)


def test_in_the_normal_state_it_holds_its_set_point_by_itself() -> None:
    # 3 kWh of heat an hour are 1 kW of electricity, whatever it costs.
    alone = planned(without_control(case_with((0.1, 0.9, 0.1), end_min_kwh=6.0)))
    assert column(alone, "heat_pump_kw") == [1.0, 1.0, 1.0]
    assert column(alone, "store_end_kwh") == [6.0, 6.0, 6.0]
    # Above its set-point it waits, below it does what it can.
    columns = pump(4, init_kwh=10.0).solved({f"is_{s}": np.full(4, float(s == "normal")) for s in STATES}, np.ones(4))
    assert columns["heat_pump_kw"].tolist() == [0.0, pytest.approx(2 / 3), 1.0, 1.0]
    cold = pump(2, init_kwh=0.0).solved({f"is_{s}": np.full(2, float(s == "normal")) for s in STATES}, np.ones(2))
    assert cold["heat_pump_kw"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_it_heats_past_its_set_point_while_power_is_cheap_and_waits_while_it_is_dear(solver: str) -> None:
    # Recommended for an hour: 9 kWh of heat, 6 over; above its set-point it waits through the dear hours by itself.
    answer = planned(case_with((0.1, 0.9, 0.9), end_min_kwh=6.0), solver)
    assert column(answer, "sg_ready_state")[0] == 3
    assert column(answer, "heat_pump_kw") == [3.0, 0.0, 0.0]
    assert answer.objective == pytest.approx(0.3)


def test_it_is_blocked_no_longer_than_its_hours_in_any_24() -> None:
    # From below its set-point it would heat for a dear hour, were it not blocked.
    prices, cold = (0.9, 0.9, 0.1), {"init_kwh": 6.0, "normal_kwh": 12.0}
    free = planned(case_with(prices, **cold))
    assert column(free, "sg_ready_state")[:2] == [1, 1]
    once = planned(case_with(prices, blocked_max_h=1.0, **cold))
    assert column(once, "sg_ready_state").count(1) == 1
    spent = planned(case_with(prices, blocked_max_h=2.0, blocked_before_h=2.0, **cold))
    assert 1 not in column(spent, "sg_ready_state")


def test_it_stays_in_a_state_for_its_minimum_time() -> None:
    prices = (0.9, 0.1, 0.9, 0.1)
    answer = planned(case_with(prices, min_state_h=2.0, state_before=2, since_h=1.0))
    states = column(answer, "sg_ready_state")
    assert states[0] == 2
    runs = [len(list(run)) for run in np.split(states, np.flatnonzero(np.diff(states)) + 1)]
    assert all(length >= 2 for length in runs[1:-1])


@pytest.mark.parametrize("seed", range(3))
def test_the_plan_costs_what_the_cheapest_of_all_series_of_states_costs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prices = tuple(rng.uniform(0.1, 0.9, 4).round(2).tolist())
    case = case_with(
        prices, draw_kw=tuple(rng.uniform(1.0, 6.0, 4).round(1).tolist()), cop=tuple(rng.uniform(2, 4, 4).round(1)),
        min_state_h=2.0, since_h=1.0, blocked_max_h=1.0, init_kwh=5.0, end_min_kwh=4.0,
    )  # fmt: skip
    device, costs = case.devices[0], []
    for states in product(range(4), repeat=4):
        values = {f"is_{state}": np.array([float(n == one) for one in states]) for n, state in enumerate(STATES)}
        columns = device.solved(values, np.ones(4))
        if all(np.max(error) < 1e-6 for _, error in device.errors(columns, np.ones(4))):
            costs.append(float(np.dot(prices, columns["heat_pump_kw"])))
    assert planned(case).objective == pytest.approx(min(costs))


def test_a_conflict_names_what_a_blocked_pump_cannot_keep() -> None:
    facts = explain_conflict(case_with((0.1, 0.1), draw_kw=(30.0, 0.0))).facts
    assert facts == {"families": "tank_window", "tank_window_kwh": pytest.approx(9.0)}


def test_the_checker_finds_a_pump_that_does_not_do_what_its_state_says() -> None:
    case = case_with((0.1, 0.1, 0.1))
    columns = numbers(planned(case).series.devices["hp"])
    wrong = columns | {"heat_pump_kw": columns["heat_pump_kw"] + 0.1, "sg_ready_state": np.array([1.0, 1.0, 1.0])}
    fields = {words for words, error in case.devices[0].errors(wrong, np.ones(3)) if np.max(error) > 1e-6}
    assert {"heat balance", "another power than its state's", "blocked too long in the 24 hours to step 2"} <= fields


def test_other_states_are_its_alternatives_and_its_command_is_absolute() -> None:
    device = pump(1)
    columns = {"sg_ready_state": np.array([2.0])}
    assert [one.words for one in device.alternatives(columns, 0)] == [
        "state blocked",
        "state recommended",
        "state forced",
    ]
    assert device.commands({"sg_ready_state": 3.0}, 0) == {"set_sg_ready_state": 3.0}
    template = load_template("sim_heat_pump_sg_ready")
    assert (template.limits("set_sg_ready_state"), template.safe_default) == ((1.0, 4.0), {"set_sg_ready_state": 2.0})
    assert device.warm_start(columns)["is_normal"].tolist() == [1.0]


PARAMS = {"capacity_kwh": 20, "empty_degc": 25, "full_degc": 55, "normal_degc": 40, "normal_kw": 2.0, "forced_kw": 5.0}
PRICES = (1.0, 1.0)


def asset(**changes: Any) -> Asset:
    return Asset(asset_id="hp", kind="heat_pump", params=PARAMS | changes)


def given(**changes: Any) -> AssetState:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return AssetState(
        **{"site_id": "home", "state": 10.0, "import_price_per_kwh": PRICES, "start_utc": start} | changes
    )


def test_its_cop_follows_the_outdoor_temperature_and_is_low_and_labelled_where_none_is_known() -> None:
    known = HeatPump.from_asset(asset(cop_points=[[7, 4.0], [-7, 2.6]]), given(outdoor_degc=(0.0, 20.0)))
    assert known.cop == (pytest.approx(3.3), 4.0)
    assert known.cop_basis == "forecast of the outdoor temperature"
    # 0.4 of Carnot's between 45 and 0 degrees.
    assert HeatPump.from_asset(asset(), given(outdoor_degc=(0.0, 0.0))).cop[0] == pytest.approx(0.4 * 318.15 / 45)
    guessed = HeatPump.from_asset(asset(), given())
    assert guessed.cop == (pytest.approx(0.4 * 318.15 / 57),) * 2
    assert guessed.cop_basis == "no forecast: as at -12 °C"
    assert HeatPump.model_validate_json(json.dumps(guessed.model_dump(mode="json"))) == guessed


def test_a_store_that_is_full_may_end_a_step_of_its_least_power_below() -> None:
    made = HeatPump.from_asset(asset(cop_points=[[0, 4.0]]), given(state=20.0))
    # A quarter of an hour of 2 kW at a COP of 4.
    assert made.end_min_kwh == pytest.approx(18.0)


def test_in_partial_it_stays_normal_and_nothing_is_commanded() -> None:
    made = HeatPump.from_asset(asset(), given(share=0.3))
    columns = made.solved({}, np.ones(2))
    assert columns["sg_ready_state"].tolist() == [2.0, 2.0]
    assert made.commands({"sg_ready_state": 2.0}, 0) == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"normal_kw": 0}, "params.normal_kw"),
        ({"normal_degc": 70}, "normal_degc"),
        ({"blocked_max_h": 5}, "params.blocked_max_h"),
        ({"cop_points": []}, "params.cop_points"),
    ],
)
def test_a_pump_that_cannot_be_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        HeatPump.from_asset(asset(**changes), given())


def test_a_case_file_may_hold_a_heat_pump(tmp_path: Path) -> None:
    held = {
        "cop": [3, 3], "draw_kw": [3, 3], "max": 20, "init": 6, "end_min": 6, "normal": 6, "normal_kw": 2,
        "recommended_kw": 3, "forced_kw": 5,
    }  # fmt: skip
    case = load_case(file_with(tmp_path, heat_pump=held))
    assert planned(case).series.columns()["heat_pump_kw"] == list(
        next(columns for columns in planned(case).series.devices.values() if "heat_pump_kw" in columns)["heat_pump_kw"]
    )
    with pytest.raises(BadInput, match=r"heat_pump\.normal_kw"):
        load_case(file_with(tmp_path, heat_pump=held | {"normal_kw": "NaN"}))
