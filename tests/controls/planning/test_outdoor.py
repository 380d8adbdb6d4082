"""Plans of rooms and heat pumps rest on the outdoor temperature that was known when they were made, and say how old."""

from datetime import timedelta

import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore, WeatherStore
from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import Store
from controls.planning.context import PlanningContext
from controls.planning.frozen_plan import input_digest
from controls.planning.plan_inputs import plan_request
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from tests.controls.planning.examples import HOME, NOW, inputs, request

ROOM = {
    "asset_id": "office",
    "kind": "room",
    "params": {
        "heater_kw": 1.2, "r_k_per_kw": 25, "c_kwh_per_k": 1.4, "low_degc": 20, "high_degc": 23, "outdoor_degc": -7,
    },
}  # fmt: skip
SITE = Site.model_validate({**HOME.model_dump(), "assets": [*HOME.model_dump()["assets"], ROOM]})


def weather_issue(degc: list[float | None], *, hours_old: float = 2.0, **changes: object) -> WeatherIssue:
    """Hourly temperatures from 10:00 on, the hour of NOW."""
    issued = NOW - timedelta(hours=hours_old)
    known = {"source": "dwd", "issued_at_utc": issued, "available_at_utc": issued}
    start = NOW.replace(minute=0)
    return WeatherIssue.model_validate(known | {"start_utc": start, "values": {"temperature_degc": degc}} | changes)


def office_request(*issues: WeatherIssue, site: Site = SITE) -> PlanRequest:
    given = inputs(mode=Mode.FULL)
    found = plan_request(site, **given | {"states": given["states"] | {"office": (21.0, 1.0)}, "weather": issues})
    assert isinstance(found, PlanRequest), found
    return found


def outdoors(found: PlanRequest) -> list[float]:
    """As the room of the plan has it."""
    return list(next(one for one in found.devices if one.device_id == "office").figures["outdoor_degc"])


def test_a_room_is_planned_by_the_temperature_that_was_known_and_says_by_which() -> None:
    found = office_request(weather_issue([float(h) for h in range(26)]))
    assert outdoors(found)[:5] == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert found.inputs["outdoor_forecast"] == "dwd, issued 2026-01-01T08:07Z"
    assert found.inputs["outdoor_forecast_age_s"] == "7200"
    # How old it was when it was looked at makes no other plan.
    later = found.model_copy(update={"inputs": found.inputs | {"outdoor_forecast_age_s": "7260"}})
    assert input_digest(later) == input_digest(found)


def test_of_two_issues_the_later_counts_and_what_it_does_not_tell_is_taken_from_the_one_before() -> None:
    older, newer = weather_issue([1.0] * 26, hours_old=8), weather_issue([5.0] * 3)
    unknown = weather_issue([9.0] * 26, hours_old=0.5, available_at_utc=NOW + timedelta(minutes=1))
    assert outdoors(office_request(newer, unknown, older))[8:16] == [5.0] * 4 + [1.0] * 4


@pytest.mark.parametrize(
    ("issues", "message"),
    [
        ([], "there is no forecast of the outdoor temperature"),
        ([weather_issue([1.0] * 26, hours_old=30)], "is 30 h old, at most 26 h are allowed"),
        ([weather_issue([1.0] * 12)], "does not cover 2026-01-02T01:00Z"),
        ([weather_issue([None] * 26)], "does not cover 2026-01-01T10:00Z"),
        ([weather_issue([1.0] * 26, available_at_utc=NOW + timedelta(hours=1))], "there is no forecast"),
    ],
)
def test_without_a_fresh_forecast_the_plan_says_what_it_rests_on_instead(
    issues: list[WeatherIssue], message: str
) -> None:
    found = office_request(*issues)
    assert set(outdoors(found)) == {-7.0}
    assert message in found.inputs["outdoor"]
    assert found.inputs["outdoor"].endswith("planned at the outdoor temperature that each device states for that case")
    assert "outdoor_forecast" not in found.inputs


def test_a_forecast_that_ends_a_little_early_is_held_and_said() -> None:
    found = office_request(weather_issue([1.0] * 21 + [3.0]))
    assert outdoors(found)[-9:] == [3.0] * 9
    assert found.inputs["outdoor_forecast_held"].endswith("from 2026-01-02T08:00Z")


def test_a_site_that_loses_no_heat_asks_for_none() -> None:
    assert not any(name.startswith("outdoor") for name in request().inputs)


def test_the_desk_hands_on_what_is_known_now(store: Store, lake: Lake) -> None:
    clock = FixedClock(NOW)
    weather = WeatherStore(store)
    weather.add("home", [weather_issue([1.0] * 26), weather_issue([2.0] * 26, hours_old=-3)], clock)
    desk = PlanningContext(SITE, lake, ForecastStore(store), PlanStore(store), Mode.FULL, dict, clock, weather=weather)
    assert [one.values["temperature_degc"][0] for one in desk.weather_known(NOW)] == [1.0]
