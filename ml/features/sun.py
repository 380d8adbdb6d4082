"""The sun over a place and what it does to a tilted array: the home of pvlib, pure and vectorised.

Every step is cut into pieces of at most a quarter hour and looked at in their middles, so that an hour with a sunrise
in it has part of a sun. Angles in degrees, azimuths clockwise from north; irradiances in W/m2.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from ml.features.series import QUARTER, Index, Vector

Mask = npt.NDArray[np.bool_]
# Clouds next to the sun reflect: means of a quarter hour reach a fifth above the cloudless sky, hardly more.
MOST_INDEX = 1.2
# Below it (a sun of some two degrees) the quotient of two small numbers says nothing about clouds.
LEAST_CLEAR_W_PER_M2 = 20.0
_ALBEDO, _YEAR_DAYS = 0.2, 365.2425
# Fresh snow is ten times as high as its water; above this temperature of the air what falls is rain.
_SNOW_CM_PER_MM, _RAIN_DEGC = 1.0, 1.0


class Array(BaseModel):
    """A plane of modules behind one inverter.

    peak_kw: of the modules under standard test conditions (1000 W/m2, cells of 25 degC), less all losses but those of
    temperature, reflection and inverter; limit_kw: most that the inverter gives. tilt_deg: 0 lies flat, 90 stands
    upright; azimuth_deg: where it looks, 180 is south. power_per_k: crystalline silicon in PVWatts 5 (Dobos 2014).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tilt_deg: float = Field(ge=0, le=90)
    azimuth_deg: float = Field(ge=0, lt=360)
    peak_kw: float = Field(gt=0)
    limit_kw: float = Field(gt=0)
    power_per_k: float = -0.0035
    inverter_efficiency: float = Field(default=0.96, gt=0, le=1)


@dataclass(frozen=True)
class Sky:
    """The sun and the cloudless sky over one place. Arrays [steps × pieces of a step], taken in the pieces' middles."""

    elevation_deg: Vector
    azimuth_deg: Vector
    clear_w_per_m2: Vector
    extra_w_per_m2: Vector
    day_of_year: Vector

    @property
    def is_day(self) -> Mask:
        """[steps] the sun's centre stands above the horizon in the middle of some piece of the step."""
        above: Mask = self.elevation_deg.max(axis=1) > 0
        return above

    @property
    def clear_mean_w_per_m2(self) -> Vector:
        """[steps] mean global horizontal irradiance (GHI) of the cloudless sky."""
        mean: Vector = self.clear_w_per_m2.mean(axis=1)
        return mean

    def index_of(self, ghi_w_per_m2: Vector) -> Vector:
        """[steps] clear-sky index: GHI / GHI of the cloudless sky, 0 to MOST_INDEX; NaN by a low sun, or GHI unknown.

        Never irradiance times (100 - cloud cover): irradiance has its clouds in it already (resolution C1.7).
        """
        clear = self.clear_mean_w_per_m2
        index: Vector = np.full(len(clear), np.nan)
        np.divide(ghi_w_per_m2, clear, out=index, where=clear >= LEAST_CLEAR_W_PER_M2)
        return np.clip(index, 0.0, MOST_INDEX)

    def at(self, steps: Index | Mask) -> "Sky":
        """Some of the steps."""
        return replace(self, **{name: values[steps] for name, values in vars(self).items()})


def sky_over(latitude_deg: float, longitude_deg: float, start_utc: datetime, step: timedelta, steps: int) -> Sky:
    """The sun by the formulas of an almanac (within 0.02°), the cloudless sky after Ineichen and Perez (2002).

    Turbidity of the months and height above the sea are those of the maps that come with pvlib.
    """
    import pandas as pd
    from pvlib import atmosphere, clearsky, irradiance, solarposition

    pieces = max(1, step // QUARTER)
    times = pd.date_range(start_utc + step / pieces / 2, periods=steps * pieces, freq=step / pieces)
    height_m, turbidity = _air(round(latitude_deg, 2), round(longitude_deg, 2))
    pressure_pa = float(atmosphere.alt2pres(height_m))
    sun = solarposition.ephemeris(times, latitude_deg, longitude_deg, pressure_pa)
    apparent, zenith = (90.0 - sun[name].to_numpy() for name in ("apparent_elevation", "elevation"))
    unix = start_utc.timestamp() + step.total_seconds() / pieces * (np.arange(steps * pieces) + 0.5)
    day_of_year = (unix - datetime(start_utc.year, 1, 1, tzinfo=UTC).timestamp()) / 86_400.0 % _YEAR_DAYS
    extra = irradiance.get_extra_radiation(day_of_year + 1.0)
    # Below the horizon the formulas divide by zero; what they say there is not used.
    seen = np.minimum(apparent, 89.9)
    airmass = atmosphere.get_absolute_airmass(atmosphere.get_relative_airmass(seen), pressure_pa)
    murk = np.interp(day_of_year, (np.arange(12) + 0.5) * _YEAR_DAYS / 12, turbidity, period=_YEAR_DAYS)
    clear = clearsky.ineichen(seen, airmass, murk, altitude=height_m, dni_extra=extra)
    arrays = (90.0 - zenith, sun["azimuth"], np.where(zenith < 90.0, clear["ghi"], 0.0), extra, day_of_year + 1.0)
    return Sky(*(np.asarray(each, dtype=np.float64).reshape(steps, pieces) for each in arrays))


@lru_cache(maxsize=64)
def _air(latitude_deg: float, longitude_deg: float) -> tuple[float, Vector]:
    """Height above the sea in m, and Linke turbidity of the twelve months."""
    import pandas as pd
    from pvlib import clearsky, location

    months = pd.DatetimeIndex([datetime(2001, month, 15, tzinfo=UTC) for month in range(1, 13)])
    turbidity = clearsky.lookup_linke_turbidity(months, latitude_deg, longitude_deg, interp_turbidity=False)
    return float(location.lookup_altitude(latitude_deg, longitude_deg)), turbidity.to_numpy()


def index_of_clouds(cloud_cover_percent: Vector) -> Vector:
    """Clear-sky index where nothing but the cloud cover is known (Kasten and Czeplak 1980).

    Coarse: a thin veil and a thick deck are both 100 %. Whoever uses it says so.
    """
    index: Vector = 1.0 - 0.75 * (np.clip(cloud_cover_percent, 0.0, 100.0) / 100.0) ** 3.4
    return index


def plane_of_array(sky: Sky, index: Vector, tilt_deg: float, azimuth_deg: float) -> Vector:
    """Irradiance that enters modules of that plane, [steps × pieces]; the pieces of a step share its clouds.

    index: [steps] clear-sky index. Beam and diffuse light after Erbs (1982), on the plane after Hay and Davies (1980),
    reflection of the glass after De Soto (2006).
    """
    from pvlib import iam, irradiance

    zenith = 90.0 - sky.elevation_deg
    ghi = np.clip(index, 0.0, MOST_INDEX)[:, None] * sky.clear_w_per_m2
    split = irradiance.erbs(ghi, zenith, sky.day_of_year)
    cosine = np.clip(irradiance.aoi_projection(tilt_deg, azimuth_deg, zenith, sky.azimuth_deg), 0.0, 1.0)
    beam = split["dni"] * cosine * iam.physical(np.degrees(np.arccos(cosine)))
    diffuse = irradiance.haydavies(
        tilt_deg, azimuth_deg, split["dhi"], split["dni"], sky.extra_w_per_m2, zenith, sky.azimuth_deg
    )
    ground = irradiance.get_ground_diffuse(tilt_deg, ghi, _ALBEDO)
    return np.where(sky.elevation_deg > 0, beam + diffuse + ground, 0.0)


def array_kw(
    array: Array, sky: Sky, index: Vector, air_degc: Vector | float, wind_m_per_s: Vector | float = 1.0
) -> Vector:
    """[steps] mean AC power of the array in kW: 0 at night, never above the inverter's limit; NaN where index is.

    index, air_degc, wind_m_per_s: [steps]. Cells after Faiman (2008), modules and inverter after PVWatts 5.
    """
    from pvlib import inverter, pvsystem, temperature

    entering = plane_of_array(sky, index, array.tilt_deg, array.azimuth_deg)
    air, wind = (np.broadcast_to(each, len(index))[:, None] for each in (air_degc, wind_m_per_s))
    cell_degc = temperature.faiman(entering, air, wind)
    dc_kw = pvsystem.pvwatts_dc(entering, cell_degc, array.peak_kw, array.power_per_k)
    ac_kw = inverter.pvwatts(dc_kw, array.limit_kw / array.inverter_efficiency, eta_inv_nom=array.inverter_efficiency)
    mean: Vector = np.maximum(ac_kw, 0.0).mean(axis=1)
    return mean


def snow_cover(
    *,
    start_utc: datetime,
    step: timedelta,
    fallen_cm: Vector,
    entering_w_per_m2: Vector,
    air_degc: Vector,
    tilt_deg: float,
) -> Vector:
    """[steps] share of the modules under snow (Marion 2013): snowfall covers them, sun and warmth let it slide.

    All arrays [steps], without NaN; they begin with free modules.
    """
    import pandas as pd
    from pvlib import snow

    times = pd.date_range(start_utc, periods=len(fallen_cm), freq=step)
    fallen, sun, air = (pd.Series(each, index=times) for each in (fallen_cm, entering_w_per_m2, air_degc))
    return np.asarray(snow.coverage_nrel(fallen, sun, air, tilt_deg), dtype=np.float64)


def snowfall_cm(depth_m: Vector | None, precipitation_mm: Vector | None, air_degc: Vector) -> Vector | None:
    """[steps] fresh snow: by how much its depth grew, else what fell while it froze; None where neither is known.

    What is NaN counts as no snowfall.
    """
    if depth_m is not None:
        return np.maximum(np.nan_to_num(np.diff(depth_m, prepend=depth_m[:1])), 0.0) * 100.0
    if precipitation_mm is not None:
        return np.where(air_degc <= _RAIN_DEGC, np.nan_to_num(precipitation_mm), 0.0) * _SNOW_CM_PER_MM
    return None
