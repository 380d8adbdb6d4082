"""Cells sorted into UTC months, in memory as long as they are few and in temporary files beyond that; each month
then becomes a dense grid of quarter hours and streams, in which a doubled row has the place of its twin.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.readings.bulk.cells import SLOT_US, Cells
from assets.readings.bulk.shape import NotRegular

# Rows held in memory: 24 bytes each.
MAX_ROWS_IN_MEMORY = 12_000_000
# A grid with more empty places than this for each reading is no table of regular streams.
MAX_EMPTY = 64
_FIELDS = (("stream", np.int32), ("slot", np.int32), ("value", np.float64), ("line", np.int64))


class Months:
    """The cells of one file by UTC month."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._held, self._rows = folder, defaultdict[int, list[Cells]](list), 0
        self._spilled: set[int] = set()
        self.is_sorted, self._last = True, -1
        self.first_slot, self.last_slot = 2**31 - 1, -(2**31)

    def add(self, cells: Cells) -> None:
        """Take a block of the file, in its order."""
        if not cells.slot.size:
            return
        low, high = int(cells.slot.min()), int(cells.slot.max())
        self.first_slot, self.last_slot = min(self.first_slot, low), max(self.last_slot, high)
        in_order = bool((cells.slot[1:] >= cells.slot[:-1]).all())
        self.is_sorted &= in_order and int(cells.slot[0]) >= self._last
        self._last = int(cells.slot[-1])
        edges = month_edges(low, high)
        if len(edges) == 2:
            self._hold(month_of(low), cells)
        elif in_order:
            cuts = np.searchsorted(cells.slot, edges)
            for start, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
                if end > start:
                    self._hold(month_of(int(cells.slot[start])), _part(cells, slice(start, end)))
        else:
            place = (np.searchsorted(edges, np.arange(low, high + 1), side="right") - 1).astype(np.int16)
            of_row = place[cells.slot - low]
            order = np.argsort(of_row, kind="stable")
            cuts = np.searchsorted(of_row[order], np.arange(len(edges)))
            for number in range(len(edges) - 1):
                rows = order[cuts[number] : cuts[number + 1]]
                if rows.size:
                    self._hold(month_of(int(edges[number])), _part(cells, rows))
        if self._rows > MAX_ROWS_IN_MEMORY:
            self._spill()

    def months(self) -> list[int]:
        """Months that hold cells, as months since 1970, in order."""
        return sorted({*self._held, *self._spilled})

    def parts(self, month: int) -> list[Cells]:
        """The cells of a month in the order of the file."""
        parts = list(self._held.get(month, ()))
        if month in self._spilled:
            parts.insert(0, _made(lambda name, dtype: np.fromfile(self._file(month, name), dtype)))
        return parts

    @property
    def is_in_memory(self) -> bool:
        """Nothing was put into files: what is made of the months may be kept as well."""
        return not self._spilled

    def forget(self, month: int) -> None:
        """Give back the memory of a month whose grid is kept."""
        self._held[month] = []

    def _hold(self, month: int, cells: Cells) -> None:
        self._held[month].append(cells)
        self._rows += cells.slot.size

    def _spill(self) -> None:
        for month, parts in self._held.items():
            for name, _ in _FIELDS:
                with self._file(month, name).open("ab") as file:
                    for part in parts:
                        getattr(part, name).tofile(file)
            self._spilled.add(month)
        self._held.clear()
        self._rows = 0

    def _file(self, month: int, name: str) -> Path:
        return self._folder / f"{month}.{name}"


def _part(cells: Cells, rows: slice | NDArray[np.intp]) -> Cells:
    # Copies: a view would keep the whole block in memory.
    return _made(lambda name, _: np.array(getattr(cells, name)[rows]))


def _made(column: Callable[[str, type], NDArray[Any]]) -> Cells:
    return Cells(**{name: column(name, dtype) for name, dtype in _FIELDS})


def joined(parts: Sequence[Cells]) -> Cells:
    """The cells of all parts."""
    if len(parts) == 1:
        return parts[0]
    return _made(lambda name, _: np.concatenate([getattr(part, name) for part in parts]))


def month_of(slot: int) -> int:
    """Months since 1970 of a quarter hour."""
    return int(np.datetime64(slot * SLOT_US, "us").astype("datetime64[M]").astype(np.int64))


def month_start(month: int) -> int:
    """First quarter hour of a month."""
    return int(np.datetime64(month, "M").astype("datetime64[us]").astype(np.int64)) // SLOT_US


def month_edges(low: int, high: int) -> NDArray[np.int64]:
    """First quarter hours of the months from the one of `low` to the one after that of `high`."""
    return np.array([month_start(month) for month in range(month_of(low), month_of(high) + 2)])


@dataclass(frozen=True)
class Grid:
    """One month. streams: the streams that have rows, ascending; values, lines: slots x streams, NaN and 0 where no
    reading is; others: places (flat) that only rejected rows show, and which of these are negative counts;
    conflicts: lines of rows that say different values of one place, which then has no reading.
    """

    first_slot: int
    streams: NDArray[np.int64]
    values: NDArray[np.float64]
    lines: NDArray[np.int64]
    others: NDArray[np.int64]
    negatives: NDArray[np.int64]
    duplicates: int
    conflicts: NDArray[np.int64]

    @property
    def is_full(self) -> bool:
        """Every stream has a reading in every quarter hour between the first and the last."""
        return bool(self.lines.all())


def grid_of(parts: Sequence[Cells], stream_count: int) -> Grid:
    """The grid of one month's cells. Raises NotRegular where most places are empty."""
    counts = sum(np.bincount(part.stream, minlength=stream_count) for part in parts)
    streams = np.flatnonzero(counts)
    first, last = min(int(part.slot.min()) for part in parts), max(int(part.slot.max()) for part in parts)
    rows, shape = int(np.sum(counts)), (last - first + 1, len(streams))
    if shape[0] * shape[1] > MAX_EMPTY * max(rows, 3000):
        raise NotRegular
    column = np.zeros(stream_count, np.int64)
    column[streams] = np.arange(len(streams))
    if rows == shape[0] * shape[1] and (found := _in_order(parts, first, streams, column)) is not None:
        return found
    cells = joined(parts)
    flat, value, line = _places(cells, first, column, shape[1]), cells.value, cells.line
    good = np.isfinite(value)
    others = negatives = np.empty(0, np.int64)
    if not good.all():
        others, negatives = flat[~good], flat[value == -np.inf]
        flat, value, line = flat[good], value[good], line[good]
    values, lines = np.full(shape, np.nan), np.zeros(shape, np.int64)
    values.ravel()[flat] = value
    lines.ravel()[flat] = line
    duplicates, conflicts = flat.size - int(np.count_nonzero(lines)), np.empty(0, np.int64)
    if duplicates:
        places = np.unique(flat[values.ravel()[flat] != value])
        if places.size:
            differs = np.isin(flat, places)
            conflicts, flat, line = line[differs], flat[~differs], line[~differs]
            values.ravel()[places], lines.ravel()[places] = np.nan, 0
            others = np.concatenate([others, places])
            duplicates = flat.size - int(np.count_nonzero(lines))
        # The first of several equal rows is the one that counts.
        lines.ravel()[flat[::-1]] = line[::-1]
    if negatives.size and (conflicts.size or lines.ravel()[negatives].any()):
        raise NotRegular
    return Grid(first, streams, values, lines, others, negatives, duplicates, conflicts)


def _places(cells: Cells, first: int, column: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """The flat places of cells in a grid that begins at the slot `first`. column: of each stream."""
    places = (cells.slot.astype(np.int64) - first) * width
    return places + column[cells.stream] if width > 1 else places


def _in_order(parts: Sequence[Cells], first: int, streams: NDArray[np.int64], column: NDArray[np.int64]) -> Grid | None:
    """The grid of cells that stand in its order, each place once; None for others."""
    start, width, none = 0, len(streams), np.empty(0, np.int64)
    for part in parts:
        end = start + part.slot.size
        places = _places(part, first, column, width)
        if not (places == np.arange(start, end)).all() or not np.isfinite(part.value).all():
            return None
        start = end
    values, lines = (np.concatenate([getattr(part, name) for part in parts]) for name in ("value", "line"))
    return Grid(first, streams, values.reshape(-1, width), lines.reshape(-1, width), none, none, 0, none)
