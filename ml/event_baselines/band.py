"""Adaptive conformal half-widths from the errors of the meter's own days without an event.

Source: Gibbs and Candès, Adaptive conformal inference under distribution shift (2021): the level of the quantile moves
after each day by whether the band held, so that its share of days comes out on meters that change.
"""

import math

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
    order = np.flatnonzero(known)
    windows = _windows(errors[order])
    count = np.searchsorted(order, np.arange(len(errors)))
    found, levels, level = np.full(len(errors), np.nan), np.full(len(errors), miss), miss
    for day, (seen, is_known, error) in enumerate(zip(count.tolist(), known.tolist(), errors.tolist(), strict=True)):
        size, levels[day] = min(seen, WINDOW_DAYS), level
        if size < LEAST_DAYS:
            continue
        width = found[day] = windows.item(seen, rank(size, level))
        if is_known:
            level = min(max(level + RATE * (miss - (error > width)), _LEVELS[0]), _LEVELS[1])
    return found, levels


def rank(size: int, level: float) -> int:
    """Place, from 0, of the conformal quantile among so many sorted errors."""
    return min(math.ceil((size + 1) * (1 - level)), size) - 1


def _windows(errors: Vector) -> Matrix:
    """Row n: the errors of the days n - 120 to n - 1, sorted; missing ones behind as infinite."""
    padded = np.concatenate([np.full(WINDOW_DAYS, np.inf), errors])
    return np.sort(np.lib.stride_tricks.sliding_window_view(padded, WINDOW_DAYS), axis=1)


def step_widths(errors: Matrix, level: float) -> Vector:
    """Half-width of each step after the last day. errors: (days, steps) sizes; NaN with fewer than 20 days."""
    last = errors[np.isfinite(errors).all(axis=1)][-WINDOW_DAYS:]
    if len(last) < LEAST_DAYS:
        return np.full(errors.shape[1], np.nan)
    return np.asarray(np.sort(last, axis=0)[rank(len(last), level)])
