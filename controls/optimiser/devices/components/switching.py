"""Minimum times of things that are on or off: rows for a plan, runs for a check (Rajan and Takriti 2005)."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import not_

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from controls.optimiser.backends.expressions import INF, Floats, Linear
from controls.optimiser.backends.program import Row
from data_quality.contracts.model import Model

# Hours that sums of step lengths may be off by.
_HAIR_H = 1e-9


class InShares(Model):
    """On-off state in short steps, and the share of time on in long ones."""

    duty_from_h: float | None = Field(
        default=None, gt=0, exclude_if=not_, description="In steps of so many hours it may heat for a share of them"
    )

    def is_whole(self, step_h: Floats) -> NDArray[np.bool_]:
        """Which steps it heats throughout or not at all; in the others its relay may switch within them."""
        return step_h < (INF if self.duty_from_h is None else self.duty_from_h - _HAIR_H)


@dataclass(frozen=True)
class Bank:
    """`count` equal things of which `on` say how many are on in each step, and `starts` how many go on at its start.

    starts: None where `is_short` says that they need no columns of their own. on_h, off_h: for how long each of those
    that are on, or off, before the plan has been so by then. Equal things need no names: those that go off or on are
    always those that were on or off the longest, and so every single one keeps its times wherever the counts do.
    """

    name: str
    count: int
    on: Linear
    starts: Linear | None
    on_h: tuple[float, ...]
    off_h: tuple[float, ...]

    def rows(self, step_h: Floats, *, min_on_h: float, min_off_h: float) -> Iterator[Row]:
        """Minimum on and off times: units switched within them keep their state; the tightest linear form."""
        at_h, more = np.cumsum(step_h) - step_h, self.on - _before(self.on, len(self.on_h))
        if self.starts is not None:
            yield Row("starts", f"starts{self.name}", self.starts >= more)
        for state, changes, rest, since_h, least_h in (
            ("on", more, self.on, self.on_h, min_on_h),
            ("off", -more, self.count - self.on, self.off_h, min_off_h),
        ):
            held = self._held(since_h, at_h, least_h)
            if self.starts is not None:
                events = self.starts if state == "on" else self.starts - more
                changed = recent(events, at_h, least_h)
            else:
                # What changed in this very step is in the rest already.
                changed = _before(changes) * (_window(at_h, least_h) > 1)
                if held.any():
                    yield Row(f"minimum_{state}", f"held_{state}{self.name}", rest >= held)
            if least_h:
                yield Row(f"minimum_{state}", f"stay_{state}{self.name}", changed + held <= rest)

    @staticmethod
    def _held(since_h: tuple[float, ...], at_h: Floats, least_h: float) -> Floats:
        """Number that must stay in each step what they were before the plan."""
        held: Floats = np.sum([at_h + since < least_h - _HAIR_H for since in since_h], axis=0, initial=0.0)
        return held + np.zeros(at_h.size)


def is_short(step_h: Floats, *least_h: float) -> bool:
    """Whether these minimum times last two steps at most: then differences of counts say all that starts would."""
    at_h = np.cumsum(step_h) - step_h
    return all(_window(at_h, each).max() <= 2 for each in least_h)


def recent(events: Linear, at_h: Floats, within_h: float | Floats) -> Linear:
    """The events of each step and of those that began less than so many hours before it."""
    steps, counts = np.arange(at_h.size), _window(at_h, within_h)
    into = np.repeat(steps, counts)
    taken = np.arange(into.size) - np.repeat(np.cumsum(counts), counts) + np.repeat(steps + 1, counts)
    return events[taken].into(into, steps.size)


def _window(at_h: Floats, within_h: float | Floats) -> NDArray[np.int64]:
    """Number of steps, each itself among them, that began less than so many hours before each."""
    first = np.searchsorted(at_h, at_h - within_h + _HAIR_H, side="right")
    counts: NDArray[np.int64] = np.maximum(np.arange(at_h.size) + 1 - first, 0)
    return counts


def _before(each: Linear, first: float = 0.0) -> Linear:
    """Of each step, the one before it; of the first a number."""
    start = np.zeros(each.size)
    start[0] = first
    return each[np.arange(each.size - 1)].into(np.arange(1, each.size), each.size) + start


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
