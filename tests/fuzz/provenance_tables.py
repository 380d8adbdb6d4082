"""Provenance of a row of a table: its line, sheet row or element, read a second time and by other means."""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from data_quality.contracts.site_file.site import ColumnMap
from tests.fuzz.cases import Row, Seed
from tests.fuzz.provenance import same_number, sentences

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?\s?(Z|z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)


def instants(text: str, *, formats: Sequence[str], zone: str | None) -> set[datetime]:
    """Every instant that a text can mean: one with an offset, one or two of a local time, none where it is no time."""
    text = text.strip()
    for form in formats:
        try:
            return _of_local(datetime.strptime(text, form), zone)  # noqa: DTZ007
        except ValueError:
            continue
    if formats:
        return set()
    found = _ISO.fullmatch(text)
    if found is None:
        return set()
    ends_day = found[4] == "24"
    fields = [int(found[place] or 0) for place in (1, 2, 3)] + [
        0 if ends_day else int(found[4] or 0),
        int(found[5] or 0),
    ]
    try:
        moment = datetime(fields[0], fields[1], fields[2], fields[3], fields[4], int(found[6] or 0))  # noqa: DTZ001
        moment += timedelta(days=1) if ends_day else timedelta(0)
    except (ValueError, OverflowError):
        return set()
    if not found[8]:
        return _of_local(moment, zone)
    digits = found[8].strip("+-").replace(":", "")
    offset = timedelta(0) if found[8] in "Zz" else timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return {moment.replace(tzinfo=UTC) + (offset if found[8][0] == "-" else -offset)}


def _of_local(moment: datetime, zone: str | None) -> set[datetime]:
    where = ZoneInfo(zone or "UTC")
    passes = {moment.replace(tzinfo=where, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return {each for each in passes if each.astimezone(where).replace(tzinfo=None) == moment}


class Sheet:
    """A table as named cells by line, and what was said about how to read it."""

    def __init__(
        self, header: list[str], rows: Mapping[int, list[Any]], seed: Seed, reading: Mapping[str, str]
    ) -> None:
        self.header, self.rows = header, rows
        self.mapping = seed.mapping or ColumnMap()
        zone = self.mapping.zone or seed.tz
        time = next((name for name in header if name.strip() == reading.get("time_column", "").strip()), "")
        if zone is None and time.lower() == "timestamp_utc":
            zone = "UTC"
        self.time, self.site = time, seed.site
        self.zone = zone or (seed.site.time_zone if seed.site else None)

    def fault(self, row: Row) -> str:
        """A sentence where the row's line does not say what it says."""
        cells = self.rows.get(row.line)
        if cells is None:
            return "no such line"
        if len(cells) != len(self.header):
            return f"{len(cells)} cells below a header of {len(self.header)}"
        named = dict(zip(self.header, cells, strict=True))
        end = timedelta(minutes=row.minutes) if self.mapping.label == "end" else timedelta(0)
        moments = self._moments(named.get(self.time))
        if row.start_utc + end not in moments:
            return f"time {named.get(self.time)!r} is {sorted(moments)}"
        candidates = [name for name in self.header if name != self.time and self._holds(named[name], name, row.value)]
        if row.meter_id and row.meter_id in self.header:
            candidates = [name for name in candidates if name == row.meter_id]
        if not candidates:
            return f"value {row.value!r} stands in none of {cells}"
        return self._named_otherwise(row, named) or self._measured_otherwise(row, named, candidates)

    def _holds(self, cell: Any, name: str, value: float) -> bool:
        factor = self.mapping.multipliers.get(name)
        if isinstance(cell, str):
            return same_number(cell, value / factor if factor else value)
        return isinstance(cell, int | float) and not isinstance(cell, bool) and float(cell) == value

    def _moments(self, cell: Any) -> set[datetime]:
        if isinstance(cell, Number) and (moment := cell.moment()) is not None:
            return _of_local(moment, self.zone)
        if isinstance(cell, datetime):
            # Nanoseconds, where there are any, are of no meter's clock.
            cell = datetime.fromisoformat(cell.isoformat(timespec="microseconds"))
            return {cell.astimezone(UTC)} if cell.tzinfo else _of_local(cell, self.zone)
        if isinstance(cell, int) and not isinstance(cell, bool):
            return self._counted(cell)
        if isinstance(cell, date):
            return _of_local(datetime(cell.year, cell.month, cell.day), self.zone)  # noqa: DTZ001
        return instants(cell, formats=self.mapping.formats, zone=self.zone) if isinstance(cell, str) else set()

    def _counted(self, count: int) -> set[datetime]:
        """A count of milli-, micro- or nanoseconds, of which one library knows that they are times."""
        found: set[datetime] = set()
        for step in (1_000, 1_000_000, 1_000_000_000):
            try:
                moment = datetime.fromtimestamp(count // step, UTC)
            except (ValueError, OverflowError, OSError):
                continue
            found |= {moment, *_of_local(moment.replace(tzinfo=None), self.zone)}
        return found

    def _named_otherwise(self, row: Row, named: dict[str, Any]) -> str:
        column = self.mapping.meter or next((name for name in self.header if name.lower() == "meter"), None)
        if column is not None:
            reported = self.mapping.meters.get(str(named[column]), named[column])
            return "" if reported == row.meter_id else f"meter {reported!r} stands there, not {row.meter_id!r}"
        known = [meter.meter_id for meter in self.site.meters] if self.site else [""]
        is_known = row.meter_id in (*self.header, *known)
        return "" if is_known else f"no column and no cell is called {row.meter_id!r}"

    def _measured_otherwise(self, row: Row, named: dict[str, Any], columns: list[str]) -> str:
        words = (
            [str(named[name]) for name in named if named[name] is not None] if self.mapping.unit in named else columns
        )
        words += [self.mapping.unit or "", *self.mapping.units.values()]
        if self.site is not None:
            return ""
        plain = [word.strip().lower().replace("³", "3").rstrip(")]") for word in words]
        return "" if any(word.endswith(row.unit) for word in plain) else f"unit {row.unit!r} is in none of {words}"


# CSV


def separated(data: bytes, rows: Sequence[Row], seed: Seed, reading: Mapping[str, str]) -> list[str]:
    """Rows of separated text: each from the line where it begins."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16")
    else:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    lines = text.split("\n") if "\n" in text else text.split("\r")
    mark = reading.get("separator", ",").replace("tab", "\t")
    header = [name.strip() or f"column_{place}" for place, name in enumerate(_split(lines[0], mark), start=1)]
    is_balanced = text.count('"') % 2 == 0
    cells: dict[int, list[Any]] = {}
    for row in rows:
        if 1 < row.line <= len(lines):
            # A quoted cell may go on in the next lines, where all quotes of the file are closed.
            stop = row.line
            while is_balanced and "\n".join(lines[row.line - 1 : stop]).count('"') % 2 and stop < len(lines):
                stop += 1
            cells[row.line] = _split("\n".join(lines[row.line - 1 : stop]), mark)
    return sentences(rows, Sheet(header, cells, seed, reading).fault)


def _split(line: str, mark: str) -> list[str]:
    line = line.rstrip("\r")
    return next(csv.reader(io.StringIO(line, newline=""), delimiter=mark), []) if '"' in line else line.split(mark)


# XLSX


def workbook(data: bytes, rows: Sequence[Row], seed: Seed, reading: Mapping[str, str]) -> list[str]:
    """Rows of the first sheet, which must be XML throughout; names count without their namespaces."""
    try:
        header, cells = _sheet(data)
    except (zipfile.BadZipFile, zlib.error, ET.ParseError, KeyError, ValueError, StopIteration) as error:
        return [f"accepted, and no workbook: {type(error).__name__} {error}"]
    return sentences(rows, Sheet(header, cells, seed, reading).fault)


def _xml(data: bytes) -> ET.Element:
    return ET.fromstring(data)  # noqa: S314 (a test's own look; the limits of the run hold)


def _all(root: ET.Element, name: str) -> Iterator[ET.Element]:
    return (each for each in root.iter() if each.tag.rpartition("}")[2] == name)


def _sheet(data: bytes) -> tuple[list[str], dict[int, list[Any]]]:
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        names = {name.lower(): name for name in parts.namelist()}
        book = _xml(parts.read("xl/workbook.xml"))
        first = next(_all(book, "sheet"))
        relations = _xml(parts.read("xl/_rels/workbook.xml.rels"))
        wanted = next(value for name, value in first.attrib.items() if name.rpartition("}")[2] == "id")
        target = [each.attrib["Target"] for each in relations if each.attrib.get("Id") == wanted][-1]
        sheet = _xml(parts.read(names[f"xl/{target}".lower().replace("xl//xl/", "xl/")]))
        name = names.get("xl/sharedstrings.xml")
        strings = [
            "".join(text.text or "" for text in _all(item, "t"))
            for item in (_all(_xml(parts.read(name)), "si") if name else ())
        ]
    properties = next(_all(book, "workbookPr"), None)
    is_1904 = properties is not None and properties.get("date1904") in ("1", "true")
    return _table(sheet, strings, datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30))  # noqa: DTZ001


class Number(str):
    """The text of a cell that holds a number: it may be a date too, which is for its style to say."""

    epoch: datetime

    def moment(self) -> datetime | None:
        """The number as a serial of days, to the second."""
        try:
            moment = self.epoch + timedelta(days=float(self))
        except (ValueError, OverflowError):
            return None
        return (moment + timedelta(microseconds=500_000)).replace(microsecond=0)


def _table(sheet: ET.Element, strings: list[str], epoch: datetime) -> tuple[list[str], dict[int, list[Any]]]:
    grid: dict[int, dict[int, Any]] = {}
    number = 0
    for row in _all(sheet, "row"):
        stated = row.get("r", "")
        number, column = int(stated) if stated.isdecimal() else number + 1, 0
        for cell in _all(row, "c"):
            place = re.fullmatch(r"([A-Z]{1,3})(\d{1,7})", cell.get("r", ""))
            if place:
                number, column = int(place[2]), 0
                for letter in place[1]:
                    column = column * 26 + ord(letter) - 64
            else:
                column += 1
            value = _cell(cell, strings, epoch)
            if value is not None:
                grid.setdefault(number, {})[column] = value
    if not grid:
        raise ValueError("no cell")
    first, last = min(min(each) for each in grid.values()), max(max(each) for each in grid.values())
    cells = {line: [found.get(place) for place in range(first, last + 1)] for line, found in grid.items()}
    names = enumerate(cells.pop(min(cells)), start=1)
    return [str(name).strip() if name is not None else f"column_{place}" for place, name in names], cells


def _cell(cell: ET.Element, strings: list[str], epoch: datetime) -> Any:
    kind, text = cell.get("t", "n"), [each.text or "" for each in _all(cell, "v")][-1:]
    if not text:
        return "".join(each.text or "" for each in _all(cell, "t")) or None
    if kind == "s":
        index = text[0].strip()
        return strings[int(index)] if index.isdecimal() and int(index) < len(strings) else None
    number = Number(text[0])
    number.epoch = epoch
    return number


# Parquet


def parquet(data: bytes, rows: Sequence[Row], seed: Seed, reading: Mapping[str, str]) -> list[str]:
    """Rows by their place, as another reader of the format sees them. Where it sees no table, nothing is said."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        if _is_misread(pq.ParquetFile(io.BytesIO(data)).metadata, columns):
            return []
    except (pa.ArrowException, OSError, ValueError, UnicodeDecodeError, OverflowError, KeyError):
        return []
    header = list(columns)
    cells = {
        row.line: [_plain(columns[name], row.line) for name in header] for row in rows if row.line <= table.num_rows
    }
    return sentences(rows, Sheet(header, cells, seed, reading).fault)


def _is_misread(facts: Any, columns: Mapping[str, list[Any]]) -> bool:
    """The other reader sees no number of a column between the bounds that the file states of it."""
    for group in range(facts.num_row_groups):
        for place in range(facts.num_columns):
            of_column = facts.row_group(group).column(place)
            bounds = of_column.statistics
            values = [each for each in columns.get(of_column.path_in_schema, []) if isinstance(each, float)]
            if not values or bounds is None or not bounds.has_min_max or not isinstance(bounds.min, float):
                continue
            if not any(bounds.min <= each <= bounds.max for each in values):
                return True
    return False


def _plain(values: list[Any], line: int) -> Any:
    value = values[line - 1]
    if isinstance(value, datetime | date | str | int | float) or value is None:
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
