"""Plans of the demo home pass the guards of its real templates."""

from datetime import timedelta
from pathlib import Path

import pytest

import assets.sites
from assets.sites.load_sites import load_site
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import commands_of, make_plan
from controls.planning.plan_inputs import plan_request
from controls.safety.interlocks.rating import check_envelope, check_rating
from controls.safety.limits import limits_of
from controls.safety.verdict import ALLOW
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Command, Mode
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.site_file.site import Site
from tests.controls.planning.examples import DAY, NOW, forecast, inputs, paid

HOME_FILE = Path(assets.sites.__file__).parent / "demo" / "home.yaml"


def home_request(home: Site, **changes: object) -> PlanRequest:
    """A request of the demo home: car half full, tank half warm."""
    given = inputs(**changes)
    states = {"battery": (5.0, 0.0), "ev_charger": (30.0, 0.0), "hot_water": (5.2, 0.0)}
    request = plan_request(home, **given | {"states": states})  # type: ignore[arg-type]
    assert isinstance(request, PlanRequest), request
    return request


def with_params(home: Site, asset_id: str, params: dict[str, object]) -> Site:
    """The home with some params of an asset changed."""
    content = home.model_dump()
    own = next(asset["params"] for asset in content["assets"] if asset["asset_id"] == asset_id)
    own.update(params)
    return Site.model_validate(content)


def planned(home: Site, requests: PlanRequest) -> tuple[Plan, list[Command]]:
    """Its plan and commands."""
    solution = solve(requests)
    assert isinstance(solution, Solution), solution
    plan = make_plan(requests, solution, created_at_utc=NOW, version=1)
    return plan, commands_of(plan, home, epoch=0)


@pytest.mark.parametrize(
    ("asset_id", "params"),
    [
        ("battery", {}),
        # A share of 22 kW is power enough for all phases, which are then asked for.
        ("ev_charger", {"phases": [1, 3], "max_current_a": 32, "max_kw": 22.0, "strategy": "ASAP"}),
    ],
)
def test_every_command_planned_in_partial_passes_rating_and_envelope(asset_id: str, params: dict[str, object]) -> None:
    home = paid(-5, with_params(load_site(HOME_FILE), asset_id, params))
    _, commands = planned(home, home_request(home, pv_forecast=forecast("pv", 7.0)))
    limits = {
        (asset.asset_id, capability): limits_of(asset, load_template(asset.template), capability)
        for asset in home.assets
        for capability in {c.capability for c in commands if c.device_id == asset.asset_id}
    }
    assert {name for name, _ in limits} == {"battery", "pv", "ev_charger", "hot_water"}
    for command in commands:
        of_device = limits[command.device_id, command.capability]
        assert check_rating(command, of_device) == ALLOW
        assert check_envelope(command, of_device, Mode.PARTIAL) == ALLOW


def test_the_guards_would_notice_a_plan_at_full_power() -> None:
    home = load_site(HOME_FILE)
    battery = next(asset for asset in home.assets if asset.kind == "battery")
    limits = limits_of(battery, load_template(battery.template), "set_charge_power_kw")
    _, commands = planned(home, home_request(home, mode=Mode.FULL))
    verdicts = [check_envelope(c, limits, Mode.PARTIAL) for c in commands if c.device_id == battery.asset_id]
    assert any(verdict != ALLOW for verdict in verdicts)


@pytest.mark.parametrize("hour", [0, 5, 7, 12, 17, 21])
def test_the_whole_home_is_planned_at_any_hour_of_the_day(hour: int) -> None:
    home = load_site(HOME_FILE)
    plan, _ = planned(home, home_request(home, now_utc=DAY + timedelta(hours=hour, minutes=20)))
    assert set(plan.steps[0].devices) == {"battery", "pv", "ev_charger", "hot_water"}
    assert sum(step.devices["hot_water"]["relays_kw"] for step in plan.steps) > 0
    assert sum(step.devices["ev_charger"]["ev_kw"] for step in plan.steps) > 0
