"""The array behind a PV meter: figures of the site file, and the others fitted to the history."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Asset, Site
from ml.features.sun import Array, array_kw
from ml.forecasts.forecast_model import TooShort
from ml.forecasts.models.pv_window import Mask, PvWindow

# A clear noon is needed, and some days to tell one: less says nothing about where an array looks.
MIN_DAYS = 14
# So many days of a year tell a plane as well as all of them.
_FIT_DAYS, _CLEAREST_OF_DAYS = 120, 10
# Of the clearest days of each ten so many are clear indeed, in most places.
_CLEAR_SHARE = 0.8
# Nobody knows the inverter: much more than was ever seen is not forecast.
_ABOVE_SEEN = 1.1
_STEPS_DEG = (15.0, 8.0, 4.0, 2.0)
_RATINGS = ("peak_kw", "nameplate_kw")
_WITHIN_DEG = {"tilt_deg": 90, "azimuth_deg": 360}
_Scaled = Callable[[float, float], tuple[float, float]]


class StatedPlant(BaseModel):
    """Arrays behind one meter by the site file; None: not given there, fitted to the history."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tilt_deg: float | None = Field(default=None, ge=0, le=90)
    azimuth_deg: float | None = Field(default=None, ge=0, lt=360)
    peak_kw: float | None = Field(default=None, gt=0)


@dataclass(frozen=True)
class Plant:
    """An array, and which of its figures come from the history: names of fields of Array."""

    array: Array
    fitted: tuple[str, ...]

    @property
    def label(self) -> str:
        """In words, for the readers of a forecast."""
        one = self.array
        plane = f"tilt {one.tilt_deg:g}°, azimuth {one.azimuth_deg:g}°" if one.tilt_deg else "lies flat"
        return (
            f"PV array: {plane}, {one.peak_kw:.3g} kW after losses; fitted from the history: {', '.join(self.fitted)}"
        )


def stated_plant(site: Site, meter_id: str) -> StatedPlant | None:
    """Arrays by the site's assets of kind pv behind that meter; None where there is none, and so no PV to forecast.

    Several arrays count as one: their powers add up, a plane that they do not share is fitted. Raises BadInput for an
    angle that is none.
    """
    arrays = [asset for asset in site.assets if asset.kind == "pv" and asset.meter == meter_id]
    if not arrays:
        return None
    ratings = [next((one.numbers[name] for name in _RATINGS if one.numbers.get(name, 0.0) > 0), None) for one in arrays]
    known = [rating for rating in ratings if rating is not None]
    planes = {_plane_of(site, one) for one in arrays}
    tilt, azimuth = planes.pop() if len(planes) == 1 else (None, None)
    return StatedPlant(tilt_deg=tilt, azimuth_deg=azimuth, peak_kw=sum(known) if len(known) == len(ratings) else None)


def _plane_of(site: Site, asset: Asset) -> tuple[float | None, float | None]:
    for name, end in _WITHIN_DEG.items():
        given = asset.params.get(name)
        if name in asset.params and not 0 <= asset.numbers.get(name, -1.0) <= end:
            of = f"site {site.site_id}, asset {asset.asset_id!r}"
            raise BadInput(
                f"{of}: {name} is {given!r}, expected a number from 0 to {end}",
                reason="bad_asset",
                mend="tilt_deg: 0 lies flat, 90 stands upright; azimuth_deg: 90 is east, 180 south, 270 west",
            )
    azimuth = asset.numbers.get("azimuth_deg")
    return asset.numbers.get("tilt_deg"), None if azimuth is None else azimuth % 360.0


def fit_plant(given: StatedPlant, seen: PvWindow) -> Plant:
    """The array whose power is nearest to the measured one, least squares over daylight.

    Where the weather tells no clouds, the clearest day of each ten is compared with a cloudless sky, each day by its
    form alone: how clear it was nobody knows, and the clearest of them tell the size. peak_kw after losses is always
    fitted (what dirt, cables and age take, nobody writes down), the plane where it is not given.
    Raises TooShort under MIN_DAYS days of daylight.
    """
    rows, has_weather = _rows_to_fit(seen)
    # Days that share a scale: all of them where their clouds are known, else each its own.
    _, day = np.unique(
        np.flatnonzero(rows) // (len(rows) if has_weather else seen.case.series.per_day), return_inverse=True
    )
    sky, power = seen.sky.at(rows), seen.measured_kw[rows]
    index, air, wind = np.nan_to_num(seen.weather_index[rows], nan=1.0), seen.air_degc[rows], seen.wind_m_per_s[rows]
    # Not the highest: one bad reading in a thousand must not make the inverter larger.
    most_kw = float(np.quantile(seen.measured_kw[seen.is_known], 0.999))
    if most_kw <= 0:
        raise TooShort("the PV meter has measured nothing above zero")
    limit_kw = max(given.peak_kw or _ABOVE_SEEN * most_kw, most_kw)

    def scaled(tilt: float, azimuth: float) -> tuple[float, float]:
        """Squared error and peak_kw of that plane."""
        # An inverter that suits it: a far larger one would be poor at what little load it has.
        one = Array(tilt_deg=tilt, azimuth_deg=azimuth % 360.0, peak_kw=1.0, limit_kw=1.2)
        per_kw = array_kw(one, sky, index, air, wind)
        scale = np.bincount(day, per_kw * power) / np.maximum(np.bincount(day, per_kw**2), 1e-9)
        return float(np.sum((scale[day] * per_kw - power) ** 2)), float(np.quantile(scale, _CLEAR_SHARE))

    tilt, azimuth = _plane(given, scaled)
    array = Array(
        tilt_deg=tilt, azimuth_deg=azimuth, peak_kw=max(scaled(tilt, azimuth)[1], 1e-3 * most_kw), limit_kw=limit_kw
    )
    figures = {"tilt_deg": given.tilt_deg, "azimuth_deg": given.azimuth_deg, "peak_kw": None, "limit_kw": given.peak_kw}
    return Plant(array, tuple(name for name, value in figures.items() if value is None))


def _plane(given: StatedPlant, scaled: _Scaled) -> tuple[float, float]:
    """Tilt and azimuth of the least squared error: a coarse look all around, then ever smaller steps to all sides."""
    tilts = [given.tilt_deg] if given.tilt_deg is not None else [0.0, 15.0, 30.0, 45.0, 60.0, 90.0]
    azimuths = [given.azimuth_deg] if given.azimuth_deg is not None else [30.0 * n for n in range(12)]
    tried = {(tilt, azimuth): scaled(tilt, azimuth)[0] for tilt in tilts for azimuth in azimuths}
    best = min(tried, key=lambda plane: tried[plane])
    for by in _STEPS_DEG:
        moves = (-by, 0.0, by)
        for tilt in [best[0]] if given.tilt_deg is not None else [min(max(best[0] + m, 0.0), 90.0) for m in moves]:
            for azimuth in azimuths if given.azimuth_deg is not None else [(best[1] + m) % 360.0 for m in moves]:
                if (tilt, azimuth) not in tried:
                    tried[tilt, azimuth] = scaled(tilt, azimuth)[0]
        best = min(tried, key=lambda plane: tried[plane])
    return best


def _rows_to_fit(seen: PvWindow) -> tuple[Mask, bool]:
    """Daylight of some days, and whether clouds are known: then evenly of all, else the clearest of each ten."""
    per_day = seen.case.series.per_day
    known = seen.is_known
    day = np.arange(len(known)) // per_day
    whole = np.bincount(day, known) >= 0.9 * np.bincount(day, seen.sky.is_day)
    days = np.flatnonzero(whole & (np.bincount(day, known) > 0))
    if len(days) < MIN_DAYS:
        raise TooShort(f"{len(days)} whole days of daylight are known; {MIN_DAYS} are needed to fit a PV array")
    with_clouds = known & ~np.isnan(seen.weather_index)
    if with_clouds.sum() >= 0.5 * known.sum():
        chosen = days[:: max(1, len(days) // _FIT_DAYS)]
        return with_clouds & np.isin(day, chosen), True
    energy = np.bincount(day, np.where(known, seen.measured_kw, 0.0))
    stretches = np.array_split(days, max(1, len(days) // _CLEAREST_OF_DAYS))
    return known & np.isin(day, [stretch[np.argmax(energy[stretch])] for stretch in stretches]), False
