"""A gain that creeps away over weeks, alike in all hours of the day: a meter that drifts, not a change of use."""

import numpy as np

from ml.anomalies.day_grid import HOURS, Mask, Matrix, median_of
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Past
from ml.features.series import Vector

FEWEST_HOURS, FEWEST_DAYS, LAST_DAYS, REFERENCE_DAYS = 12, 10, 3, 28
LEAST_SPREAD = 0.01


def drift_marks(past: Past, day: int, params: DetectorParams) -> list[Mark]:
    """One mark of kind `drift` from the day on which the gain began to move, by a line through the last two weeks."""
    first = day - params.drift_days - REFERENCE_DAYS
    if first < 0:
        return []
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.where(past.unmarked[first : day + 1] > 0, np.log(past.unmarked[first : day + 1]), np.nan)
    gains = _gains(logs, past.grid.is_off[first : day + 1], REFERENCE_DAYS)
    daily = _daily(gains)
    lately, before = daily[-params.drift_days :], daily[: REFERENCE_DAYS + 1]
    profile = median_of(gains[-LAST_DAYS:], axis=0)
    gain = float(median_of(profile, axis=0))
    place = np.flatnonzero(np.isfinite(lately))
    if len(place) < FEWEST_DAYS or not np.isfinite(lately[-2:]).any() or not abs(gain) >= params.drift_ratio:
        return []
    slope, level = np.polyfit(place, lately[place], 1)
    fit = float(np.corrcoef(place, lately[place])[0, 1]) * np.sign(gain)
    spread = float(np.nanquantile(np.abs(profile - gain), 0.75)) / abs(gain)
    z = abs(gain) / max(float(np.nanstd(before)), LEAST_SPREAD)
    if fit < params.drift_fit or spread > params.drift_spread or z < params.drift_z * params.caution:
        return []
    # Where the line crosses what was usual.
    begun = int(np.clip(round(-level / slope), 0, params.drift_days - 1))
    at = day - params.drift_days + 1 + begun
    return [Mark("drift", at * HOURS, (day + 1) * HOURS, z / (params.drift_z * params.caution))]


def _gains(logs: Matrix, is_off: Mask, reference: int) -> Matrix:
    """Log of each hour over the median of the same hour of the same type of day in the first `reference` days."""
    gains = np.full_like(logs, np.nan)
    for off in (False, True):
        of_type = logs[:reference][is_off[:reference] == off]
        if len(of_type):
            gains[is_off == off] = logs[is_off == off] - median_of(of_type, axis=0)
    return gains


def _daily(gains: Matrix) -> Vector:
    """Median gain of each day; NaN for a day with few hours."""
    found = median_of(gains, axis=1)
    found[np.isfinite(gains).sum(axis=1) < FEWEST_HOURS] = np.nan
    return found
