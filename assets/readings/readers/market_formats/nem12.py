"""NEM12, the interval meter data of Australia's market: a 200 record names a channel, each 300 record is a day of it.

Values are labelled by the start of their interval: the first one lasts from midnight of market time. Format: AEMO,
Meter Data File Format Specification NEM12 & NEM13. Why not with nemreader: ADR 0007.
"""

import re
from array import array
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.readers.market_formats.foreign import FOUND_SCHEMA, MISSING, Found, Stream, read_found
from assets.readings.readers.market_formats.nem_records import (
    Record,
    bad_record,
    check_end,
    field_of,
    first_line,
    identifier,
    is_flag,
    is_plain,
    market_time,
    number,
    quality_of,
    records,
)
from data_quality.contracts.errors import BadInput

_HEADER = re.compile(rb"100,NEM12(?:,|$)", re.IGNORECASE)
# A file that lost its 100 record is one still, and refused as one.
_HEADLESS = re.compile(rb"200,\w{1,10},(?:[^,]*,){5}\w{1,6},(?:5|15|30)(?:,|$)|300,[12]\d{7},")
# From the site's side: E is what it takes from the grid, B what it gives.
_DIRECTIONS = {"E": "import", "B": "export"}
_LENGTHS = ("5", "15", "30")
# A byte an interval, shared with the quality codes, which end at 19.
_MISSING, _UNKNOWN = 255, 254
# Market time knows no summer time: each day has as many values as any other.
_DAY_MINUTES = 1440


class Nem12:
    """Reader of NEM12 files; `source_line` is the line of the 300 record."""

    name = "nem12"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """By the first record."""
        line = first_line(head)
        return bool(_HEADER.match(line) or _HEADLESS.match(line))

    def header(self, path: Path) -> list[str]:
        """No columns."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All intervals of all channels. Raises BadInput for a file that is cut or whose records do not fit."""
        return read_found(_Document(path).found(), request)


@dataclass
class _Day:
    """A 300 record and its 400 records so far. count: values; ranges: first, last, flag."""

    line: int
    start: datetime | None
    stream: int
    count: int
    flag: str
    ranges: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Channel:
    stream: int
    count: int


class _Document:
    """The records of a file, gathered channel by channel and day by day."""

    def __init__(self, path: Path) -> None:
        self._streams: dict[Stream, int] = {}
        # Eight bytes a value; as a list of floats they would take four times as much.
        self._values = array("d")
        self._odd: dict[int, str] = {}
        self._status = bytearray()
        self._days: list[_Day] = []
        self._channel: _Channel | None = None
        self._day: _Day | None = None
        self._has_header = self._has_end = False
        last: Record | None = None
        for last in records(path):
            self._take(last)
        self._close_day()
        check_end(last, has_end=self._has_end)
        if not self._days:
            raise BadInput("there is no 300 record with values", line=1, reason="no_data")

    def _take(self, record: Record) -> None:
        kind = record.fields[0]
        if kind in ("100", "200", "300", "900"):
            self._close_day()
        if kind == "100":
            if field_of(record, 1).upper() != "NEM12":
                raise bad_record(record, "100,NEM12")
            self._has_header, self._has_end, self._channel = True, False, None
        elif not self._has_header:
            raise BadInput("expected the header record 100,NEM12 first", line=record.line, reason="missing_100")
        elif kind == "200":
            length = field_of(record, 8)
            if length not in _LENGTHS:
                raise bad_record(record, "an interval length of 5, 15 or 30 minutes in field 9")
            nmi, suffix = identifier(record, 1, "an NMI"), identifier(record, 4, "a suffix").upper()
            stream = Stream(
                foreign_id=nmi,
                channel=suffix,
                label=f"{suffix}/{length}min",
                direction=_DIRECTIONS.get(suffix[0], ""),
                unit=field_of(record, 7) or None,
                commodity="electricity",
                is_main=suffix[1:] == "1",
            )
            place = self._streams.setdefault(stream, len(self._streams))
            self._channel, self._has_end = _Channel(place, _DAY_MINUTES // int(length)), False
        elif kind == "300":
            self._open_day(record)
        elif kind == "400":
            if self._day is None:
                raise bad_record(record, "a 300 record before a 400 record")
            self._day.ranges.append((field_of(record, 1), field_of(record, 2), field_of(record, 3)))
        elif kind == "900":
            self._has_end, self._channel = True, None
        # 500 records tell of visits and reads by hand, and of no interval.
        elif kind != "500":
            raise bad_record(record, "a record 200, 300, 400, 500 or 900")

    def _open_day(self, record: Record) -> None:
        if self._channel is None:
            raise bad_record(record, "a 200 record before a 300 record")
        count = self._channel.count
        texts, flag = record.fields[2 : 2 + count], field_of(record, 2 + count)
        # A flag among the values: the day has fewer of them than its channel announces.
        if not is_flag(flag) or any(text[:1].isalpha() and is_flag(text) for text in texts):
            raise _wrong_count(record, count)
        start = market_time(record.fields[1]) if len(record.fields[1]) == 8 else None
        self._day = _Day(record.line, start, self._channel.stream, count, flag)
        if is_plain(texts):
            self._values.extend(map(float, texts))
            return
        for place, text in enumerate(texts, start=len(self._values)):
            value = number(text)
            if value is None:
                self._odd[place] = text
            self._values.append(float("nan") if value is None else value)

    def _close_day(self) -> None:
        day, self._day = self._day, None
        if day is None:
            return
        self._days.append(day)
        self._status += _status(day)

    def found(self) -> Found:
        """Every interval of every day."""
        # Here, since every file that is looked at asks every reader, and most are of another format.
        import numpy as np

        days = pl.DataFrame(
            [(day.stream, _epoch_us(day.start), _DAY_MINUTES // day.count, day.count, day.line) for day in self._days],
            schema=dict.fromkeys(("stream", "start_us", "minutes", "_count", "line"), pl.Int64),
            orient="row",
        )
        rows = days.with_columns(_place=pl.int_ranges(0, "_count")).explode("_place").with_row_index("_index")
        status = pl.Series(np.frombuffer(self._status, dtype=np.uint8)).cast(pl.Int32)
        texts = pl.DataFrame(
            list(self._odd.items()), schema={"_index": rows["_index"].dtype, "got": pl.String}, orient="row"
        )
        reason = (
            pl.when(pl.col("start_us").is_null())
            .then(pl.lit("bad_timestamp"))
            .when(pl.col("quality") == _UNKNOWN)
            .then(pl.lit("quality_range"))
            .when(pl.col("quality") == _MISSING)
            .then(pl.lit(MISSING))
        )
        rows = (
            rows.with_columns(value=pl.Series(np.frombuffer(self._values)), quality=status)
            .join(texts, on="_index", how="left", maintain_order="left")
            .with_columns(
                start_us=pl.col("start_us") + pl.col("_place") * pl.col("minutes") * 60_000_000,
                value=pl.col("value").fill_nan(None),
                reason=reason,
            )
        )
        typed = rows.select(pl.col(name).cast(dtype) for name, dtype in FOUND_SCHEMA.items())
        return Found(list(self._streams), typed, _EXPECTED)


_EXPECTED = {
    "bad_timestamp": "a date YYYYMMDD in field 2 of the 300 record",
    "quality_range": "400 records that give each interval of the day one quality",
}


def _wrong_count(record: Record, count: int) -> BadInput:
    if not record.is_finished:
        return BadInput("the file is cut inside this line", line=record.line, reason="truncated")
    values = record.fields[2:]
    found = next((place for place, text in enumerate(values) if is_flag(text)), len(values))
    expected = f"{count} values of {_DAY_MINUTES // count} minutes and a quality flag"
    return BadInput(f"expected {expected}, got {found} values", line=record.line, reason="interval_count")


def _epoch_us(start: datetime | None) -> int | None:
    return None if start is None else int(start.timestamp()) * 1_000_000


def _status(day: _Day) -> bytes:
    """A quality code, _MISSING or _UNKNOWN for each interval. 400 records that leave or repeat an interval say nothing
    about any: they were not written for this day's values.
    """
    # V: the quality varies over the day, and 400 records must say how.
    if not day.ranges and day.flag != "V":
        return bytes([_code(day.flag)]) * day.count
    status = bytearray()
    for first, last, flag in day.ranges:
        is_next = first.isdecimal() and len(first) < 4 and int(first) == len(status) + 1
        is_inside = last.isdecimal() and len(last) < 4 and len(status) < int(last) <= day.count
        if not is_next or not is_inside or not is_flag(flag) or flag.startswith("V"):
            return bytes([_UNKNOWN]) * day.count
        status += bytes([_code(flag)]) * (int(last) - len(status))
    return bytes(status) if len(status) == day.count else bytes([_UNKNOWN]) * day.count


def _code(flag: str) -> int:
    quality = quality_of(flag)
    return _MISSING if quality is None else int(quality)
