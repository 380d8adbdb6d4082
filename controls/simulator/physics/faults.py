"""Faults between a meter and its file, injected with their truth: pure, array in, array out.

A stream is one value per interval of the grid, NaN where the meter has none. Which fault strikes where is decided in
tower_faults.py; how a file is written stands in tower_files.py.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import numpy as np

from controls.simulator.physics.noise import Counts, Series
from data_quality.contracts.model import Model

# Streams carry four decimals, as meters' files do.
DECIMALS = 4


class FaultKind(StrEnum):
    """Faults of values first, then those of registers, then those of files."""

    SPIKE = "spike"
    STUCK = "stuck"
    DEAD = "dead"
    NEGATIVE = "negative"
    UNIT_SCALE = "unit_scale"
    CLOCK_SHIFT = "clock_shift"
    MISSING = "missing"
    ROLLOVER = "rollover"
    RESET = "reset"
    EXCHANGE = "exchange"
    DUPLICATE_ROWS = "duplicate_rows"
    CONFLICTING_DUPLICATES = "conflicting_duplicates"
    END_LABELLED = "end_labelled"
    DECIMAL_COMMA = "decimal_comma"
    TRUNCATED = "truncated"
    CORRECTED = "corrected"
    LATE = "late"
    UNKNOWN_METER = "unknown_meter"


class InjectedFault(Model):
    """The truth about one fault. [start_utc, end_utc) is where readings are touched.

    meter: empty where a whole file is meant; file: the first that carries the fault; repaired_by: a later file that
    takes it away, or empty; detail: what an engineer would want to know (factor, final and initial read, minutes).
    """

    kind: FaultKind
    meter: str
    register_id: str = ""
    start_utc: datetime
    end_utc: datetime
    file: str
    repaired_by: str = ""
    detail: dict[str, float] = {}


def spike(values: Series, at: int, *, factor: float) -> Series:
    """One interval, many times too large."""
    return _changed(values, slice(at, at + 1), lambda part: part * factor)


def stuck(values: Series, first: int, last: int) -> Series:
    """The value before `first` is sent again and again. [first, last)"""
    return _changed(values, slice(first, last), lambda part: np.full_like(part, values[first - 1]))


def dead(values: Series, first: int, last: int) -> Series:
    """Zeros: the meter sends, its sensor does not."""
    return _changed(values, slice(first, last), np.zeros_like)


def negative(values: Series, first: int, last: int) -> Series:
    """The sign is wrong."""
    return _changed(values, slice(first, last), np.negative)


def unit_scale(values: Series, first: int, last: int, *, factor: float) -> Series:
    """Another unit than the heading's: MWh for kWh is a thousandth."""
    return _changed(values, slice(first, last), lambda part: part * factor)


def missing(values: Series, first: int, last: int) -> Series:
    """No reading."""
    return _changed(values, slice(first, last), lambda part: np.full_like(part, np.nan))


def clock_shift(values: Series, first: int, last: int, *, slots: int) -> Series:
    """The meter's clock runs `slots` intervals ahead in [first, last): what happened at t is labelled t + slots.

    The jump forward leaves a hole; what the jump back would write twice is lost.
    """
    found = values.copy()
    found[first + slots : last] = values[first : last - slots]
    found[first : first + slots] = np.nan
    return found


def register_states(amounts: Counts, *, initial: int, modulus: int, restarts: dict[int, int]) -> Counts:
    """States of a counter of whole steps: before the first amount, then after each.

    modulus: the counter shows state % modulus; restarts: {interval: state}: just before this interval's amount is
    counted, the counter stands at that state (reset: 0; exchange: the new meter's initial read).
    """
    states = np.concatenate([[0], np.cumsum(amounts)]) + initial
    for at, state in sorted(restarts.items()):
        # From the state after this one on: the last read before the restart stays what it was.
        states[at + 1 :] += state - states[at]
    found: Counts = states % modulus
    return found


def _changed(values: Series, part: slice, change: Callable[[Series], Series]) -> Series:
    found = values.copy()
    # A struck value is as round as a true one: the decimals must not give the fault away.
    found[part] = np.round(change(values[part]), DECIMALS)
    return found
