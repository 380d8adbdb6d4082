"""A column map proposed from a foreign table's content, as YAML for a person to accept. Nothing here is ever applied.

What the content cannot say is left open and said: the zone of times without offset, day or month first, a unit.
"""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl

from assets.readings.parsed import ReadRequest
from assets.readings.readers.reader_list import reader_for
from assets.readings.tables.clocks import joined_times
from assets.readings.tables.column_layout import unit_in
from assets.readings.tables.judged_table import RawTable
from assets.readings.tables.values import infers_comma
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap

# What a column map can mend.
PROPOSED_FOR = frozenset(
    {
        "missing_column",
        "unknown_unit_column",
        "several_value_columns",
        "no_zone",
        "ambiguous_date",
        "bad_timestamp",
        "unknown_interval",
        "unit_suspected",
        "field_count",
        "no_header",
        "duplicate_column",
        "not_a_number",
    }
)
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M %p", "%I:%M:%S %p")
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%Y%m%d")
_DAY_FIRST = {"%m/%d/%Y": "%d/%m/%Y", "%m-%d-%Y": "%d-%m-%Y"}
_OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})$"
_TIME_NAME = re.compile(r"time|date|datum|zeit|stamp|fecha|start|measured|^dt$|^ts$", re.IGNORECASE)
_METER_NAME = re.compile(r"meter|building|home|series|station|site|point|device|channel|pid|id$|name", re.IGNORECASE)
_UNIT_HINTS = (
    (r"temp.*_f$|degf|tempf|fahrenheit", "degf"),
    (r"temp|degc|_c$|celsius", "degc"),
    (r"irradiance|ghi|w_m2|w/m2|radiation", "w_per_m2"),
    (r"humidity.*(pct|percent)|_pct$|percent", "percent"),
    (r"fraction", "fraction"),
    (r"litre_per_min|l_per_min|l/min", "l_per_min"),
    (r"wind", "m_per_s"),
    (r"power_w$|_w$", "w"),
)
# A proposal is read by a person, line by line.
MAX_COLUMNS = 40
# Titles above the column names are few, and looked for where reading a file again costs little.
_HEADER_WITHIN, _SEARCHED_BYTES = 12, 4 * 1024**2
_CLOCK = r"^\d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp][Mm])?$"
_CLOCK_NAME = re.compile(r"(\d{1,2}):(\d{2})")
# Fewer than four times of day are no profile, but columns that happen to be called so.
_FEWEST_CLOCKS = 4
# What parts thousands, by the numbers that show it; the decimal mark is the other one.
_THOUSANDS = {
    ".": r"^-?\d{1,3}(?:\.\d{3})+,\d*$",
    ",": r"^-?\d{1,3}(?:,\d{3})+\.\d*$",
    " ": "^-?\\d{1,3}(?:[ \u00a0\u202f]\\d{3})+(?:[.,]\\d*)?$",
}


@runtime_checkable
class TableReader(Protocol):
    """A reader of tables, which can hand over the columns as found."""

    def table(self, path: Path, request: ReadRequest) -> RawTable:
        """The columns as found. Raises BadInput."""
        ...


@dataclass(frozen=True)
class _TimeColumn:
    name: str
    formats: tuple[str, ...]
    has_offset: bool
    is_ambiguous: bool
    times: pl.Series
    """Local times in file order, by the first reading that the content allows."""


def propose(path: Path) -> str:
    """A column map as YAML with comments; empty where the file is no table or holds no column of times."""
    found = _table(path)
    if found is None:
        return ""
    frame, time, header_line = found
    head = [f"header_line: {header_line} # titles stand above the names of the columns"] if header_line > 1 else []
    clock = _clock_column(frame, time)
    if clock is not None:
        joined, _, _ = joined_times(frame, ColumnMap(timestamp=time.name, clock=clock))
        time, frame = _as_times(joined[time.name]) or time, joined
        head.append(f"clock: {_text(clock)} # the time of day stands beside the date")
    clocks = _clock_names(frame)
    if clocks:
        return "\n".join([*head, *_lines_of_clocks(frame, time, clocks)]) + "\n"
    meter = _meter_column(frame, time)
    numbers = [name for name in frame.columns if name not in (time.name, meter) and _is_number(frame[name])]
    return "\n".join([*head, *_lines(frame, time, meter, numbers)]) + "\n" if numbers else ""


def _table(path: Path) -> "tuple[pl.DataFrame, _TimeColumn, int] | None":
    """The columns, the one of times, and the line of their names: the first under which times stand."""
    try:
        reader = reader_for(path)
    except BadInput:
        return None
    if not isinstance(reader, TableReader):
        return None
    last = _HEADER_WITHIN if path.stat().st_size <= _SEARCHED_BYTES else 1
    for line in range(1, last + 1):
        mapping = ColumnMap(header_line=line) if line > 1 else None
        try:
            frame = reader.table(path, ReadRequest(mapping=mapping)).frame.drop("_line")
        except BadInput:
            continue
        time = _time_column(frame)
        if time is not None:
            return frame, time, line
    return None


def _clock_column(frame: pl.DataFrame, time: "_TimeColumn") -> str | None:
    """A column of times of day beside one of dates alone."""
    if not all(form in _DATES for form in time.formats) or (time.times.dt.hour() != 0).any():
        return None
    for name in frame.columns:
        column = frame[name]
        if name == time.name or column.dtype != pl.String or column.null_count() == column.len():
            continue
        if column.drop_nulls().str.strip_chars().str.contains(_CLOCK).all():
            return name
    return None


def _clock_names(frame: pl.DataFrame) -> dict[str, str]:
    """Columns that are named by a time of day, with that time; none where they are fewer than a day has parts."""
    found = {name: match for name in frame.columns if (match := _CLOCK_NAME.fullmatch(name)) is not None}
    return {name: f"{int(m[1]):02}:{m[2]}" for name, m in found.items()} if len(found) >= _FEWEST_CLOCKS else {}


def _lines_of_clocks(frame: pl.DataFrame, time: "_TimeColumn", clocks: dict[str, str]) -> list[str]:
    rest = [name for name in frame.columns if name not in clocks and name != time.name]
    meter = next((name for name in rest if _METER_NAME.search(name)), None)
    lines = [f"timestamp: {_text(time.name)}", *_style_lines(time)]
    lines += [
        "clocks: # columns named by a time of day",
        *(f"  {_text(name)}: {_text(at)}" for name, at in clocks.items()),
    ]
    lines += [f"meter: {_text(meter)}"] if meter is not None else ["meters: {any: my_meter} # whose readings these are"]
    if "24:00" in clocks.values():
        lines.append("label: end # the day ends with 24:00, so the times mark the end of an interval")
    numbers = [name for name in clocks if _is_number(frame[name])]
    return [*lines, "unit: # not in the columns' names", *_mark_lines(frame, numbers)]


def _lines(frame: pl.DataFrame, time: _TimeColumn, meter: str | None, numbers: list[str]) -> list[str]:
    lines = [f"timestamp: {_text(time.name)}", *_time_lines(time, frame, meter)]
    if meter is not None:
        names = [str(name) for name in frame[meter].unique().sort().to_list()[:MAX_COLUMNS]]
        lines += [f"meter: {_text(meter)}", "meters: # foreign name -> meter_id"]
        lines += [f"  {_text(name)}: {_identifier(name)}" for name in names]
    if len(numbers) == 1:
        lines += [f"value: {_text(numbers[0])}", *_unit_lines(numbers[0])]
        if meter is None:
            lines.append("meters: {any: my_meter} # whose readings these are")
    elif meter is None:
        lines += ["values: # column -> meter_id, meter_id.register or driver_id; delete what is not wanted"]
        lines += [f"  {_text(name)}: {_identifier(name)}{_unit_note(name)}" for name in numbers[:MAX_COLUMNS]]
        units = [(name, unit) for name in numbers[:MAX_COLUMNS] if (unit := _unit_guess(name))]
        lines += ["units:", *(f"  {_text(name)}: {unit}" for name, unit in units)] if units else []
    else:
        lines += [f"value: {_text(numbers[0])} # or one of: {', '.join(map(_text, numbers[1:MAX_COLUMNS]))}"]
        lines += _unit_lines(numbers[0])
    return lines + _value_notes(frame, numbers)


def _style_lines(time: _TimeColumn) -> list[str]:
    lines = []
    if time.is_ambiguous:
        options = " or ".join(_text(form) for form in time.formats)
        lines.append(f"date_format: # {options}: the file does not say whether the day or the month stands first")
    elif len(time.formats) == 1:
        lines.append(f"date_format: {_text(time.formats[0])}")
    elif time.formats:
        lines.append(f"date_formats: [{', '.join(_text(form) for form in time.formats)}]")
    if not time.has_offset:
        lines.append("zone: # the times have no offset: name their zone, such as Europe/Berlin or Etc/GMT-1")
    return lines


def _time_lines(time: _TimeColumn, frame: pl.DataFrame, meter: str | None) -> list[str]:
    lines = _style_lines(time)
    by = frame[meter].cast(pl.String) if meter is not None else pl.repeat("", frame.height, eager=True)
    steps = pl.DataFrame({"by": by, "time": time.times}).select(pl.col("time").diff().over("by")).to_series()
    day_back = [step for step in steps.filter(steps < timedelta()).unique() if timedelta() < step + timedelta(days=1)]
    # Time falls back by nearly a day where 00:00 is written with the day that it ends.
    if any(step + timedelta(days=1) <= timedelta(hours=1) for step in day_back):
        lines.append("midnight: end # 00:00 stands last in its day")
        lines.append("label: end # so the times seem to mark the end of an interval")
    common = steps.filter(steps > timedelta()).mode().sort()
    if len(common):
        lines.append(f"# step: {common[0] // timedelta(minutes=1)} minutes")
    return lines


def _value_notes(frame: pl.DataFrame, numbers: list[str]) -> list[str]:
    notes = _mark_lines(frame, numbers)
    for name in numbers[:MAX_COLUMNS]:
        values = _as_numbers(frame[name])
        zeros, empty = int((values == 0).sum()), values.null_count()
        if empty:
            notes.append(f'# {_text(name)}: {empty} cells are empty; missing: [""] counts them as no reading')
        if 0 < zeros < values.len() // 2:
            notes.append(f"# {_text(name)}: {zeros} zeros; zero_is_missing: true if a zero means no reading")
        if values.min() is not None and float(values.min()) < 0:  # type: ignore[arg-type]
            notes.append(f"# {_text(name)}: holds negative values; a register import or export refuses them")
        if frame[name].dtype == pl.String and infers_comma(frame[name]):
            notes.append(f'# {_text(name)}: decimal: ","')
    return notes


def _mark_lines(frame: pl.DataFrame, numbers: list[str]) -> list[str]:
    """What parts thousands, which is never inferred when a file is read."""
    marks = {mark for name in numbers if (mark := _thousands(frame[name])) is not None}
    if len(marks) != 1:
        return []
    mark = marks.pop()
    texts = [frame[name].cast(pl.String) for name in numbers]
    is_comma = mark == "." or (mark == " " and any(text.str.contains(",", literal=True).any() for text in texts))
    return [f'thousands: "{mark}"', f'decimal: "{"," if is_comma else "."}"']


def _thousands(column: pl.Series) -> str | None:
    if column.dtype != pl.String:
        return None
    texts = column.str.strip_chars()
    return next((mark for mark, pattern in _THOUSANDS.items() if texts.str.contains(pattern).any()), None)


def _time_column(frame: pl.DataFrame) -> _TimeColumn | None:
    """The column that reads as times, one with a telling name first."""
    for name in sorted(frame.columns, key=lambda name: (not _TIME_NAME.search(name), frame.columns.index(name))):
        found = _as_times(frame[name])
        if found is not None:
            return found
    return None


def _as_times(column: pl.Series) -> _TimeColumn | None:
    if isinstance(column.dtype, pl.Datetime):
        is_aware = column.dtype.time_zone is not None
        return _TimeColumn(column.name, (), is_aware, False, column.dt.replace_time_zone(None))
    if column.dtype == pl.Date:
        return _TimeColumn(column.name, (), False, False, column.cast(pl.Datetime("us")))
    if column.dtype != pl.String or column.null_count() == column.len():
        return None
    texts = column.str.strip_chars().str.replace("T", " ", literal=True)
    has_offset = bool(texts.drop_nulls().str.contains(r":\d{2}.*" + _OFFSET).all())
    bare = texts.str.replace(r"\s?" + _OFFSET, "") if has_offset else texts
    styles = [f"{day} {clock}" for day in _DATES for clock in _CLOCKS] + list(_DATES)
    wanted = bare.len() - bare.null_count()
    # The quick look keeps the many styles from being tried on millions of rows.
    likely = [style for style in styles if _parsed(bare.drop_nulls().head(100), style).null_count() < 100]
    parsed = {style: _parsed(bare, style) for style in likely if not _parsed(bare.head(100), style).is_null().all()}
    whole = [style for style, times in parsed.items() if times.len() - times.null_count() == wanted]
    if whole:
        twin = [style for style in whole if any(style.startswith(month) for month in _DAY_FIRST)]
        is_ambiguous = bool(twin) and len(whole) > 1
        # ISO 8601 is read without being declared.
        is_iso = whole[0].startswith("%Y-%m-%d")
        formats = () if is_iso else tuple(whole) if is_ambiguous else (whole[0],)
        return _TimeColumn(column.name, formats, has_offset, is_ambiguous, parsed[whole[0]])
    for first, times in parsed.items():
        for second, others in parsed.items():
            both = times.zip_with(times.is_not_null(), others)
            if first < second and both.len() - both.null_count() == wanted:
                return _TimeColumn(column.name, (first, second), has_offset, False, both)
    return None


def _parsed(texts: pl.Series, style: str) -> pl.Series:
    if "%H" in style or "%I" in style:
        return texts.str.to_datetime(style, strict=False, time_unit="us")
    return texts.str.to_date(style, strict=False).cast(pl.Datetime("us"))


def _meter_column(frame: pl.DataFrame, time: _TimeColumn) -> str | None:
    """A column of few texts that make the times unique."""
    if time.times.n_unique() == time.times.len():
        return None
    for name in sorted(frame.columns, key=lambda name: not _METER_NAME.search(name)):
        column = frame[name]
        is_text = column.dtype in (pl.String, pl.Categorical, pl.Enum) or (
            column.dtype.is_integer() and _METER_NAME.search(name) is not None
        )
        # A meter's name repeats with every reading; what differs in most rows is a value or a remark.
        few = column.n_unique() <= max(1, frame.height // 2)
        if name == time.name or not is_text or not few:
            continue
        pairs = pl.DataFrame({"a": column.cast(pl.String), "b": time.times})
        if pairs.n_unique() == frame.height:
            return name
    return None


def _is_number(column: pl.Series) -> bool:
    values = _as_numbers(column)
    return values.len() > values.null_count() >= 0 and values.null_count() <= max(
        column.null_count(), column.len() // 2
    )


def _as_numbers(column: pl.Series) -> pl.Series:
    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_nan(None)
    if column.dtype != pl.String:
        return pl.Series([None] * column.len(), dtype=pl.Float64)
    texts = column.str.strip_chars()
    if (mark := _thousands(texts)) is not None:
        texts = texts.str.replace_all("[ \u00a0\u202f]" if mark == " " else re.escape(mark), "")
    if infers_comma(texts):
        texts = texts.str.replace(",", ".", literal=True)
    return texts.cast(pl.Float64, strict=False).fill_nan(None)


def _unit_guess(name: str) -> str | None:
    found = unit_in(name)
    if found is not None:
        return found
    return next((unit for pattern, unit in _UNIT_HINTS if re.search(pattern, name.lower())), None)


def _unit_lines(name: str) -> list[str]:
    guess = _unit_guess(name)
    return [f"unit: {guess} # from the column's name: check it"] if guess else ["unit: # not in the column's name"]


def _unit_note(name: str) -> str:
    return "" if _unit_guess(name) else " # unit unknown"


def _identifier(name: str) -> str:
    """A lower-case name as a site file wants it."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60]
    if not plain:
        return "my_meter"
    # A name that YAML would take for a number or a truth value is quoted.
    is_plain = plain[0].isalpha() and plain not in {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
    return plain if is_plain else _text(plain)


def _text(name: str) -> str:
    """A name as a YAML scalar; JSON's quoting is YAML's, and keeps any name on one line."""
    return json.dumps(name[:200])
