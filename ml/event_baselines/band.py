"""Adaptive conformal half-widths from the errors of the meter's own days without an event.

Source: Gibbs and Candès, Adaptive conformal inference under distribution shift (2021): the level of the quantile moves
after each day by whether the band held, so that its share of days comes out on meters that change.
"""

import math
from bisect import bisect_left, insort

import numpy as np

from ml.event_baselines.day_steps import Mask, Matrix
from ml.features.series import Vector

WINDOW_DAYS, LEAST_DAYS = 120, 20
RATE = 0.03
_LEVELS = (0.002, 0.4)


def half_widths(errors: Vector, *, miss: float = 0.1, learns: Mask | None = None) -> tuple[Vector, Vector]:
    """Half-width and miss level before each day.

    errors: sizes (not negative) day by day, NaN where unknown; learns: days that later ones may learn from; all of them
    if left out. A day sees the days before it alone; NaN with fewer than 20.
    """
    known = np.isfinite(errors) & (learns if learns is not None else True)
    widths, levels, level = [math.nan] * len(errors), [miss] * len(errors), miss
    seen, ordered = list[float](), list[float]()
    for day, (is_known, error) in enumerate(zip(known.tolist(), errors.tolist(), strict=True)):
        levels[day] = level
        if len(ordered) >= LEAST_DAYS:
            width = widths[day] = ordered[rank(len(ordered), level)]
            if is_known:
                level = min(max(level + RATE * (miss - (error > width)), _LEVELS[0]), _LEVELS[1])
        if is_known:
            seen.append(error)
            insort(ordered, error)
            if len(ordered) > WINDOW_DAYS:
                del ordered[bisect_left(ordered, seen[-WINDOW_DAYS - 1])]
    return np.array(widths), np.array(levels)


def rank(size: int, level: float) -> int:
    """Place, from 0, of the conformal quantile among so many sorted errors."""
    return min(math.ceil((size + 1) * (1 - level)), size) - 1


def step_widths(errors: Matrix, level: float) -> Vector:
    """Half-width of each step after the last day. errors: (days, steps) sizes; NaN with fewer than 20 days."""
    last = errors[np.isfinite(errors).all(axis=1)][-WINDOW_DAYS:]
    if len(last) < LEAST_DAYS:
        return np.full(errors.shape[1], np.nan)
    return np.asarray(np.sort(last, axis=0)[rank(len(last), level)])
