"""Each phase carries what its fuse does: a device on one phase binds there, and a conflict says which phase."""

from typing import Any

import pytest
from pydantic import ValidationError

from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.conflicts import explain_conflict
from controls.optimiser.devices.connection import connection_kw, phase_limits
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from controls.planning.plan_inputs import plan_request
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import PhaseLimits, PlanRequest
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from tests.controls.optimiser.toys import TOY, changed
from tests.controls.planning.examples import HOME, forecast, inputs, paid


def limited(case: DispatchCase, most_kw: float, **figures: Any) -> DispatchCase:
    phases = PhaseLimits(import_max_kw=(most_kw,) * 3, export_max_kw=(most_kw,) * 3, **figures)
    return changed(case, phases=phases)


def on(case: DispatchCase, device_id: str, *phases: int) -> DispatchCase:
    """The case with a device on those phases."""
    devices = [
        type(one).model_validate(one.model_dump() | {"on_phases": phases}) if one.device_id == device_id else one
        for one in case.devices
    ]
    return DispatchCase.model_validate(
        {name: getattr(case, name) for name in DispatchCase.model_fields} | {"devices": tuple(devices)}
    )


def planned(case: DispatchCase) -> Solution:
    found = solve(case)
    assert isinstance(found, Solution), found
    assert replay_case(case, found.series).problems == ()
    return found


def test_a_battery_on_one_phase_charges_no_more_than_that_phase_has_left() -> None:
    # Each phase has a third of 1 kW of load: 0.5 kW leave a battery on one of them 1/6 kW, one on all three 0.5 kW.
    three = planned(limited(TOY, 0.5))
    assert three.series.devices["bat"]["battery_charge_kw"][0] == pytest.approx(0.5)
    one = planned(on(limited(TOY, 0.5), "bat", 1))
    assert one.series.devices["bat"]["battery_charge_kw"][0] == pytest.approx(1 / 6)
    assert one.objective > three.objective


def test_the_load_lies_on_the_phases_by_its_shares() -> None:
    answer = planned(on(limited(TOY, 0.5, load_share=(0.0, 0.5, 0.5)), "bat", 1))
    assert answer.series.devices["bat"]["battery_charge_kw"][0] == pytest.approx(0.5)


def test_pv_on_one_phase_is_curtailed_to_its_fuse_though_the_others_draw() -> None:
    sunny = on(limited(changed(TOY, battery=None, pv_kw=(6.0, 0.0), load_kw=(3.0, 1.0)), 2.0), "pv", 3)
    answer = planned(changed(sunny, export_price_per_kwh=(0.05, 0.0)))
    # L3: 1 kW of load and 2 kW fed in take 3 of 6 kW, and nothing is curtailed beyond what the phase asks.
    assert answer.series.devices["pv"]["curtailed_kw"] == pytest.approx((3.0, 0.0))
    free = planned(sunny)
    assert free.series.devices["pv"]["curtailed_kw"] == pytest.approx((3.0, 0.0))


def test_a_conflict_names_the_phase() -> None:
    heavy = on(limited(changed(TOY, soc_end_min_kwh=1.5), 0.6), "bat", 2)
    found = explain_conflict(heavy)
    assert "import_limit_l2" in found.facts["families"]
    assert "phase L2 imports at most 0.6 kW" in found.message
    assert "import_limit_l1" not in found.facts["families"]


def test_rows_are_named_after_their_phase_and_the_checker_knows_them_by_itself() -> None:
    case = on(limited(TOY, 0.5), "bat", 1)
    assert {"site_import_max_l1_000", "site_export_max_l1_001"} <= set(build_problem(case).program.row_names())
    broken = replay_case(case, planned(TOY).series)
    assert broken.problems[0].startswith("step 0: phase L1 imports above its limit by 0.833")


def home(**meter: Any) -> Site:
    grid = {"meter_id": "grid", "fuse_a": 25, **meter}
    return Site.model_validate(HOME.model_dump() | {"meters": [grid, {"meter_id": "house", "parent": "grid"}]})


def test_a_site_names_its_fuses_and_on_which_phase_a_device_hangs() -> None:
    site = home(load_share=[0.5, 0.25, 0.25])
    assert connection_kw(site) == pytest.approx(3 * 5.75)
    assert phase_limits(HOME) is None
    assets = site.model_dump()["assets"]
    assets[1]["params"]["on_phases"] = [1]
    one_phase = paid(0.6, Site.model_validate(site.model_dump() | {"assets": assets}))
    request = plan_request(one_phase, **inputs(mode=Mode.FULL, pv_forecast=forecast("pv", 9.0)))
    assert isinstance(request, PlanRequest), request
    assert request.phases is not None
    assert request.phases.load_share == (0.5, 0.25, 0.25)
    case = case_of(request)
    answer = planned(case)
    battery = answer.series.devices["battery"]
    # L1: half of 0.8 kW of load, 5.75 kW fed in, and a third of what the battery takes.
    given_kw = 5.75 + 0.4 + (battery["battery_charge_kw"][0] - battery["battery_discharge_kw"][0]) / 3
    assert 9.0 - answer.series.devices["pv"]["curtailed_kw"][0] == pytest.approx(given_kw)
    assets[1]["params"]["on_phases"] = [4]
    with pytest.raises(BadInput, match=r"asset 'pv', params\.on_phases\.0"):
        plan_request(Site.model_validate(site.model_dump() | {"assets": assets}), **inputs())
    with pytest.raises(ValidationError, match="load_share: expected three shares that add up to 1"):
        home(load_share=[0.5, 0.5, 0.5])


def test_what_says_nothing_of_phases_is_stored_as_it_ever_was() -> None:
    request = plan_request(HOME, **inputs())
    assert isinstance(request, PlanRequest)
    assert "phases" not in request.model_dump()
    assert all("on_phases" not in one.figures for one in request.devices)
    assert "fuse_a" not in HOME.meters[0].model_dump()
