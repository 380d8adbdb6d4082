"""Inputs of a PV forecast: sun, clouds, air and snow of consecutive steps, each as known at its origin."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from data_quality.contracts.units import Behaviour, unit_of
from ml.features.forecast_case import Case
from ml.features.series import HOUR, Index, Vector
from ml.features.sun import MOST_INDEX, Array, Sky, array_kw, index_of_clouds, plane_of_array, sky_over, snow_cover
from ml.features.sun import snowfall_cm as fallen
from ml.forecasts.forecast_model import TooShort

Mask = npt.NDArray[np.bool_]
# Where no temperature is known: a mild day's. Ten kelvin more or less are four per cent of the power.
_AIR_DEGC, _WIND_M_PER_S = 15.0, 1.0
RECENT_DAYS = 7
# Power of so many hours of a cloudless noon has to be known before a week says how cloudy it was.
_LEAST_NOON_HOURS = 3.0


@dataclass(frozen=True)
class PvWindow:
    """Consecutive steps from `first` on: arrays of one length.

    origin: of each step, the newest origin at or before it; steps before the first origin are history, as known then.
    measured_kw: NaN where unknown. weather_index: clear-sky index by the weather, by a low sun that of the nearest
    known step; NaN by day where no weather tells it. snow_cm: fresh snow, None where the weather knows of none.
    """

    case: Case
    first: int
    origins: Index
    origin: Index
    sky: Sky
    measured_kw: Vector
    weather_index: Vector
    is_from_cloud_cover: bool
    air_degc: Vector
    wind_m_per_s: Vector
    snow_cm: Vector | None

    @property
    def is_ahead(self) -> Mask:
        """Steps at or after the first origin."""
        ahead: Mask = np.arange(self.first, self.first + len(self.origin)) >= self.origins[0]
        return ahead

    @property
    def ahead(self) -> slice:
        """The steps of the last origin."""
        return slice(int(self.origins[-1]) - self.first, None)

    @property
    def is_known(self) -> Mask:
        """Steps by day with a measured power."""
        return self.sky.is_day & ~np.isnan(self.measured_kw)

    def clear_kw(self, array: Array) -> Vector:
        """Power under a cloudless sky."""
        return array_kw(array, self.sky, np.ones(len(self.weather_index)), self.air_degc, self.wind_m_per_s)

    def weather_kw(self, array: Array) -> Vector:
        """Power under the clouds by the weather, less the share under snow; NaN by day where it has none."""
        power = array_kw(array, self.sky, self.weather_index, self.air_degc, self.wind_m_per_s)
        covered = self.covered(array.tilt_deg)
        return power if covered is None else power * (1.0 - covered)

    def covered(self, tilt_deg: float) -> Vector | None:
        """Share of the modules under snow; None where the weather knows of no snow."""
        if self.snow_cm is None:
            return None
        # South or not: what makes snow slide is light at all.
        light = plane_of_array(self.sky, np.nan_to_num(self.weather_index, nan=0.5), tilt_deg, 180.0).mean(axis=1)
        return snow_cover(
            start_utc=self.case.series.time(self.first),
            step=self.case.series.step,
            fallen_cm=self.snow_cm,
            entering_w_per_m2=light,
            air_degc=self.air_degc,
            tilt_deg=tilt_deg,
        )

    def recent_index(self, clear_kw: Vector, days: int) -> Vector:
        """Per step: measured power / power under a cloudless sky, both summed over the days before the step's origin.

        NaN where too little of those days is known.
        """
        known = self.is_known & (clear_kw > 0)
        made, could = (
            np.concatenate([[0.0], np.cumsum(np.where(known, each, 0.0))]) for each in (self.measured_kw, clear_kw)
        )
        end = np.clip(self.origin - self.first, 0, len(known))
        start = np.maximum(end - days * self.case.series.per_day, 0)
        base = could[end] - could[start]
        index: Vector = np.full(len(end), np.nan)
        least = _LEAST_NOON_HOURS * float(np.max(clear_kw, initial=0.0)) * (HOUR / self.case.series.step)
        np.divide(made[end] - made[start], base, out=index, where=base > least)
        return np.clip(index, 0.0, MOST_INDEX)


def kw_per_unit(unit: str, step: timedelta) -> float:
    """Factor from a value of that unit and step to kW. Raises TooShort for a series that is no electric power."""
    if unit not in {"kwh", "kw"}:
        raise TooShort(f"a PV forecast needs energy or power, not {unit}")
    return HOUR / step if unit_of(unit).behaviour is Behaviour.AMOUNT else 1.0


def look(case: Case, *, first: int, origins: Index, horizon: int) -> PvWindow:
    """From step `first` to `horizon` steps past the last origin. Raises TooShort where nobody knows where the site is.

    Origins ascend; each step is seen as known at its own one.
    """
    series, place = case.series, case.place
    if place is None:
        raise TooShort("the site file has no latitude_deg and longitude_deg: the sun over it is not known")
    first = max(first, 0)
    step = np.arange(first, int(origins[-1]) + horizon)
    origin = origins[np.maximum(np.searchsorted(origins, step, side="right") - 1, 0)]
    sky = sky_over(place.latitude_deg, place.longitude_deg, series.time(first), series.step, len(step))
    measured: Vector = np.full(len(step), np.nan)
    inside = series.values[first : step[-1] + 1]
    measured[: len(inside)] = inside * kw_per_unit(series.unit, series.step)
    weather = dict(zip(case.weather.names, case.weather.at(step, origin).T, strict=True))
    by_weather, by_clouds = _clear_sky_index(sky, weather)
    air = _known_or(weather.get("temperature_degc"), _AIR_DEGC, len(step))
    depth, rain = weather.get("snow_depth_m"), weather.get("precipitation_mm")
    if "temperature_degc" not in weather:
        rain = None
    return PvWindow(
        case=case,
        first=first,
        origins=origins,
        origin=origin,
        sky=sky,
        measured_kw=measured,
        weather_index=by_weather,
        is_from_cloud_cover=by_clouds,
        air_degc=air,
        wind_m_per_s=_known_or(weather.get("wind_speed_m_per_s"), _WIND_M_PER_S, len(step)),
        snow_cm=fallen(depth, rain, air),
    )


def _clear_sky_index(sky: Sky, weather: dict[str, Vector]) -> tuple[Vector, bool]:
    nothing: Vector = np.full(len(sky.is_day), np.nan)
    ghi, clouds = weather.get("ghi_w_per_m2", nothing), weather.get("cloud_cover_percent", nothing)
    by_clouds = bool(np.isnan(ghi).all() and not np.isnan(clouds).all())
    index = np.where(np.isnan(ghi), index_of_clouds(clouds), sky.index_of(ghi))
    # A low sun says nothing of clouds: those of the step nearest in time stand for them. So does a night, as 0 kW.
    is_gap = np.isnan(index) & (~np.isnan(ghi) | ~sky.is_day)
    known = np.flatnonzero(~np.isnan(index))
    if len(known) and is_gap.any():
        index[is_gap] = np.interp(np.flatnonzero(is_gap), known, index[known])
    return np.where(sky.is_day | ~np.isnan(index), index, 0.0), by_clouds


def _known_or(values: Vector | None, otherwise: float, length: int) -> Vector:
    if values is None:
        return np.full(length, otherwise)
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return np.full(length, otherwise)
    filled: Vector = np.interp(np.arange(length), known, values[known])
    return filled
