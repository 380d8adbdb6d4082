"""Question and answer of every estimation method: a gap in a cleaned grid, and values with their quality code."""

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.time import zone
from data_quality.contracts.units import QUANTUM_DECIMALS
from data_quality.reading_grid import Floats, Grid

_QUANTA = 10**QUANTUM_DECIMALS


@dataclass(frozen=True)
class Gap:
    """Slots [first, end) of one row of a grid that have no usable value.

    total: what all its slots together must be, in the stream's unit, where a register or a catch-up reading says so.
    """

    row: int
    first: int
    end: int
    total: float | None = None

    @property
    def slots(self) -> int:
        """Length."""
        return self.end - self.first


@dataclass(frozen=True)
class Estimate:
    """Values of a gap's slots, multiples of 1e-9, with their ESPI quality code, the method, and what it rests on."""

    gap: Gap
    values: Floats
    quality_code: QualityCode
    method: str
    reason: str


def refused(grid: Grid, gap: Gap, method: str, message: str, **facts: str | float | int | bool | None) -> Finding:
    """The typed "not enough": nothing is estimated, and why."""
    stream = grid.streams[gap.row]
    where = f"{stream.meter_id}.{stream.register} from {grid.instant(gap.first):%Y-%m-%d %H:%M}Z"
    return Finding(
        code="estimate_insufficient",
        message=f"{where}, {gap.slots * grid.step_h:g} h: {message}",
        scope=f"{stream.meter_id}.{stream.register}",
        facts={
            "method": method,
            "slots": gap.slots,
            "start_utc": grid.instant(gap.first).isoformat(),
            "end_utc": grid.instant(gap.end).isoformat(),
            **facts,
        },
    )


def like_slots(grid: Grid, gap: Gap, time_zone: str, weeks: int) -> NDArray[np.int64]:
    """[2 * weeks, slots] slots of the same local weekday and wall time, nearest weeks first; -1 outside of the grid.

    A week across a change of the clock is an hour longer or shorter: wall time counts, for that is what people keep.
    """
    zone_of = zone(time_zone)
    start = grid.instant(gap.first).astimezone(zone_of)
    out = np.full((2 * weeks, gap.slots), -1, np.int64)
    for number in range(weeks):
        for side, sign in enumerate((-1, 1)):
            moved = (start.replace(tzinfo=None) + sign * timedelta(weeks=number + 1)).replace(tzinfo=zone_of)
            slots = grid.slot(moved) + np.arange(gap.slots)
            # From its start on a gap counts elapsed time: a change of the clock within it moves the rest by an hour.
            inside = (slots >= 0) & (slots < grid.slots)
            # A gap longer than a week must not be its own reference.
            inside &= (slots < gap.first) | (slots >= gap.end)
            out[2 * number + side, inside] = slots[inside]
    return out


def quantised(values: Floats) -> Floats:
    """Nearest multiples of the quantum: what may be stored and summed exactly."""
    return np.round(values, QUANTUM_DECIMALS)


def scaled_to(values: Floats, total: float) -> Floats:
    """The values times one factor, so that their sum is the total to the last quantum; even where all are zero.

    What rounding leaves over goes, quantum by quantum, to the slots that it took most from.
    """
    whole = round(total * _QUANTA)
    weight = float(values.sum())
    if weight > 0:
        factor = whole / weight
        # Next to nothing in all: the factor alone would be beyond every number.
        exact = values * factor if math.isfinite(factor) else values / weight * whole
    else:
        exact = np.full(len(values), whole / len(values))
    quanta = np.floor(exact)
    left = whole - int(quanta.sum())
    # Stable: of equal remainders the earlier slot wins on any machine, and so the batch has one digest.
    order = np.argsort(-(exact - quanta), kind="stable")
    quanta[order[:left]] += 1
    return quantised(quanta / _QUANTA)
