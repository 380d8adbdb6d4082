"""A room without a believed reading is planned by its model for a day, and says so; then it is a finding."""

from datetime import datetime, timedelta

import numpy as np
import pytest

from controls.optimiser.devices.room import Room
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.context import state_reader
from controls.planning.frozen_plan import make_plan
from controls.planning.plan_inputs import plan_request
from controls.planning.starting_states import sensor_fallback
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import FixedClock
from tests.controls.planning.examples import NOW, device, forecast, inputs, prices
from tests.controls.planning.test_outdoor import SITE, weather_issue


def planned(degc: float, *, at: datetime = NOW, version: int = 1, mode: Mode = Mode.FULL, **labels: str) -> Plan:
    """A plan of the site that began with a temperature of its office."""
    given = inputs(mode=mode, load_forecast=forecast("house", 0.8, hours=72), pv_forecast=forecast("pv", 0.3, hours=72))
    more = {"states": given["states"] | {"office": (degc, 1.0)}, "weather": [weather_issue([0.0] * 60)], "now_utc": at}  # type: ignore[operator]
    request = plan_request(SITE, **given | more | {"prices": prices(hours=72)})
    assert isinstance(request, PlanRequest), request
    request = request.model_copy(update={"inputs": request.inputs | labels})
    solution = solve(request)
    assert isinstance(solution, Solution)
    return make_plan(request, solution, created_at_utc=at, version=version)


@pytest.fixture(scope="module")
def first() -> Plan:
    """Began with 21 degC at 10:00."""
    return planned(21.0)


def test_a_silent_room_goes_on_as_the_plan_foresaw(first: Plan) -> None:
    found = sensor_fallback(SITE, {"battery": (5.0, 1.0)}, [first], now_utc=NOW + timedelta(hours=4))
    # 16 quarter hours from 10:00 on.
    degc, age_s = found.states["office"]
    assert (degc, age_s) == (pytest.approx(first.steps[15].devices["office"]["room_degc"]), 0.0)
    assert found.states["battery"] == (5.0, 1.0)
    assert found.labels["office_by_model"].startswith("its thermometer sends no value: ")
    # 0.1 K of a reading, and 0.1 K in an hour for 4.1 hours.
    assert found.labels["office_by_model"].endswith(f"standard error {np.hypot(0.1, 0.1 * np.sqrt(247 / 60)):.2f} K")


@pytest.mark.parametrize("silent", [(None, 1.0), (float("nan"), 1.0), (21.0, 400.0)])
def test_every_kind_of_silence_is_one(first: Plan, silent: tuple[float | None, float]) -> None:
    found = sensor_fallback(SITE, {"office": silent}, [first], now_utc=NOW + timedelta(hours=1))
    assert found.states["office"] == (pytest.approx(first.steps[3].devices["office"]["room_degc"]), 0.0)


def test_the_heating_since_then_is_that_of_the_plans_that_governed(first: Plan) -> None:
    """The second plan began with an estimate: its heating counts, its start does not."""
    second = planned(15.0, at=NOW + timedelta(hours=1), version=2, office_by_model="by its model")
    found = sensor_fallback(SITE, {}, [first, second], now_utc=NOW + timedelta(hours=3))
    room = device(first.request, "office")
    assert isinstance(room, Room)
    heating = [one.devices["office"]["heating_kw"] for one in (*first.steps[:4], *second.steps[:8])]
    is_on = np.array([*heating, *[0.0] * 84]) / room.heater_kw
    expected = room.temperatures_degc(is_on, np.full(96, 0.25))[11]
    assert found.states["office"] == (pytest.approx(expected), 0.0)
    assert is_on[4:12].sum() > is_on[:4].sum()


class Wire:
    """Devices of which the room says nothing, and the battery half full."""

    def __init__(self, *_given: object, mute: str = "office") -> None:
        self.mute = mute

    def open_reader(self, asset: Asset, _template: object) -> "Wire":
        return Wire(mute=asset.asset_id) if asset.asset_id == "office" else Wire(mute="")

    def read(self, reading: str) -> float:
        if self.mute:
            raise WorldFault(f"office does not say {reading}")
        return 50.0

    def close(self) -> None:
        pass


def test_a_silent_thermometer_keeps_no_other_device_from_being_asked(
    monkeypatch: pytest.MonkeyPatch, clock: FixedClock
) -> None:
    monkeypatch.setattr("controls.gateways.open.Gateways", Wire)
    content = SITE.model_dump()
    content["assets"][-1]["template"] = "sim_room_relay"
    assert state_reader(Site.model_validate(content), Settings(), clock)() == {"battery": (5.0, 0.0)}


def test_after_a_day_and_where_nobody_followed_the_plan_nothing_stands_in(first: Plan) -> None:
    assert "office" not in sensor_fallback(SITE, {}, [first], now_utc=NOW + timedelta(hours=25)).states
    dispatch_request = planned(21.0, mode=Mode.ADVISORY)
    assert sensor_fallback(SITE, {}, [dispatch_request], now_utc=NOW + timedelta(hours=1)).states == {}
    assert sensor_fallback(SITE, {}, [], now_utc=NOW).states == {}


def test_a_thermometer_that_stands_still_while_its_heater_switches_is_not_believed(first: Plan) -> None:
    later = [planned(21.0, at=NOW + timedelta(hours=h), version=h) for h in (6, 11)]
    on = {step.devices["office"]["heating_kw"] > 0 for step in first.steps[:24]}
    assert on == {False, True}
    soon, late = (NOW + timedelta(hours=h) for h in (11, 13))
    assert sensor_fallback(SITE, {"office": (21.0, 1.0)}, [first, *later], now_utc=soon).states == {
        "office": (21.0, 1.0)
    }
    found = sensor_fallback(SITE, {"office": (21.0, 1.0)}, [first, *later], now_utc=late)
    assert found.states["office"][0] != 21.0
    assert found.labels["office_by_model"].startswith("its thermometer is stuck at 21 degC while its heater switches")
    # After a day it is believed no more, and nothing stands in for it.
    day = NOW + timedelta(hours=25)
    assert sensor_fallback(SITE, {"office": (21.0, 1.0)}, [first, *later], now_utc=day).states == {}
    # One that moved in between is believed.
    moved = [first, planned(20.9, at=NOW + timedelta(hours=6), version=6), later[1]]
    assert sensor_fallback(SITE, {"office": (21.0, 1.0)}, moved, now_utc=late).labels == {}
