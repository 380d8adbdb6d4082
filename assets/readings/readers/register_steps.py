"""States of a cumulative register become amounts between quarter hours (formulas 5.1).

A state on a quarter hour is taken as it is. Between two states at most 15 minutes apart it is interpolated, and a
state within a minute of a quarter hour stands for it; both are marked as interpolated. Amounts are differences of
states, so their sum is the register's own difference, to the last quantum. A register that falls was reset, exchanged
or has rolled over: no amount crosses the fall.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise

from data_quality.contracts.quality import QualityCode

QUARTER_S = 900
SNAP_S = 60


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


@dataclass
class Steps:
    """steps: in time order; falls: states below their predecessor; conflicts: two states at one instant."""

    steps: list[Step] = field(default_factory=list)
    falls: list[State] = field(default_factory=list)
    conflicts: list[State] = field(default_factory=list)


def quarter_steps(states: list[State]) -> Steps:
    """The amounts between quarter hours that the states tell, whatever their order."""
    found = Steps()
    run: list[State] = []
    for state in _distinct(states, found):
        if run and state.quanta < run[-1].quanta:
            found.falls.append(state)
            found.steps += _steps_of(run)
            run = []
        run.append(state)
    found.steps += _steps_of(run)
    return found


def _distinct(states: list[State], found: Steps) -> list[State]:
    """One state per instant, in time order; instants with two different states are left out and named."""
    by_time: dict[int, list[State]] = {}
    for state in states:
        by_time.setdefault(state.epoch_s, []).append(state)
    kept = []
    for moment in sorted(by_time):
        same = by_time[moment]
        if len({state.quanta for state in same}) > 1:
            found.conflicts += same
        else:
            kept.append(same[0])
    return kept


def _steps_of(run: list[State]) -> list[Step]:
    """Amounts of one unbroken, never falling run of states."""
    times = [state.epoch_s for state in run]
    marks = []
    for boundary in sorted({base + shift for t in times for base in (t - t % QUARTER_S,) for shift in (0, QUARTER_S)}):
        mark = _mark(run, times, boundary)
        if mark is not None:
            marks.append((boundary, *mark))
    steps = []
    for (start, before, is_exact, _), (end, after, is_exact_too, line) in pairwise(marks):
        quality = QualityCode.RAW if is_exact and is_exact_too else QualityCode.ESTIMATED_INTERPOLATED
        steps.append(Step(start, (end - start) // 60, after - before, quality, line))
    return steps


def _mark(run: list[State], times: list[int], boundary: int) -> tuple[int, bool, int] | None:
    """(quanta, is exact, line) of the register at a boundary, or None where the states do not tell."""
    place = bisect_left(times, boundary)
    after = run[place] if place < len(run) else None
    if after is not None and after.epoch_s == boundary:
        return after.quanta, True, after.line
    before = run[place - 1] if place else None
    if before is not None and after is not None and after.epoch_s - before.epoch_s <= QUARTER_S:
        passed, whole = boundary - before.epoch_s, after.epoch_s - before.epoch_s
        return before.quanta + (after.quanta - before.quanta) * passed // whole, False, after.line
    for state in (before, after):
        if state is not None and abs(state.epoch_s - boundary) <= SNAP_S:
            return state.quanta, False, state.line
    return None
