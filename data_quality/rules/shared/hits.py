"""Hits of a rule: events in slots of the grid, not one flag a reading, for faults are rare."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_quality.reading_grid import Flags, Floats

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Hits:
    """One event an element: row of the grid, first slot, end slot (exclusive), and the value worth showing."""

    row: Rows
    first: Rows
    end: Rows
    value: Floats

    @property
    def count(self) -> int:
        """Number of events."""
        return len(self.row)

    def of(self, keep: Flags) -> "Hits":
        """Hits where `keep` holds."""
        return Hits(self.row[keep], self.first[keep], self.end[keep], self.value[keep])


def hits(events: list[tuple[int, int, int, float]]) -> Hits:
    """From tuples (row, first, end, value)."""
    # An empty zip has nothing to take apart.
    row, first, end, value = zip(*events, strict=True) if events else ((), (), (), ())
    whole = np.int64
    return Hits(np.array(row, whole), np.array(first, whole), np.array(end, whole), np.array(value, np.float64))


def stretches(mask: Flags) -> list[tuple[int, int]]:
    """[first, end) of every stretch of true in one row of flags."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in zip(bounds[::2], bounds[1::2], strict=True)]
