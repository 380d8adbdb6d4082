"""Outdoor temperature and irradiance of a temperate site: a yearly and a daily cycle, and weather that lasts."""

from dataclasses import dataclass

import numpy as np

from controls.simulator.physics.grid import YearGrid
from controls.simulator.physics.noise import Series, ar1, generator

_YEAR_DAYS = 365.2425
# Both lag behind the sun: the ground takes a month after the solstice, three hours after noon.
_COLDEST_DAY, _WARMEST_HOUR = 20.0, 15.0


@dataclass(frozen=True)
class Weather:
    """outdoor_degc: mean of the quarter hour. ghi_w_per_m2: global horizontal irradiance, mean of the quarter hour."""

    outdoor_degc: Series
    ghi_w_per_m2: Series


def weather(
    grid: YearGrid,
    *,
    latitude_deg: float,
    longitude_deg: float,
    seed: int,
    mean_degc: float = 9.9,
    season_k: float = 9.4,
) -> Weather:
    """The weather of a year. Clear sky after Haurwitz (1945); clouds and warm spells last for days.

    mean_degc: of the year; season_k: how far the coldest day lies below it and the warmest above.
    """
    solar_hour, day_of_year = _solar_time(grid, longitude_deg)
    sin_elevation = _sin_elevation(day_of_year, solar_hour, latitude_deg)
    rng = generator(seed, grid.year, "clouds")
    # Two time scales: fronts last for days (0.55 from one to the next), what drifts by for an hour or two.
    daily_cloud = np.clip(0.60 + ar1(rng, count=grid.days, rho=0.55, sigma=0.30), 0.0, 1.0)[grid.day]
    cloud = np.clip(daily_cloud + ar1(rng, count=grid.count, rho=0.9, sigma=0.08), 0.0, 1.0)
    clear_w_per_m2 = _clear_w_per_m2(sin_elevation)
    # A closed cover still lets a quarter through as diffuse light (near Kasten and Czeplak, 1980, who use cloud**3.4).
    ghi_w_per_m2 = clear_w_per_m2 * (1.0 - 0.75 * cloud**1.5)
    rng = generator(seed, grid.year, "temperature")
    spells = np.interp(
        np.arange(grid.count) / 96.0, np.arange(grid.days) + 0.5, ar1(rng, count=grid.days, rho=0.8, sigma=3.3)
    )
    season = mean_degc - season_k * np.cos(2 * np.pi * (day_of_year - _COLDEST_DAY) / _YEAR_DAYS)
    # Clouds flatten the day: they shade it and keep the night's warmth in.
    swing_k = (1.5 + 3.5 * (1.0 - daily_cloud)) * np.cos(2 * np.pi * (solar_hour - _WARMEST_HOUR) / 24.0)
    jitter = ar1(rng, count=grid.count, rho=0.97, sigma=0.4)
    return Weather(outdoor_degc=np.round(season + spells + swing_k + jitter, 2), ghi_w_per_m2=np.round(ghi_w_per_m2, 1))


def _solar_time(grid: YearGrid, longitude_deg: float) -> tuple[Series, Series]:
    """Mean solar hour [0, 24) at the middle of the quarter hour, and the day of the year from 0, fractional."""
    # Fifteen degrees of longitude are an hour of the sun; the equation of time (a quarter hour at most) is left out.
    hours = grid.utc_hours() + 0.125 + longitude_deg / 15.0
    return hours % 24.0, (hours - grid.utc_hours()[0]) / 24.0


def _sin_elevation(day_of_year: Series, solar_hour: Series, latitude_deg: float) -> Series:
    """Sine of the sun's elevation; declination after Cooper (1969)."""
    declination, latitude = _declination(day_of_year), np.radians(latitude_deg)
    hour_angle = np.radians(15.0 * (solar_hour - 12.0))
    sine: Series = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    return sine


def _clear_w_per_m2(sin_elevation: Series) -> Series:
    # Below half a degree of elevation the quotient loses its meaning, and no module sees that light.
    above = np.maximum(sin_elevation, 0.01)
    return np.where(sin_elevation > 0.01, 1098.0 * sin_elevation * np.exp(-0.057 / above), 0.0)


@dataclass(frozen=True)
class Sky:
    """clear_w_per_m2: on the horizontal without a cloud. walls_w_per_m2: on walls to the south, east, north, west."""

    clear_w_per_m2: Series
    walls_w_per_m2: tuple[Series, Series, Series, Series]


def sky(grid: YearGrid, ghi_w_per_m2: Series, *, latitude_deg: float, longitude_deg: float) -> Sky:
    """Clear-sky irradiance of each quarter hour, and irradiance on upright windows, W/m2.

    The more of the clear sky's light arrives, the more of it is beam; half of the rest, and a tenth from the ground,
    reaches any wall.
    """
    solar_hour, day_of_year = _solar_time(grid, longitude_deg)
    sine = _sin_elevation(day_of_year, solar_hour, latitude_deg)
    clear = _clear_w_per_m2(sine)
    beam = 0.85 * np.clip(1.4 * ghi_w_per_m2 / np.maximum(clear, 1.0) - 0.4, 0.0, 1.0) * ghi_w_per_m2
    # The beam seen from above, turned upright; a sun lower than five degrees is behind the neighbours.
    level = np.where(sine > np.sin(np.radians(5.0)), beam / np.maximum(sine, 0.05), 0.0)
    hour_angle, latitude = np.radians(15.0 * (solar_hour - 12.0)), np.radians(latitude_deg)
    declination = _declination(day_of_year)
    west = np.cos(declination) * np.sin(hour_angle)
    south = np.sin(latitude) * np.cos(declination) * np.cos(hour_angle) - np.cos(latitude) * np.sin(declination)
    about = 0.5 * (ghi_w_per_m2 - beam) + 0.1 * ghi_w_per_m2
    to_south, to_east, to_north, to_west = (
        np.round(level * np.maximum(toward, 0.0) + about, 1) for toward in (south, -west, -south, west)
    )
    return Sky(clear_w_per_m2=clear, walls_w_per_m2=(to_south, to_east, to_north, to_west))


def _declination(day_of_year: Series) -> Series:
    found: Series = np.radians(23.45) * np.sin(2 * np.pi * (285.0 + day_of_year) / 365.0)
    return found
