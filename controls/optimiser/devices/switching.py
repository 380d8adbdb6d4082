"""Minimum times of things that are on or off: rows for a plan, runs for a check (Rajan and Takriti 2005)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controls.optimiser.linear import Floats, Linear
from controls.optimiser.program import Row

# Hours that sums of step lengths may be off by.
_HAIR_H = 1e-9


@dataclass(frozen=True)
class Bank:
    """`count` equal things of which `on` say how many are on in each step, and `starts` how many go on at its start.

    on_before: how many are on before the plan. on_h, off_h: for how long each of those that are on, or off, has been
    so by then. Equal things need no names: those that go off or on are always those that were on or off the longest,
    and this keeps every single one's minimum time wherever counting keeps them together.
    """

    name: str
    count: int
    on: Linear
    starts: Linear
    on_h: tuple[float, ...]
    off_h: tuple[float, ...]

    @property
    def more(self) -> Linear:
        """How many more are on than in the step before."""
        steps, before = self.on.size, np.zeros(self.on.size)
        before[0] = len(self.on_h)
        return self.on - self.on[np.arange(steps - 1)].into(np.arange(1, steps), steps) - before

    def rows(self, step_h: Floats, *, min_on_h: float, min_off_h: float) -> Iterator[Row]:
        """What went on within the minimum time is still on, what went off still off: the tightest linear form."""
        more, at_h = self.more, np.cumsum(step_h) - step_h
        yield Row("starts", f"starts{self.name}", self.starts >= more)
        if min_on_h:
            held = self._held(self.on_h, at_h, min_on_h)
            yield Row("minimum_on", f"stay_on{self.name}", recent(self.starts, at_h, min_on_h) + held <= self.on)
        if min_off_h:
            held = self._held(self.off_h, at_h, min_off_h)
            left = self.count - self.on
            stops = self.starts - more
            yield Row("minimum_off", f"stay_off{self.name}", recent(stops, at_h, min_off_h) + held <= left)

    @staticmethod
    def _held(since_h: tuple[float, ...], at_h: Floats, least_h: float) -> Floats:
        """How many must stay in each step what they were before the plan."""
        held: Floats = np.sum([at_h + since < least_h - _HAIR_H for since in since_h], axis=0, initial=0.0)
        return held + np.zeros(at_h.size)


def recent(events: Linear, at_h: Floats, within_h: float) -> Linear:
    """The events of each step and of those that began less than so many hours before it."""
    steps = np.arange(at_h.size)
    first = np.searchsorted(at_h, at_h - within_h + _HAIR_H, side="right")
    counts = np.maximum(steps + 1 - first, 0)
    into = np.repeat(steps, counts)
    taken = np.arange(into.size) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    return events[taken].into(into, steps.size)


def shared_out(counts: NDArray[np.int64], step_h: Floats, is_on: list[bool], since_h: list[float]) -> Floats:
    """Which of equal things are on (1) in each step, one row each, where `counts` are: see Bank."""
    on, since = list(is_on), list(since_h)
    found = np.zeros((len(on), counts.size))
    for t, count in enumerate(counts.tolist()):
        change = count - sum(on)
        # Of those that may change, the ones that have waited longest; of equal ones the first.
        ready = sorted((k for k in range(len(on)) if on[k] == (change < 0)), key=lambda k: -since[k])
        for k in ready[: abs(change)]:
            on[k], since[k] = not on[k], 0.0
        found[:, t] = on
        since = [hours + float(step_h[t]) for hours in since]
    return found


def shortest(
    on: Floats, step_h: Floats, *, was_on: bool, since_h: float, least_on_h: float, least_off_h: float
) -> float:
    """By how many hours the worst run falls short of its minimum; the last run has the time after the plan too.

    on: 1 or 0 in each step of one thing. Written step by step and without rows, to find what is wrong in them.
    """
    worst, state, hours = 0.0, was_on, since_h
    for now, step in zip((on > 0.5).tolist(), step_h.tolist(), strict=True):
        if now != state:
            worst = max(worst, (least_on_h if state else least_off_h) - hours)
            state, hours = now, 0.0
        hours += step
    return worst
