"""What is planned for the demo home passes the guards of its real templates."""

from pathlib import Path

import assets.sites
from assets.sites.load_sites import load_site
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import commands_of, make_plan
from controls.planning.plan_inputs import plan_request
from controls.safety.limits import limits_of
from controls.safety.rating import check_envelope, check_rating
from controls.safety.verdict import ALLOW
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import PlanRequest
from tests.controls.planning.examples import NOW, forecast, inputs, paid

HOME_FILE = Path(assets.sites.__file__).parent / "demo" / "home.yaml"


def test_every_command_planned_in_partial_passes_rating_and_envelope() -> None:
    home = paid(-5, load_site(HOME_FILE))
    asked = plan_request(home, **inputs(pv_forecast=forecast("pv", 7.0)))
    assert isinstance(asked, PlanRequest), asked
    solution = solve(asked)
    assert isinstance(solution, Solution), solution
    commands = commands_of(make_plan(asked, solution, created_at_utc=NOW, version=1), home, epoch=0)
    limits = {
        asset.asset_id: limits_of(asset, load_template(asset.template), capability)
        for asset in home.assets
        for capability in {c.capability for c in commands if c.device_id == asset.asset_id}
    }
    assert set(limits) == {"battery", "pv"}
    for command in commands:
        assert check_rating(command, limits[command.device_id]) == ALLOW
        assert check_envelope(command, limits[command.device_id], Mode.PARTIAL) == ALLOW


def test_the_guards_would_notice_a_plan_at_full_power() -> None:
    home = load_site(HOME_FILE)
    asked = plan_request(home, **inputs(mode=Mode.FULL))
    assert isinstance(asked, PlanRequest), asked
    solution = solve(asked)
    assert isinstance(solution, Solution), solution
    battery = next(asset for asset in home.assets if asset.kind == "battery")
    limits = limits_of(battery, load_template(battery.template), "set_charge_power_kw")
    commands = commands_of(make_plan(asked, solution, created_at_utc=NOW, version=1), home, epoch=0)
    verdicts = [check_envelope(c, limits, Mode.PARTIAL) for c in commands if c.device_id == battery.asset_id]
    assert any(verdict != ALLOW for verdict in verdicts)
