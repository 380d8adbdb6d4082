"""Calendar features of a step: known for all time."""

import numpy as np

from ml.features.feature import WEEK_DAYS, Availability, Feature, Rows
from ml.features.series import Vector

_YEAR_DAYS = 365.25
_OF = {
    "lead": "steps",
    "days_ahead": "d",
    "local_hour": "h",
    "day_sine": "1",
    "day_cosine": "1",
    "half_day_sine": "1",
    "half_day_cosine": "1",
    "weekday": "1 to 7",
    "hour_of_week": "h",
    "week_sine": "1",
    "week_cosine": "1",
    **{f"is_plain_weekday_{number}": "0 or 1" for number in range(1, WEEK_DAYS + 1)},
    "day_of_month": "d",
    "day_of_year": "d",
    "year_sine": "1",
    "year_cosine": "1",
    "half_year_sine": "1",
    "half_year_cosine": "1",
    "days_from_new_year": "d",
    "day_type": "code",
    "day_type_before": "code",
    "day_type_after": "code",
    "is_off": "0 or 1",
    "is_holiday": "0 or 1",
    "is_holiday_before": "0 or 1",
    "is_holiday_after": "0 or 1",
    "is_between_days_off": "0 or 1",
    "was_holiday_week_before": "0 or 1",
    "holidays_of_7_days": "d",
    "is_school_holiday": "0 or 1",
    "is_summer_time": "0 or 1",
}
FEATURES = tuple(Feature(name, unit, Availability.ALWAYS, "calendar of the site") for name, unit in _OF.items())


def columns(rows: Rows) -> dict[str, Vector]:
    """The columns of this group by name."""
    civil, step = rows.case.civil, rows.step
    hour = civil.minute[step] / 60
    weekday, kind = civil.weekday[step], civil.day_type[step]
    before, after = civil.day_type_before[step], civil.day_type_after[step]
    week_hour = 24.0 * (weekday - 1) + hour
    year_day = civil.day_of_year[step]
    # Of each day of the grid whether it is a holiday; the days next to its ends are as far as it says.
    first_steps = np.flatnonzero(np.diff(civil.day, prepend=civil.day[0] - 1) > 0)
    is_holiday = (civil.day_type[first_steps] == 2).astype(np.float64)
    near = np.convolve(is_holiday, np.ones(7), mode="full")[3 : 3 + len(is_holiday)]
    day = np.searchsorted(first_steps, step, side="right") - 1
    found = {
        "lead": rows.lead,
        "days_ahead": rows.newest_days,
        "local_hour": hour,
        **_waves("day", hour / 24),
        **_waves("half_day", hour / 12),
        "weekday": weekday,
        "hour_of_week": week_hour,
        **_waves("week", week_hour / 168),
        **{f"is_plain_weekday_{n}": (weekday == n) & (kind != 2) for n in range(1, WEEK_DAYS + 1)},
        "day_of_month": _day_of_month(rows)[day],
        "day_of_year": year_day,
        **_waves("year", year_day / _YEAR_DAYS),
        **_waves("half_year", 2 * year_day / _YEAR_DAYS),
        "days_from_new_year": np.minimum(year_day - 1, 366 - year_day),
        "day_type": kind,
        "day_type_before": before,
        "day_type_after": after,
        "is_off": kind > 0,
        "is_holiday": kind == 2,
        "is_holiday_before": before == 2,
        "is_holiday_after": after == 2,
        "is_between_days_off": (kind == 0) & (before > 0) & (after > 0),
        "was_holiday_week_before": np.where(day >= WEEK_DAYS, is_holiday[day - WEEK_DAYS], np.nan),
        "holidays_of_7_days": near[day],
        "is_school_holiday": civil.is_school_holiday[step],
        "is_summer_time": civil.offset[step] > civil.offset.min(),
    }
    return {name: np.asarray(column, dtype=np.float64) for name, column in found.items()}


def _waves(name: str, turns: Vector) -> dict[str, Vector]:
    angle = 2 * np.pi * turns
    return {f"{name}_sine": np.sin(angle), f"{name}_cosine": np.cos(angle)}


def _day_of_month(rows: Rows) -> Vector:
    """Of every day of the grid."""
    civil = rows.case.civil
    days = np.datetime64(civil.first_day) + np.arange(int(civil.day[-1]) + 1)
    month: Vector = ((days - days.astype("datetime64[M]")).astype(np.int64) + 1).astype(np.float64)
    return month
