"""No feature knows the future, and what the registry says of each is true."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.features.civil import civil_on
from ml.features.feature import Availability
from ml.features.forecast_case import Case, Place
from ml.features.matrix import FEATURES, feature_matrix
from ml.features.series import Series
from ml.features.weather_as_of import FixedWeather
from ml.forecasts.models.load_features import LINES, LOAD, WEATHER

# The clocks change on day 24.
START = datetime(2025, 3, 5, 23, tzinfo=UTC)
DAYS = 60
HOURS = DAYS * 24
NAMES = ("temperature_degc", "ghi_w_per_m2", "dew_point_degc")


def days(first: date, last: date) -> dict[date, str]:
    every = [first + timedelta(days=n) for n in range((last - first).days)]
    return {day: "weekend" if day.weekday() > 4 else "weekday" for day in every}


def a_case() -> Case:
    rng = np.random.default_rng(5)
    hour = np.arange(HOURS)
    values = 20 + 8 * np.sin(2 * np.pi * hour / 24) + rng.normal(0, 1, HOURS)
    values[rng.random(HOURS) < 0.05] = np.nan
    weather = FixedWeather(NAMES, rng.normal(10, 5, (HOURS, 3)), is_ahead=False)
    civil = civil_on(days, "Europe/Berlin", START, HOURS + 200)
    return Case(Series(START, values), civil, weather, Place(52.5, 13.4))


CASE = a_case()


@settings(deadline=None, max_examples=10)
@given(
    origin=st.integers(20 * 24, HOURS),
    horizon=st.integers(1, 80),
    poison=st.sampled_from([np.nan, 0.0, 1e12, -1e12]),
)
def test_what_happens_at_and_after_the_origin_changes_no_feature(origin: int, horizon: int, poison: float) -> None:
    values, weather = CASE.series.values.copy(), CASE.weather.at(np.arange(HOURS), np.full(HOURS, HOURS))
    values[origin:], weather[origin:] = poison, poison
    poisoned = replace(
        CASE, series=replace(CASE.series, values=values), weather=FixedWeather(NAMES, weather, is_ahead=False)
    )
    one, other = (feature_matrix(each, np.array([origin]), horizon, tuple(FEATURES)) for each in (CASE, poisoned))
    assert np.array_equal(one.inputs, other.inputs, equal_nan=True)
    assert np.array_equal(one.level, other.level, equal_nan=True)


def test_over_a_hundred_features_say_their_unit_their_time_and_their_source() -> None:
    assert len(FEATURES) > 100
    assert all(each.unit and each.source and isinstance(each.known, Availability) for each in FEATURES.values())


def test_models_pick_registered_features_only() -> None:
    assert {*LOAD, *WEATHER, *LINES} <= set(FEATURES)


@pytest.mark.parametrize("name", [name for name, each in FEATURES.items() if each.known is Availability.ALWAYS])
def test_what_is_always_known_does_not_look_at_the_series(name: str) -> None:
    nothing = replace(CASE, series=replace(CASE.series, values=np.full(HOURS, np.nan)))
    origins = np.array([40 * 24])
    one, other = (feature_matrix(each, origins, 48, (name,)) for each in (CASE, nothing))
    assert np.array_equal(one.inputs, other.inputs, equal_nan=True)


def test_days_alike_are_of_one_kind_and_of_the_local_clock() -> None:
    hour, kind = CASE.civil.hour[:HOURS], CASE.civil.day_type[:HOURS]
    # A load that is its local hour on workdays, and minus one otherwise.
    values = np.where(kind == 0, hour, -1.0).astype(np.float64)
    case = replace(CASE, series=Series(START, values))
    # From midnight to midnight across the change of clocks.
    origins = CASE.civil.midnights[21:40]
    found = feature_matrix(case, origins, 23, ("days_alike_weighted", "same_hour_newest"))
    alike = found.inputs[:, 0] * found.level
    assert alike == pytest.approx(values[found.step])


def test_a_year_before_is_told_as_a_share_of_the_week_that_led_up_to_it() -> None:
    length = 400 * 24
    day = np.arange(length) // 24
    # From the 8th to the 14th day the double: a year later the week after the origin must be expected to be so too.
    values = np.where((day >= 8) & (day < 15), 2.0, 1.0)
    case = Case(Series(START, values), civil_on(days, "UTC", START, length + 30))
    origin = np.array([(364 + 8) * 24])
    found = feature_matrix(case, origin, 24, ("year_before_week_ahead_share", "year_before_day_share"))
    assert found.inputs == pytest.approx(2.0)
