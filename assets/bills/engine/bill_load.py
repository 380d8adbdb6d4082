"""Billed quantities: energy per interval on a regular grid, or the use between register reads.

Interval energies are whole numbers of 1e-9 kWh (or m3), so that sums are exact.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl

from data_quality.contracts.errors import BadInput
from data_quality.contracts.units import QUANTUM_DECIMALS

_SCALE = 10**QUANTUM_DECIMALS
# Sums of one bill stay below what 64 bits hold: 9.2e9 units of 1e-9.
MAX_TOTAL = 9_000_000_000.0
# Divisors of the hour only: days of 23 and of 25 hours then hold whole intervals.
DIVIDES_HOUR = (1, 2, 3, 5, 10, 15, 30, 60)


@dataclass(frozen=True)
class Load:
    """Energy of intervals of step_minutes from start_utc on. Signed: negative load is energy fed in.

    load, generation, kvarh: int64 of 1e-9 kWh or kvarh (m3 where unit is m3), 0 where not present; generation is what
    a plant behind the meter made (its own use at night is negative), None where `load` is the meter's net.
    """

    start_utc: datetime
    step_minutes: int
    load: np.ndarray
    is_present: np.ndarray
    generation: np.ndarray | None = None
    kvarh: np.ndarray | None = None
    unit: Literal["kwh", "m3"] = "kwh"

    @property
    def size(self) -> int:
        """Number of intervals, present or not."""
        return int(self.load.shape[-1])

    @property
    def end_utc(self) -> datetime:
        """The instant after the last interval."""
        return self.start_utc + timedelta(minutes=self.step_minutes * self.size)

    def imported(self, *, is_gross: bool) -> np.ndarray:
        """Bought energy: load less generation where positive; all load where is_gross (buy all, sell all)."""
        # Buy all, sell all has two meters: load and generation never meet behind them.
        if is_gross and self.generation is not None:
            return self.load
        return self._netted[0]

    def exported(self, *, is_gross: bool) -> np.ndarray:
        """Energy fed in: the rest of the netting, or all generation where is_gross."""
        if is_gross and self.generation is not None:
            return self.generation
        return self._netted[1]

    @cached_property
    def _netted(self) -> tuple[np.ndarray, np.ndarray]:
        """Import and export of each interval; kept, since many tariffs are tried on one load."""
        net = self.load if self.generation is None else self.load - self.generation
        return np.maximum(net, 0), np.maximum(-net, 0)

    def between(self, start_utc: datetime, end_utc: datetime) -> "Load":
        """The same load on [start, end): cut, or filled with intervals that are not present. Raises BadInput."""
        step = timedelta(minutes=self.step_minutes)
        first, rest = divmod(start_utc - self.start_utc, step)
        count, left = divmod(end_utc - start_utc, step)
        if rest or left:
            raise BadInput(
                f"the load's {self.step_minutes}-minute intervals, counted from {self.start_utc:%Y-%m-%d %H:%M} UTC, "
                f"do not meet the bill's start {start_utc:%Y-%m-%d %H:%M} UTC",
                reason="load_off_grid",
            )
        # The common case: nothing is copied, and what was netted for one tariff is kept for the next.
        if not first and count == self.size:
            return self
        lead, tail = max(0, -first), max(0, first + count - self.size)
        part = slice(max(first, 0), max(first + count, 0) if tail == 0 else self.size)

        def cut(values: np.ndarray) -> np.ndarray:
            kept = values[..., part]
            # Nothing of the load lies there: all of it is filled, and none of it is present.
            if kept.shape[-1] + lead + tail != count:
                return np.zeros((*values.shape[:-1], count), dtype=values.dtype)
            wide = [(0, 0)] * (values.ndim - 1)
            return np.pad(kept, [*wide, (lead, tail)]) if lead or tail else kept

        return replace(self.mapped(cut), start_utc=start_utc)

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> "Load":
        """The load with each of its arrays changed alike; what it lacks it still lacks."""
        names = [name for name in ("load", "is_present", "generation", "kvarh") if getattr(self, name) is not None]
        changed: dict[str, Any] = {name: change(getattr(self, name)) for name in names}
        return replace(self, **changed)


def nano(values: np.ndarray) -> np.ndarray:
    """Floats as whole numbers of 1e-9. Raises BadInput where their sum would not fit 64 bits."""
    # Checked on the floats: past 64 bits a whole number would turn over in silence, and the bill become negative.
    if np.abs(values).sum(axis=-1).max(initial=0) > MAX_TOTAL:
        raise BadInput(f"the load amounts to more than {MAX_TOTAL:.0f} units; is its unit right?", reason="load_size")
    whole: np.ndarray = np.rint(values * _SCALE).astype(np.int64)
    return whole


def load_of(rows: pl.DataFrame, *, value: str = "kwh", unit: Literal["kwh", "m3"] = "kwh") -> Load:
    """A load from interval_start_utc, minutes and a value column (energy of the interval); gaps become not present.

    Raises BadInput for no rows, two steps, intervals off the common grid, or one interval twice.
    """
    if rows.is_empty():
        raise BadInput("the load has no rows", reason="no_rows")
    steps = rows["minutes"].unique().sort().to_list()
    if len(steps) != 1:
        raise BadInput(
            f"the load has intervals of {', '.join(str(step) for step in steps)} minutes; expected one length",
            reason="mixed_intervals",
        )
    step = int(steps[0])
    if step not in DIVIDES_HOUR:
        raise BadInput(f"the load has {step}-minute intervals; expected a divisor of the hour", reason="load_step")
    ordered = rows.sort("interval_start_utc")
    start_us = ordered["interval_start_utc"].dt.epoch("us").to_numpy()
    index, rest = np.divmod(start_us - start_us[0], step * 60_000_000)
    if rest.any():
        at = ordered["interval_start_utc"][int(np.argmax(rest != 0))]
        raise BadInput(f"the interval at {at:%Y-%m-%d %H:%M} UTC is off the {step}-minute grid", reason="off_grid")
    if index.size > 1 and (np.diff(index) == 0).any():
        at = ordered["interval_start_utc"][int(np.argmax(np.diff(index) == 0))]
        raise BadInput(f"the interval at {at:%Y-%m-%d %H:%M} UTC appears twice", reason="duplicate_interval")
    size = int(index[-1]) + 1
    load, present = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.bool_)
    load[index] = nano(ordered[value].cast(pl.Float64).to_numpy())
    present[index] = True
    start = datetime.fromtimestamp(int(start_us[0]) / 1e6, tz=UTC)
    return Load(start_utc=start, step_minutes=step, load=load, is_present=present, unit=unit)


def finer(load: Load, step_minutes: int) -> Load:
    """The load on shorter intervals: each part has its share of the energy, the last what is left to the quantum."""
    if step_minutes == load.step_minutes:
        return load
    if load.step_minutes % step_minutes:
        raise BadInput(
            f"{load.step_minutes}-minute intervals cannot be cut into {step_minutes}-minute ones", reason="load_step"
        )
    parts = load.step_minutes // step_minutes

    def spread(values: np.ndarray) -> np.ndarray:
        # Floor of running shares, then their differences: the parts of an interval add up to it to the quantum.
        whole = np.arange(parts + 1) * values[..., None] // parts
        parts_of: np.ndarray = np.diff(whole, axis=-1).reshape(*values.shape[:-1], -1)
        return parts_of

    # An interval is there or not, and its parts with it: nothing of it is spread.
    return replace(
        load.mapped(spread), step_minutes=step_minutes, is_present=np.repeat(load.is_present, parts, axis=-1)
    )


def with_generation(load: Load, generation: Load) -> Load:
    """Load and generation on one grid, the finer of the two; an interval is present where both are. Raises BadInput."""
    step = min(load.step_minutes, generation.step_minutes)
    bought, made = finer(load, step), finer(generation, step)
    made = made.between(bought.start_utc, bought.end_utc)
    # What only one of the two meters saw cannot be netted: half an interval would be billed as import or as surplus.
    present = bought.is_present & made.is_present
    return replace(
        bought,
        load=np.where(present, bought.load, 0),
        generation=np.where(present, made.load, 0),
        is_present=present,
    )


def netted_over(bought: np.ndarray, sold: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Import and export of each interval, netted within blocks of `count`; what is left stands late in its block."""
    if count < 2 or not sold.any():
        return bought, sold
    blocks = [np.pad(each, [(0, 0)] * (each.ndim - 1) + [(0, -each.shape[-1] % count)]) for each in (bought, sold)]
    blocks = [each.reshape(*each.shape[:-1], -1, count) for each in blocks]
    sums = [each.cumsum(axis=-1) for each in blocks]
    left = [np.maximum(sums[at] - sums[1 - at][..., -1:], 0) for at in (0, 1)]
    steps = [np.diff(each, axis=-1, prepend=0).reshape(*bought.shape[:-1], -1) for each in left]
    return steps[0][..., : bought.shape[-1]], steps[1][..., : bought.shape[-1]]


def with_kvarh(load: Load, kvarh: Load) -> Load:
    """The load with reactive energy of the same grid. Raises BadInput."""
    if kvarh.step_minutes != load.step_minutes:
        raise BadInput(
            f"reactive energy has {kvarh.step_minutes}-minute intervals, the load {load.step_minutes}-minute ones",
            reason="mixed_intervals",
        )
    # A gap of reactive energy counts as none: what was not measured is not charged.
    return replace(load, kvarh=kvarh.between(load.start_utc, load.end_utc).load)


def as_rows(load: Load) -> Load:
    """The load as arrays [meter, slot]; itself where it is so already."""
    return load if load.load.ndim == 2 else load.mapped(np.atleast_2d)


@dataclass(frozen=True)
class RegisterUse:
    """Use between two reads of one register, local dates [start, end), multiplier applied.

    period_id: the tariff period that the register counts; empty where the tariff has one. unit kwh, m3, or kw for a
    register of highest demand.
    """

    start: date
    end: date
    quantity: Decimal
    unit: Literal["kwh", "m3", "kw", "kvarh"] = "kwh"
    period_id: str = ""
    is_estimated: bool = False


@dataclass(frozen=True)
class Reads:
    """The register uses that one bill stands on."""

    uses: tuple[RegisterUse, ...]
