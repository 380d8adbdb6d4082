"""The weather of a site's forecasts: its driver up to the issue, and from there on what was forecast by then."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.control.weather_issue import WeatherIssue
from ml.features.forecast_case import Case
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import target_of
from tests.ml.cases import plant, stream

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


def seen(*issues: WeatherIssue) -> list[float]:
    """The temperature of the hours 9 to 12 as known at the first whole hour after the issue."""
    target = target_of(plant(), "m1")
    case = target_case(READINGS, site=plant(), target=target, end_utc=ISSUED, weather=issues)
    assert isinstance(case, Case)
    found = case.weather.at(np.arange(9, 13), np.full(4, 11))
    return found[:, 0].tolist()


def test_measured_hours_are_as_measured_and_hours_to_come_as_forecast() -> None:
    assert seen(issue(3.0, START)) == [-5.0, 3.0, 3.0, 3.0]


def test_weather_that_arrives_between_the_issue_and_the_first_hour_is_not_used() -> None:
    late = issue(9.0, ISSUED + timedelta(minutes=1))
    assert seen(issue(3.0, START), late) == [-5.0, 3.0, 3.0, 3.0]
    assert seen(late) == pytest.approx([-5.0, np.nan, np.nan, np.nan], nan_ok=True)
    assert seen(issue(9.0, ISSUED)) == [-5.0, 9.0, 9.0, 9.0]
