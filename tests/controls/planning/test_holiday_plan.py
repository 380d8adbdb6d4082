"""A plan of an empty home costs less, keeps its bands, and has the usual ones from the return on."""

from datetime import timedelta
from typing import Any

import pytest

from assets.sites.load_sites import load_site
from controls.optimiser.devices.device import AssetState
from controls.optimiser.devices.room import FROST_DEGC, Room
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import make_plan
from controls.planning.summary import summarise
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Asset, Site
from tests.controls.planning.examples import NOW, device
from tests.controls.planning.test_demo_home import HOME_FILE, home_request, with_params
from tests.controls.planning.test_triggers import decide, last

__all__ = ["last"]
# 48 °C of 45 to 75 °C and 10.4 kWh.
ENOUGH_KWH = 10.4 * 3 / 30


@pytest.fixture(scope="module")
def home() -> Site:
    return load_site(HOME_FILE)


def planned(home: Site, hours: float | None, **changes: Any) -> Plan:
    """The plan of the next day, with a holiday of so many hours."""
    away = {} if hours is None else {"away_until_utc": NOW + timedelta(hours=hours)}
    dispatch_request = home_request(home, mode=Mode.FULL, **away, **changes)
    # Near the best is enough: what is looked at is far from it.
    solution = solve(dispatch_request, gap=0.01)
    assert isinstance(solution, Solution)
    return make_plan(dispatch_request, solution, created_at_utc=NOW, version=1)


def column(plan: Plan, device_id: str, name: str) -> list[float]:
    return [step.devices[device_id][name] for step in plan.steps]


def test_an_empty_home_costs_less_and_keeps_its_hot_water(home: Site) -> None:
    usual, away = planned(home, None), planned(home, 24 * 5)
    assert away.paid < usual.paid - 20
    assert sum(column(away, "ev_charger", "ev_kw")) == 0
    assert sum(column(away, "hot_water", "relays_kw")) < sum(column(usual, "hot_water", "relays_kw")) / 4
    assert min(column(away, "hot_water", "tank_end_kwh")) >= 0, "never below empty_degc"
    assert column(away, "hot_water", "tank_end_kwh")[-1] >= ENOUGH_KWH
    assert away.request.inputs["holiday_until"] == "2026-01-06T10:07Z"
    summary = summarise(away, time_zone="Europe/Prague")
    assert "Holiday until Tue 6 Jan 11:07 (ev_charger: Ready for the first departure" in summary
    assert "hot_water: 48 °C are enough, and no hot water is drawn)." in summary
    assert "oliday" not in summarise(usual, time_zone="Europe/Prague")


def test_from_the_return_on_everything_is_as_usual(home: Site) -> None:
    plan, usual = planned(home, 12), home_request(home, mode=Mode.FULL)
    # 10:00 to 22:07: the step in which they return is one of being at home.
    steps = 48
    tank, always = device(plan.request, "hot_water"), device(usual, "hot_water")
    assert tank.draw_kw[:steps] == (0.0,) * steps
    assert tank.draw_kw[steps:] == always.draw_kw[steps:]
    assert tank.end_min_kwh == always.end_min_kwh
    assert column(plan, "hot_water", "tank_end_kwh")[-1] >= tank.init_kwh
    # At 07:30 in Prague, the first departure after the return, the car is full enough.
    [stay] = device(plan.request, "ev_charger").sessions
    assert (stay.energy_kwh, stay.to_step) == (18.0, 82)
    assert column(plan, "ev_charger", "ev_stored_kwh")[stay.to_step - 1] >= 48 - 1e-6


def test_a_holiday_that_is_over_or_ends_within_the_step_changes_nothing(home: Site) -> None:
    usual = home_request(home, mode=Mode.FULL)
    assert home_request(home, mode=Mode.FULL, away_until_utc=NOW - timedelta(hours=1)) == usual
    soon = home_request(home, mode=Mode.FULL, away_until_utc=NOW + timedelta(minutes=5))
    assert soon.devices == usual.devices


def test_the_site_file_says_what_an_empty_home_keeps(home: Site) -> None:
    other = with_params(home, "hot_water", {"away_degc": 55, "away_draw_share": 0.5, "comfort_degc": 60,
                                            "comfort_price_per_kwh_h": 0.1})  # fmt: skip
    tank = device(home_request(other, mode=Mode.FULL, away_until_utc=NOW + timedelta(hours=12)), "hot_water")
    usual = device(home_request(other, mode=Mode.FULL), "hot_water")
    assert tank.draw_kw[0] == usual.draw_kw[0] / 2
    assert (tank.comfort_min_kwh[0], tank.comfort_min_kwh[47], tank.comfort_min_kwh[48]) == pytest.approx(
        (10.4 / 3, 10.4 / 3, 5.2)
    )
    assert usual.comfort_min_kwh == pytest.approx(5.2)
    with pytest.raises(BadInput, match=r"away_degc 40 must lie within 45\.\.75"):
        home_request(with_params(home, "hot_water", {"away_degc": 40}))


def room(given: Any, **params: Any) -> Room:
    figures = {"heater_kw": 2, "r_k_per_kw": 30, "c_kwh_per_k": 1.3, "low_degc": 20, "high_degc": 25} | params
    return Room.from_asset(Asset(asset_id="hall", kind="room", params=figures), given)


def test_a_room_keeps_from_damp_from_frost_and_what_its_guard_asks_for() -> None:
    given = AssetState(
        site_id="home", state=20.0, start_utc=NOW, import_price_per_kwh=(5.0,) * 8,
        away_until_utc=NOW + timedelta(hours=1),
    )  # fmt: skip
    assert room(given).low_degc == (16.0,) * 4 + (20.0,) * 4
    assert room(given, low_degc=12).low_degc == (12.0,) * 8, "a cellar is not heated for a holiday"
    assert room(given, away_low_degc=10).low_degc[:4] == (10.0,) * 4
    assert room(given, away_low_degc=10, hard_min_degc=14).low_degc[:4] == (14.0,) * 4
    with pytest.raises(BadInput, match="away_low_degc"):
        room(given, away_low_degc=FROST_DEGC - 1)


def test_a_holiday_is_a_reason_to_plan_once(last: Plan) -> None:
    until = NOW + timedelta(days=2)
    decision = decide(last, away_until_utc=until)
    assert (decision.should_plan, decision.reason) == (True, "a holiday was set, moved or is over")
    away = last.model_copy(
        update={"request": last.request.model_copy(
            update={"inputs": last.request.inputs | {"holiday_until": f"{until:%Y-%m-%dT%H:%MZ}"}}
        )}
    )  # fmt: skip
    assert not decide(away, away_until_utc=until).should_plan
    assert decide(away, away_until_utc=until + timedelta(days=1)).should_plan
    assert decide(away).should_plan, "it is over"
