"""Bad rooms, scenarios and forecasts: a finding by name, or a plan that says what it lacks."""

from typing import Any

import pytest
from pydantic import ValidationError

from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import make_plan
from controls.planning.plan_inputs import plan_request
from controls.planning.scenarios import with_scenarios
from controls.planning.summary import summarise
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.control.plan_scenario import Risk, Scenario, ScenarioSet
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from tests.controls.planning.examples import HOME, NOW, inputs
from tests.controls.planning.test_outdoor import ROOM, weather_issue
from tests.controls.planning.test_scenarios import scenario_request as with_courses


def room_request(*, room: dict[str, Any] | None = None, state: Any = (21.0, 1.0), **more: Any) -> PlanRequest | Finding:
    """A request of the home with an office. room: params that it has beside its own; state None: nobody reads it."""
    office = {**ROOM, "params": ROOM["params"] | (room or {})}  # type: ignore[operator]
    site = Site.model_validate({**HOME.model_dump(), "assets": [*HOME.model_dump()["assets"], office]})
    given = inputs(mode=Mode.FULL)
    states = given["states"] | ({} if state is None else {"office": state})  # type: ignore[operator]
    return plan_request(site, **given | {"states": states, "weather": [weather_issue([-5.0] * 26)]} | more)


@pytest.mark.parametrize(
    ("state", "code", "message"),
    [
        (None, "no_room", "the temperature of the room is not known: it has no template to ask it by"),
        ((21.0, 90.0), "room_too_old", "the temperature of the room is 90 s old, at most 60 s are allowed"),
        ((None, 1.0), "room_out_of_bounds", "the temperature of the room is None: its sensor says no number"),
        ((float("nan"), 1.0), "room_out_of_bounds", "the temperature of the room is nan: its sensor says no number"),
    ],
)
def test_a_room_whose_thermometer_says_nothing_is_a_finding(state: Any, code: str, message: str) -> None:
    found = room_request(state=state)
    assert isinstance(found, Finding)
    assert (found.code, found.is_blocking) == (code, True)
    assert found.message == message


def test_a_temperature_that_no_room_has_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"site home, asset 'office': its temperature is 130.0: repair its sensor"):
        room_request(state=(130.0, 1.0))


@pytest.mark.parametrize("band", [{"low_degc": 24, "high_degc": 20}, {"low_degc": [18] * 12 + [24] * 12}])
def test_a_band_that_nothing_fits_is_refused_by_name(band: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"site home, asset 'office': low_degc must not be above high_degc"):
        room_request(room=band)


def test_a_room_that_keeps_no_heat_from_one_step_to_the_next_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"r_k_per_kw times c_kwh_per_k is 0.05 h; a room keeps its heat for 1 h at"):
        room_request(room={"r_k_per_kw": 5.0, "c_kwh_per_k": 0.01})


def test_a_band_that_the_heater_cannot_hold_makes_a_plan_that_says_so() -> None:
    weak, enough = (room_request(room={"heater_kw": kw, "comfort_price_per_kh": 50}) for kw in (0.4, 1.2))
    sentences = []
    for request in (weak, enough):
        assert isinstance(request, PlanRequest)
        solution = solve(request)
        assert isinstance(solution, Solution)
        sentences.append(summarise(make_plan(request, solution, created_at_utc=NOW, version=1), time_zone="UTC"))
    # 0.4 kW hold 10 K above -5.
    assert "Office leaves its comfort band for " in sentences[0]
    assert "comfort band" not in sentences[1]


def test_a_load_forecast_past_its_time_is_no_plan_and_weather_past_its_time_is_a_weaker_one() -> None:
    old = room_request(weather=[weather_issue([1.0] * 26, hours_old=27)])
    assert isinstance(old, PlanRequest)
    assert "is 27 h old, at most 26 h are allowed" in old.inputs["outdoor"]
    late = inputs()["load_forecast"].model_copy(update={"issued_at_utc": NOW.replace(year=2025)})  # type: ignore[attr-defined]
    found = room_request(load_forecast=late)
    assert isinstance(found, Finding)
    assert found.code == "load_forecast_too_old"


def test_weights_that_do_not_add_up_and_fewer_scenarios_than_asked() -> None:
    with pytest.raises(ValidationError, match=r"the weights of 2 scenarios add up to 0.9, expected 1"):
        ScenarioSet(scenarios=(Scenario(name="a", weight=0.5), Scenario(name="b", weight=0.4)))
    few = with_courses(Risk(scenarios=27))
    assert few.uncertain is not None
    assert len(few.uncertain.scenarios) == 9
    assert few.inputs["scenarios"].startswith("9 scenarios, swanson; fewer than the 27 asked for")
    none = with_scenarios(few.model_copy(update={"uncertain": None}), Risk(), {}, price_forecast=None)
    assert none.uncertain is None
    assert none.inputs["scenarios"] == "the load forecast has no courses for these hours: planned on its P50 alone"
