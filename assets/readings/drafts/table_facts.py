"""Layout of a foreign table: where its names stand, its times, its meters, its values. Facts only, no site, no map."""

import re
import tempfile
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl

from assets.readings.drafts.text_encoding import SEARCHED_BYTES, beginning, encoding_of
from assets.readings.drafts.time_column import (
    TIME_NAME,
    TimeColumn,
    as_times,
    clock_column,
    date_columns,
    minutes_between,
    numbered_clock,
    numbers_hours,
    time_column,
    zone_in,
)
from assets.readings.drafts.value_columns import (
    Marks,
    ValueColumn,
    as_numbers,
    marks_of,
    number_columns,
    with_counters,
    without_units,
)
from assets.readings.parsed import ReadRequest
from assets.readings.readers.reader_list import reader_for
from assets.readings.readers.table_formats.csv_table import CsvTable
from assets.readings.readers.table_formats.xlsx_table import XlsxTable
from assets.readings.streams import canonical_of
from assets.readings.tables.clocks import DAY_NONE, joined_times
from assets.readings.tables.column_layout import unit_text
from assets.readings.tables.judged_table import RawTable
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.units import UNITS

# Titles above the column names are few, and looked for in the beginning of a file.
_HEADER_WITHIN, _SHEETS = 25, 5
# Rows between the names and the first time: of kinds (Analog), and of units. A style of times: [dd.MM.yyyy HH:mm].
_ROWS_ABOVE, _STYLE = 2, re.compile(r"[\[(].*|[dDmMyYhHsS.:/ -]+")
_METER_NAME = re.compile(
    r"meter|building|home|series|station|site|point|device|channel|pid|id$|name|zähler|zaehler|messstelle|nummer|"
    r"compteur|contador|contatore|malo|melo",
    re.IGNORECASE,
)
_UNIT_NAME = re.compile(r"unit|units|unit of measure|unit[éeà]|unidad|unidade|einheit|eenheid", re.IGNORECASE)
_ZONE, _HOURS = re.compile(r"(?:local )?time[ _]?zone|zeitzone", re.IGNORECASE), re.compile(r"[+-]?\d{1,2}")
_CLOCK_NAME = re.compile(
    r"(\d{1,2})[:.h](\d{2})(?::00)?(?:\s*(?:-|–|bis|to)\s*\d{1,2}[:.h]\d{2}(?::00)?)?(?:\s*(?:Uhr|h))?"
)
_COMPACT = re.compile(r"(?:HE\s?)?([01]\d|2[0-4])([0-5]\d)")
_NUMBERED = re.compile(r"(\D{0,12}?)(\d{1,2})")
# Columns that are numbered through a day: how many, and from which number.
_OF_DAY = (24, 48, 96)
# Fewer than four times of day are no profile, but columns that happen to be called so.
_FEWEST_CLOCKS = 4

# Letters of a unit in a column that nothing calls one of units.
_UNIT_LETTERS = 2
# Calorific values move by some per cent in a year, and cubic metres are rounded.
_SAME_SHARE = 0.1


@runtime_checkable
class TableReader(Protocol):
    """A reader of tables, which can hand over the columns as found."""

    def table(self, path: Path, request: ReadRequest) -> RawTable:
        """The columns as found. Raises BadInput."""


@dataclass(frozen=True)
class TableFacts:
    """frame: columns as text, without rows that are none, `clock` joined to the time, clock_from: its
    first number where it numbers the intervals of a day; time, meter: their columns;
    clocks: columns that are named by a time of day; header_line, data_line: 1 and None where nothing need be declared;
    constants: what columns beside them say in every row; unit_column: the one of units, row by row; where: the rows
    that are taken, of those that say the same amounts in several units; date_columns: those joined to the time, which
    names the year; zone: that of the times, where the file says it.
    """

    frame: pl.DataFrame
    time: TimeColumn
    values: tuple[ValueColumn, ...]
    marks: Marks
    minutes: int | None
    meter: str | None = None
    clock: str | None = None
    clock_from: int | None = None
    clocks: dict[str, str] | None = None
    encoding: str | None = None
    sheet: str | None = None
    header_line: int = 1
    data_line: int | None = None
    constants: dict[str, str] = field(default_factory=dict)
    unit_column: str | None = None
    where: dict[str, str] = field(default_factory=dict)
    date_columns: tuple[str, ...] = ()
    zone: str | None = None

    @property
    def unit_of_rows(self) -> str | None:
        """The unit that the column of units has in every row."""
        return unit_text(self.constants.get(self.unit_column or "", ""))

    @property
    def counters(self) -> set[str]:
        """Columns of values that hold states of a counter."""
        return {each.name for each in self.values if each.is_counter}

    @property
    def meters(self) -> pl.Series | None:
        """Name in the meter column of each row."""
        return self.frame[self.meter] if self.meter is not None else None


@dataclass(frozen=True)
class _Head:
    frame: pl.DataFrame
    time: TimeColumn
    units: dict[str, str]
    mapping: ColumnMap
    data_line: int | None
    allows_comma: bool
    date_columns: tuple[str, ...]


def look(path: Path) -> TableFacts | None:
    """Facts of the file; None where it is no table, or holds no column of times."""
    head = _head(path)
    if head is None:
        return None
    frame, time, mapping = head.frame, head.time, head.mapping
    clocks = _clocks(frame, time)
    clock = None if clocks else clock_column(frame, time)
    if clock is not None and numbers_hours(time.times, frame[clock].str.strip_chars()):
        clock = None
    if clock is not None:
        joined, _, _ = joined_times(frame, ColumnMap(timestamp=time.name, clock=clock))
        with_clock = as_times(joined[time.name])
        time, frame, clock = (with_clock, joined, clock) if with_clock else (time, frame, None)
    numbered = None if clocks or clock else numbered_clock(frame, time)
    if numbered is not None:
        clock, first, step = numbered
        numbers = as_numbers(frame[clock].cast(pl.String).str.replace(":00$", "")).cast(pl.Int64)
        passed = pl.duration(minutes=pl.lit((numbers - first) * step))
        parts = pl.select(time.times + passed)
        time, frame = replace(time, times=parts.to_series()), frame.drop(clock)
    found = TableFacts(
        frame=frame,
        time=time,
        values=(),
        marks=Marks(),
        minutes=None,
        clock=clock,
        clock_from=numbered[1] if numbered else None,
        encoding=mapping.encoding,
        sheet=mapping.sheet,
        header_line=mapping.header_line or 1,
        data_line=head.data_line,
        date_columns=head.date_columns,
        zone=zone_in(f"{time.name} {clock or ''}") or _zone_beside(path, mapping, frame),
    )
    return _with_clocks(found, clocks, head) if clocks else _with_values(found, head, _unit_above(path, mapping))


def _with_clocks(found: TableFacts, clocks: dict[str, str], head: _Head) -> TableFacts:
    frame = found.frame
    rest = [name for name in frame.columns if name not in clocks and name != found.time.name]
    # Two lines of a day are of two meters, or of what one takes and gives.
    of_day = frame.select(*rest, found.time.name)
    meter = _meter_column(of_day, found.time) or next((name for name in rest if _METER_NAME.search(name)), None)
    unit_column = next((name for name in rest if _holds_units(frame[name])), None)
    marks = marks_of(frame, list(clocks), allows_comma=head.allows_comma)
    places = sorted({int(at[:2]) * 60 + int(at[3:]) for at in clocks.values()})
    minutes = min((after - before for before, after in pairwise(places)), default=None)
    units = {name: unit for name, unit in head.units.items() if name in clocks}
    first = next(iter(clocks))
    values = number_columns(frame, [first], units, minutes)
    found = replace(found, values=tuple(values), marks=marks, minutes=minutes, meter=meter, clocks=clocks)
    return replace(found, unit_column=unit_column)


def _with_values(found: TableFacts, head: _Head, unit_above: str | None) -> TableFacts | None:
    found = _in_one_unit(found)
    frame, time = found.frame, found.time
    meter = _meter_column(frame, time)
    minutes = minutes_between(time.times, frame[meter] if meter is not None else None)
    names = [name for name in frame.columns if name not in (time.name, meter) and as_times(frame[name]) is None]
    values = number_columns(frame, names, head.units, minutes)
    marks = marks_of(frame, [each.name for each in values], allows_comma=head.allows_comma)
    if not values:
        return None
    rest = [name for name in names if name not in {each.name for each in values}]
    constants = _constants(frame, rest)
    unit_column = next((name for name in rest if _holds_units(frame[name])), None)
    if len(values) == 1 and values[0].unit is None and unit_column is None:
        # Active Import Interval (kW) beside the only values is the unit of them all.
        texts = frame[meter].cast(pl.String).unique().to_list() if meter is not None else list(constants.values())
        units = {_unit_in_brackets(text or "") for text in texts} - ({None} if meter is None else set())
        unit_in_text = next(iter(units)) if len(units) == 1 else None
        if unit := unit_in_text or unit_above:
            values = number_columns(frame, [values[0].name], {values[0].name: unit}, minutes)
    counted = with_counters(values, frame, time.times, frame[meter] if meter is not None else None)
    found = replace(found, values=counted, marks=marks, minutes=minutes, meter=meter, constants=constants)
    return replace(found, unit_column=unit_column)


def _unit_in_brackets(text: str) -> str | None:
    return unit_text(text.rpartition("(")[2].rstrip(") ")) if text.rstrip().endswith(")") else None


def _above(path: Path, mapping: ColumnMap, name: re.Pattern[str]) -> set[str]:
    """What a text file has above the names of its columns, below a word for it or behind it."""
    if not mapping.header_line or mapping.sheet is not None:
        return set()
    lines = beginning(path).decode(mapping.encoding or "utf-8", errors="replace").splitlines()
    rows = [re.split(r"[;,\t]", line.replace('"', "")) for line in lines[: mapping.header_line - 1]]
    cells = [cell for names, below in pairwise(rows) for cell in zip(names, below, strict=False)]
    cells += [pair for row in rows for pair in pairwise(row)]
    return {text.strip() for word, text in cells if name.fullmatch(word.strip(" :")) and text.strip()}


def _unit_above(path: Path, mapping: ColumnMap) -> str | None:
    units = {unit_text(text) for text in _above(path, mapping, _UNIT_NAME)} - {None}
    return units.pop() if len(units) == 1 else None


def _zone_beside(path: Path, mapping: ColumnMap, frame: pl.DataFrame) -> str | None:
    """The zone of the times, by its name (GMT, Europe/Berlin) or its hours from UTC (-7), in a title or in each row."""
    texts = _above(path, mapping, _ZONE)
    for name in frame.columns:
        if _ZONE.fullmatch(name.rpartition(".")[2]) and frame[name].n_unique() == 1:
            texts.add(str(frame[name][0]))
    zones = {zone_in(f"UTC{int(text):+03}:00" if _HOURS.fullmatch(text) else text) for text in texts} - {None}
    return zones.pop() if len(zones) == 1 else None


def _in_one_unit(found: TableFacts) -> TableFacts:
    """Without the rows that repeat each amount in another unit, as gas in m³ and kWh: energy is kept."""
    frame, times = found.frame, found.time.times
    # What names the meter, in whatever words, must be the same in both; numbers may name one too, and are compared.
    names = [name for name in frame.columns if not frame[name].null_count() and as_numbers(frame[name]).null_count()]
    numbers = [name for name in frame.columns if as_numbers(frame[name]).null_count() == frame[name].null_count()]
    for unit in [name for name in names if frame[name].n_unique() > 1 and _holds_units(frame[name])]:
        texts = frame[unit].cast(pl.String)
        codes = {text: unit_text(text) or "" for text in texts.unique().sort()}
        energy = next((t for t, code in codes.items() if canonical_of(code) == "kwh" and not UNITS[code].is_power), "")
        keys = frame.select(name for name in names if name != unit).with_columns(_time=times).hash_rows()
        is_kept = texts == energy
        if set(keys.filter(~is_kept)) <= set(keys.filter(is_kept)) and all(
            _is_proportional(keys, as_numbers(frame[name]), is_kept) for name in numbers
        ):
            time = replace(found.time, times=times.filter(is_kept))
            return replace(found, frame=frame.filter(is_kept), time=time, where={unit: energy})
    return found


def _is_proportional(keys: pl.Series, values: pl.Series, is_kept: pl.Series) -> bool:
    """One of two units goes with the other, by a calorific value that hardly moves: two meters do not."""
    sides = pl.DataFrame({"key": keys, "value": values, "is_kept": is_kept}).group_by("key").agg(
        kept=pl.col("value").filter("is_kept").sum(), other=pl.col("value").filter(~pl.col("is_kept")).sum(),
        is_both=~pl.col("is_kept").all(),
    ).filter("is_both")  # fmt: skip
    total = float(sides["other"].sum())
    ratio = float(sides["kept"].sum()) / total if total else 0.0
    odd = float((sides["kept"] - ratio * sides["other"]).abs().sum())
    return odd <= _SAME_SHARE * float(sides["kept"].abs().sum())


def _holds_units(column: pl.Series) -> bool:
    texts = column.cast(pl.String).drop_nulls().str.strip_chars().unique()
    # A letter is a class, a phase or a status (W: a true value) as often as a unit: a name must say that it is one.
    is_letter = bool((texts.str.len_chars() < _UNIT_LETTERS).all()) and not _UNIT_NAME.search(column.name)
    return texts.len() > 0 and not is_letter and all(unit_text(text) is not None for text in texts)


def _head(path: Path) -> _Head | None:
    """The columns, the one of times, and how to read them: the first line of names under which times stand."""
    try:
        reader = reader_for(path)
    except BadInput:
        return None
    if not isinstance(reader, TableReader):
        return None
    if isinstance(reader, XlsxTable):
        # The first sheet that has a table: covers and notes stand before it.
        first = _searched(reader, path, None)
        if first is not None:
            return first
        try:
            others = reader.sheets(path)[1:_SHEETS]
        except BadInput:
            return None
        return next((found for name in others if (found := _searched(reader, path, None, name)) is not None), None)
    encoding = encoding_of(path) if isinstance(reader, CsvTable) else None
    if not isinstance(reader, CsvTable) or path.stat().st_size <= SEARCHED_BYTES:
        return _searched(reader, path, encoding)
    with tempfile.TemporaryDirectory(prefix="meterloom-") as folder:
        # The line of the names is looked for in the beginning; only then is the whole file read, once.
        short = Path(folder) / "beginning.csv"
        head = beginning(path)
        short.write_bytes(head[: head.rfind(b"\n") + 1] or head)
        found = _searched(reader, short, encoding)
    return None if found is None else _tried(reader, path, found.mapping)


def _searched(reader: TableReader, path: Path, encoding: str | None, sheet: str | None = None) -> _Head | None:
    # Of the names of a JSON or Parquet table there is no second line.
    for line in range(1, _HEADER_WITHIN + 1 if isinstance(reader, CsvTable | XlsxTable) else 2):
        mapping = ColumnMap(header_line=line if line > 1 else None, encoding=encoding, sheet=sheet)
        found = _tried(reader, path, mapping)
        if found is not None:
            return found
    return None


def _tried(reader: TableReader, path: Path, mapping: ColumnMap) -> _Head | None:
    try:
        raw = reader.table(path, ReadRequest(mapping=mapping))
    except BadInput:
        return None
    lines, frame = raw.frame["_line"], raw.frame.drop("_line")
    is_blank = pl.all_horizontal(pl.all().is_null())
    lines, frame = lines.filter(~frame.select(is_blank).to_series()), frame.filter(~is_blank)
    # Names under which most lines do not fit are a title's.
    if frame.is_empty() or raw.rejects.height > frame.height:
        return None
    parts = date_columns(frame)
    if parts:
        frame, _, _ = joined_times(frame, ColumnMap(timestamp=parts[0], date_columns=tuple(parts[1:])))
    time = as_times(frame[parts[0]]) if parts else time_column(frame)
    # A time for a name: this line is a reading, and the names are missing or doubled.
    if time is None or as_times(pl.Series([time.name])) is not None:
        return None
    units, data_line = {}, None
    above = time.times.is_not_null().arg_max() or 0
    if above:
        # Rows above the first time: the last has the units of the columns, or these names are no names but a title.
        row = frame.row(above - 1, named=True).items()
        cells = {name: text for name, cell in row if cell is not None and (text := str(cell).strip())}
        units = {name: unit for name, cell in cells.items() if (unit := unit_text(cell.strip("[]()"))) is not None}
        # What stands for the time's unit is nothing, a style, or a word for time.
        if (
            above > _ROWS_ABOVE
            or not (_STYLE.fullmatch(cells.get(time.name, "[")) or _is_named(time.name, cells))
            or not units
            or any(name not in units and cell[:1] not in "[(" for name, cell in cells.items() if name != time.name)
        ):
            return None
        data_line = int(lines[above])
        frame = frame.slice(above)
        time = replace(time, times=time.times.slice(above))
    frame, behind = without_units(frame)
    return _Head(frame, time, behind | units, mapping, data_line, raw.allows_comma, tuple(parts[1:]))


def _is_named(time: str, cells: dict[str, str]) -> bool:
    """A word for time above the times, and names over all units: of merged headings one name is for several units."""
    unnamed = any(re.fullmatch(r"column_\d+", name) for name in cells if name != time)
    return not unnamed and TIME_NAME.search(cells[time]) is not None


def _clocks(frame: pl.DataFrame, time: TimeColumn) -> dict[str, str]:
    """Columns that are named by a time of day, with that time; none where they are fewer than a day has parts."""
    if not time.is_date:
        return {}
    bare = {name: re.sub(DAY_NONE, "", name.strip()) for name in frame.columns}
    named = {name: match for name in frame.columns if (match := _CLOCK_NAME.fullmatch(bare[name])) is not None}
    found = {name: f"{int(m[1]):02}:{m[2]}" for name, m in named.items() if int(m[1]) <= 24 and int(m[2]) < 60}
    if len(found) >= _FEWEST_CLOCKS:
        # 00:00 to the right of the day's other times is its end.
        last = list(found)[-1]
        if found[last] == "00:00":
            found[last] = "24:00"
        return found
    return _numbered(frame)


def _numbered(frame: pl.DataFrame) -> dict[str, str]:
    """H1 … H24, 0 … 23, 1 … 96: the parts of a day in order, named by their place."""
    by_stem: dict[str, dict[int, str]] = {}
    for name in frame.columns:
        match = _NUMBERED.fullmatch(name.strip())
        if match is not None:
            by_stem.setdefault(match[1].strip().lower(), {})[int(match[2])] = name
    for places in by_stem.values():
        first = min(places)
        if first in (0, 1) and len(places) in _OF_DAY and sorted(places) == list(range(first, first + len(places))):
            step = 1440 // len(places)
            return {name: f"{(n - first) * step // 60:02}:{(n - first) * step % 60:02}" for n, name in places.items()}
    return _compact(frame)


def _compact(frame: pl.DataFrame) -> dict[str, str]:
    """0000, 0030 … 2330, or HE0100 … HE2400: every part of a day, since four digits alone may be a year."""
    named = {name: match for name in frame.columns if (match := _COMPACT.fullmatch(name.strip())) is not None}
    places = {name: int(match[1]) * 60 + int(match[2]) for name, match in named.items()}
    step = 1440 // max(1, len(places))
    if len(places) in _OF_DAY and places[last := list(places)[-1]] == 0:
        places[last] = 1440
    if len(places) not in _OF_DAY or sorted(places.values()) not in (
        list(range(0, 1440, step)), list(range(step, 1441, step)),
    ):  # fmt: skip
        return {}
    return {name: f"{place // 60:02}:{place % 60:02}" for name, place in places.items()}


def _meter_column(frame: pl.DataFrame, time: TimeColumn) -> str | None:
    """A column of few texts that make the times unique."""
    filled, times = frame.filter(time.times.is_not_null()), time.times.drop_nulls()
    if times.n_unique() == times.len() or _is_one_hour(times.filter(times.is_duplicated()), times):
        return None
    for name in sorted(frame.columns, key=lambda name: not _METER_NAME.search(name)):
        column, texts = filled[name], filled[name].cast(pl.String)
        # A number names a meter only in a column that says so.
        is_text = _METER_NAME.search(name) is not None or texts.cast(pl.Float64, strict=False).null_count() > 0
        # A meter's name repeats with every reading; what differs in most rows is a value or a remark.
        if name == time.name or not is_text or column.n_unique() > max(1, filled.height // 2):
            continue
        pairs = pl.DataFrame({"a": texts, "b": times})
        if _is_one_hour(times.filter(pairs.is_duplicated()), times) and as_times(column) is None:
            return name
    return None


def _is_one_hour(twice: pl.Series, times: pl.Series) -> bool:
    """Times that appear twice are those of the hour that autumn repeats, one in a year; also none."""
    if twice.is_empty():
        return True
    years = times.dt.year().n_unique()
    return twice.len() <= times.len() // 2 and twice.dt.truncate("1h").n_unique() <= years


def _constants(frame: pl.DataFrame, names: list[str]) -> dict[str, str]:
    """Columns in which one text stands in every row."""
    texts = {name: frame[name].cast(pl.String).drop_nulls() for name in names}
    return {name: text[0] for name, text in texts.items() if text.len() and text.n_unique() == 1}
