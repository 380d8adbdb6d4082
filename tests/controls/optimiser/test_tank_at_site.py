"""A tank at a site: from its asset to a stored plan and to the commands that its template takes."""

import numpy as np
import pytest

from controls.optimiser.devices.device import AssetState, numbers
from controls.optimiser.devices.tank import Tank
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from controls.planning.day_plan import habit_cost
from controls.planning.frozen_plan import commands_of, make_plan
from controls.planning.plan_inputs import plan_request
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset, Site
from tests.controls.optimiser.test_tank import PARAMS, case_with
from tests.controls.planning.examples import HOME, NOW, inputs, prices, published

RELAYS = (2.4, 1.2, 1.2, 0.6, 0.9, 1.2, 1.2, 0.9, 1.5, 1.02, 0.9, 0.6, 1.5, 1.2, 0.9, 0.9)


def test_sixteen_relays_of_18_12_kw_are_planned_and_commanded_as_their_template_says() -> None:
    assert sum(RELAYS) == pytest.approx(18.12)
    prices = tuple(float(price) for price in np.repeat((0.3, 0.1, 0.25, 0.4, 0.2), 4))
    draws = tuple(float(power) for power in np.repeat((4.0, 9.0, 4.0, 12.0, 4.0), 4))
    case = case_with(
        prices, step_h=0.25, relays_kw=RELAYS, draw_kw=draws, init_kwh=8.0, end_min_kwh=8.0, max_kwh=20.0,
        min_on_h=0.5, min_off_h=0.5,
    )  # fmt: skip
    answer = solve(case, gap=0.01)
    assert isinstance(answer, Solution), answer
    assert replay_case(case, answer.series).problems == ()
    template, device = load_template("sim_relay_bank_16"), case.devices[0]
    columns = numbers(answer.series.devices["tank"])
    sent = device.commands({name: values[5] for name, values in columns.items()}, 5)
    assert set(sent) == set(template.settable)
    assert {template.capability(name).unit for name in sent} == {"state"}
    assert set(sent.values()) <= {0.0, 1.0} == set(template.limits("set_relay_01_state"))
    assert set(template.safe_default.values()) == {0.0}
    assert isinstance(device, Tank)
    assert device.warm_start(columns)["on0"].tolist() == columns["relay_01"].tolist()


def test_a_site_with_a_tank_is_planned_stored_and_commanded() -> None:
    params = PARAMS | {"relays_kw": list(RELAYS), "capacity_kwh": 40, "min_on_h": 0.5, "draw_kw": [2.0] * 24}
    held = {"asset_id": "tank", "kind": "tank", "template": "sim_relay_bank_16", "params": params}
    site = Site.model_validate(HOME.model_dump() | {"assets": [held]})
    given = inputs(mode=Mode.FULL) | {"device_forecasts": {}, "states": {"tank": (20.0, 5.0)}}
    request = plan_request(site, **given)
    assert isinstance(request, PlanRequest), request
    answer = solve(request, gap=0.01)
    assert isinstance(answer, Solution), answer
    made = make_plan(request, answer, created_at_utc=NOW, version=1)
    assert published(made) == made
    # Its thermostat heats the same heat when it happens to be needed: prices of the plan can only be lower.
    assert made.objective <= made.no_battery_cost
    commands = commands_of(made, site, epoch=1)
    assert len(commands) == 16 * len(made.steps)
    assert {(one.unit, one.value) for one in commands} == {("state", 0.0), ("state", 1.0)}
    odd = plan_request(site, **given | {"states": {}})
    assert isinstance(odd, Finding)
    assert odd.message == "the temperature of the tank, or its age, is not known"
    with pytest.raises(BadInput, match=r"it holds 90\.00 kWh"):
        plan_request(site, **given | {"states": {"tank": (90.0, 5.0)}})


def test_where_every_kwh_costs_the_same_plan_no_control_and_habit_cost_the_same() -> None:
    # 0.8 kW of load and 0.3 kW of heat over a day are 19.2 and 7.2 kWh; whole relays leave half a kWh at a time: 7.5.
    params = {"relays_kw": [2.0], "capacity_kwh": 12, "empty_degc": 20, "full_degc": 80, "draw_kw": 0.3}
    held = {"asset_id": "tank", "kind": "tank", "template": "sim_relay_bank_16", "params": params}
    site = Site.model_validate(HOME.model_dump() | {"assets": [held]})
    same = {"prices": prices(night=5.0, day=5.0), "device_forecasts": {}, "states": {"tank": (6.0, 5.0)}}
    request = plan_request(site, **inputs(mode=Mode.FULL) | same)
    assert isinstance(request, PlanRequest), request
    answer = solve(request, gap=1e-9)
    assert isinstance(answer, Solution), answer
    made = make_plan(request, answer, created_at_utc=NOW, version=1)
    assert made.steps[-1].devices["tank"]["tank_end_kwh"] == pytest.approx(6.3)
    assert (made.paid, made.no_battery_cost, habit_cost(made)) == pytest.approx((133.5, 133.5, 133.5))


def test_an_end_that_no_whole_relay_can_hit_is_a_portion_lower_also_where_it_is_given() -> None:
    params = {"capacity_kwh": 5.815, "empty_degc": 45, "full_degc": 70, "draw_kw": 0.166667, "relays_kw": [2]}
    asset = Asset.model_validate({"asset_id": "boiler", "kind": "tank", "params": params})
    given = AssetState(site_id="s", load_kw=(0.2,) * 48, state=3.0, end=5.6, step_h=0.25, start_utc=NOW)
    tank = Tank.from_asset(asset, given)
    assert tank.end_min_kwh == pytest.approx(5.815 - 0.5)
