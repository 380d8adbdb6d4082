"""Cells sorted into UTC months, in memory as long as they are few and in temporary files beyond that; each month
then becomes a dense grid of quarter hours and streams, in which a doubled row has the place of its twin.
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.bulk.shape import SLOT_US, NotRegular

# Rows held in memory: 20 bytes each.
MAX_ROWS_IN_MEMORY = 12_000_000
# A grid with more empty places than this for each reading is no table of regular streams.
MAX_EMPTY = 64


class Months:
    """The cells of one file by UTC month."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._rows = folder, 0
        self._held = defaultdict[int, list[pl.DataFrame]](list)
        self._spilled = defaultdict[int, list[Path]](list)
        self.is_sorted, self._last = True, -1
        self._moved = pl.DataFrame(schema={"line": pl.Int32, "_by": pl.Int32})

    def add(self, cells: pl.DataFrame) -> None:
        """Take a block of the file, in its order. cells: see cells.py."""
        if cells.is_empty():
            return
        slots = cells["slot"].to_numpy()
        in_order = bool((slots[1:] >= slots[:-1]).all())
        self.is_sorted &= in_order and int(slots[0]) >= self._last
        self._last = int(slots[-1])
        # UTC months are portions to work in: which local months change is asked of the rows (changes/affected.py).
        edges = month_edges(int(slots.min()), int(slots.max()))
        places = np.searchsorted(edges, slots, side="right") if len(edges) > 2 else np.ones(1, np.int64)
        # Rows of one month in a row: some for each meter where meters follow each other. More say no order at all.
        cuts = np.flatnonzero(np.diff(places)) + 1
        if not in_order and len(cuts) > 16 * len(edges):
            order = np.argsort(places, kind="stable")
            cells, places = cells[order], places[order]
            cuts = np.flatnonzero(np.diff(places)) + 1
        columns = {name: cells[name].to_numpy() for name in cells.columns}
        for start, end in pairwise([0, *cuts.tolist(), cells.height]):
            # Where months come again each has its own copy: one that is given back frees its memory then.
            part = cells.slice(start, end - start)
            if not in_order:
                part = pl.DataFrame({name: column[start:end].copy() for name, column in columns.items()})
            self._held[month_of(int(edges[places[start] - 1]))].append(part)
        self._rows += cells.height
        if self._rows > MAX_ROWS_IN_MEMORY:
            for month, parts in self._held.items():
                path = self._folder / f"{month}.{len(self._spilled[month])}"
                pl.concat(parts).write_ipc(path)
                self._spilled[month].append(path)
            self._held.clear()
            self._rows = 0

    def months(self) -> list[int]:
        """Months that hold cells, as months since 1970, in order."""
        return sorted({*self._held, *self._spilled})

    def cells(self, month: int) -> pl.DataFrame:
        """The cells of a month in the order of the file."""
        spilled = [pl.read_ipc(path) for path in self._spilled.get(month, ())]
        found: pl.DataFrame = pl.concat([*spilled, *self._held.get(month, ())])
        if self._moved.is_empty():
            return found
        moved = found.join(self._moved, on="line", how="left", maintain_order="left")
        kept = moved.filter(pl.col("_by").is_null() | (pl.col("_by") != 0))
        return kept.select("stream", pl.col("slot") + pl.col("_by").fill_null(0), "value", "line")

    def move(self, lines: NDArray[np.int32], slots: NDArray[np.int64], by: NDArray[np.int64]) -> None:
        """Rows that were taken to be of `slots` are `by` quarter hours later; 0 takes them out. Before any cells().

        Raises NotRegular where one would leave its month.
        """
        months = [month_of(slot) for slot in slots.tolist()]
        if months != [month_of(slot) for slot in (slots + by).tolist()]:
            raise NotRegular
        self._moved = pl.DataFrame({"line": lines, "_by": by.astype(np.int32)})
        # Whether the rows still stand in order is asked of each stream.
        self.is_sorted = False
        for month in {*months}.intersection(self.months()):
            if self.cells(month).is_empty():
                self._held.pop(month, None)
                self._spilled.pop(month, None)

    @property
    def is_in_memory(self) -> bool:
        """Nothing was put into files: what is made of the months may be kept as well."""
        return not self._spilled

    def forget(self, month: int) -> None:
        """Give back the memory of a month whose grid is kept."""
        self._held[month] = []


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
    lines: NDArray[np.int32]
    others: NDArray[np.int64]
    negatives: NDArray[np.int64]
    duplicates: int
    conflicts: NDArray[np.int32]

    @property
    def is_full(self) -> bool:
        """Every stream has a reading in every quarter hour between the first and the last."""
        return bool(self.lines.all())


def grid_of(cells: pl.DataFrame, stream_count: int) -> Grid:
    """The grid of one month's cells. Raises NotRegular where most places are empty."""
    stream, slot, value, line = (cells[name].to_numpy() for name in ("stream", "slot", "value", "line"))
    streams = np.flatnonzero(np.bincount(stream, minlength=stream_count))
    first, width = int(slot.min()), len(streams)
    shape = (int(slot.max()) - first + 1, width)
    # A short file may be sparse at no cost.
    if shape[0] * width > MAX_EMPTY * max(stream.size, 3000):
        raise NotRegular
    none, no_lines, good = np.empty(0, np.int64), np.empty(0, np.int32), np.isfinite(value)
    if good.all() and _is_in_order(slot, stream, first, streams):
        return Grid(first, streams, value.reshape(shape), line.reshape(shape), none, none, 0, no_lines)
    column = np.zeros(stream_count, np.int64)
    column[streams] = np.arange(width)
    flat = (slot.astype(np.int64) - first) * width + column[stream]
    others, negatives = flat[~good], flat[value == -np.inf]
    flat, value, line = flat[good], value[good], line[good]
    values, lines = np.full(shape, np.nan), np.zeros(shape, np.int32)
    values.ravel()[flat] = value
    lines.ravel()[flat] = line
    duplicates, conflicts = flat.size - int(np.count_nonzero(lines)), no_lines
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
    # A refused count and another one at the same place: which of the two is odd is for the careful way to say.
    is_twice = np.unique(negatives).size < negatives.size
    if is_twice or (negatives.size and (conflicts.size or lines.ravel()[negatives].any())):
        raise NotRegular
    return Grid(first, streams, values, lines, others, negatives, duplicates, conflicts)


def _is_in_order(slot: NDArray[np.int32], stream: NDArray[np.int32], first: int, streams: NDArray[np.int64]) -> bool:
    """True where every place of the grid occurs once, in the order of time and stream; no place is numbered for it."""
    if slot.size % len(streams):
        return False
    times = slot.reshape(-1, len(streams))
    is_even = (times == np.arange(first, first + len(times), dtype=slot.dtype)[:, None]).all()
    return bool(is_even and (stream.reshape(times.shape) == streams.astype(stream.dtype)).all())
