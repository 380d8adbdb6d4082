"""Grids become canonical quarter hours: whole quanta of 1e-9, the energy of longer intervals divided to the last one.

The arithmetic of assets/readings/tables/normalise.py, on arrays.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.readings.bulk.months import Grid, month_of, month_start
from assets.readings.bulk.shape import NotRegular, Stream
from data_quality.contracts.units import QUANTUM_DECIMALS, Behaviour

QUANTA = 10**QUANTUM_DECIMALS


@dataclass(frozen=True)
class Rows:
    """Quarter hours in the order of time and stream."""

    slot: NDArray[np.int64]
    stream: NDArray[np.int64]
    quanta: NDArray[np.int64]
    line: NDArray[np.int32]

    def take(self, places: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "Rows":
        """These rows only."""
        return Rows(self.slot[places], self.stream[places], self.quanta[places], self.line[places])

    def values(self) -> NDArray[np.float64]:
        """Canonical values."""
        return np.asarray(self.quanta / QUANTA, np.float64)


@dataclass(frozen=True)
class Meaning:
    """Conversion of each stream's values. quarters: length of its readings; zero_is_missing: as declared."""

    streams: tuple[Stream, ...]
    quarters: NDArray[np.int64]
    zero_is_missing: bool

    def canonical(self, values: NDArray[np.float64], streams: NDArray[np.int64]) -> NDArray[np.float64]:
        """Values (slots x streams) in the canonical unit; power as the energy of its interval."""
        units = [self.streams[number].unit for number in streams]
        factors = np.array([unit.factor for unit in units])
        offsets = np.array([unit.offset for unit in units])
        hours = self.quarters[streams] * 15 / 60
        if (factors != 1).any():
            values = values * factors
        if any(unit.is_power for unit in units):
            values = values * np.where([unit.is_power for unit in units], hours, 1.0)
        return values + offsets if (offsets != 0).any() else values


@dataclass(frozen=True)
class Readings:
    """One month's readings as they stand in the file, slots x streams; `quanta` is that of the whole reading.

    native: the same in the source's unit; lines: 0 where none is; zeros: zeros that mean "no reading".
    """

    first_slot: int
    streams: NDArray[np.int64]
    quanta: NDArray[np.int64]
    native: NDArray[np.int64]
    lines: NDArray[np.int32]
    is_full: bool
    zeros: int

    def rows(self) -> Rows:
        """The readings in the order of time and stream."""
        height, width = self.lines.shape
        if self.is_full:
            slot = np.repeat(np.arange(self.first_slot, self.first_slot + height), width)
            return Rows(slot, np.tile(self.streams, height), self.quanta.ravel(), self.lines.ravel())
        places = np.flatnonzero(self.lines)
        slot, stream = places // width + self.first_slot, self.streams[places % width]
        return Rows(slot, stream, self.quanta.ravel()[places], self.lines.ravel()[places])


def readings_of(grid: Grid, meaning: Meaning) -> Readings:
    """The readings of a month's grid. Raises NotRegular for sizes whose sum does not fit 64 bits."""
    lines, values, zeros = grid.lines, grid.values, 0
    if meaning.zero_is_missing and (values == 0).any():
        zeros = int(np.count_nonzero(values == 0))
        lines = np.where(values == 0, 0, lines)
        values = np.where(values == 0, np.nan, values)
    is_full = bool(lines.all())
    if not is_full:
        # Cast to whole numbers NaN would become the smallest of them all.
        values = np.where(lines == 0, 0.0, values)
    native = quanta_of(values)
    converted = meaning.canonical(values, grid.streams)
    quanta = native if converted is values else quanta_of(converted)
    for sums in (native,) if quanta is native else (native, quanta):
        # The largest size times the rows bounds every sum, without adding anything up; 2**63 is 9.22e18.
        if max(-int(sums.min(initial=0)), int(sums.max(initial=0))) * len(sums) > 9e18:
            raise NotRegular
    return Readings(grid.first_slot, grid.streams, quanta, native, lines, is_full, zeros)


def quanta_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole quanta, halves to the even one. Raises NotRegular for what does not fit 64 bits."""
    rounded = np.rint(values * QUANTA)
    if rounded.size and max(-rounded.min(), rounded.max()) > 9e18:
        raise NotRegular
    return np.asarray(rounded, np.int64)


def quarter_hours(readings: Iterable[Rows], meaning: Meaning) -> Iterator[Rows]:
    """readings: month by month. Yields quarter hours, each month once; what reaches into later months waits for them.

    A reading may last for months, so that others begin in every month that it reaches into.
    """
    # Most long files hold quarter hours already: they pass untouched.
    if (meaning.quarters == 1).all():
        yield from (rows for rows in readings if rows.slot.size)
        return
    is_amount = np.array([each.unit.behaviour is Behaviour.AMOUNT for each in meaning.streams])
    waiting: Rows | None = None
    for rows in readings:
        if not rows.slot.size:
            continue
        parts = _split(rows, meaning.quarters, is_amount)
        ordered = parts if waiting is None else _joined(waiting, parts)
        # The last key of lexsort is the first to sort by: time, then stream.
        ordered = ordered.take(np.lexsort((ordered.stream, ordered.slot)))
        # No later row begins before the month after this one.
        cut = int(np.searchsorted(ordered.slot, month_start(month_of(int(rows.slot[0])) + 1)))
        yield from _by_month(ordered.take(slice(None, cut)))
        waiting = ordered.take(slice(cut, None))
    if waiting is not None and waiting.slot.size:
        yield from _by_month(waiting)


def _split(rows: Rows, quarters: NDArray[np.int64], is_amount: NDArray[np.bool_]) -> Rows:
    count = quarters[rows.stream]
    ends = np.cumsum(count)
    part = np.arange(int(ends[-1])) - np.repeat(ends - count, count)
    stream, quanta, each = (np.repeat(column, count) for column in (rows.stream, rows.quanta, count))
    # Floor and remainder belong together for negative amounts too: the parts add up to the whole.
    shared = quanta // each + (part < quanta % each)
    return Rows(
        slot=np.repeat(rows.slot, count) + part,
        stream=stream,
        quanta=np.where(is_amount[stream], shared, quanta),
        line=np.repeat(rows.line, count),
    )


def _joined(one: Rows, other: Rows) -> Rows:
    return Rows(
        np.concatenate([one.slot, other.slot]),
        np.concatenate([one.stream, other.stream]),
        np.concatenate([one.quanta, other.quanta]),
        np.concatenate([one.line, other.line]),
    )


def _by_month(ordered: Rows) -> Iterator[Rows]:
    """A part for each month that has rows."""
    months = range(month_of(int(ordered.slot[0])), month_of(int(ordered.slot[-1])) + 2)
    cuts = np.searchsorted(ordered.slot, [month_start(month) for month in months])
    spans = zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
    yield from (ordered.take(slice(start, end)) for start, end in spans if end > start)
