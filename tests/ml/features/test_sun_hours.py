"""Features of the sun: known for all time, and of its clouds only what was known at the origin."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from ml.features.civil import civil_on
from ml.features.forecast_case import Case, Place
from ml.features.groups.sun_hours import FEATURES
from ml.features.matrix import feature_matrix
from ml.features.series import HOUR, Series, Vector
from ml.features.sun import sky_over
from ml.features.weather_as_of import FixedWeather

START, DAYS = datetime(2024, 6, 1, tzinfo=UTC), 20
NAMES = tuple(feature.name for feature in FEATURES)
SKY = sky_over(50.0, 0.0, START, HOUR, DAYS * 24)
ORIGIN = 12 * 24
GREENWICH = Place(50.0, 0.0)


GREENWICH = Place(50.0, 0.0)


def case(ghi: Vector, *, is_ahead: bool, place: Place | None = GREENWICH) -> Case:
    def types(start: date, end: date) -> dict[date, str]:
        return dict.fromkeys((start + timedelta(days=n) for n in range((end - start).days)), "weekday")

    civil = civil_on(types, "UTC", START, DAYS * 24, HOUR)
    weather = FixedWeather(("ghi_w_per_m2",), ghi[:, None], is_ahead)
    return Case(Series(START, np.ones(DAYS * 24), HOUR), civil, weather, place)


def columns(one: Case, origin: int = ORIGIN) -> dict[str, Vector]:
    matrix = feature_matrix(one, np.array([origin]), 24, NAMES)
    return dict(zip(matrix.names, matrix.inputs.T, strict=True))


def test_the_sun_of_each_step_is_that_over_the_site() -> None:
    found, rows = columns(case(SKY.clear_mean_w_per_m2, is_ahead=True)), slice(ORIGIN, ORIGIN + 24)
    assert found["sun_elevation_deg"] == pytest.approx(SKY.elevation_deg.mean(axis=1)[rows])
    assert found["ghi_clear_w_per_m2"] == pytest.approx(SKY.clear_mean_w_per_m2[rows])
    # Sixteen hours and a quarter in mid-June; a day's mean is the same at each of its hours but for the season.
    assert found["day_length_h"] == pytest.approx(np.full(24, 16.25), abs=0.3)
    assert found["ghi_clear_mean_24_h_w_per_m2"].std() < 5
    assert found["daylight_share"][[0, 12]].tolist() == [0, 1]


def test_clouds_ahead_are_those_of_the_weather_and_clouds_behind_those_before_the_origin() -> None:
    ghi = np.where(np.arange(DAYS * 24) < ORIGIN - 24, 0.8, 0.5) * SKY.clear_mean_w_per_m2
    found = columns(case(ghi, is_ahead=True))
    assert found["clear_sky_index"][12] == pytest.approx(0.5)
    assert np.isnan(found["clear_sky_index"][0])
    assert found["clear_sky_index_last_day"] == pytest.approx(np.full(24, 0.5))
    assert found["clear_sky_index_last_week"] == pytest.approx(np.full(24, (6 * 0.8 + 0.5) / 7), abs=0.002)


def test_irradiance_that_is_only_measured_says_nothing_of_what_is_ahead() -> None:
    ghi = 0.5 * SKY.clear_mean_w_per_m2
    poisoned = np.where(np.arange(DAYS * 24) < ORIGIN, ghi, 1e9)
    found, other = (columns(case(one, is_ahead=False)) for one in (ghi, poisoned))
    assert np.isnan(found["clear_sky_index"]).all()
    assert all(np.array_equal(found[name], other[name], equal_nan=True) for name in NAMES)
    assert found["clear_sky_index_last_day"] == pytest.approx(np.full(24, 0.5))


def test_cloud_cover_stands_for_irradiance_that_is_not_told() -> None:
    one = case(SKY.clear_mean_w_per_m2, is_ahead=True)
    clouds = replace(one, weather=FixedWeather(("cloud_cover_percent",), np.full((DAYS * 24, 1), 100.0)))
    assert columns(clouds)["clear_sky_index"][12] == pytest.approx(0.25)


def test_early_rows_and_a_site_without_a_place_are_unknown_and_not_wrong() -> None:
    one = case(SKY.clear_mean_w_per_m2, is_ahead=True)
    early = columns(one, origin=1)
    assert np.isnan(early["clear_sky_index_last_week"]).all()
    assert np.isfinite(early["sun_elevation_deg"]).all()
    assert all(np.isnan(column).all() for column in columns(replace(one, place=None)).values())
