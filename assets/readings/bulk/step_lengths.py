"""Reading length of each stream: its commonest step, as tables/reading_lengths.py finds it."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from assets.readings.bulk.months import Grid
from assets.readings.bulk.shape import NotRegular

# More different steps than this are no steps.
_MAX_STEPS = 5000
_NONE = -(2**40)


class Steps:
    """First, last and number of each stream's rows, and how often each step stands between two of them."""

    def __init__(self, streams: int) -> None:
        self._by_step: dict[int, NDArray[np.int64]] = defaultdict(lambda: np.zeros(streams, np.int64))
        self._last = np.full(streams, _NONE)
        self.first_slot, self.last_slot = np.full(streams, _NONE), np.full(streams, _NONE)
        self.counts = np.zeros(streams, np.int64)

    def add(self, grid: Grid) -> None:
        """The grid of the next month."""
        if grid.is_full:
            self._add_full(grid)
            return
        seen = grid.lines > 0
        self._count(grid, seen)
        if grid.others.size:
            # A rejected row still shows the step of its stream.
            seen.ravel()[grid.others] = True
        height = len(seen)
        places = np.flatnonzero(seen.T)
        stream, slot = places // height, places % height
        edges = np.flatnonzero(np.diff(stream, prepend=-1))
        is_same = np.diff(stream) == 0
        self._tally(grid.streams[stream[1:][is_same]], np.diff(slot)[is_same])
        last = slot[np.append(edges[1:], slot.size) - 1] + grid.first_slot
        self._join(grid.streams, slot[edges] + grid.first_slot, last)

    def _add_full(self, grid: Grid) -> None:
        """A month in which no place is empty."""
        height, streams = len(grid.lines), grid.streams
        first = np.full(len(streams), grid.first_slot)
        self.first_slot[streams] = np.where(self.first_slot[streams] == _NONE, first, self.first_slot[streams])
        self.last_slot[streams] = first + height - 1
        self.counts[streams] += height
        self._by_step[1][streams] += height - 1
        self._join(streams, first, first + height - 1)

    def _join(self, streams: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]) -> None:
        """The step from the last row of the months before to the first of this one."""
        known = self._last[streams] > _NONE
        self._tally(streams[known], (first - self._last[streams])[known])
        self._last[streams] = last

    def _count(self, grid: Grid, seen: NDArray[np.bool_]) -> None:
        """Rows that hold their place: good ones, and counts that are refused only for being negative."""
        if grid.negatives.size:
            seen = seen.copy()
            seen.ravel()[grid.negatives] = True
        is_any = seen.any(axis=0)
        streams = grid.streams[is_any]
        first = seen.argmax(axis=0)[is_any] + grid.first_slot
        last = seen.shape[0] - 1 - seen[::-1].argmax(axis=0)[is_any] + grid.first_slot
        self.first_slot[streams] = np.where(self.first_slot[streams] == _NONE, first, self.first_slot[streams])
        self.last_slot[streams] = last
        self.counts[streams] += seen.sum(axis=0)[is_any]

    def _tally(self, streams: NDArray[np.int64], steps: NDArray[np.int64]) -> None:
        if not steps.size:
            return
        width = len(self._last)
        for step, counts in _grouped(streams, steps, width):
            self._by_step[step] += counts
        if len(self._by_step) > _MAX_STEPS:
            raise NotRegular

    def quarters(self, declared_minutes: int | None) -> NDArray[np.int64]:
        """Quarter hours that a reading of each stream lasts. Ties go to the shorter step. Raises NotRegular."""
        width = len(self._last)
        if declared_minutes is not None:
            return np.full(width, declared_minutes // 15)
        steps = sorted(step for step, counts in self._by_step.items() if counts.any())
        if not steps:
            raise NotRegular
        counts = np.array([self._by_step[step] for step in steps])
        of_file = steps[int(counts.sum(axis=1).argmax())]
        best = np.array(steps)[counts.argmax(axis=0)]
        return np.where(counts.any(axis=0), best, of_file)

    def gaps(self, quarters: NDArray[np.int64]) -> int:
        """Intervals that are missing between the first and the last row of their stream."""
        used = self.counts > 0
        span = self.last_slot[used] - self.first_slot[used]
        return int((span // quarters[used] + 1 - self.counts[used]).sum())


def _grouped(streams: NDArray[np.int64], steps: NDArray[np.int64], width: int) -> list[tuple[int, NDArray[np.int64]]]:
    top = int(steps.max())
    # One count over all steps and streams, as long as its table stays within 32 MB.
    if top * width <= 4_000_000:
        table = np.bincount(steps * width + streams, minlength=(top + 1) * width).reshape(-1, width)
        return [(int(step), table[step]) for step in np.flatnonzero(table.any(axis=1))]
    return [(int(step), np.bincount(streams[steps == step], minlength=width)) for step in np.unique(steps)]
