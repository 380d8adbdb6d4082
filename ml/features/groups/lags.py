"""Lag features of a series before the issue, by local clock: lags, windows, days alike, and their recent misses.

A day is like another where both are workdays, Saturdays, or Sundays and holidays: a Monday is forecast from a Friday.
"""

import numpy as np

from ml.features.feature import WEEK_DAYS, Availability, Feature, Rows, mean_of_known
from ml.features.series import Index, Vector

# Days back from the newest known same hour, and whole days back from the step itself.
_FROM_NEWEST = {"newest": 0, "second": 1, "third": 2, "fourth": 3}
_DAYS = {"6_days": 6, "week": 7, "8_days": 8, "9_days": 9, "two_weeks": 14, "three_weeks": 21, "four_weeks": 28}
_YEAR_DAYS = 364
_MEANS_DAYS = {"1_day": 1, "2_days": 2, "7_days": 7, "28_days": 28}
# Five days alike within as many weeks, the newest weighing most: what a change of use needs to be seen, and no fewer.
_ALIKE, _ALIKE_WITHIN_DAYS, _ALIKE_DECAY = 5, 36, 0.7
_SERIES = (
    *(f"same_hour_{name}" for name in (*_FROM_NEWEST, *_DAYS)),
    *(f"same_hour_{what}_4_weeks" for what in ("mean", "median", "spread")),
    *("days_alike_weighted", "days_alike_mean"),
    *("last_step", "last_3_h", "last_6_h"),
    *(f"mean_{name}" for name in _MEANS_DAYS),
    *(f"{what}_1_day" for what in ("min", "max", "spread")),
    *("min_7_days", "max_7_days", "mean_1_day_week_before", "mean_1_day_8_days_before", "mean_7_days_week_before"),
    *("same_hour_mean_3_days", "same_hour_mean_7_days"),
    *(f"missed_{by}_{when}" for by in ("week", "4_weeks", "alike") for when in ("same_hour", "1_day")),
    *("missed_week_3_days", "missed_alike_3_days", "missed_alike_last_3_h", "missed_alike_last_6_h"),
)
_SHARES = ("year_before_same_hour_share", "year_before_day_share", "year_before_week_ahead_share", "trend_7_to_28_days")
FEATURES = (
    *(Feature(name, "series", Availability.PAST, "the series") for name in _SERIES),
    *(Feature(name, "1", Availability.PAST, "the series") for name in _SHARES),
)


def columns(rows: Rows) -> dict[str, Vector]:
    """The columns of this group by name."""
    day = rows.case.series.per_day
    weeks = np.stack([rows.same_clock(WEEK_DAYS * back) for back in (1, 2, 3, 4)])
    lags = {name: rows.same_clock(rows.newest_days + more) for name, more in _FROM_NEWEST.items()}
    lags |= {name: rows.same_clock(days) for name, days in _DAYS.items()}
    weighted, plain = _days_alike(rows)
    # One window that all others are the ends of: newest step last.
    month = rows.window(28 * day)
    means = {name: mean_of_known(month[:, -days * day :].T) for name, days in _MEANS_DAYS.items()}
    low, high = _extremes(month[:, -day:])
    low_week, high_week = _extremes(month[:, -WEEK_DAYS * day :])
    by_origin = {
        "last_step": month[:, -1],
        "last_3_h": mean_of_known(month[:, -max(3 * day // 24, 1) :].T),
        "last_6_h": mean_of_known(month[:, -max(6 * day // 24, 1) :].T),
        **{f"mean_{name}": mean for name, mean in means.items()},
        "min_1_day": low,
        "max_1_day": high,
        "spread_1_day": high - low,
        "min_7_days": low_week,
        "max_7_days": high_week,
        "mean_1_day_week_before": mean_of_known(month[:, -8 * day : -7 * day].T),
        "mean_1_day_8_days_before": mean_of_known(month[:, -9 * day : -8 * day].T),
        "mean_7_days_week_before": mean_of_known(month[:, -14 * day : -7 * day].T),
        "trend_7_to_28_days": _ratio(means["7_days"], means["28_days"]),
    }
    newest = [rows.same_clock(rows.newest_days + more) for more in range(WEEK_DAYS)]
    middle, spread = _median_and_spread(weeks)
    return {
        **{f"same_hour_{name}": lag for name, lag in lags.items()},
        "same_hour_mean_4_weeks": mean_of_known(weeks),
        "same_hour_median_4_weeks": middle,
        "same_hour_spread_4_weeks": spread,
        "same_hour_mean_3_days": mean_of_known(np.stack(newest[:3])),
        "same_hour_mean_7_days": mean_of_known(np.stack(newest)),
        "days_alike_weighted": weighted,
        "days_alike_mean": plain,
        **{name: rows.per_row(value) for name, value in by_origin.items()},
        **_missed(rows),
        **_year_before(rows),
    }


def _days_alike(rows: Rows) -> tuple[Vector, Vector]:
    """Weighted and plain mean of the same local time on the newest days alike that the origin knows."""
    civil = rows.case.civil
    kind = np.where(civil.day_type == 0, 0, np.where((civil.day_type == 2) | (civil.weekday == WEEK_DAYS), 2, 1))
    at = civil.same_clock(rows.step, np.arange(1, _ALIKE_WITHIN_DAYS + 1)[:, None])
    value = rows.value(at)
    fits = ~np.isnan(value) & (kind[np.maximum(at, 0)] == kind[rows.step])
    # The newest that fits is number 0.
    number = np.cumsum(fits, axis=0) - 1
    fits &= number < _ALIKE
    value[~fits] = 0.0
    share = np.where(fits, _ALIKE_DECAY ** np.arange(_ALIKE_WITHIN_DAYS + 1)[number], 0.0)
    return _ratio((share * value).sum(axis=0), share.sum(axis=0)), _ratio(value.sum(axis=0), fits.sum(axis=0))


def _missed(rows: Rows) -> dict[str, Vector]:
    """Errors of simple rules on the days before the origin: how today differs from the usual."""
    day = rows.case.series.per_day
    errors: dict[str, list[Vector]] = {"week": [], "4_weeks": [], "alike": []}
    for back in (1, 2, 3):
        # The rules as of that many days before the origin.
        past = Rows(rows.case, rows.origins - back * day, day)
        actual = rows.window(day, back=(back - 1) * day)
        weeks = np.stack([past.same_clock(WEEK_DAYS * week) for week in (1, 2, 3, 4)])
        for name, rule in (("week", weeks[0]), ("4_weeks", mean_of_known(weeks)), ("alike", _days_alike(past)[0])):
            errors[name].append(actual - rule.reshape(actual.shape))
    lead = (rows.lead[: rows.horizon] - 1) % day
    found = {f"missed_{name}_same_hour": each[0][:, lead].ravel() for name, each in errors.items()}
    by_day = {name: [mean_of_known(error.T) for error in each] for name, each in errors.items()}
    found |= {f"missed_{name}_1_day": rows.per_row(each[0]) for name, each in by_day.items()}
    for name in ("week", "alike"):
        found[f"missed_{name}_3_days"] = rows.per_row(mean_of_known(np.stack(by_day[name])))
    for hours in (3, 6):
        last = errors["alike"][0][:, -max(hours * day // 24, 1) :]
        found[f"missed_alike_last_{hours}_h"] = rows.per_row(mean_of_known(last.T))
    return found


def _year_before(rows: Rows) -> dict[str, Vector]:
    """The same days of 52 weeks ago, as shares of the week that led up to them: how the year goes on from here."""
    day = rows.case.series.per_day
    back = _YEAR_DAYS * day
    before = mean_of_known(np.abs(rows.window(WEEK_DAYS * day, back=back)).T)
    # Seven days of a year ago that follow the origin's day: long past, so known.
    week = mean_of_known(rows.window(WEEK_DAYS * day, back=back - WEEK_DAYS * day).T)
    first = mean_of_known(rows.window(day, back=back - day).T)
    hours = np.stack([rows.same_clock(_YEAR_DAYS + WEEK_DAYS * week) for week in (-1, 0, 1)])
    return {
        "year_before_same_hour_share": _ratio(mean_of_known(hours), rows.per_row(before)),
        "year_before_day_share": rows.per_row(_ratio(first, before)),
        "year_before_week_ahead_share": rows.per_row(_ratio(week, before)),
    }


def _ratio(above: Vector, below: Vector | Index) -> Vector:
    found: Vector = np.full(len(above), np.nan)
    np.divide(above, below, out=found, where=np.nan_to_num(below) != 0)
    return found


def _median_and_spread(stacked: Vector) -> tuple[Vector, Vector]:
    """Median and standard deviation over the first axis of what is known."""
    ranked = np.sort(stacked, axis=0)  # gaps last
    known = np.sum(~np.isnan(stacked), axis=0)
    at, column = np.maximum(known - 1, 0), np.arange(stacked.shape[1])
    middle = (ranked[at // 2, column] + ranked[(at + 1) // 2, column]) / 2
    spread = np.sqrt(mean_of_known((stacked - mean_of_known(stacked)) ** 2))
    return middle, spread


def _extremes(window: Vector) -> tuple[Vector, Vector]:
    is_gap = np.isnan(window)
    nothing = is_gap.all(axis=1)
    # Not nanmin, which warns where the whole window is a gap.
    low = np.where(nothing, np.nan, np.where(is_gap, np.inf, window).min(axis=1))
    high = np.where(nothing, np.nan, np.where(is_gap, -np.inf, window).max(axis=1))
    return low, high
