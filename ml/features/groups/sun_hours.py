"""Position of the sun over the site, irradiance of a cloudless sky, and the share that the clouds let through."""

import numpy as np

from ml.features.feature import Availability, Feature, Rows
from ml.features.series import Index, Vector
from ml.features.sun import Sky, index_of_clouds, sky_over

_ALWAYS = {
    "sun_elevation_deg": "deg",
    "sun_azimuth_deg": "deg",
    "daylight_share": "0 to 1",
    "ghi_clear_w_per_m2": "W/m2",
    "ghi_clear_mean_24_h_w_per_m2": "W/m2",
    "day_length_h": "h",
}
_PAST = {"clear_sky_index_last_day": 1, "clear_sky_index_last_week": 7}
FEATURES = (
    *(Feature(name, unit, Availability.ALWAYS, "sun over the site") for name, unit in _ALWAYS.items()),
    Feature("clear_sky_index", "0 to 1.2", Availability.AS_ISSUED, "weather and sun"),
    *(Feature(name, "0 to 1.2", Availability.PAST, "weather and sun") for name in _PAST),
)


def columns(rows: Rows) -> dict[str, Vector]:
    """The columns of this group by name; NaN throughout where nobody knows where the site is."""
    case, place = rows.case, rows.case.place
    if place is None:
        return {feature.name: np.full(len(rows.step), np.nan) for feature in FEATURES}
    day, step = case.series.per_day, rows.step
    # A day before the first row for means, a week before the first origin for its clouds: the sun once per grid.
    first = int(min(step.min() - day // 2, rows.origins.min() - max(_PAST.values()) * day))
    last = int(step.max()) + day // 2 + 1
    start = case.series.time(first)
    sky = sky_over(place.latitude_deg, place.longitude_deg, start, case.series.step, last - first)
    at = step - first
    clear = sky.clear_mean_w_per_m2
    daylight = (sky.elevation_deg > 0).mean(axis=1)
    around = {"ghi_clear_mean_24_h_w_per_m2": clear, "day_length_h": 24.0 * daylight}
    index = sky.at(at).index_of(_ghi(rows, step, rows.origin, clear[at]))
    return {
        "sun_elevation_deg": sky.elevation_deg.mean(axis=1)[at],
        "sun_azimuth_deg": sky.azimuth_deg[at, sky.azimuth_deg.shape[1] // 2],
        "daylight_share": daylight[at],
        "ghi_clear_w_per_m2": clear[at],
        **{name: _mean_around(values, day)[at] for name, values in around.items()},
        "clear_sky_index": index,
        **{name: rows.per_row(_past_index(rows, sky, first, days)) for name, days in _PAST.items()},
    }


def _ghi(rows: Rows, step: Index, origin: Index, clear: Vector) -> Vector:
    """GHI as known at the origins; where it is not told, what the cloud cover lets through; NaN where neither is."""
    weather = dict(zip(rows.case.weather.names, rows.case.weather.at(step, origin).T, strict=True))
    unknown = np.full(len(step), np.nan)
    ghi = weather.get("ghi_w_per_m2", unknown)
    clouds = weather.get("cloud_cover_percent", unknown)
    return np.where(np.isnan(ghi), index_of_clouds(clouds) * clear, ghi)


def _past_index(rows: Rows, sky: Sky, first: int, days: int) -> Vector:
    """Per origin: GHI / cloudless GHI, both summed over the days before it; NaN where little of them is known."""
    back = np.arange(days * rows.case.series.per_day, 0, -1)
    step = rows.origins[:, None] - back[None, :]
    clear = sky.clear_mean_w_per_m2[step - first]
    ghi = _ghi(rows, step.ravel(), np.repeat(rows.origins, len(back)), clear.ravel()).reshape(step.shape)
    known = ~np.isnan(ghi)
    could = np.where(known, clear, 0.0).sum(axis=1)
    index: Vector = np.full(len(rows.origins), np.nan)
    is_enough = (could > 0) & (could >= 0.5 * clear.sum(axis=1))
    np.divide(np.where(known, ghi, 0.0).sum(axis=1), could, out=index, where=is_enough)
    return index


def _mean_around(values: Vector, day: int) -> Vector:
    """Mean of the day around each step; at the ends of what there is."""
    ones = np.ones(day)
    mean: Vector = np.asarray(np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same"))
    return mean
