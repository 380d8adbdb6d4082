"""The minutes of an hour as the value that the detectors of levels judge, also before the hour is over."""

from collections.abc import Mapping, Sequence

import numpy as np

from ml.anomalies.day_grid import Matrix, day_grid
from ml.anomalies.events import AnomalyEvent, events_of
from ml.anomalies.levels import LevelLimits, level_marks
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark
from ml.anomalies.stuck import runs_of, stuck_marks
from ml.features.civil import Civil
from ml.features.series import Series, Vector

# So many of the last minutes above the limit open an event, and it goes on while more than KEPT of them are.
WINDOW, OPENS, KEPT = 5, 3, 1
# An hour with fewer minutes has no value.
FEWEST_MINUTES = 54
# Means of equal minutes differ by less, however many they are.
ALIKE_DIGITS = 6
# A level of so many steps is reported finely enough not to be equal by rounding.
FINE = 100


def hour_value(minutes_kw: Sequence[float], ceiling_kwh: float, *, is_over: bool, holds: bool = True) -> float:
    """Energy (kWh) of an hour by its minutes so far; NaN where it cannot be judged yet.

    Of an hour that is over, the mean of its minutes. Of one that runs, the energy so far where that alone is above the
    limit, else (holds) the mean of the last minutes, as if they went on, while most of them are above it.
    """
    if not len(minutes_kw):
        return float("nan")
    if is_over:
        return float(np.mean(minutes_kw)) if len(minutes_kw) >= FEWEST_MINUTES else float("nan")
    so_far = sum(minutes_kw) / 60
    if so_far > ceiling_kwh:
        return float(so_far)
    if not (holds and is_held(minutes_kw, ceiling_kwh)):
        return float("nan")
    # The minutes above it: one below among them is what the hold is for.
    return float(np.mean([kw for kw in minutes_kw[-WINDOW:] if kw > ceiling_kwh]))


def is_held(minutes_kw: Sequence[float], ceiling_kw: float) -> bool:
    """True where three of five minutes in a row were above the limit, and since then more than one of the last five."""
    is_above, held = [kw > ceiling_kw for kw in minutes_kw], False
    for end in range(1, len(is_above) + 1):
        count = sum(is_above[max(0, end - WINDOW) : end])
        held = count >= OPENS or (held and count > KEPT)
    return held


def live_events(
    hours: Series,
    civil: Civil,
    limits: LevelLimits,
    expected: Mapping[bool, Vector],
    params: DetectorParams,
    stuck_limit: float | None = None,
    step: float = 0.0,
) -> list[AnomalyEvent]:
    """The events of the hours of the last days, the running one among them. expected: (24,) by is_off.

    stuck_limit: equal hours in a row that are too many; None: not looked at. step: the finest by which readings are
    known to differ. By the code of the batch: the same hours give the same events with the same begin.
    """
    grid = day_grid(hours, civil)
    marks = [mark for day, values in enumerate(grid.values) for mark in level_marks(values, day, limits)]
    marks += [] if stuck_limit is None else _stuck(grid.values, stuck_limit, step)
    by_day = np.array([expected[bool(is_off)] for is_off in grid.is_off])
    return events_of(marks, grid, by_day, params) if marks else []


def _stuck(values: Matrix, limit: float, step: float) -> list[Mark]:
    """Marks of runs of equal hours whose begin was seen, as an event has its begin in its id.

    What is told in steps that are coarse for its level may be equal for hours: that is left to the night, which knows
    what the readings do.
    """
    flat = np.round(values.ravel(), ALIKE_DIGITS)
    run = runs_of(flat)
    before = np.arange(len(run)) - run
    is_judged = (before >= 0) & np.isfinite(flat[np.maximum(before, 0)]) & (flat >= FINE * step)
    by_day = np.where(is_judged, run, 0).reshape(values.shape)
    return [mark for day, each in enumerate(by_day) for mark in stuck_marks(each, values[day], day, limit)]
