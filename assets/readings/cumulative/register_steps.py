"""States of a cumulative register become amounts between quarter hours (formulas 5.1).

A state on a quarter hour is taken as it is. Between two states at most 15 minutes apart it is interpolated, and a
state within a minute of a quarter hour stands for it; both are marked as interpolated. Amounts are differences of
states, so their sum is the register's own difference, to the last quantum. Falls are judged before, in
assets/readings/cumulative/register_index.py.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from data_quality.contracts.quality import QualityCode

QUARTER_S = 900
SNAP_S = 60
NEAREST_S = QUARTER_S // 2


@dataclass(frozen=True)
class State:
    """A register at an instant: epoch seconds, whole quanta (1e-9 of its unit), source line."""

    epoch_s: int
    quanta: int
    line: int


@dataclass(frozen=True)
class Step:
    """An amount of a whole number of quarter hours from start_s (epoch seconds)."""

    start_s: int
    minutes: int
    quanta: int
    quality: QualityCode
    line: int


def steps_of_run(run: Sequence[State], *, is_sparse: bool = False) -> list[Step]:
    """Amounts of one unbroken, never falling run of states, in time order.

    is_sparse: reads that nobody took on the quarter hour stand for the nearest one, so that no amount is lost.
    """
    snap_s = NEAREST_S if is_sparse else SNAP_S
    times = [state.epoch_s for state in run]
    marks = []
    # Only boundaries next to a state can have a mark: reads a year apart have thousands in between that have none.
    for boundary in sorted({base + shift for t in times for base in (t - t % QUARTER_S,) for shift in (0, QUARTER_S)}):
        mark = _mark(run, times, boundary, snap_s)
        if mark is not None:
            marks.append((boundary, *mark))
    steps = []
    for (start, before, is_exact, _), (end, after, is_exact_too, line) in pairwise(marks):
        quality = QualityCode.RAW if is_exact and is_exact_too else QualityCode.ESTIMATED_INTERPOLATED
        steps.append(Step(start, (end - start) // 60, after - before, quality, line))
    return steps


def _mark(run: Sequence[State], times: list[int], boundary: int, snap_s: int) -> tuple[int, bool, int] | None:
    """(quanta, is exact, line) of the register at a boundary, or None where the states do not tell."""
    place = bisect_left(times, boundary)
    after = run[place] if place < len(run) else None
    if after is not None and after.epoch_s == boundary:
        return after.quanta, True, after.line
    before = run[place - 1] if place else None
    if before is not None and after is not None and after.epoch_s - before.epoch_s <= QUARTER_S:
        passed, whole = boundary - before.epoch_s, after.epoch_s - before.epoch_s
        # Rounded once per boundary, which both neighbours share: their sum stays the register's own difference.
        return before.quanta + (after.quanta - before.quanta) * passed // whole, False, after.line
    for state in (before, after):
        if state is not None and abs(state.epoch_s - boundary) <= snap_s:
            return state.quanta, False, state.line
    return None
