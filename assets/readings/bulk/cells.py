"""Blocks of text become cells, tables of stream, quarter hour, value and line; rows that are none become rejects.

Cells are in the order of the file. `stream`: its place in Shape.streams; `slot`: quarter hours since 1970; `value`: in
the source's unit, BAD or NEGATIVE; `line`: of the file.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.bulk.lines import line_blocks, unfinished_line
from assets.readings.bulk.local_times import NONE, LocalTimes, both_sides
from assets.readings.bulk.shape import SLOT_US, NotRegular, Shape
from assets.readings.packed.csv_text import MAX_LINE_BYTES, CsvText
from assets.readings.parsed import FIRST_PLAUSIBLE, FUTURE_LIMIT, REJECT_SCHEMA
from assets.readings.readers.table_formats.csv_table import rows_of
from assets.readings.tables.judged_table import RawTable, read_table
from assets.readings.tables.times import in_shape, local_times
from assets.readings.tables.values import as_numbers
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap

# Odd rows are kept as text, each with its reason: a table with more of them is not regular.
MAX_ODD_ROWS = 200_000
# Numbers of lines are held in 32 bits.
MAX_LINES = 2**31 - 2**24
# Values of rows that are no readings but show the step of their stream: bad ones, and negative ones of a counter.
BAD, NEGATIVE = np.nan, -np.inf
_BLANKS = (b" ", b"\t", b"\x0b", b"\x0c")
DAY_US = 96 * SLOT_US
# Zones reach from -12 to +14 hours.
_OFFSET = r"^[+-](?:0\d|1[0-4]):[0-5]\d$"
# Why rows are refused before judged_table.py looks at the steps of streams.
_WITHOUT_STEP = [
    "bad_timestamp",
    "nonexistent_local_time",
    "ambiguous_local_time",
    "clock_suspect",
    "future_timestamp",
    "unknown_meter",
]


@dataclass
class Source:
    """Results of reading the blocks, other than cells. rejects, warnings: of rows that are none; local: the
    clocks of the file's zone; label_slots: by how much its times stand behind the starts.
    """

    sha256: Any = field(default_factory=hashlib.sha256)
    rejects: list[pl.DataFrame] = field(default_factory=list)
    warnings: dict[str, int] = field(default_factory=dict)
    local: LocalTimes = field(default_factory=lambda: LocalTimes("UTC"))
    label_slots: int = 0

    @property
    def rejected_rows(self) -> int:
        """Rows rejected so far."""
        return sum(part.height for part in self.rejects)


def read_cells(path: Path, shape: Shape, source: Source) -> Iterator[pl.DataFrame]:
    """The file's cells, block by block. Raises NotRegular."""
    line, ends = 2, shape.mapping.label == "end"
    source.local = LocalTimes(shape.time_zone)
    for block in line_blocks(path, shape, source.sha256.update):
        is_finished = block.endswith(b"\n")
        if not is_finished and (reject := unfinished_line(path, shape, block, line)) is not None:
            source.rejects.append(reject)
            return
        body = block if is_finished else block + b"\n"
        cells, lines = _cells(body, line, shape, source)
        line += lines
        # Asked after the block: one holds at most 2**22 lines, for which MAX_LINES leaves room.
        if line > MAX_LINES:
            raise NotRegular
        if ends and not source.label_slots:
            source.label_slots = (shape.mapping.interval_minutes or 0) // 15 or _commonest_step(cells)
        yield cells.with_columns(pl.col("slot") - source.label_slots) if ends else cells


def _commonest_step(cells: pl.DataFrame) -> int:
    """Quarter hours between two rows of a stream. Whether all streams go by it is checked when all rows are known."""
    ordered = cells.sort("stream", "slot")
    steps = ordered.select(step=pl.col("slot").diff().over("stream")).filter(pl.col("step") > 0)["step"].mode().sort()
    if steps.is_empty():
        raise NotRegular
    return int(steps[0])


def _cells(body: bytes, line: int, shape: Shape, source: Source) -> tuple[pl.DataFrame, int]:
    """Cells of a block and the number of its lines."""
    # A bare carriage return ends a line for some programs and is a blank for others.
    if b"\r" in body and body.count(b"\r") != body.count(b"\r\n"):
        raise NotRegular
    value = shape.layout.values[0].column
    # Values straight as numbers: a cell that is none fails the block, which then goes the slow way.
    schema = dict.fromkeys(shape.header, pl.String) | {value: pl.Float64}
    try:
        frame = pl.read_csv(
            body,
            has_header=False,
            schema=schema,
            separator=shape.separator,
            quote_char=None,
            decimal_comma=shape.comma,
        )
    except pl.exceptions.PolarsError:
        return _odd_cells(body, line, shape, source)
    lines = np.arange(line, line + frame.height, dtype=np.int32)
    may_hold_blanks = _may_hold_blanks(body, frame, shape)
    frame = shape.joined(frame, may_hold_blanks=may_hold_blanks)
    has_points = shape.comma and _has_points(body, frame, shape)
    found = None if has_points else _typed(frame, lines, shape, source.local, may_hold_blanks=may_hold_blanks)
    if found is None:
        return _odd_cells(body, line, shape, source)
    stream, slot, values = found
    return pl.DataFrame({"stream": stream, "slot": slot, "value": values, "line": lines}), frame.height


def _has_points(body: bytes, frame: pl.DataFrame, shape: Shape) -> bool:
    """Points stand in the values of a block, where the parser takes them for commas."""
    points = _count(body, b".")
    # Times of the form hold as many each; a name may hold some.
    return points != frame.height * shape.form.count(".") and points != _marks(".", frame, frame.columns)


def _may_hold_blanks(body: bytes, frame: pl.DataFrame, shape: Shape) -> bool:
    """Blanks may stand in the times of a block, other than those of a local form."""
    if any(mark in body for mark in _BLANKS[1:]):
        return True
    # Of a clock in a column of its own the blank is ours.
    of_form = shape.form.count(" ") if shape.offset_width == 0 and shape.clock is None else 0
    blanks = _count(body, b" ") - frame.height * of_form
    names = [shape.layout.meter] if shape.layout.meter is not None else []
    return blanks != 0 and blanks != _marks(" ", frame, names)


def _count(body: bytes, mark: bytes) -> int:
    # Of a mark that stands in every line bytes.count takes four times as long; that one stands nowhere is seen at once.
    if mark not in body:
        return 0
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == mark[0]))


def _marks(mark: str, frame: pl.DataFrame, columns: list[str]) -> int:
    texts = (frame[name] for name in columns if frame[name].dtype == pl.String)
    return sum(int(each.str.count_matches(mark, literal=True).sum()) for each in texts)


def _typed(
    frame: pl.DataFrame, lines: NDArray[np.int32], shape: Shape, local: LocalTimes, *, may_hold_blanks: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]] | None:
    """Stream, slot and value where every row is a reading; None where any is not."""
    column, texts = frame[shape.layout.values[0].column], frame[shape.layout.time]
    rows_each: pl.Series | None = None
    cycle = frame.height if _is_by_time(texts) else 1
    # Rows of one time stand together: each time is read once. Local ones may be of two hours, by their meter.
    if shape.offset_width and cycle > 1:
        rows_each, texts = texts.rle().struct.unnest()
        cycle = int(rows_each.max())  # type: ignore[arg-type]
    times, stream = _instants(texts, shape, may_hold_blanks=may_hold_blanks), _streams(frame, shape, cycle)
    if column.null_count() or times.null_count() or stream is None:
        return None
    first, until = _bounds(shape)
    instants = late = times.to_physical().to_numpy()
    if shape.offset_width == 0:
        # A stray year must not set how much of the calendar is learnt.
        if instants.min() < first - DAY_US or instants.max() > until + DAY_US:
            return None
        instants, late = local.instants(times)
    if instants.min() < first or late.max() > until:
        return None
    values = column.to_numpy()
    if not _is_fit(stream, values, shape):
        return None
    if late is not instants and (twice := np.flatnonzero(late != instants)).size:
        meters = _names_at(frame, shape, twice)
        instants[twice] = local.passes(meters, instants[twice], late[twice], lines[twice].tolist())
    slots = _slots(instants)
    return stream, slots if rows_each is None else np.repeat(slots, rows_each.to_numpy()), values


def _streams(frame: pl.DataFrame, shape: Shape, cycle: int) -> NDArray[np.int32] | None:
    """Stream of each row; None where a name is none of the shape's. cycle: number of rows after which the names most
    likely come again in the same order; 1 where the same name most likely stands in many rows.
    """
    meter, distinct, rows_each = shape.layout.meter, frame, None
    if meter is not None and cycle == 1:
        rows_each, names = frame[meter].rle().struct.unnest()
        distinct = names.to_frame(meter)
    elif meter is not None:
        # In one piece: to compare pieces of other lengths costs what looking the names up does.
        texts = frame[meter].rechunk()
        if texts[cycle:].eq_missing(texts[:-cycle]).all():
            distinct = frame.head(cycle)
    places = names_of(distinct, shape)
    if places.null_count():
        return None
    found = shape.stream_of[places.to_numpy()]
    return np.resize(found, frame.height) if rows_each is None else np.repeat(found, rows_each.to_numpy())


def _names_at(frame: pl.DataFrame, shape: Shape, places: NDArray[np.intp]) -> list[str | None]:
    meter = shape.layout.meter
    return frame[meter].gather(places).to_list() if meter is not None else [""] * len(places)


def _is_fit(stream: NDArray[np.int32], values: NDArray[np.float64], shape: Shape) -> bool:
    """Every value is a reading: none is declared to be missing, too large, or below zero."""
    missing = pl.Series(shape.mapping.missing, dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls()
    if any((values == number).any() for number in missing):
        return False
    limits, one_way = _limits(shape)
    least, most = float(values.min()), float(values.max())
    is_small = max(-least, most) <= limits.min() or (np.abs(values) <= limits[stream]).all()
    is_one_way = least < 0 and one_way.any() and (one_way[stream] & (values < 0)).any()
    return bool(is_small and not is_one_way)


def _odd_cells(body: bytes, line: int, shape: Shape, source: Source) -> tuple[pl.DataFrame, int]:
    """A block in which some rows are no readings: those are judged by judged_table.py, the others become cells."""
    text = CsvText(header=list(shape.header), separator=shape.separator, body=body, is_finished=True)
    # line_blocks looks only at the last line of a block.
    if max(map(len, body.split(b"\n")), default=0) > MAX_LINE_BYTES:
        raise NotRegular
    try:
        frame, no_rows = rows_of(text)
    except BadInput as fault:
        raise NotRegular from fault
    # rows_of counts as if the header stood right above: the block's first line is 2 to it.
    shift = pl.lit(line - 2)
    frame = shape.joined(frame.with_columns(pl.col("_line").cast(pl.Int64) + shift))
    no_rows = no_rows.with_columns(pl.col("source_line") + shift)
    texts = frame[shape.layout.values[0].column]
    if shape.comma and shape.mapping.decimal is None and texts.str.contains(".", literal=True).any():
        raise NotRegular
    value = as_numbers(texts, "," if shape.comma else ".")
    marks = texts.str.strip_chars().is_in([text for text in shape.mapping.missing if text]).fill_null(value=False)
    missing = (marks | texts.is_null() if "" in shape.mapping.missing else marks).to_numpy()
    times = _instants(frame[shape.layout.time], shape, may_hold_blanks=True)
    names = names_of(frame, shape)
    lines = frame["_line"].cast(pl.Int32).to_numpy()
    instants = times.to_physical().fill_null(NONE).to_numpy()
    if shape.offset_width == 0:
        instants = _odd_instants(frame, times, lines, ~missing, shape, source.local)
    known = (instants != NONE) & names.is_not_null().to_numpy()
    stream = shape.stream_of[names.fill_null(0).to_numpy()]
    first, until = _bounds(shape)
    limits, one_way = _limits(shape)
    values = value.fill_null(np.nan).to_numpy()
    placed = known & (instants >= first) & (instants <= until) & ~missing
    with np.errstate(invalid="ignore"):
        good = placed & (np.abs(values) <= limits[stream])
        negative = good & one_way[stream] & (values < 0)
    odd = ~good | negative | missing
    source.local.mark_odd(lines[odd].tolist())
    _judge(frame.filter(pl.Series(odd)), no_rows, lines[instants == NONE], shape, source)
    values = np.where(negative, NEGATIVE, np.where(good, values, BAD))
    cells = {"stream": stream, "slot": instants, "value": values, "line": lines}
    found = pl.DataFrame({name: column[placed] for name, column in cells.items()})
    return found.with_columns(slot=_slots(instants[placed])), body.count(b"\n")


def _odd_instants(
    frame: pl.DataFrame,
    times: pl.Series,
    lines: NDArray[np.int32],
    counts: NDArray[np.bool_],
    shape: Shape,
    local: LocalTimes,
) -> NDArray[np.int64]:
    """UTC instants of local times, NONE where there is none. counts: rows that count as a pass of a repeated hour."""
    first, until = _bounds(shape)
    naive = times.to_physical()
    is_near = naive.is_between(first - DAY_US, until + DAY_US).fill_null(value=False)
    # Far away a time is refused as such, unless it is no time at all there.
    far = times.filter(~is_near & naive.is_not_null())
    early, late = both_sides(far, shape.time_zone)
    if (early != late).any():
        raise NotRegular
    found = naive.fill_null(NONE).to_numpy().copy()
    near = np.flatnonzero(is_near.to_numpy())
    early, late = local.instants(times.gather(near))
    found[near] = early
    is_twice = (early != late) & counts[near]
    named = list(shape.mapping.meters) or (shape.request.site.stream_ids() if shape.request.site else [])
    if shape.mapping.other_meters == "skip" and shape.layout.meter is not None:
        is_twice &= frame[shape.layout.meter].gather(near).is_in(named).fill_null(value=False).to_numpy()
    twice = near[is_twice]
    names = _names_at(frame, shape, twice)
    found[twice] = local.passes(names, early[is_twice], late[is_twice], lines[twice].tolist())
    return found


def _judge(odd: pl.DataFrame, no_rows: pl.DataFrame, untimed: NDArray[np.int32], shape: Shape, source: Source) -> None:
    """Why these rows are no readings. untimed: lines in whose time the form was not found.

    Raises NotRegular where one is a reading after all, or shows by a time of another form the step of its stream.
    """
    source.rejects.append(no_rows)
    texts = odd[shape.layout.values[0].column]
    if shape.mapping.decimal is None and not shape.comma and texts.str.contains(",", literal=True).any():
        # Whether a comma is a decimal mark, and points part thousands, all values of a file decide together.
        raise NotRegular
    filled = odd.filter(~pl.all_horizontal(pl.exclude("_line").is_null()))
    if not filled.is_empty():
        request = shape.request.model_copy(update={"mapping": _row_by_row(shape)})
        try:
            parsed = read_table(RawTable(frame=filled), request)
        except BadInput as fault:
            raise NotRegular from fault
        # The two ways differ about a row: then the careful one decides over the whole file.
        if parsed.rows.height or parsed.states.height:
            raise NotRegular
        stepped = parsed.rejects.filter(~pl.col("reason").is_in(_WITHOUT_STEP))["source_line"]
        if np.isin(untimed, stepped).any():
            raise NotRegular
        source.rejects.append(parsed.rejects)
        for code in ("other_meters", "missing_values"):
            if code in parsed.warnings:
                source.warnings[code] = source.warnings.get(code, 0) + parsed.warnings[code]
    if source.rejected_rows + sum(source.warnings.values()) > MAX_ODD_ROWS:
        raise NotRegular


def _row_by_row(shape: Shape) -> ColumnMap:
    """A column map by which judged_table.py judges each row for itself, in the way of this shape."""
    # A row alone shows no step: any length will do, since only the reason of its rejection is wanted.
    alone = {"interval_minutes": 15, "zero_is_missing": False, "decimal": "," if shape.comma else "."}
    # Whether the other pass of a repeated hour is there was asked of all rows.
    alone |= {"label": "start", "repeated_hour": "first"}
    if shape.request.mapping is not None:
        return shape.request.mapping.model_copy(update=alone)
    column = shape.layout.values[0]
    if shape.layout.meter is not None:
        return ColumnMap(timestamp=shape.layout.time, value=column.column, meter=shape.layout.meter, **alone)
    stream = ".".join(part for part in (column.meter_id, column.register_id) if part)
    return ColumnMap(timestamp=shape.layout.time, values={column.column: stream}, **alone)


def rejects_of(source: Source) -> pl.DataFrame:
    """All rejects, REJECT_SCHEMA, in line order."""
    return pl.concat([pl.DataFrame(schema=REJECT_SCHEMA), *source.rejects]).sort("source_line", maintain_order=True)


def _instants(texts: pl.Series, shape: Shape, *, may_hold_blanks: bool) -> pl.Series:
    """UTC instants; null for a text of another form.

    A text of the form's length without blanks has its shape: the parser would take a blank for a digit. Local times of
    a declared zone stay local.
    """
    if shape.offset_width == 0:
        # Local times; null for a text of another form. is_plain: no blank stands in them but those of the form.
        times = pl.Series([None], dtype=pl.Datetime("us"))
        if (not may_hold_blanks) and (texts.str.len_bytes() == shape.time_bytes).all():
            times = _parsed(texts, shape.form)
        if times.null_count():
            times = local_times(texts.str.strip_chars(), shape.mapping.formats)
        if shape.mapping.midnight == "end":
            is_midnight = (times.to_physical() % DAY_US == 0).fill_null(value=False)
            times = times.zip_with(~is_midnight, times.dt.offset_by("1d"))
        return times
    if may_hold_blanks or " " in shape.form:
        texts = in_shape(texts, shape.form + "Z") if shape.offset_width == 1 else _shaped(texts, shape)
    elif not (texts.str.len_bytes() == shape.time_bytes).all():
        texts = texts.set((texts.str.len_bytes() != shape.time_bytes).fill_null(value=False), None)
    if shape.offset_width == 1:
        return _parsed(texts, shape.form + "Z")
    base = _parsed(texts.str.head(-shape.offset_width), shape.form)
    offsets = texts.str.tail(shape.offset_width)
    kinds = offsets.drop_nulls().unique()
    kinds = kinds.filter(kinds.str.contains(_OFFSET))
    minutes = [(1 if text[0] == "+" else -1) * (int(text[1:3]) * 60 + int(text[4:6])) for text in kinds]
    shift = offsets.replace_strict(kinds, minutes, default=None, return_dtype=pl.Int64) * 60_000_000
    return (base.to_physical() - shift).cast(pl.Datetime("us"))


def _parsed(texts: pl.Series, form: str) -> pl.Series:
    # Where meters follow each other, every time is another: to look each up costs twice what parsing it does.
    return texts.str.to_datetime(form, strict=False, time_unit="us", cache=_is_by_time(texts))


def _is_by_time(texts: pl.Series) -> bool:
    return texts.head(2).n_unique() == 1


def _shaped(texts: pl.Series, shape: Shape) -> pl.Series:
    """The texts whose part before the offset has the form's shape, null for the others."""
    has_shape = in_shape(texts.str.head(-shape.offset_width), shape.form).is_not_null()
    return texts.set(~has_shape, None)


def names_of(frame: pl.DataFrame, shape: Shape) -> pl.Series:
    """Place of each row's name in shape.names; null for a name that is none of them."""
    if shape.layout.meter is None:
        return pl.zeros(frame.height, pl.UInt32, eager=True)
    # As an enum of the known names every other one becomes null, in one pass and without a join.
    return frame[shape.layout.meter].cast(pl.Enum(shape.names), strict=False).to_physical().cast(pl.UInt32)


def _bounds(shape: Shape) -> tuple[int, int]:
    now = shape.request.now_utc
    if now is None:
        raise NotRegular
    return int(FIRST_PLAUSIBLE.timestamp()) * 1_000_000, int((now + FUTURE_LIMIT).timestamp() * 1_000_000)


def _limits(shape: Shape) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Largest size and one-way flag by stream."""
    return np.array([each.limit for each in shape.streams]), np.array([each.is_one_way for each in shape.streams])


def _slots(instants: NDArray[np.int64]) -> NDArray[np.int32]:
    slots = instants // SLOT_US
    if (slots * SLOT_US != instants).any():
        # Shorter than a quarter hour, or off the grid.
        raise NotRegular
    return slots.astype(np.int32)
