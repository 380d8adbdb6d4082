"""Provenance of a row, read a second time and by other means: the source line must say what the row says.

Each function here takes the bytes of a file and its accepted rows, and answers with sentences for those rows that
cannot be derived from their own line, record, segment or element. Nothing of the readers is used.
"""

import csv
import gzip
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from xml.parsers import expat
from zlib import error as ZlibError  # noqa: N812 (the library's name is in lower case)

from tests.fuzz.cases import Row

MAX_SENTENCES = 5
_MARKET = timezone(timedelta(hours=10))


def plain_bytes(data: bytes) -> bytes | None:
    """The content, unpacked; None where it is packed and cannot be."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, ZlibError):
        return None


def same_number(text: str, value: float, *, exponent: int = 0) -> bool:
    """True where the text is that number, times a power of ten, with a point or one decimal comma."""
    plain = text.strip()
    if "," in plain and "." not in plain and plain.count(",") == 1:
        plain = plain.replace(",", ".")
    try:
        found = Decimal(plain).scaleb(exponent)
    except (InvalidOperation, ValueError):
        return False
    # What is smaller than any quantum of any unit may be read as nothing.
    return bool(found.is_finite()) and (float(found) == value or (value == 0 and abs(found) < Decimal("1e-300")))


def sentences(rows: Sequence[Row], fault: Callable[[Row], str]) -> list[str]:
    """The first few faults. fault: a sentence, or nothing for a row that stands where it says."""
    found = []
    for row in rows:
        reported = fault(row)
        if reported:
            found.append(f"line {row.line}, {row.meter_id}.{row.register} {row.start_utc:%Y-%m-%dT%H:%MZ}: {reported}")
            if len(found) == MAX_SENTENCES:
                break
    return found


# NEM12 and NEM13


def _records(data: bytes) -> list[list[str]]:
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    # A quoted field may not hold a line end here, so that lines can be split first.
    lines = [next(csv.reader([line]), [""]) if '"' in line else line.split(",") for line in text.split("\n")]
    return [[cell.strip() for cell in cells] for cells in lines]


def nem12(data: bytes, rows: Sequence[Row]) -> list[str]:
    """Day, place and value in the 300 record; meter, register, length and unit in the 200 record above it."""
    lines = _records(data)
    heads = [place for place, cells in enumerate(lines) if cells[0] == "200"]

    def fault(row: Row) -> str:
        if not 1 <= row.line <= len(lines):
            return "no such line"
        day = lines[row.line - 1]
        above = bisect_right(heads, row.line - 1)
        if day[0] != "300" or not above:
            return "no 300 record below a 200 record"
        head = lines[heads[above - 1]]
        local = row.start_utc.astimezone(_MARKET)
        place, rest = divmod(local.hour * 60 + local.minute, row.minutes)
        if rest or day[1] != f"{local:%Y%m%d}":
            return f"the record is of {day[1]!r}"
        if place + 2 >= len(day) or not same_number(day[place + 2], row.value):
            return f"value {row.value!r} is not at its place, but {day[place + 2 : place + 3]}"
        stream_key = (head[1], head[4].upper(), head[7].lower(), head[8])
        if stream_key != (row.meter_id, row.register, row.unit, str(row.minutes)):
            return f"the 200 record says {stream_key}"
        return _nem_quality(row, [day[2 + 1440 // row.minutes], *_ranges(lines, row.line, place + 1)])

    return sentences(rows, fault)


def _ranges(lines: list[list[str]], line: int, place: int) -> list[str]:
    """Flags of the 400 records below that hold the interval."""
    flags = []
    for cells in lines[line:]:
        if cells[0] in ("200", "300", "100", "900"):
            break
        if (
            cells[0] == "400"
            and cells[1].isdecimal()
            and cells[2].isdecimal()
            and int(cells[1]) <= place <= int(cells[2])
        ):
            flags.append(cells[3])
    return flags


def _nem_quality(row: Row, flags: list[str]) -> str:
    """A value is actual (0) only where the last flag that holds it says A."""
    flag = flags[-1]
    is_actual = flag[:1] == "A"
    return "" if (row.quality == 0) == is_actual and flag[:1] in "AEFS" else f"quality {row.quality} of flag {flag!r}"


def nem13(data: bytes, rows: Sequence[Row]) -> list[str]:
    """Value, unit and both times in the 250 record, the times to the nearest quarter hour."""
    lines = _records(data)

    def moment(text: str) -> float | None:
        form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(text))
        try:
            return datetime.strptime(text, form).replace(tzinfo=_MARKET).timestamp() if form else None
        except ValueError:
            return None

    def fault(row: Row) -> str:
        if not 1 <= row.line <= len(lines) or lines[row.line - 1][0] != "250" or len(lines[row.line - 1]) < 20:
            return "no 250 record"
        cells = lines[row.line - 1]
        start, end = moment(cells[9]), moment(cells[14])
        length = timedelta(minutes=row.minutes).total_seconds()
        if start is None or end is None or end <= start:
            return "the times are none"
        if abs(start - row.start_utc.timestamp()) > 450 or abs(end - row.start_utc.timestamp() - length) > 450:
            return f"the record lasts from {cells[9]} to {cells[14]}"
        stream_key = (cells[1], cells[4].upper(), cells[19].lower())
        if stream_key != (row.meter_id, row.register, row.unit):
            return f"the record is of {stream_key}"
        return "" if same_number(cells[18], row.value) else f"the record says {cells[18]!r}, not {row.value!r}"

    return sentences(rows, fault)


# ESPI


class _Readings:
    """Interval readings by the line on which they begin, reading types, and links of a Green Button document."""

    def __init__(self, data: bytes) -> None:
        self.by_line: dict[int, list[dict[str, list[str]]]] = {}
        self.types: list[dict[str, str]] = []
        self.links: set[str] = set()
        self._path: list[str] = []
        self._text: list[str] = []
        self._row: dict[str, list[str]] | None = None
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append
        self._parser.Parse(data, True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        self._path.append(local)
        self._text.clear()
        if local == "IntervalReading" and self._row is None:
            self._row = {}
            self.by_line.setdefault(self._parser.CurrentLineNumber, []).append(self._row)
        elif local == "ReadingType":
            self.types.append({})
        elif local == "link":
            self.links.add(attributes.get("href", "").strip())

    def _end(self, name: str) -> None:
        local, text = name.rpartition(":")[2], "".join(self._text).strip()
        self._text.clear()
        if local == "IntervalReading" and "IntervalReading" not in self._path[:-1]:
            self._row = None
        elif self._row is not None:
            self._row.setdefault(local, []).append(text)
        elif self.types and "ReadingType" in self._path and text:
            self.types[-1].setdefault(local, text)
        self._path.pop()


_TIMES_TEN = {"wh": 0, "w": 0, "varh": 0, "var": 0, "m3": 0, "ft3": 0, "therm": 0, "mj": -6}


def espi(data: bytes, rows: Sequence[Row]) -> list[str]:
    """Value, start and duration in an IntervalReading that begins at the line; unit and exponent of some type."""
    try:
        document = _Readings(data)
    except expat.ExpatError as error:
        return [f"accepted, and no XML: {error}"]
    exponents = {_whole(each, "powerOfTenMultiplier") or 0 for each in document.types}
    is_state = any(_whole(each, "accumulationBehaviour") in (1, 3) for each in document.types)
    values = [text for found in document.by_line.values() for each in found for text in each.get("value", [])]

    def fault(row: Row) -> str:
        found = document.by_line.get(row.line, [])
        if not found:
            return "no IntervalReading begins here"
        powers = {each + _TIMES_TEN.get(row.unit, 0) for each in exponents}
        if (
            not any(row.meter_id.startswith(link) for link in document.links if link)
            and "MeterReading" not in row.meter_id
        ):
            return "no link of this name"
        if is_state and any(same_difference(values, row.value, power) for power in powers):
            return ""
        start, seconds = str(int(row.start_utc.timestamp())), str(row.minutes * 60)
        for each in found:
            is_here = any(text.split(".")[0].lstrip("0") == start for text in each.get("start", []))
            lasts = any(text.split(".")[0].lstrip("0") == seconds for text in each.get("duration", []))
            if (
                is_here
                and lasts
                and any(same_number(text, row.value, exponent=p) for text in each["value"] for p in powers)
            ):
                return ""
        return f"value {row.value!r}, start {start} and duration {seconds} are not all in {found}"

    return sentences(rows, fault)


def _whole(fields: dict[str, str], name: str) -> int | None:
    text = fields.get(name, "")
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII) else None


def same_difference(texts: list[str], value: float, exponent: int) -> bool:
    """True where two of the numbers lie that far apart."""
    numbers = {Decimal(text) for text in texts if re.fullmatch(r"[+-]?\d{1,18}(?:\.\d{1,12})?", text)}
    step = Decimal(repr(value)).scaleb(-exponent)
    # Amounts are whole quanta of 1e-9 of the unit, whatever the states hold behind them.
    quantum = Decimal(10) ** (-9 - exponent)
    return any(abs(later - each - step) <= quantum for each in numbers for later in numbers)
