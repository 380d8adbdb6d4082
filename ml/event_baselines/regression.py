"""Regression of the hours of an event on the same day's morning, the last days and the weather.

Each step's distance from the mean of the last ten counting days is explained, as a share of their level, by a weighted
ridge regression. It is refitted for each month on the counting days before it; of its own day it sees the steps up to
the end of the adjustment hours, and the temperature.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ml.event_baselines.day_steps import DaySteps, Matrix, mean_of
from ml.event_baselines.event_window import EventWindow
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
_PAST_DAYS, _RECENT_DAYS = 10, 3


@dataclass(frozen=True)
class Inputs:
    """Rows of days. x: (days, features); base_kw: (days, steps) mean of the last days; level_kw: (days,) its scale."""

    x: Matrix
    base_kw: Matrix
    level_kw: Vector

    def first(self, count: int) -> "Inputs":
        """The first rows."""
        return Inputs(self.x[:count], self.base_kw[:count], self.level_kw[:count])


def regression(grid: DaySteps, days: Index, window: EventWindow) -> Matrix:
    """Baseline in kW of the event and the steps after it, (days, steps of a day); NaN elsewhere and without a model."""
    span = slice(window.start, window.after(grid.steps).stop)
    return _by_month(grid, days, window, span, sees_adjustment=True)


def usual_before(grid: DaySteps, days: Index, window: EventWindow) -> Matrix:
    """Usual load of the adjustment hours up to the event, by what went before them, (days, steps of a day)."""
    return _by_month(grid, days, window, slice(window.adjust_start, window.start), sees_adjustment=False)


def inputs_of(grid: DaySteps, days: Index, window: EventWindow, *, sees_adjustment: bool) -> Inputs:
    """Knowledge of each day at the end of its adjustment hours, or before them; a gap is 0, which is the usual."""
    last = grid.before(days, _PAST_DAYS)
    past, today = grid.of(last), grid.of(days)
    base = np.asarray(mean_of(past, axis=1))
    level = np.asarray(mean_of(np.abs(base[:, window.adjust_start : window.end]), axis=1))
    level[~(level > 0)] = np.nan

    def apart(load: Matrix, span: slice) -> Vector:
        return np.asarray(mean_of(load[:, span] - base[:, span], axis=1)) / level

    hour, first = grid.per_hour, window.adjust_start
    asked, before = (window.event, window.adjustment) if sees_adjustment else (window.adjustment, slice(0, first))
    columns: list[Vector] = []
    if sees_adjustment:
        # Hour by hour: the newest says most.
        columns += [
            apart(today, slice(at, min(at + hour, window.adjust_end))) for at in range(first, window.adjust_end, hour)
        ]
        top, bottom = (np.asarray(mean_of(base[:, span], axis=1)) for span in (asked, before))
        shape = np.divide(top, bottom, out=np.ones(len(top)), where=bottom > 0)
        columns.append(apart(today, before) * (shape - 1))
    cuts = sorted({0, min(6 * hour, first), max(first - 3 * hour, 0), max(first - hour, 0), first})
    columns += [apart(today, slice(*ends)) for ends in pairwise(cuts)]
    week = np.where((days >= 7) & grid.counts[np.maximum(days - 7, 0)], days - 7, -1)
    for load in (past[:, -1], np.asarray(mean_of(past[:, -_RECENT_DAYS:], axis=1)), grid.of(week)):
        columns += [apart(load, asked), apart(load, before)]
    columns += [WEEKDAY_SCALE * flag for flag in _calendar(grid, days)]
    columns += _warmth(grid, days, last, window, asked)
    return Inputs(np.clip(np.nan_to_num(np.column_stack(columns)), -CLIP, CLIP), base, level)


def _calendar(grid: DaySteps, days: Index) -> list[Vector]:
    """Weekdays, and whether the day before and the day after are off, as 0 and 1."""
    flags = [grid.weekday[days] == weekday for weekday in range(1, 8)]
    flags += [grid.is_off[np.maximum(days - 1, 0)], grid.is_off[np.minimum(days + 1, len(grid.is_off) - 1)]]
    return [flag.astype(np.float64) for flag in flags]


def _warmth(grid: DaySteps, days: Index, last: Index, window: EventWindow, asked: slice) -> list[Vector]:
    """Temperature of event and morning against that of the last days: whole, above cooling, below heating."""
    if grid.temperature_degc is None:
        return []
    outdoor = grid.temperature_degc
    morning = slice(max(window.adjust_start - 3 * grid.per_hour, 0), window.adjust_end)
    found: list[Vector] = []
    for warmth in (outdoor, np.maximum(outdoor - COOLING_DEGC, 0), np.maximum(HEATING_DEGC - outdoor, 0)):
        for span in (asked, morning):
            daily = np.asarray(mean_of(warmth[:, span], axis=1))
            usual = np.asarray(mean_of(np.where(last < 0, np.nan, daily[last]), axis=1))
            found.append((daily[days] - usual) / SCALE_DEGC)
    return found


def _by_month(grid: DaySteps, days: Index, window: EventWindow, span: slice, *, sees_adjustment: bool) -> Matrix:
    """Estimates of a span, (days, steps), each month by a model of the counting days before its first."""
    found = np.full((len(days), grid.steps), np.nan)
    for is_off in (False, True):
        mine = np.flatnonzero(grid.is_off[days] == is_off)
        past = grid.alike(is_off)
        past = past[past < days[mine].max(initial=0)]
        if not len(past):
            continue
        train, ask = (inputs_of(grid, each, window, sees_adjustment=sees_adjustment) for each in (past, days[mine]))
        months = grid.month[days[mine]]
        for month in np.unique(months):
            first = int(np.argmax(grid.month == month))
            known = int(np.searchsorted(past, first))
            coefficients = _fit(train.first(known), grid.load_kw[past[:known]], span, first - past[:known])
            if coefficients is not None:
                at = np.flatnonzero(months == month)
                share = np.column_stack([ask.x[at], np.ones(len(at))]) @ coefficients
                found[mine[at], span] = ask.base_kw[at, span] + share * ask.level_kw[at, None]
    return found


def _fit(inputs: Inputs, load_kw: Matrix, span: slice, age_days: Index) -> Matrix | None:
    """Coefficients (features + 1, steps of the span) of the shares; None with too few days that have all steps."""
    target = (load_kw[:, span] - inputs.base_kw[:, span]) / inputs.level_kw[:, None]
    whole = np.isfinite(target).all(axis=1)
    if whole.sum() < LEAST_TRAINING_DAYS:
        return None
    x, target = inputs.x[whole], np.clip(target[whole], -CLIP, CLIP)
    recency = 0.5 ** (age_days[whole] / HALF_LIFE_DAYS)
    design, weight = np.column_stack([x, np.ones(len(x))]), recency
    penalty = np.diag([RIDGE] * x.shape[1] + [1e-6])
    coefficients: Matrix = np.empty((0, 0))
    for _ in range(ROUNDS):
        gram = design.T * weight
        coefficients = np.asarray(np.linalg.solve(gram @ design + penalty, gram @ target), dtype=np.float64)
        size = np.abs((target - design @ coefficients).mean(axis=1))
        threshold = max(HUBER * 1.48 * float(np.partition(size, len(size) // 2)[len(size) // 2]), 1e-9)
        weight = recency * np.minimum(1, threshold / np.maximum(size, 1e-12))
    return coefficients
