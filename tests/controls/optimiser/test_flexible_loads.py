"""A machine that starts once and a load that may be shed: small days that a person can add up, every rule broken."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controls.optimiser.case import DispatchCase, case_of, without_control
from controls.optimiser.case_file import load_case
from controls.optimiser.devices.appliance import Appliance
from controls.optimiser.devices.device import AssetState, Device
from controls.optimiser.devices.kinds import KINDS
from controls.optimiser.devices.sheddable_load import SheddableLoad
from controls.optimiser.solution import Series, Solution, replay_case
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import commands_of, make_plan, watts_toward_zero
from controls.planning.plan_inputs import plan_request
from controls.planning.summary import summarise
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset, Site
from tests.controls.optimiser.test_case_file import file_with
from tests.controls.optimiser.toys import TOY, changed
from tests.controls.planning.examples import HOME, NOW, inputs


def house(*devices: Device, prices: tuple[float, ...], load_kw: float = 0.0, **changes: object) -> DispatchCase:
    """A house of an even load, without sun and battery, in hours of these prices."""
    steps = len(prices)
    plain: dict[str, object] = {
        "step_h": (1.0,) * steps,
        "load_kw": (load_kw,) * steps,
        "pv_kw": (0.0,) * steps,
        "import_price_per_kwh": prices,
        "export_price_per_kwh": (0.0,) * steps,
    }
    case = changed(TOY, battery=None, **(plain | changes))
    return DispatchCase.model_validate(dict(case) | {"devices": (*case.devices, *devices)})


def solved(case: DispatchCase) -> Solution:
    answer = solve(case)
    assert isinstance(answer, Solution), answer
    assert replay_case(case, answer.series).problems == ()
    other = solve(case, solver="cbc")
    assert isinstance(other, Solution), other
    assert other.objective == pytest.approx(answer.objective, abs=1e-6)
    return answer


def dishes(**changes: object) -> Appliance:
    """Two kW for an hour, then half a kW for one."""
    figures = {"device_id": "dish", "programme_kw": (2.0, 0.5), "programme_step_h": 1.0, "windows": ((0, 4),)}
    return Appliance.model_validate(figures | changes)


def test_a_machine_starts_where_its_programme_as_a_whole_is_cheapest() -> None:
    case = house(dishes(), prices=(0.3, 0.2, 0.4, 0.1))
    answer = solved(case)
    # From hour 0: 0.7, from 1: 0.6, from 2: 0.85. The cheapest hour is too late for a start.
    assert answer.series.devices["dish"]["appliance_kw"] == pytest.approx((0.0, 2.0, 0.5, 0.0))
    assert answer.series.devices["dish"]["appliance_starts"] == (0.0, 1.0, 0.0, 0.0)
    assert answer.objective == pytest.approx(0.6)
    assert solved(without_control(case)).objective == pytest.approx(0.7)


def test_two_windows_are_two_runs_that_never_overlap() -> None:
    case = house(dishes(windows=((0, 4), (0, 4))), prices=(0.3, 0.2, 0.4, 0.1))
    answer = solved(case)
    assert answer.series.devices["dish"]["appliance_kw"] == pytest.approx((2.0, 0.5, 2.0, 0.5))
    assert solved(without_control(case)).objective == pytest.approx(answer.objective)


@pytest.mark.parametrize("windows", [((0, 5), (0, 2)), ((0, 5), (1, 3))])
def test_what_can_be_planned_has_a_cost_with_nothing_planned_too(windows: tuple[tuple[int, int], ...]) -> None:
    # First come, first served would begin with the wide window, and leave no time for the narrow one.
    case = house(dishes(windows=windows), prices=(0.3, 0.2, 0.4, 0.1, 0.1))
    assert solved(without_control(case)).objective >= solved(case).objective


def test_more_runs_than_steps_are_a_conflict_in_words() -> None:
    found = solve(house(dishes(windows=((0, 2),) * 3), prices=(0.1, 0.1)))
    assert isinstance(found, Finding)
    assert found.facts["families"] == "runs,one_at_a_time"


def test_a_negative_price_starts_it_once_and_not_twice() -> None:
    answer = solved(house(dishes(), prices=(-0.1, -0.1, -0.1, -0.1)))
    assert answer.objective == pytest.approx(-0.25)


def test_quarters_of_a_programme_fill_steps_of_any_length_and_keep_their_energy() -> None:
    quarters = dishes(programme_kw=(2.0, 0.0, 1.0, 3.0, 0.4), programme_step_h=0.25)
    hours = solved(house(quarters, prices=(0.3, 0.2, 0.4, 0.1)))
    assert hours.series.devices["dish"]["appliance_kw"] == pytest.approx((0.0, 1.5, 0.1, 0.0))
    halves = house(quarters, prices=(0.3, 0.2, 0.4, 0.1), step_h=(0.5, 0.25, 0.5, 1.0))
    power_kw = np.array(solved(halves).series.devices["dish"]["appliance_kw"])
    assert power_kw @ np.array(halves.step_h) == pytest.approx(1.6)


def test_a_machine_that_the_connection_cannot_carry_is_a_conflict_with_figures() -> None:
    found = solve(house(dishes(), prices=(0.1, 0.1, 0.1, 0.1), load_kw=1.0, import_max_kw=2.5))
    assert isinstance(found, Finding)
    assert found.facts["families"] == "import_limit,runs"
    assert found.facts["import_limit_kw"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"appliance_starts": (0.0, 0.0, 0.0, 0.0), "appliance_kw": (0.0,) * 4}, "windows without a run by 1"),
        ({"appliance_starts": (1.0, 0.0, 1.0, 0.0), "appliance_kw": (2.0, 0.5) * 2}, "its windows do not ask for by 1"),
        ({"appliance_starts": (0.0, 0.0, 0.0, 1.0), "appliance_kw": (0.0, 0.0, 0.0, 2.0)}, "beyond its window"),
        ({"appliance_kw": (2.0, 0.4, 0.0, 0.0)}, "step 1: a power that is not its programme's"),
    ],
)
def test_the_check_sees_every_broken_rule_of_a_machine(columns: dict[str, Any], words: str) -> None:
    case = house(dishes(), prices=(0.1, 0.2, 0.3, 0.4))
    good = solved(case).series
    broken = Series(connection=good.connection, devices=good.devices | {"dish": good.devices["dish"] | columns})
    problems = replay_case(case, broken).problems
    assert any(words in problem for problem in problems), problems


def oven(**changes: object) -> SheddableLoad:
    """A load of 3 kW, of which a third may be shed at 0.25 a kWh."""
    figures: dict[str, object] = {"device_id": "oven", "own_kw": (3.0,) * 6, "price_per_kwh": 0.25, "max_share": 1 / 3}
    return SheddableLoad.model_validate(figures | changes)


DEAR = (0.2, 0.3, 0.5, 0.6, 0.4, 0.3)


@pytest.mark.parametrize(
    ("terms", "shed_kw"),
    [
        ({}, (0, 1, 1, 1, 1, 1)),
        ({"max_kw": 0.5}, (0, 0.5, 0.5, 0.5, 0.5, 0.5)),
        ({"price_per_kwh": 0.45}, (0, 0, 1, 1, 0, 0)),
        ({"max_h": 3}, (0, 0, 1, 1, 1, 0)),
        # Two at a time, one in between: the two dearest, and the last instead of a third.
        ({"max_duration_h": 2}, (0, 0, 1, 1, 0, 1)),
        ({"max_duration_h": 2, "min_rest_h": 2}, (0, 0, 1, 1, 0, 0)),
        ({"max_duration_h": 1, "min_rest_h": 2}, (0, 0, 0, 1, 0, 0)),
    ],
)
def test_a_load_is_shed_where_it_pays_and_as_was_agreed(terms: dict[str, Any], shed_kw: tuple[float, ...]) -> None:
    case = house(oven(**terms), prices=DEAR, load_kw=3.0)
    answer = solved(case)
    saved = sum(kw * (price - oven(**terms).price_per_kwh) for kw, price in zip(shed_kw, DEAR, strict=True))
    assert answer.objective == pytest.approx(3.0 * sum(DEAR) - saved), answer.series.devices["oven"]["shed_kw"]
    assert solved(without_control(case)).objective == pytest.approx(3.0 * sum(DEAR))
    shed_kwh = sum(answer.series.devices["oven"]["shed_kw"])
    assert answer.costs["shedding"] == pytest.approx(shed_kwh * oven(**terms).price_per_kwh)


def test_an_hour_in_which_nothing_is_shed_does_not_make_two_sheddings_one() -> None:
    case = house(oven(own_kw=(3.0, 0.0, 3.0), min_rest_h=2), prices=(0.6, 0.2, 0.5), load_kw=3.0)
    assert solved(case).series.devices["oven"]["shed_kw"] == pytest.approx((1.0, 0.0, 0.0))


def test_a_conflict_says_that_more_would_have_to_be_shed() -> None:
    found = solve(house(oven(), prices=DEAR, load_kw=3.0, import_max_kw=1.5))
    assert isinstance(found, Finding)
    assert found.facts["families"] == "import_limit,shed_power"
    assert found.facts["shed_power_kw"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("terms", "shed_kw", "words"),
    [
        ({}, (1.5, 0, 0, 0, 0, 0), "more is shed than it takes by 0.5"),
        ({"max_kw": 0.5}, (1, 0, 0, 0, 0, 0), "more is shed than was agreed by 0.5"),
        ({"max_duration_h": 2}, (0, 1, 1, 1, 0, 0), "shed for too long at a time, hours by 1"),
        ({"min_rest_h": 3}, (0, 1, 0, 0, 1, 0), "shed again too soon, hours by 1"),
        ({"max_h": 1}, (0, 1, 0, 0, 1, 0), "shed for too long in all, hours by 1"),
        ({"limit_min_kw": 2.5}, (1, 0, 0, 0, 0, 0), "limited below its least limit by 0.5"),
    ],
)
def test_the_check_sees_every_broken_term(terms: dict[str, Any], shed_kw: tuple[float, ...], words: str) -> None:
    case = house(oven(**terms), prices=DEAR, load_kw=3.0)
    good = solved(case).series
    broken = Series(connection=good.connection, devices=good.devices | {"oven": {"shed_kw": shed_kw}})
    problems = replay_case(case, broken).problems
    assert any(words in problem for problem in problems), problems


def test_commands_are_a_start_and_a_limit() -> None:
    assert dishes().commands({"appliance_kw": 2.0, "appliance_starts": 1.0}, 0) == {"set_start_count": 1.0}
    assert dishes().commands({"appliance_kw": 0.5, "appliance_starts": 0.0}, 1) == {}
    rated = oven(rating_kw=4.0)
    assert rated.commands({"shed_kw": 1.0}, 0) == {"set_power_limit_kw": 2.0}
    assert rated.commands({"shed_kw": 0.0}, 0) == {"set_power_limit_kw": 4.0}


def test_a_case_file_holds_lists_of_both(tmp_path: Path) -> None:
    dish = {"programme_kw": [1.0], "programme_step_h": 0.5, "windows": [[0, 2]]}
    shed = {"own_kw": [0.5, 1.0], "price_per_kwh": 5.0, "max_share": 0.5}
    case = load_case(file_with(tmp_path, appliances=[dish, dish], sheddable_loads=[shed]))
    assert [one.device_id for one in case.devices] == ["appliance0", "appliance1", "pv", "sheddable_load0"]
    columns = solved(case).series.columns()
    assert sum(columns["appliance_kw"]) == pytest.approx(2.0)
    assert columns["shed_kw"] == pytest.approx([0.25, 0.5])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"appliances": [{"programme_kw": []}]}, "appliances.0.programme_kw"),
        ({"appliances": [{"programme_kw": [-1.0]}]}, "appliances.0.programme_kw.0"),
        ({"appliances": [{"programme_kw": [1.0], "windows": [[1, 1]]}]}, "a window from step 1 to step 1"),
        ({"appliances": [{"programme_kw": [1.0], "windows": [[0, 3]]}]}, "a window ends with step 3, the case has 2"),
        (
            {"appliances": [{"programme_kw": [1.0] * 5, "windows": [[0, 2]]}]},
            "appliance0: the window of steps 0 to 2 (1 h) is shorter than its programme (1.25 h)",
        ),
        ({"sheddable_loads": [{"own_kw": [1.0, 1.0]}]}, "sheddable_loads.0.price_per_kwh"),
        ({"sheddable_loads": [{"own_kw": [1.0], "price_per_kwh": 1}]}, "own_kw has 1 values, the case 2 steps"),
    ],
)
def test_bad_ones_are_refused_by_name(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as refusal:
        load_case(file_with(tmp_path, **changes))
    assert words in str(refusal.value)


def given(start: str, **changes: Any) -> AssetState:
    plain = {
        "site_id": "home", "state": 1.0, "start_utc": datetime.fromisoformat(start).replace(tzinfo=UTC), "step_h": 0.25,
        "time_zone": "Europe/Prague", "load_kw": (2.5,) * 96,
    }  # fmt: skip
    return AssetState(**(plain | changes))


def washer(windows: list[dict[str, str]], start: str = "2026-01-15T11:00", **changes: Any) -> Appliance:
    params = {"programme_kw": [2.0, 1.0, 0.5, 0.5], "windows": windows}
    asset = Asset.model_validate({"asset_id": "washer", "kind": "appliance", "params": params})
    return Appliance.from_asset(asset, given(start, **changes))


@pytest.mark.parametrize(
    ("earliest", "latest_end", "start", "window"),
    [
        # It is noon in Prague: what is left of today's window, or tomorrow's.
        ("08:00", "18:00", "2026-01-15T11:00", (0, 24)),
        ("13:00", "18:00", "2026-01-15T11:00", (4, 24)),
        ("08:00", "12:30", "2026-01-15T11:00", None),
        ("22:00", "06:00", "2026-01-15T11:00", (40, 72)),
        ("20:00", "24:00", "2026-01-15T11:00", (32, 48)),
        # The nights of 23 and of 25 hours: from 22:00 to 06:00 are seven and nine.
        ("22:00", "06:00", "2026-03-28T12:00", (36, 64)),
        ("22:00", "06:00", "2026-10-24T11:00", (36, 72)),
        # Of a skipped 02:30 the machine is not on at half past one; a window that is skipped whole is the next day's.
        ("02:30", "06:00", "2026-03-28T12:00", (54, 64)),
        ("02:00", "03:00", "2026-03-28T12:00", None),
    ],
)
def test_a_window_is_by_the_local_clock(
    earliest: str, latest_end: str, start: str, window: tuple[int, int] | None
) -> None:
    machine = washer([{"earliest": earliest, "latest_end": latest_end}], start)
    assert machine.windows == ((window,) if window else ())
    assert bool(machine.notes) == (window is None)


def test_only_what_waits_is_started() -> None:
    windows = [{"earliest": "13:00", "latest_end": "16:00"}, {"earliest": "18:00", "latest_end": "21:00"}]
    assert washer(windows).run_count == 1
    assert washer(windows, state=2.0).run_count == 2
    assert washer(windows, state=3.0).notes == ("washer: 1 runs find no window in the plan",)
    assert washer(windows, state=0.0).notes == ("washer: nothing waits for a start, so no run is planned",)
    assert washer(windows, share=0.3).notes == ("washer: the mode allows no start, so no run is planned",)


def test_runs_that_do_not_fit_into_windows_that_overlap_wait_and_leave_the_home_its_plan() -> None:
    overlapping = [{"earliest": "12:00", "latest_end": end} for end in ("13:30", "13:45")]
    machine = washer(overlapping, state=2.0, load_kw=(0.0,) * 8)
    assert machine.windows == ((0, 6),)
    assert machine.notes == ("washer: 1 runs find no window in the plan",)
    later = washer([*overlapping, {"earliest": "12:00", "latest_end": "14:00"}], state=2.0, load_kw=(0.0,) * 8)
    assert (later.windows, later.notes) == (((0, 6), (0, 8)), ())


def test_a_load_by_the_local_clock_is_never_more_than_the_whole_house() -> None:
    params = {"load_kw": [float(hour) for hour in range(24)], "price_per_kwh": 0.2}
    asset = Asset.model_validate({"asset_id": "oven", "kind": "sheddable_load", "params": params})
    load = SheddableLoad.from_asset(asset, given("2026-01-14T23:00"))
    assert load.own_kw[::4][:4] == (0.0, 1.0, 2.0, 2.5)
    assert load.rating_kw == 23.0
    held = SheddableLoad.from_asset(asset, given("2026-01-14T23:00", share=0.3))
    assert held.most_kw.max() == 0.0


def test_a_limit_in_partial_stays_in_its_envelope_when_it_is_cut_to_watts() -> None:
    asset = Asset(asset_id="boiler", kind="sheddable_load", params={"load_kw": 2.2225, "price_per_kwh": 0.1})
    held = SheddableLoad.from_asset(asset, given("2026-01-14T23:00", share=0.3, load_kw=(4.0,) * 4))
    limit_kw = held.commands({"shed_kw": float(held.most_kw[0])}, 0)["set_power_limit_kw"]
    assert watts_toward_zero(limit_kw) >= 0.7 * 2.2225


def test_a_site_with_a_machine_and_a_load_to_shed_is_planned_and_commanded() -> None:
    window = {"earliest": "12:00", "latest_end": "23:00"}
    machine = {"programme_kw": [2.0, 1.0, 1.0], "windows": [window]}
    boiler = {"load_kw": 0.8, "price_per_kwh": 3.0, "max_h": 2.0, "max_duration_h": 1.0}
    assets = [
        {"asset_id": "dish", "kind": "appliance", "template": "sim_appliance", "params": machine},
        {"asset_id": "boiler", "kind": "sheddable_load", "template": "sim_sheddable_load", "params": boiler},
    ]
    site = Site.model_validate(HOME.model_dump() | {"assets": assets})
    known = inputs(mode=Mode.FULL) | {"device_forecasts": {}, "states": {}}
    missing = plan_request(site, **known)
    assert isinstance(missing, Finding)
    assert missing.message == "whether the machine waits for its start, or its age, is not known"
    request = plan_request(site, **known | {"states": {"dish": (1.0, 2.0)}})
    assert isinstance(request, PlanRequest), request
    made = make_plan(request, solved(case_of(request)), created_at_utc=NOW, version=1)
    sent = commands_of(made, site, epoch=1)
    assert [(one.capability, one.value, one.unit) for one in sent if one.device_id == "dish"] == [
        ("set_start_count", 1.0, "count")
    ]
    # Two hours of what it takes at 5, shed at 3; the machine costs the same in every hour of its window.
    assert made.objective == pytest.approx(made.no_battery_cost - 2 * 0.8 * (5.0 - 3.0))
    limits = [one.value for one in sent if one.device_id == "boiler"]
    assert sorted(limits) == [0.0] * 8 + [0.8] * 88
    summary = summarise(made, time_zone=site.time_zone)
    assert "runs 1.00 kWh" in summary
    assert "is shed 0.20 kWh" in summary


@pytest.mark.parametrize("kind", ["appliance", "sheddable_load", "ev_charger"])
def test_one_that_says_too_little_is_shown_and_not_planned(kind: str) -> None:
    assert not KINDS[kind].takes(Asset.model_validate({"asset_id": "x", "kind": kind}))


def test_a_load_that_is_cheaper_shed_than_run_in_every_step_is_doubted() -> None:
    shed = oven(own_kw=(2.0, 0.0, 2.0), price_per_kwh=0.15)
    assert "never less than 0.22: it is shed whenever its terms allow" in shed.doubt((0.30, 0.05, 0.22))
    assert shed.doubt((0.30, 0.05, 0.15)) == ""
    assert oven(own_kw=(0.0,), price_per_kwh=0.15).doubt((0.30,)) == ""
