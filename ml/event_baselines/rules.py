"""Baseline rules of demand-response programmes: X of Y days, same-day adjustment, matching days, before the event.

Sources: CAISO 10-in-10 and its same-day adjustment; X-of-Y rules of the North American programmes (NAESB WEQ-015).
"""

from collections.abc import Callable

import numpy as np

from ml.event_baselines.day_steps import Matrix, mean_of
from ml.event_baselines.event_days import LAST_DAYS, EventDays

# A rule has no baseline with fewer days.
LEAST_DAYS = 5
MATCHED_DAYS, MATCHED_OF = 3, 45
WEEK_DAYS = 7

Rule = Callable[[EventDays], Matrix]


def x_of_y(chosen: int, days_of: int, cap: float = 0.0) -> Rule:
    """Mean of the highest days of the last counting ones, by their mean load in the event hours.

    cap: of a multiplicative same-day adjustment, 0.2 for ±20 %; 0: none.
    """

    def estimate(event_days: EventDays) -> Matrix:
        load = event_days.past_kw[:, LAST_DAYS - days_of :]
        level = np.asarray(mean_of(load[:, :, event_days.window.event], axis=2))
        known = np.isfinite(level)
        if chosen == LAST_DAYS:
            profile = event_days.base_kw.copy()
        else:
            order = np.argsort(-np.where(known, level, -np.inf), axis=1, kind="stable")[:, :chosen]
            profile = np.asarray(mean_of(np.take_along_axis(load, order[:, :, None], axis=1), axis=1))
        profile[known.sum(axis=1) < min(LEAST_DAYS, days_of)] = np.nan
        return profile * adjustment(event_days, profile, cap)[:, None] if cap else profile

    return estimate


def adjustment(event_days: EventDays, profile: Matrix, cap: float) -> Matrix:
    """Measured over baseline in the adjustment hours, within 1 ± cap; NaN without readings or without a load."""
    measured, expected = event_days.today_kw[:, event_days.window.adjustment], profile[:, event_days.window.adjustment]
    both = np.isfinite(measured) & np.isfinite(expected)
    top, bottom = np.where(both, measured, 0.0).sum(axis=1), np.where(both, expected, 0.0).sum(axis=1)
    ratio = np.divide(top, bottom, out=np.full(len(top), np.nan), where=(bottom > 0) & (top > 0))
    found: Matrix = np.clip(ratio, 1 - cap, 1 + cap)
    return found


def last_week(event_days: EventDays) -> Matrix:
    """The day a week before, holiday or not, unless it is excluded."""
    earlier = np.asarray(event_days.days - WEEK_DAYS)
    is_usable = (earlier >= 0) & ~event_days.grid.is_excluded[np.maximum(earlier, 0)]
    return event_days.grid.of(np.where(is_usable, earlier, -1))


def matching_day(event_days: EventDays) -> Matrix:
    """Mean of the three of the last 45 counting days whose load before the event was nearest to that of the day."""
    seen = slice(0, event_days.window.adjust_end)
    last = event_days.grid.before(event_days.days, MATCHED_OF)
    distance = np.asarray(mean_of((event_days.grid.of(last, seen) - event_days.today_kw[:, None, seen]) ** 2, axis=2))
    counts = np.isfinite(distance).sum(axis=1)
    nearest = np.argsort(np.where(np.isfinite(distance), distance, np.inf), axis=1)[:, :MATCHED_DAYS]
    profile = np.asarray(mean_of(event_days.grid.of(np.take_along_axis(last, nearest, axis=1)), axis=1))
    profile[counts < LEAST_DAYS] = np.nan
    return profile


def before_event(event_days: EventDays) -> Matrix:
    """Load of the hour before the event, held for the rest of the day (meter before, meter after)."""
    grid, start = event_days.grid, event_days.window.start
    level = np.asarray(mean_of(event_days.today_kw[:, max(start - grid.per_hour, 0) : start], axis=1))
    return np.repeat(level[:, None], grid.steps, axis=1)


RULES: dict[str, Rule] = {
    "10-in-10": x_of_y(10, 10),
    "10-in-10-adj20": x_of_y(10, 10, 0.2),
    "10-in-10-adj40": x_of_y(10, 10, 0.4),
    "high-5-of-10": x_of_y(5, 10),
    "high-5-of-10-adj20": x_of_y(5, 10, 0.2),
    "high-4-of-5": x_of_y(4, 5),
    "last-week": last_week,
    "matching-day": matching_day,
    "before-after": before_event,
}
