"""Readings as a dense array: one row a stream, one column a slot, NaN where nothing is known.

Rules work on such a grid with array operations; nothing here or there goes reading by reading.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_quality.contracts.errors import OurFault
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, Behaviour, unit_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
# Local days of 23 and 25 hours are divided evenly by no longer step.
_LONGEST_STEP_MINUTES = 60
_STREAM = ["meter_id", "register"]
# Rows in more pieces than this per stream are not sorted; sorting them once is quicker than many small pieces.
_MOST_STRETCHES = 20


@dataclass(frozen=True)
class Stream:
    """One row of a grid. cadence_minutes: length of the source's intervals; plate_kw: connected load, where declared;
    is_one_way: an amount that never falls below zero, by its register; is_solar: what the site says is made by the sun;
    may_rest: of gas, heat, water and drivers but temperatures, of which zero is a reading (formulas 5.1).
    """

    meter_id: str
    register: str = "import"
    unit: str = "kwh"
    cadence_minutes: int = CANONICAL_MINUTES
    plate_kw: float | None = None
    is_one_way: bool = False
    is_solar: bool = False
    may_rest: bool = False

    @property
    def behaviour(self) -> Behaviour:
        """Amounts add up, levels average."""
        return UNITS[self.unit].behaviour

    @property
    def follows_the_sun(self) -> bool:
        """True for export, irradiance and outdoor temperature: they keep the sun's time, not that of people."""
        return self.is_solar or self.register == "export" or self.unit in ("w_per_m2", "degc")


@dataclass(frozen=True)
class Grid:
    """values: float64 [streams, slots], NaN = gap; estimated: bool of that shape, true where a value is our estimate
    (its value is NaN then: an estimate is no evidence), or None where there is none.
    """

    streams: tuple[Stream, ...]
    start_utc: datetime
    step_minutes: int
    values: Floats
    estimated: Flags | None = None

    @property
    def slots(self) -> int:
        """Slots in time."""
        return int(self.values.shape[1])

    @property
    def end_utc(self) -> datetime:
        """End of the last slot, exclusive."""
        return self.instant(self.slots)

    @property
    def step_h(self) -> float:
        """Hours of one slot."""
        return self.step_minutes / 60

    def instant(self, slot: int) -> datetime:
        """Start of a slot."""
        return self.start_utc + timedelta(minutes=self.step_minutes * int(slot))

    def slot(self, moment: datetime) -> int:
        """The slot that holds the instant; may lie outside of the grid."""
        return (moment - self.start_utc) // timedelta(minutes=self.step_minutes)

    def slot_from(self, moment: datetime) -> int:
        """The first slot that begins at or after the instant: local days begin within an hourly slot in some zones."""
        # Floor division of the negative rounds up, exactly: timedeltas are whole microseconds.
        return -((self.start_utc - moment) // timedelta(minutes=self.step_minutes))

    def between(self, start_utc: datetime, end_utc: datetime) -> "Grid":
        """The slots that begin in [start, end), clipped to what there is."""
        first, last = max(0, self.slot_from(start_utc)), min(self.slots, max(0, self.slot_from(end_utc)))
        return replace(
            self,
            start_utc=self.instant(first),
            values=self.values[:, first:last],
            estimated=None if self.estimated is None else self.estimated[:, first:last],
        )


def grids_of(
    readings: pl.DataFrame,
    *,
    start_utc: datetime | None = None,
    end_utc: datetime | None = None,
    known: Sequence[Stream] = (),
) -> list[Grid]:
    """One grid per step: streams that come hourly are judged by the hour, those of the quarter hour by the quarter.

    readings: meter_id, register, interval_start_utc, source_minutes, value, unit, quality_code (lake or canonical
    rows, unique per stream and start). Without start and end the span of all readings. A source that reports less
    often than hourly is judged by the hour, with its true cadence in the stream. known: what the site says of its
    streams (plate, direction), by meter and register; a known stream without readings is a row of gaps.
    """
    declared = {(stream.meter_id, stream.register): stream for stream in known}
    if readings.is_empty() and (start_utc is None or end_utc is None or not declared):
        return []
    span = _span(readings, start_utc, end_utc)
    streams = _streams_of(readings, declared)
    steps = sorted({_step(stream) for stream in streams})
    grids = []
    for minutes in steps:
        own = tuple(stream for stream in streams if _step(stream) == minutes)
        start = _in_phase(readings, own, span[0], minutes)
        grids.append(grid_of(readings, streams=own, step_minutes=minutes, start_utc=start, end_utc=span[1]))
    return grids


def grid_of(
    readings: pl.DataFrame, *, streams: Sequence[Stream], step_minutes: int, start_utc: datetime, end_utc: datetime
) -> Grid:
    """Scatter quarter-hour readings on a grid of `step_minutes` (a multiple of 15 that divides the hour).

    Amounts of a longer step add up, levels average; a step with a quarter hour missing is a gap. Rows outside of
    [start, end) and of other streams are left out. Estimated rows (quality 8, 9) leave NaN and are remembered.
    """
    if step_minutes % CANONICAL_MINUTES or _LONGEST_STEP_MINUTES % step_minutes:
        raise OurFault(f"a grid step is 15, 30 or 60 minutes, not {step_minutes}")
    start = start_utc - timedelta(
        minutes=start_utc.minute % CANONICAL_MINUTES, seconds=start_utc.second, microseconds=start_utc.microsecond
    )
    per_step = step_minutes // CANONICAL_MINUTES
    # Up to whole steps, or the cells could not be folded into them.
    wide = -(-((end_utc - start) // timedelta(minutes=CANONICAL_MINUTES)) // per_step) * per_step
    if wide <= 0:
        raise OurFault(f"a grid from {start} to {end_utc} has no slots")
    cells = np.full((len(streams), wide), np.nan)
    is_estimate = readings["quality_code"].is_in([int(code) for code in ESTIMATED_CODES])
    estimated = np.zeros((len(streams), wide), bool) if is_estimate.any() else None
    _scatter(readings, streams, start, cells, estimated, is_estimate.to_numpy())
    if estimated is not None:
        # An estimate would confirm itself: its place is remembered, its value is not.
        cells[estimated] = np.nan
    grid = Grid(tuple(streams), start, CANONICAL_MINUTES, cells, estimated)
    return grid if per_step == 1 else _coarser(grid, per_step)


def _in_phase(readings: pl.DataFrame, streams: Sequence[Stream], start: datetime, minutes: int) -> datetime:
    """The start, moved back to where an interval of the sources begins: in some zones hours begin at the half hour."""
    if minutes == CANONICAL_MINUTES:
        return start
    names = {stream.meter_id for stream in streams}
    times = readings.filter(pl.col("meter_id").is_in(names))["interval_start_utc"]
    first = cast("datetime | None", times.min())
    # Python's remainder is never negative: the start only moves back, so that no reading falls out of the grid.
    return start if first is None else start - (start - first) % timedelta(minutes=minutes)


def _span(readings: pl.DataFrame, start_utc: datetime | None, end_utc: datetime | None) -> tuple[datetime, datetime]:
    times = readings["interval_start_utc"]
    first, last = cast("datetime | None", times.min()), cast("datetime | None", times.max())
    start = start_utc if start_utc is not None else first
    end = end_utc if end_utc is not None else last and last + timedelta(minutes=CANONICAL_MINUTES)
    if start is None or end is None:
        raise OurFault("no readings and no span: there is nothing to make a grid of")
    return start, end


def _streams_of(readings: pl.DataFrame, declared: Mapping[tuple[str, str], Stream]) -> list[Stream]:
    """Streams of the readings and of the site, in order of their names."""
    found = dict(declared)
    is_steady = readings["source_minutes"].n_unique() <= 1
    # With one length throughout, the first row of each stretch says all: millions of rows need no grouping.
    names = readings if not is_steady else readings[_run_starts(readings)]
    # mode() may answer several lengths in any order: the shortest makes the choice the same on every run.
    table = names.group_by(_STREAM).agg(
        unit=pl.col("unit").first(), cadence=pl.col("source_minutes").mode().min().cast(pl.Int64)
    )
    for row in table.iter_rows(named=True):
        key = (row["meter_id"], row["register"])
        seen = Stream(*key, unit=row["unit"], cadence_minutes=max(row["cadence"], 1))
        stated = declared.get(key)
        found[key] = seen if stated is None else replace(stated, unit=seen.unit, cadence_minutes=seen.cadence_minutes)
    return [found[key] for key in sorted(found)]


def _step(stream: Stream) -> int:
    step = min(max(stream.cadence_minutes, CANONICAL_MINUTES), _LONGEST_STEP_MINUTES)
    # A step that does not divide the hour has no place in a local day: the quarter hour always does.
    return step if step % CANONICAL_MINUTES == 0 and _LONGEST_STEP_MINUTES % step == 0 else CANONICAL_MINUTES


def _run_starts(readings: pl.DataFrame) -> NDArray[np.int64]:
    """Rows at which another stream begins; lake rows come sorted, so these are few."""
    changes = readings.select(
        is_new=(pl.col("meter_id") != pl.col("meter_id").shift()) | (pl.col("register") != pl.col("register").shift())
    )["is_new"].fill_null(value=True)
    return changes.arg_true().to_numpy().astype(np.int64)


def _scatter(
    readings: pl.DataFrame,
    streams: Sequence[Stream],
    start: datetime,
    cells: Floats,
    estimated: Flags | None,
    is_estimate: Flags,
) -> None:
    """Fill the cells, one stretch of rows of one stream at a time; sorted rows are one stretch a stream."""
    index = {(stream.meter_id, stream.register): row for row, stream in enumerate(streams)}
    first = _run_starts(readings)
    if len(first) > _MOST_STRETCHES * len(streams):
        order = readings.select(_STREAM).with_row_index("_at").sort(_STREAM)["_at"].to_numpy()
        readings, is_estimate = readings[order], is_estimate[order]
        first = _run_starts(readings)
    stamps, values = readings["interval_start_utc"].dt.epoch("us").to_numpy(), readings["value"].to_numpy()
    # timestamp() is a float; the start lies on a quarter hour, so that rounding loses nothing.
    origin, quarter_us = round(start.timestamp()) * 1_000_000, CANONICAL_MINUTES * 60_000_000
    ends = np.append(first[1:], readings.height)
    for name, begin, end in zip(readings[first].select(_STREAM).iter_rows(), first, ends, strict=True):
        row = index.get(name, -1)
        if row < 0:
            continue
        column = (stamps[begin:end] - origin) // quarter_us
        part, is_ours = values[begin:end], is_estimate[begin:end]
        if column.min() < 0 or column.max() >= cells.shape[1]:
            inside = (column >= 0) & (column < cells.shape[1])
            column, part, is_ours = column[inside], part[inside], is_ours[inside]
        # Unique per stream and start, by contract: of doubles NumPy would keep whichever stands last.
        cells[row, column] = part
        if estimated is not None:
            estimated[row, column] = is_ours


def _coarser(grid: Grid, per_step: int) -> Grid:
    parts = grid.values.reshape(len(grid.streams), -1, per_step)
    is_level = np.array([stream.behaviour is Behaviour.LEVEL for stream in grid.streams])[:, None]
    # Splitting and adding again must give the source's value to the last digit, else equal readings would differ.
    values = np.round(np.where(is_level, parts.mean(axis=2), parts.sum(axis=2)), QUANTUM_DECIMALS)
    estimated: Flags | None = None
    if grid.estimated is not None:
        estimated = np.asarray(grid.estimated.reshape(parts.shape).any(axis=2))
    return replace(grid, step_minutes=grid.step_minutes * per_step, values=values, estimated=estimated)


# Registers that count one way: consumption, feed-in, and the two of a battery.
ONE_WAY = frozenset({"import", "export", "charge", "discharge"})
DRIVER_REGISTER = "value"


def streams_of_site(site: Site) -> list[Stream]:
    """Every register of every meter that is read, and every driver, with its canonical unit and plate."""
    solar = {asset.meter for asset in site.assets if asset.kind == "pv"}
    found = [
        Stream(
            meter.meter_id,
            register.register_id,
            unit_of(register.unit).canonical,
            plate_kw=meter.connected_load_kw,
            is_one_way=register.register_id in ONE_WAY,
            is_solar=meter.meter_id in solar,
            may_rest=meter.carrier is not Carrier.ELECTRICITY,
        )
        for meter in site.meters
        if not meter.is_virtual
        for register in meter.registers
    ]
    for driver in site.drivers:
        unit = unit_of(driver.unit).canonical
        # A thermometer that reads nothing but zero is dead; a line that makes no parts, a price and the sun may rest.
        found.append(Stream(driver.driver_id, DRIVER_REGISTER, unit, may_rest=unit != "degc"))
    return found
