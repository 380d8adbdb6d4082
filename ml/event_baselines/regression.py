"""Regression of the hours of an event on the same day's morning, the last days and the weather.

Each step's distance from the mean of the last ten counting days is explained, as a share of their level, by a weighted
ridge regression. It is refitted for each month on the counting days before it; of its own day it sees the steps up to
the end of the adjustment hours, and the temperature.
"""

from itertools import pairwise

import numpy as np

from ml.event_baselines.day_steps import Mask, Matrix, mean_of
from ml.event_baselines.event_days import EventDays
from ml.features.series import Index, Vector

# A day of half a year ago weighs half.
HALF_LIFE_DAYS = 180.0
RIDGE = 0.06
LEAST_TRAINING_DAYS = 20
HEATING_DEGC, COOLING_DEGC, SCALE_DEGC = 14.0, 18.0, 20.0
# Distances are clipped there: a day of a broken meter must not decide what others look like.
CLIP = 1.0
# Huber's threshold in robust standard deviations, and rounds of reweighting.
HUBER, ROUNDS = 1.5, 3
# Weekdays weigh less than a measured distance before the ridge.
WEEKDAY_SCALE = 0.2
_RECENT_DAYS = 3
# Months that are fitted at a time: more would need much memory for a long file.
_MONTHS = 12


def regression(event_days: EventDays) -> Matrix:
    """Baseline in kW of the event and the steps after it, (days, steps of a day); NaN elsewhere and without a model."""
    span = slice(event_days.window.start, event_days.window.after(event_days.grid.steps).stop)
    return _by_month(event_days, span, sees_adjustment=True)


def usual_before(event_days: EventDays) -> Matrix:
    """Usual load of the adjustment hours up to the event, by what went before them, (days, steps of a day)."""
    return _by_month(event_days, slice(event_days.window.adjust_start, event_days.window.start), sees_adjustment=False)


def level_of(event_days: EventDays) -> Vector:
    """(days,) scale in kW of what a day is apart from the last ones: their mean size up to the end of the event."""
    base = event_days.base_kw[:, event_days.window.adjust_start : event_days.window.end]
    level = np.asarray(mean_of(np.abs(base), axis=1))
    level[~(level > 0)] = np.nan
    return level


def inputs_of(event_days: EventDays, *, sees_adjustment: bool) -> Matrix:
    """Knowledge of each day at the end of its adjustment hours, or before them, (days, features).

    A gap is 0, which is the usual.
    """
    grid, days, window = event_days.grid, event_days.days, event_days.window
    past, today, base, level = event_days.past_kw, event_days.today_kw, event_days.base_kw, level_of(event_days)

    def apart(load: Matrix, span: slice) -> Vector:
        return np.asarray(mean_of(load[:, span] - base[:, span], axis=1)) / level

    hour, first = grid.per_hour, window.adjust_start
    hoped, before = (window.event, window.adjustment) if sees_adjustment else (window.adjustment, slice(0, first))
    columns: list[Vector] = []
    if sees_adjustment:
        # Hour by hour: the newest says most.
        columns += [
            apart(today, slice(at, min(at + hour, window.adjust_end))) for at in range(first, window.adjust_end, hour)
        ]
        top, bottom = (np.asarray(mean_of(base[:, span], axis=1)) for span in (hoped, before))
        shape = np.divide(top, bottom, out=np.ones(len(top)), where=bottom > 0)
        columns.append(apart(today, before) * (shape - 1))
    cuts = sorted({0, min(6 * hour, first), max(first - 3 * hour, 0), max(first - hour, 0), first})
    columns += [apart(today, slice(*ends)) for ends in pairwise(cuts)]
    week = np.where((days >= 7) & grid.counts[np.maximum(days - 7, 0)], days - 7, -1)
    for load in (past[:, -1], np.asarray(mean_of(past[:, -_RECENT_DAYS:], axis=1)), grid.of(week)):
        columns += [apart(load, hoped), apart(load, before)]
    columns += [WEEKDAY_SCALE * flag for flag in _calendar(event_days)]
    columns += _warmth(event_days, hoped)
    return np.clip(np.nan_to_num(np.column_stack(columns)), -CLIP, CLIP)


def _calendar(event_days: EventDays) -> list[Vector]:
    """Weekdays, and whether the day before and the day after are off, as 0 and 1."""
    grid, days = event_days.grid, event_days.days
    flags = [grid.weekday[days] == weekday for weekday in range(1, 8)]
    flags += [grid.is_off[np.maximum(days - 1, 0)], grid.is_off[np.minimum(days + 1, len(grid.is_off) - 1)]]
    return [flag.astype(np.float64) for flag in flags]


def _warmth(event_days: EventDays, hoped: slice) -> list[Vector]:
    """Temperature of event and morning against that of the last days: whole, above cooling, below heating."""
    outdoor, window = event_days.grid.temperature_degc, event_days.window
    if outdoor is None:
        return []
    morning = slice(max(window.adjust_start - 3 * event_days.grid.per_hour, 0), window.adjust_end)
    found: list[Vector] = []
    for span in (hoped, morning):
        near = outdoor[:, span]
        for warmth in (near, np.maximum(near - COOLING_DEGC, 0), np.maximum(HEATING_DEGC - near, 0)):
            daily = np.asarray(mean_of(warmth, axis=1))
            usual = np.asarray(mean_of(np.where(event_days.last < 0, np.nan, daily[event_days.last]), axis=1))
            found.append((daily[event_days.days] - usual) / SCALE_DEGC)
    return found


def _by_month(event_days: EventDays, span: slice, *, sees_adjustment: bool) -> Matrix:
    """Estimates of a span, (days, steps), each month by a model of the counting days before its first."""
    grid, days = event_days.grid, event_days.days
    found = np.full((len(days), grid.steps), np.nan)
    for is_off in (False, True):
        mine = np.flatnonzero(grid.is_off[days] == is_off)
        if not len(mine):
            continue
        seen = event_days.history.of_kind(is_off)
        x, base, level = inputs_of(seen, sees_adjustment=sees_adjustment), seen.base_kw[:, span], level_of(seen)
        design = np.column_stack([x, np.ones(len(x))])
        share = (seen.today_kw[:, span] - base) / level[:, None]
        teaches = np.isfinite(share).all(axis=1) & grid.counts[seen.days]
        months, of_month = np.unique(grid.month[days[mine]], return_inverse=True)
        firsts = np.array([np.argmax(grid.month == month) for month in months])
        fitted = _fits(design[teaches], share[teaches], seen.days[teaches], firsts)
        at = np.searchsorted(seen.days, days[mine])
        by_day = np.matmul(design[at, None], fitted[of_month])[:, 0]
        found[mine, span] = base[at] + by_day * level[at, None]
    return found


def _fits(design: Matrix, share: Matrix, days: Index, firsts: Index) -> Matrix:
    """Coefficients (months, features, steps) by what each month's first day has behind it; NaN with too few days.

    All months are weighted, multiplied and solved together: one of them alone is too small for the call it costs.
    """
    found = np.full((len(firsts), design.shape[1], share.shape[1]), np.nan)
    share = np.clip(share, -CLIP, CLIP)
    counts = np.searchsorted(days, firsts)
    enough = np.flatnonzero(counts >= LEAST_TRAINING_DAYS)
    for first in range(0, len(enough), _MONTHS):
        some = enough[first : first + _MONTHS]
        upto = counts[some].max()
        age_days = firsts[some, None] - days[None, :upto]
        found[some] = _robust(design[:upto], share[:upto], age_days, age_days > 0)
    return found


def _robust(design: Matrix, share: Matrix, age_days: Index, known: Mask) -> Matrix:
    """Weighted ridge regressions with Huber's weights, one of each row of ages; known: (rows, days) that it may see."""
    recency = np.where(known, 0.5 ** (np.where(known, age_days, 0) / HALF_LIFE_DAYS), 0.0)
    penalty = np.diag([RIDGE] * (design.shape[1] - 1) + [1e-6])
    both, middle = np.column_stack([design, share]), known.sum(axis=1) // 2
    places, weight = np.unique(middle), recency
    coefficients: Matrix = np.empty((0, 0, 0))
    for _ in range(ROUNDS):
        sums = np.matmul((weight[:, :, None] * design).transpose(0, 2, 1), both)
        gram, moment = sums[:, :, : design.shape[1]], sums[:, :, design.shape[1] :]
        coefficients = np.asarray(np.linalg.solve(gram + penalty, moment), dtype=np.float64)
        size = np.abs(share.mean(axis=1) - coefficients.mean(axis=2) @ design.T)
        ordered = np.partition(np.where(known, size, np.inf), places, axis=1)
        typical = np.take_along_axis(ordered, middle[:, None], axis=1)
        threshold = np.maximum(HUBER * 1.48 * typical, 1e-9)
        weight = recency * np.minimum(1, threshold / np.maximum(size, 1e-12))
    return coefficients
