"""The sun, the cloudless sky and an array under it, on numbers that can be checked by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ml.features.series import HOUR, QUARTER
from ml.features.sun import (
    MOST_INDEX,
    Array,
    Sky,
    array_kw,
    index_of_clouds,
    plane_of_array,
    sky_over,
    snow_cover,
    snowfall_cm,
)

# Noon of mean solar time at Greenwich; the true sun is up to a quarter hour off.
EQUINOX, SOLSTICE = datetime(2024, 3, 20, tzinfo=UTC), datetime(2024, 6, 20, tzinfo=UTC)
SOUTH = Array(tilt_deg=35, azimuth_deg=180, peak_kw=10, limit_kw=9)


def day(start: datetime, *, latitude: float = 50.0, step: timedelta = QUARTER) -> Sky:
    return sky_over(latitude, 0.0, start, step, timedelta(days=1) // step)


def test_at_an_equinox_the_noon_sun_stands_as_high_as_the_latitude_leaves_and_looks_south() -> None:
    for latitude in (0.5, 50.0, 65.0):
        sky = day(EQUINOX, latitude=latitude)
        noon = int(np.argmax(sky.elevation_deg[:, 0]))
        assert sky.elevation_deg[noon, 0] == pytest.approx(90 - latitude, abs=0.4)
        assert abs(noon * 0.25 - 12) <= 0.25
        # Twelve hours of it, and the minutes for which the step's middle is above the horizon.
        assert sky.is_day.sum() / 4 == pytest.approx(12, abs=0.5)


def test_at_the_solstice_the_noon_sun_stands_by_the_tilt_of_the_earth_higher() -> None:
    assert day(SOLSTICE).elevation_deg.max() == pytest.approx(90 - 50 + 23.44, abs=0.1)
    assert day(SOLSTICE, latitude=70).is_day.all()


def test_the_cloudless_sky_is_dark_at_night_and_gives_most_of_the_solar_constant_at_noon() -> None:
    sky = day(SOLSTICE)
    assert (sky.clear_mean_w_per_m2[~sky.is_day] == 0).all()
    assert 820 < sky.clear_mean_w_per_m2.max() < 1000
    assert np.isfinite(sky.clear_w_per_m2).all()


def test_an_hour_is_the_mean_of_its_quarters() -> None:
    quarters, hours = day(EQUINOX), day(EQUINOX, step=HOUR)
    assert hours.clear_w_per_m2.ravel() == pytest.approx(quarters.clear_w_per_m2.ravel())
    ones, whole = np.ones(96), np.ones(24)
    of_hours = array_kw(SOUTH, hours, whole, 10.0)
    assert of_hours == pytest.approx(array_kw(SOUTH, quarters, ones, 10.0).reshape(24, 4).mean(axis=1))


def test_the_clear_sky_index_is_irradiance_by_that_of_the_cloudless_sky_and_clouds_are_not_taken_off_again() -> None:
    sky = day(EQUINOX)
    index = sky.index_of(0.4 * sky.clear_mean_w_per_m2)
    noon = 48
    assert index[noon] == pytest.approx(0.4)
    assert np.isnan(index[~sky.is_day]).all()
    assert sky.index_of(np.full(96, 5000.0))[noon] == MOST_INDEX


def test_a_flat_plane_gets_the_irradiance_of_the_horizon_and_loses_only_what_glass_reflects() -> None:
    sky = day(SOLSTICE)
    for index in (0.3, 1.0):
        entering = plane_of_array(sky, np.full(96, index), 0.0, 180.0)[48, 0]
        ghi = index * sky.clear_w_per_m2[48, 0]
        assert 0.97 * ghi < entering < ghi


def test_a_plane_that_looks_away_from_the_sun_gets_no_beam() -> None:
    sky = day(EQUINOX)
    noon = sky.at(np.array([48]))
    clear, overcast = np.array([1.0]), np.array([0.15])
    north = plane_of_array(noon, clear, 90.0, 0.0)[0, 0]
    south = plane_of_array(noon, clear, 90.0, 180.0)[0, 0]
    # What is left is light of sky and ground; under a closed deck all sides are alike.
    assert north < 0.25 * south
    both = [plane_of_array(noon, overcast, 90.0, side)[0, 0] for side in (0.0, 180.0)]
    assert both[0] == pytest.approx(both[1], rel=0.05)


def test_east_gives_in_the_morning_what_west_gives_in_the_afternoon() -> None:
    sky, ones = day(EQUINOX), np.ones(96)
    east = array_kw(SOUTH.model_copy(update={"azimuth_deg": 90.0}), sky, ones, 10.0)
    west = array_kw(SOUTH.model_copy(update={"azimuth_deg": 270.0}), sky, ones, 10.0)
    assert east[:48].sum() > 1.5 * east[48:].sum()
    assert east.sum() == pytest.approx(west.sum(), rel=0.02)


def test_power_follows_cells_and_inverter_by_hand() -> None:
    sky, noon = day(EQUINOX), np.array([48])
    array = SOUTH.model_copy(update={"limit_kw": 100.0})
    entering = plane_of_array(sky.at(noon), np.ones(1), 35.0, 180.0)[0, 0]
    # Faiman at 1 m/s of wind: 25 + 6.84 W/(m2 K); then 0.35 % a kelvin above 25 degC.
    cell = 5.0 + entering / 31.84
    dc = 10.0 * entering / 1000 * (1 - 0.0035 * (cell - 25))
    given = array_kw(array, sky.at(noon), np.ones(1), 5.0)[0]
    assert 0.80 * dc < given < 0.97 * dc
    colder, hotter = (array_kw(SOUTH, sky.at(noon), np.full(1, 0.7), air)[0] for air in (-5.0, 25.0))
    assert colder / hotter == pytest.approx(1 + 0.0035 * 30, rel=0.03)


def test_an_inverter_gives_no_more_than_its_limit_and_nothing_at_night() -> None:
    sky = day(SOLSTICE)
    power = array_kw(SOUTH.model_copy(update={"limit_kw": 4.0}), sky, np.ones(96), 20.0)
    assert power.max() == pytest.approx(4.0)
    assert (power[~sky.is_day] == 0).all()


def test_clouds_alone_dim_as_kasten_and_czeplak_measured() -> None:
    assert index_of_clouds(np.array([0.0, 50.0, 100.0])) == pytest.approx([1.0, 1 - 0.75 * 0.5**3.4, 0.25])


def test_snow_covers_until_sun_and_warmth_let_it_slide() -> None:
    def cover(air_degc: float) -> np.ndarray:
        hours = np.arange(48)
        sun = np.where((hours % 24 > 8) & (hours % 24 < 16), 400.0, 0.0)
        fallen = np.where(hours == 4, 5.0, 0.0)
        return snow_cover(
            start_utc=datetime(2024, 1, 10, tzinfo=UTC), step=HOUR, fallen_cm=fallen, entering_w_per_m2=sun,
            air_degc=np.full(48, air_degc), tilt_deg=40,
        )  # fmt: skip

    assert cover(-15.0)[:4] == pytest.approx(0)
    assert cover(-15.0)[4:] == pytest.approx(1)
    assert cover(2.0)[4] == 1
    assert cover(2.0)[-1] == 0


def test_fresh_snow_is_what_its_depth_grew_or_what_fell_while_it_froze() -> None:
    air = np.array([-3.0, -3.0, 5.0, -1.0])
    depth, rain = np.array([0.10, 0.14, 0.12, np.nan]), np.array([0.0, 2.0, 2.0, np.nan])
    assert snowfall_cm(depth, rain, air) == pytest.approx([0, 4, 0, 0])
    assert snowfall_cm(None, rain, air) == pytest.approx([0, 2, 0, 0])
    assert snowfall_cm(None, None, air) is None
