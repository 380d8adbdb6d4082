"""A regular table read whole: what sniff reports of it, and its months ready to be stored."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.bulk.canonical import QUANTA, Meaning, Readings, Rows, quarter_hours, readings_of
from assets.readings.bulk.cells import MAX_ODD_ROWS, Source, names_of, read_cells, rejects_of
from assets.readings.bulk.lines import lines_at
from assets.readings.bulk.months import Grid, Months, grid_of
from assets.readings.bulk.shape import SLOT_US, NotRegular, Shape, Stream, shape_of
from assets.readings.bulk.step_lengths import Steps
from assets.readings.parsed import REJECT_SCHEMA, Channel, reason_counts
from assets.readings.sniff_files import REGULAR_FROM_BYTES, SniffReport, channel_of
from assets.readings.tables.judged_table import reading_of
from assets.readings.tables.row_filter import EXPECTED
from assets.readings.tables.values import (
    ANEW,
    COUNTER_ROWS,
    DAILY_KINDS,
    DAILY_RISES,
    LOAD_LIMIT,
    SUSPECT_KW,
    is_vouched,
)
from data_quality.contracts.site_file.site import ColumnMap, Site

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def conflict_rejects(path: Path, shape: Shape, lines: NDArray[np.int32]) -> pl.DataFrame:
    """The rejects (REJECT_SCHEMA) of lines that contradict each other. Raises NotRegular where they are too many to
    distinguish.
    """
    if not lines.size:
        return pl.DataFrame(schema=REJECT_SCHEMA)
    if lines.size > MAX_ODD_ROWS:
        raise NotRegular
    frame = lines_at(path, shape, np.sort(lines))
    meters = pl.Series([shape.streams[number].meter_id for number in shape.stream_of], dtype=pl.String)
    meter = meters.gather(names_of(frame, shape))
    got = pl.concat_str(meter, pl.lit(" = "), pl.col(shape.layout.values[0].column))
    return _rejects(frame, "duplicate_conflict", got)


def ambiguous_rejects(path: Path, shape: Shape, lines: NDArray[np.int32]) -> pl.DataFrame:
    """The rejects (REJECT_SCHEMA) of lines whose local time stands there once and should twice."""
    return _rejects(lines_at(path, shape, np.sort(lines)), "ambiguous_local_time", pl.col(shape.layout.time))


def _rejects(frame: pl.DataFrame, reason: str, got: pl.Expr) -> pl.DataFrame:
    return frame.select(
        source_line=pl.col("_line").cast(pl.Int64),
        reason=pl.lit(reason),
        expected=pl.lit(EXPECTED[reason]),
        got=got,
    ).cast(REJECT_SCHEMA)  # type: ignore[arg-type]


@dataclass(frozen=True)
class RegularFile:
    """A regular table. kept: what is held in memory of its months; first_utc: its earliest interval."""

    report: SniffReport
    shape: Shape
    rejects: pl.DataFrame
    meaning: Meaning
    months: Months
    kept: dict[int, Readings]
    first_utc: datetime

    def readings(self) -> Iterator[Readings]:
        """The months' readings as the file has them."""
        for month in self.months.months():
            if month in self.kept:
                yield self.kept[month]
            else:
                yield readings_of(grid_of(self.months.cells(month), len(self.shape.streams)), self.meaning)

    def quarter_hours(self) -> Iterator[Rows]:
        """Canonical quarter hours, month by month."""
        return quarter_hours((each.rows() for each in self.readings()), self.meaning)


@contextmanager
def regular_file(
    path: Path,
    *,
    site: Site,
    mapping: ColumnMap | None,
    now_utc: datetime,
    tz: str | None = None,
    from_bytes: int = REGULAR_FROM_BYTES,
) -> Iterator[RegularFile | None]:
    """The file as a regular table, or None where it must be read the careful way (assets/readings/sniff_files.py)."""
    shape = None
    if path.is_file() and path.stat().st_size >= from_bytes:
        shape = shape_of(path, site=site, mapping=mapping, now_utc=now_utc, tz=tz)
    if shape is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="meterloom-") as folder:
        try:
            found = _read(path, shape, Path(folder))
        except NotRegular:
            found = None
        yield found


def _read(path: Path, shape: Shape, folder: Path) -> RegularFile:
    source, months = Source(), Months(folder)
    # Twice over the months below: how long a reading lasts is known only once all steps have been counted.
    for cells in read_cells(path, shape, source):
        months.add(cells)
    _settle_repeats(path, shape, source, months)
    if not months.months():
        raise NotRegular
    steps, width = Steps(len(shape.streams)), len(shape.streams)
    grids: dict[int, Grid] = {}
    order, conflicts = _Order(), []
    for month in months.months():
        cells = months.cells(month)
        # A file in order of time has each stream in order; only else every one is asked.
        if not months.is_sorted:
            order.add(cells)
        grid = grid_of(cells, width)
        steps.add(grid)
        conflicts.append(grid.conflicts)
        if months.is_in_memory:
            grids[month] = grid
            months.forget(month)
    meaning = Meaning(
        streams=shape.streams,
        quarters=steps.quarters(shape.mapping.interval_minutes),
        zero_is_missing=shape.mapping.zero_is_missing,
    )
    totals = _Totals(shape, meaning, steps)
    kept: dict[int, Readings] = {}
    for month in months.months():
        grid = grids.pop(month) if month in grids else grid_of(months.cells(month), width)
        readings = readings_of(grid, meaning)
        totals.add(grid, readings)
        if months.is_in_memory:
            kept[month] = readings
    if not totals.rows.any():
        raise NotRegular
    totals.refuse_suspects()
    # Of a file that is not in order of time only the whole tells which pass of a repeated hour a row is of.
    if source.local.has_pairs and not order.is_sorted:
        raise NotRegular
    totals.warnings |= {"unsorted": int(not order.is_sorted), "gap_intervals": steps.gaps(meaning.quarters)}
    if shape.mapping.label == "end":
        # Rows were set back by the step of the first block: other lengths would begin elsewhere.
        if (meaning.quarters[steps.counts > 0] != source.label_slots).any():
            raise NotRegular
        totals.warnings["end_labelled"] = int(steps.counts.sum())
    source.rejects.append(conflict_rejects(path, shape, np.concatenate(conflicts)))
    rejects = rejects_of(source)
    first_utc = _EPOCH + timedelta(microseconds=int(steps.first_slot[steps.counts > 0].min()) * SLOT_US)
    return RegularFile(
        report=_report(path, shape, source, totals, rejects),
        shape=shape,
        rejects=rejects,
        meaning=meaning,
        months=months,
        kept=kept,
        first_utc=first_utc,
    )


def _settle_repeats(path: Path, shape: Shape, source: Source, months: Months) -> None:
    """Rows of a repeated hour that stand there once: rejected, or of the pass that is declared. Raises NotRegular."""
    singles = source.local.singles()
    if not singles.lines.size:
        return
    if singles.lines.size > MAX_ODD_ROWS:
        raise NotRegular
    slots = singles.instants // SLOT_US - source.label_slots
    if shape.mapping.repeated_hour != "both_passes":
        source.warnings["repeated_hour_assumed"] = singles.lines.size
        if shape.mapping.repeated_hour == "second":
            months.move(singles.lines, slots, singles.hours // SLOT_US)
        return
    # A row that was refused for something else would have been refused for this first.
    if singles.is_odd:
        raise NotRegular
    months.move(singles.lines, slots, np.zeros_like(slots))
    source.rejects.append(ambiguous_rejects(path, shape, singles.lines))


def _report(path: Path, shape: Shape, source: Source, totals: "_Totals", rejects: pl.DataFrame) -> SniffReport:
    counted = {"duplicate_rows": totals.duplicates, "zero_is_missing": totals.zeros}
    warnings = source.warnings | totals.warnings | counted
    warnings = {code: count for code, count in warnings.items() if count}
    reasons = reason_counts(rejects)
    mark = {"separator": shape.separator.replace("\t", "tab"), "encoding": shape.encoding}
    return SniffReport(
        path=str(path),
        format=shape.reader.name,
        sha256=source.sha256.hexdigest(),
        verdict="quarantine" if reasons else "accept_with_warning" if warnings else "accept",
        accepted_rows=int(totals.rows.sum()),
        rejected_rows=rejects.height,
        reasons=reasons,
        warnings=warnings,
        channels=totals.channels(),
        reading=mark | reading_of(shape.layout, shape.mapping, shape.request),
    )


class _Order:
    """Order of each stream's rows, which may hold though the file as a whole is out of order."""

    def __init__(self) -> None:
        self.is_sorted = True
        self._last: dict[int, int] = {}

    def add(self, cells: pl.DataFrame) -> None:
        """The cells of the next month, in the order of the file."""
        lines = pl.col("line")
        goes_back = (pl.col("slot").diff() < 0).any()
        streams = cells.group_by("stream").agg(goes_back.alias("goes_back"), first=lines.first(), last=lines.last())
        for number, is_back, first, last in streams.iter_rows():
            # A later month that stands above an earlier one.
            self.is_sorted &= not is_back and first > self._last.get(number, 0)
            self._last[number] = last


class _Totals:
    """Counts and exact sums per stream, and what makes a stream's unit doubtful."""

    def __init__(self, shape: Shape, meaning: Meaning, steps: Steps) -> None:
        self._shape, self._meaning, self._steps = shape, meaning, steps
        width = len(shape.streams)
        self.rows, self.duplicates, self.zeros = np.zeros(width, np.int64), 0, 0
        self.warnings: dict[str, int] = {}
        self._first, self._last = np.full(width, 2**40), np.full(width, -(2**40))
        # Python's integers: sums over months may pass the 64 bits that each month fits in.
        self._native, self._canonical = [0] * width, [0] * width
        self._largest, self._whole = np.zeros(width, np.int64), np.ones(width, bool)
        self._falls, self._rises = np.zeros(width, np.int64), np.zeros(width, np.int64)
        self._kinds = [set[int]() for _ in range(width)]
        self._begins_anew, self._level = np.ones(width, bool), dict[int, np.int64]()

    def add(self, grid: Grid, readings: Readings) -> None:
        """Add one month. Raises NotRegular for rows off their stream's steps: they overlap others."""
        streams, lines = readings.streams, readings.lines
        self.duplicates, self.zeros = self.duplicates + grid.duplicates, self.zeros + readings.zeros
        counts = np.full(len(streams), len(lines)) if readings.is_full else np.count_nonzero(lines, axis=0)
        self.rows[streams] += counts
        quarters = self._meaning.quarters[streams]
        if (quarters > 1).any():
            # A count that is refused for being negative may overlap others too.
            slots, column = np.divmod(np.append(np.flatnonzero(grid.lines), grid.negatives), len(streams))
            since = slots + grid.first_slot - self._steps.first_slot[streams[column]]
            if (since % quarters[column]).any():
                raise NotRegular
        used = counts > 0
        first, last = np.full(len(streams), grid.first_slot), np.full(len(streams), grid.first_slot + len(lines) - 1)
        if not readings.is_full:
            first += (lines != 0).argmax(axis=0)
            last -= (lines[::-1] != 0).argmax(axis=0)
        self._first[streams[used]] = np.minimum(self._first[streams], first)[used]
        self._last[streams[used]] = last[used]
        native = readings.native.sum(axis=0)
        canonical = native if readings.quanta is readings.native else readings.quanta.sum(axis=0)
        for sums, found in ((self._native, native), (self._canonical, canonical)):
            for number, total in zip(streams.tolist(), found.tolist(), strict=True):
                sums[number] += total
        sizes = np.maximum(readings.quanta.max(axis=0), -readings.quanta.min(axis=0))
        self._largest[streams] = np.maximum(self._largest[streams], sizes)
        if self._whole[streams].any():
            self._whole[streams] &= (readings.native % QUANTA == 0).all(axis=0)
        # Most streams fall to a little less within their first month, and are no longer asked.
        for place in np.flatnonzero(used & self._begins_anew[streams]).tolist():
            number, values = streams[place], readings.quanta[:, place]
            values = values if readings.is_full else values[lines[:, place] != 0]
            values = np.append(self._level.get(number, values[0]), values)
            falls, rises = np.flatnonzero(values[1:] < values[:-1]), np.diff(values)
            rises = rises[rises > 0]
            self._falls[number] += falls.size
            self._rises[number] += rises.size
            self._kinds[number].update(np.unique(rises)[:DAILY_KINDS].tolist())
            self._begins_anew[number] = (values[1:][falls] <= ANEW * values[:-1][falls]).all()
            self._level[number] = values[-1]

    def refuse_suspects(self) -> None:
        """A stream whose size may say another unit than its heading is for the careful way. Raises NotRegular."""
        vouched = is_vouched(self._shape.layout, self._shape.mapping, self._shape.request.site)
        for number, stream in enumerate(self._shape.streams):
            if stream.unit.canonical != "kwh" or not self.rows[number]:
                continue
            hours = float(self._meaning.quarters[number]) / 4
            mean_kw = abs(self._canonical[number]) / QUANTA / float(self.rows[number]) / hours
            falls = self._falls[number]
            is_counter = not falls and mean_kw > SUSPECT_KW
            is_stepwise = self._rises[number] >= DAILY_RISES * falls and len(self._kinds[number]) >= DAILY_KINDS
            is_daily = falls > 1 and is_stepwise and not stream.unit.is_power
            may_be = self._begins_anew[number] and (is_counter or is_daily) and self.rows[number] >= COUNTER_ROWS
            if may_be and not self._shape.request.is_scale_vouched:
                raise NotRegular
            if stream.load_kw is not None:
                # The largest value, not the 90th percentile as the careful way: doubt comes early, never late.
                if float(self._largest[number]) / QUANTA / hours > LOAD_LIMIT * stream.load_kw:
                    raise NotRegular
            elif not vouched and self._whole[number] and mean_kw > SUSPECT_KW:
                raise NotRegular

    def channels(self) -> tuple[Channel, ...]:
        """One channel per stream that has rows."""
        return tuple(
            self._channel(number, each) for number, each in enumerate(self._shape.streams) if self.rows[number]
        )

    def _channel(self, number: int, stream: Stream) -> Channel:
        length = int(self._meaning.quarters[number])
        facts = {
            "meter_id": stream.meter_id,
            "register": stream.register,
            "code": stream.unit.code,
            "len": int(self.rows[number]),
            "start": _EPOCH + timedelta(microseconds=int(self._first[number]) * SLOT_US),
            "end": _EPOCH + timedelta(microseconds=(int(self._last[number]) + length) * SLOT_US),
            "sum": self._native[number],
            "kwh": self._canonical[number],
        }
        return channel_of(facts, {stream.meter_id: stream.commodity})
