"""The weather of a site's forecasts: its driver up to the issue, and from there on what was forecast by then."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore, WeatherStore
from assets.stores.transactions import Store
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.time import FixedClock
from ml.features.forecast_case import Case
from ml.forecasts.site_case import target_case
from ml.forecasts.site_forecast import forecast_site
from ml.forecasts.targets import target_of
from ml.tracking import MlflowTracker
from tests.kpi.seeded import fill
from tests.ml.cases import plant, stream
from tests.ml.forecasts.issuing import NOW, lead, load, naive, readings, works

START, HOUR = datetime(2025, 1, 6, tzinfo=UTC), timedelta(hours=1)
READINGS = pl.concat(
    [
        stream("m1", START, [1.0] * 96),
        stream("outdoor_degc", START, [-5.0] * 96, register="value", unit="degc"),
    ]
)
ISSUED = START + timedelta(hours=10, minutes=20)


def issue(degc: float, known_utc: datetime) -> WeatherIssue:
    return WeatherIssue(
        source="feed",
        issued_at_utc=START,
        available_at_utc=known_utc,
        start_utc=START,
        values={"temperature_degc": (degc,) * 48},
    )


def case(*issues: WeatherIssue) -> Case:
    target = target_of(plant(), "m1")
    found = target_case(READINGS, site=plant(), target=target, end_utc=ISSUED, weather=issues)
    assert isinstance(found, Case)
    return found


def seen(*issues: WeatherIssue) -> list[float]:
    """The temperature of the hours 9 to 12 as known at the first whole hour after the issue."""
    found = case(*issues).weather.at(np.arange(9, 13), np.full(4, 11))
    return found[:, 0].tolist()


def test_measured_hours_are_as_measured_and_hours_to_come_as_forecast() -> None:
    assert seen(issue(3.0, START)) == [-5.0, 3.0, 3.0, 3.0]


def test_weather_that_arrives_between_the_issue_and_the_first_hour_is_not_used() -> None:
    late = issue(9.0, ISSUED + timedelta(minutes=1))
    assert seen(issue(3.0, START), late) == [-5.0, 3.0, 3.0, 3.0]
    assert seen(late) == pytest.approx([-5.0, np.nan, np.nan, np.nan], nan_ok=True)
    assert seen(issue(9.0, ISSUED)) == [-5.0, 9.0, 9.0, 9.0]


def test_what_rests_on_weather_that_was_made_up_is_flagged() -> None:
    made_up = issue(3.0, START).model_copy(update={"is_synthetic": True})
    assert case(made_up).series.is_synthetic
    assert not case(issue(3.0, START)).series.is_synthetic
    # What was not known at the issue says nothing about it.
    late = made_up.model_copy(update={"available_at_utc": ISSUED + HOUR})
    assert not case(issue(3.0, START), late).series.is_synthetic


def test_a_forecast_is_made_anew_for_weather_of_its_issue_and_for_no_later_one(
    lake: Lake, store: Store, tracker: MlflowTracker
) -> None:
    site, clock, weather = works("weathered"), FixedClock(NOW), WeatherStore(store)
    kept = readings(site, load()).drop("batch_id", "recorded_at_utc").with_columns(is_correction=pl.lit(value=False))
    fill(lake, site, kept, clock=clock, name="first")
    lead(tracker, site, naive(), target="meter:a")

    def reused() -> tuple[str, ...]:
        return forecast_site(
            site, lake=lake, store=ForecastStore(store), tracker=tracker, clock=clock, weather=weather
        ).reused

    def weather_issue(degc: float, known_utc: datetime) -> WeatherIssue:
        update = {"start_utc": NOW, "issued_at_utc": NOW - HOUR, "available_at_utc": known_utc}
        return issue(degc, START).model_copy(update=update)

    assert (reused(), reused()) == ((), ("meter:a",))
    weather.add("weathered", [weather_issue(3.0, NOW)], clock)
    assert (reused(), reused()) == ((), ("meter:a",))
    clock.advance(HOUR)
    # The readings end where they ended, so the issue is the same; what came since was not known at it.
    weather.add("weathered", [weather_issue(9.0, NOW + HOUR / 2)], clock)
    assert reused() == ("meter:a",)
