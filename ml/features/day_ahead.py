"""Features of one hour ahead, built from what has ended at the instant of issue and from the calendar.

A column of hour t at origin o looks at hours before o only: the newest same hour that is known lies
24 · ceil(h / 24) hours before t, where h = t − o + 1 is the lead.
"""

import numpy as np
import numpy.typing as npt

from ml.features.hourly import Calendar, Hours, Vector

Index = npt.NDArray[np.int64]
DAY, WEEK = 24, 168
FEATURES = (
    "lead_h",
    "local_hour",
    "weekday",
    "day_of_year",
    "day_type",
    "day_type_before",
    "day_type_after",
    "same_hour_newest",
    "same_hour_second",
    "same_hour_week",
    "same_hour_two_weeks",
    "same_hour_mean_4_weeks",
    "last_hour",
    "mean_24_h",
    "min_24_h",
    "max_24_h",
    "mean_168_h",
    "mean_24_h_week_before",
    "temperature_mean_24_h_degc",
    "temperature_same_hour_newest_degc",
)
# Columns in the stream's own unit: divided by the level, so that a model survives a load that grew.
LEVELLED = tuple(FEATURES.index(name) for name in FEATURES if name.startswith(("same_hour", "last", "m")))


def feature_matrix(hours: Hours, calendar: Calendar, origins: Index, horizon_h: int) -> tuple[Vector, Vector, Index]:
    """Features, level and hour index for every origin and lead.

    origins: indices of the first hour ahead; hours at or after an origin are not looked at for it. calendar: of the
    same grid, long enough for the last origin + horizon_h. Returns the matrix (len(origins) · horizon_h rows ×
    FEATURES, NaN where unknown), the level of each row (mean size of the week before the origin, in the stream's
    unit; NaN where nothing is known of it) and the index of the hour that each row is about.
    """
    lead = np.tile(np.arange(1, horizon_h + 1), len(origins))
    origin = np.repeat(origins, horizon_h)
    hour = origin + lead - 1
    # Rounded up: beyond 24 hours ahead the same hour of yesterday has not ended at the origin.
    newest = hour - DAY * -(-lead // DAY)
    value, degc = hours.values, hours.temperature_degc
    weeks = np.stack([_at(value, hour - WEEK * back, origin) for back in (1, 2, 3, 4)])
    size = _window_mean(np.abs(value), origins, WEEK)
    # A week of nothing has no size to divide by: shares are then amounts.
    level = np.repeat(np.where(size == 0, 1.0, size), horizon_h)
    low, high = _window_extremes(value, origins)
    columns = [
        lead,
        calendar.hour[hour],
        calendar.weekday[hour],
        calendar.day_of_year[hour],
        calendar.day_type[hour],
        calendar.day_type_before[hour],
        calendar.day_type_after[hour],
        _at(value, newest, origin),
        _at(value, newest - DAY, origin),
        weeks[0],
        weeks[1],
        _mean_of_known(weeks),
        _at(value, origin - 1, origin),
        np.repeat(_window_mean(value, origins, DAY), horizon_h),
        np.repeat(low, horizon_h),
        np.repeat(high, horizon_h),
        np.repeat(_window_mean(value, origins, WEEK), horizon_h),
        np.repeat(_window_mean(value, origins - WEEK, DAY), horizon_h),
        np.repeat(_window_mean(degc, origins, DAY), horizon_h),
        _at(degc, newest, origin),
    ]
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns]), level, hour


def _at(values: Vector, index: Index, origin: Index) -> Vector:
    """values[index], NaN before the start and at or after the origin or the end."""
    # The one guard against looking ahead: every column of the past comes through here.
    is_known = (index >= 0) & (index < origin) & (index < len(values))
    found: Vector = np.full(len(index), np.nan)
    found[is_known] = values[index[is_known]]
    return found


def _window(values: Vector, ends: Index, length: int) -> Vector:
    """One row per end: the `length` values before it, NaN where there is none."""
    position = ends[:, None] - np.arange(length, 0, -1)[None, :]
    return _at(values, position.ravel(), np.repeat(ends, length)).reshape(len(ends), length)


def _window_mean(values: Vector, ends: Index, length: int) -> Vector:
    return _mean_of_known(_window(values, ends, length).T)


def _window_extremes(values: Vector, ends: Index) -> tuple[Vector, Vector]:
    window = _window(values, ends, DAY)
    is_gap = np.isnan(window)
    nothing = is_gap.all(axis=1)
    # Not nanmin, which warns where the whole window is a gap.
    low = np.where(nothing, np.nan, np.where(is_gap, np.inf, window).min(axis=1))
    high = np.where(nothing, np.nan, np.where(is_gap, -np.inf, window).max(axis=1))
    return low, high


def _mean_of_known(stacked: Vector) -> Vector:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = np.sum(~np.isnan(stacked), axis=0)
    total = np.nansum(stacked, axis=0)
    mean: Vector = np.full(known.shape, np.nan)
    np.divide(total, known, out=mean, where=known > 0)
    return mean
