"""Policies on a site of which everything is known: what they must do, and what they must say."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.planning.closed_loop.rolling_plan import solved_within
from controls.planning.closed_loop.run_loop import LoopRun, PolicyName, run_policy
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from tests.controls.planning.closed_loop.linear_site import LinearSite, site_file

TWO_DAYS = timedelta(days=2)


def run(
    policy: PolicyName, small: LinearSite, *, hours: int = 24, room: dict[str, Any] | None = None, **more: Any
) -> LoopRun:
    return run_policy(site_file(**(room or {})), small, policy, seed=1, hours=hours, watched=TWO_DAYS, **more)


def codes(found: LoopRun) -> set[str]:
    return {finding.code for finding in found.findings}


def test_a_battery_is_full_when_cheap_hours_end_and_gives_all_that_it_can_in_dear_ones() -> None:
    small = LinearSite(is_heated=False)
    run("deterministic", small, hours=12, room={"low_degc": -50, "high_degc": 50})
    assert small.kwh == pytest.approx(4.0, abs=0.01)
    # 0.5 kW of load, 8 h of 4 kWh: the whole half day but 4 h; bought cheap (0.1) instead of dear (0.5).
    small = LinearSite(is_heated=False)
    planned = run("deterministic", small, room={"low_degc": -50, "high_degc": 50})
    alone = run("no_control", LinearSite(is_heated=False))
    assert alone.lived.cost - planned.lived.cost == pytest.approx(4.0 * (0.5 - 0.1), abs=0.03)


@settings(max_examples=6, deadline=None)
@given(load_kw=st.floats(0.1, 2.0), dear=st.floats(0.1, 0.9))
def test_a_plan_is_never_worse_than_nothing_where_what_is_foretold_comes(load_kw: float, dear: float) -> None:
    planned = run("deterministic", LinearSite(load_kw=load_kw, dear=dear))
    alone = run("no_control", LinearSite(load_kw=load_kw, dear=dear))
    # A plan keeps the room a little warmer than its thermostat does.
    assert planned.lived.cost <= alone.lived.cost + 0.02 * abs(alone.lived.cost) + 0.02


def test_a_plan_over_scenarios_counts_its_promises() -> None:
    found = run("stochastic", LinearSite())
    assert found.breaches is not None
    assert found.breaches.hours > 20
    assert found.breaches.low <= 0.1 <= found.breaches.high


@pytest.mark.parametrize("policy", ["no_control", "thermostat", "rules", "self_consumption"])
def test_rules_keep_the_room_warm(policy: PolicyName) -> None:
    found = run(policy, LinearSite())
    assert found.lived.discomfort_kh < 2.0
    assert found.plans == 0


def test_where_no_plan_is_found_the_last_one_goes_on_and_that_is_told() -> None:
    solves = 0

    def fails_later(case: Any) -> Any:
        nonlocal solves
        solves += 1
        if solves > 1:
            return Finding(code="no_plan_in_time", message="the solver found no plan within 0 s")
        return solved_within(case)

    small = LinearSite()
    found = run("deterministic", small, hours=5, solver=fails_later)
    assert "no_plan_in_time" in codes(found)
    assert found.reasons["failed"] >= 3
    assert all("battery" in reported for reported in small.told[-20:])
    # Past its time to live nothing of it is left: a thermostat heats, and the battery rests.
    small, solves = LinearSite(), 0
    found = run("deterministic", small, hours=8, solver=fails_later)
    assert "plan_expired" in codes(found)
    assert small.told[-1].keys() == {"heater"}
    assert "set_temperature_degc" in small.told[-1]["heater"]


def test_what_was_foretold_too_long_ago_is_no_reason_to_do_anything() -> None:
    small = LinearSite()
    small.issued_before = timedelta(hours=30)
    found = run("deterministic", small, hours=3)
    assert "forecast_too_old" in codes(found)
    assert found.plans == 0
    assert small.told[-1].keys() == {"heater"}


def test_a_thermometer_that_says_nothing_is_bridged_by_the_model_and_told() -> None:
    silent = LinearSite(thermometer=lambda at, degc: None if at > 200 else degc)
    found = run("deterministic", silent)
    assert "thermometer_silent" in codes(found)
    assert silent.degc == pytest.approx(19.5, abs=0.7)


def test_a_thermometer_that_stands_still_while_its_heater_switches_is_found() -> None:
    stuck = LinearSite(thermometer=lambda at, degc: 25.0 if at > 200 else degc)
    found = run("deterministic", stuck)
    assert "thermometer_stuck" in codes(found)
    assert "thermometer_stuck" not in codes(run("deterministic", LinearSite()))


def test_a_store_that_holds_more_than_its_site_file_says_is_told() -> None:
    class Larger(LinearSite):
        def look(self) -> Any:
            seen = super().look()
            return seen.model_copy(update={"states": seen.states | {"battery": 9.0}})

    assert "capacity_disagrees" in codes(run("deterministic", Larger(), hours=2))
    assert "capacity_disagrees" not in codes(run("deterministic", LinearSite(), hours=2))


def test_a_band_that_no_heater_keeps_is_soft_and_told() -> None:
    found = run("deterministic", LinearSite(), hours=2, room={"low_degc": 45, "high_degc": 50})
    assert "band_not_reached" in codes(found)
    assert found.plans >= 2


def test_what_came_before_the_account_does_not_count() -> None:
    first, later = run("no_control", LinearSite()), run("no_control", LinearSite(), hours=48)
    assert later.lived.cost > first.lived.cost
    assert len(later.days) == 2
    assert np.all(np.diff(later.days) > 0)


def two_rooms(**more: Any) -> Site:
    """The small house with an attic, which nobody heats, and what its heater's room says of the wall between them."""
    site = site_file(**more)
    attic = next(each for each in site_file().assets if each.asset_id == "heater")
    return site.model_copy(update={"assets": (*site.assets, attic.model_copy(update={"asset_id": "attic"}))})


@pytest.mark.parametrize("policy", ["no_control", "deterministic"])
def test_walls_that_a_loop_does_not_step_are_told_with_their_rooms(policy: PolicyName) -> None:
    site = two_rooms(walls={"attic": 0.02})
    found = run_policy(site, LinearSite(), policy, seed=1, hours=24, watched=TWO_DAYS)
    [text] = [each for each in found.findings if each.code == "walls_left_out"]
    assert (text.scope, text.facts) == ("small", {"rooms": "attic, heater"})
    assert "attic, heater" in text.message
    plain = run_policy(two_rooms(), LinearSite(), policy, seed=1, hours=24, watched=TWO_DAYS)
    assert "walls_left_out" not in codes(plain)
    # Left out is left out: nothing else of the run is another.
    assert plain.lived == found.lived


def test_a_wall_to_no_room_is_refused_before_anything_is_lived() -> None:
    with pytest.raises(BadInput, match="walls names 'cellar'; expected another room: attic"):
        run_policy(two_rooms(walls={"cellar": 0.02}), LinearSite(), "no_control", seed=1, hours=24, watched=TWO_DAYS)
