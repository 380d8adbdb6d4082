"""What the series itself did before the issue, by local clock: lags, windows and means of like hours."""

import numpy as np

from ml.features.feature import WEEK_DAYS, Feature, Known, Rows, mean_of_known
from ml.features.series import Vector

_NAMES = (
    "same_hour_newest",
    "same_hour_second",
    "same_hour_week",
    "same_hour_two_weeks",
    "same_hour_mean_4_weeks",
    "last_step",
    "mean_1_day",
    "min_1_day",
    "max_1_day",
    "mean_7_days",
    "mean_1_day_week_before",
)
FEATURES = tuple(Feature(name, "series", Known.PAST, "the series") for name in _NAMES)


def columns(rows: Rows) -> dict[str, Vector]:
    """The columns of this group by name."""
    day = rows.case.series.per_day
    weeks = np.stack([rows.same_clock(WEEK_DAYS * back) for back in (1, 2, 3, 4)])
    low, high = _extremes(rows.window(day))
    return {
        "same_hour_newest": rows.same_clock(rows.newest_days),
        "same_hour_second": rows.same_clock(rows.newest_days + 1),
        "same_hour_week": weeks[0],
        "same_hour_two_weeks": weeks[1],
        "same_hour_mean_4_weeks": mean_of_known(weeks),
        "last_step": rows.per_row(rows.window(1)[:, 0]),
        "mean_1_day": rows.per_row(mean_of_known(rows.window(day).T)),
        "min_1_day": rows.per_row(low),
        "max_1_day": rows.per_row(high),
        "mean_7_days": rows.per_row(mean_of_known(rows.window(WEEK_DAYS * day).T)),
        "mean_1_day_week_before": rows.per_row(mean_of_known(rows.window(day, back=WEEK_DAYS * day).T)),
    }


def _extremes(window: Vector) -> tuple[Vector, Vector]:
    is_gap = np.isnan(window)
    nothing = is_gap.all(axis=1)
    # Not nanmin, which warns where the whole window is a gap.
    low = np.where(nothing, np.nan, np.where(is_gap, np.inf, window).min(axis=1))
    high = np.where(nothing, np.nan, np.where(is_gap, -np.inf, window).max(axis=1))
    return low, high
