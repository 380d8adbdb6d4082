"""A grid condensed to its local days, once: what the rules ask of a stream's past costs nothing after that.

Days are local civil days of the zone (23, 24 or 25 h); all is causal: nothing of a day depends on a later one, except
that a run of equal readings knows where it ends.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data_quality.contracts.time import local_day, local_midnight_utc
from data_quality.reading_grid import Floats, Grid
from data_quality.rules.shared.hits import stretches

# Shorter stretches of equal readings happen in every meter and are kept by no rule.
SHORTEST_RUN_H = 3.0
# Half a megabyte of readings at a time.
_CACHED_CELLS = 1 << 16
Slots = NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """Stretches of equal readings: row, first slot, end slot (exclusive), value. Sorted by row and slot."""

    row: NDArray[np.int64]
    first: NDArray[np.int64]
    end: NDArray[np.int64]
    value: Floats

    def of(self, keep: NDArray[np.bool_]) -> "Runs":
        """Runs where `keep` holds."""
        return Runs(self.row[keep], self.first[keep], self.end[keep], self.value[keep])


class Days:
    """The local days of a grid, and per stream and day: highest, lowest, sum, count, biggest step, runs, hours."""

    def __init__(self, grid: Grid, time_zone: str) -> None:
        self.grid, self.time_zone = grid, time_zone
        first = local_day(grid.start_utc, time_zone)
        # A slot is of the day that it begins on.
        last = local_day(grid.instant(grid.slots - 1), time_zone)
        self.dates: list[date] = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        midnights = [local_midnight_utc(day, time_zone) for day in [*self.dates, last + timedelta(days=1)]]
        # May lie outside of the grid on its first and last day.
        self.midnights = np.array([grid.slot_from(moment) for moment in midnights], dtype=np.int64)
        # First and last day hold a slot each by their making: reduceat answers an empty day with the next day's value.
        self.edges = np.clip(self.midnights, 0, grid.slots)

    @property
    def count(self) -> int:
        """Number of days."""
        return len(self.dates)

    @cached_property
    def highest(self) -> Floats:
        """[streams, days], NaN where nothing is known."""
        # fmax skips NaN, where maximum would spread one gap over the whole day.
        return np.fmax.reduceat(self.grid.values, self.edges[:-1], axis=1)

    @cached_property
    def lowest(self) -> Floats:
        """[streams, days], NaN where nothing is known."""
        return np.fmin.reduceat(self.grid.values, self.edges[:-1], axis=1)

    @cached_property
    def known(self) -> NDArray[np.int64]:
        """[streams, days] slots with a value."""
        known: Slots = np.tile(np.diff(self.edges), (len(self.grid.streams), 1))
        for rows in self._few_rows():
            gaps = np.isnan(self.grid.values[rows])
            if gaps.any():
                known[rows] -= np.add.reduceat(gaps, self.edges[:-1], axis=1, dtype=np.int64)
        return known

    @cached_property
    def sums(self) -> Floats:
        """[streams, days] sum of the known slots; 0 where there is none."""
        values = self.grid.values
        # Nearly always nothing is missing: then the copy without NaN is spared.
        has_gaps = bool((self.known < np.diff(self.edges)).any())
        filled = np.where(np.isnan(values), 0.0, values) if has_gaps else values
        sums: Floats = np.add.reduceat(filled, self.edges[:-1], axis=1)
        return sums

    @cached_property
    def means(self) -> Floats:
        """[streams, days] mean of the known slots, NaN where there is none."""
        means: Floats = np.divide(self.sums, self.known, out=np.full(self.sums.shape, np.nan), where=self.known > 0)
        return means

    @cached_property
    def steps(self) -> Floats:
        """[streams, days] biggest change from one slot to the next that ends on the day; NaN where there is none."""
        out = np.empty((len(self.grid.streams), self.count))
        for rows in self._few_rows():
            values = self.grid.values[rows]
            change = np.empty_like(values)
            change[:, 0] = np.nan
            np.subtract(values[:, 1:], values[:, :-1], out=change[:, 1:])
            out[rows] = np.fmax.reduceat(np.abs(change, out=change), self.edges[:-1], axis=1)
        return out

    @cached_property
    def hours(self) -> Floats:
        """[streams, days, 24] sums of the local hours; NaN where a slot is missing, and on days of 23 or 25 h."""
        per_hour = 60 // self.grid.step_minutes
        day_slots = 24 * per_hour
        out = np.full((len(self.grid.streams), self.count, 24), np.nan)
        is_usual = (np.diff(self.midnights) == day_slots) & (np.diff(self.edges) == day_slots)
        for first, end in stretches(is_usual):
            start = int(self.edges[first])
            part = self.grid.values[:, start : start + (end - first) * day_slots]
            # Strided adds: a sum over a last axis of four elements is several times slower.
            total = part[:, ::per_hour].copy()
            for quarter in range(1, per_hour):
                total += part[:, quarter::per_hour]
            out[:, first:end] = total.reshape(-1, end - first, 24)
        return out

    @cached_property
    def runs(self) -> Runs:
        """Stretches of at least SHORTEST_RUN_H of equal readings, zeros among them."""
        parts = [self._runs_of(rows) for rows in self._few_rows()]
        row, first, end, value = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Runs(row, first, end, value)

    def _runs_of(self, rows: slice) -> tuple[Slots, Slots, Slots, Floats]:
        flat = self.grid.values[rows].ravel()
        is_new = np.empty(flat.size, bool)
        # NaN differs from itself: each slot of a gap is a run of one, and falls out by its length.
        np.not_equal(flat[1:], flat[:-1], out=is_new[1:])
        # The rows lie end to end: no run may go on from one stream into the next.
        is_new[:: self.grid.slots] = True
        first = np.flatnonzero(is_new)
        length = np.diff(first, append=flat.size)
        kept = np.flatnonzero(length >= self.run_slots(SHORTEST_RUN_H))
        start = first[kept]
        row, column = np.divmod(start, self.grid.slots)
        return row + rows.start, column, column + length[kept], flat[start]

    def _few_rows(self) -> list[slice]:
        """Slices of rows that fit the processor's cache: passes over them cost no memory traffic."""
        total = len(self.grid.streams)
        step = max(1, _CACHED_CELLS // max(1, self.grid.slots))
        return [slice(row, min(row + step, total)) for row in range(0, total, step)]

    @cached_property
    def zero_runs(self) -> Runs:
        """Runs of zeros."""
        return self.runs.of(self.runs.value == 0)

    @cached_property
    def steady_runs(self) -> Runs:
        """Runs of anything but zero."""
        return self.runs.of(self.runs.value != 0)

    def run_slots(self, hours: float) -> int:
        """Slots of that many hours."""
        # One slot alone equals nothing.
        return max(2, round(hours / self.grid.step_h))

    def longest_run(self, runs: Runs) -> Floats:
        """[streams, days] the longest of these runs that ended on the day, in slots, at most a week of them; else 0.

        The week bounds how far back a past must reach for the same answer.
        """
        out = np.zeros((len(self.grid.streams), self.count))
        # A run at the grid's end may still go on: its length would depend on when one asks.
        is_over = runs.end < self.grid.slots
        day = np.searchsorted(self.edges, runs.end[is_over], side="right") - 1
        length = np.minimum(runs.end - runs.first, self.run_slots(7 * 24))[is_over]
        np.maximum.at(out, (runs.row[is_over], np.minimum(day, self.count - 1)), length)
        return out

    def day_of(self, moment: datetime) -> int:
        """Index of the local day that the instant lies in; may be outside of the days."""
        return (local_day(moment, self.time_zone) - self.dates[0]).days
