"""NEM13, the accumulation meter data of Australia's market: a 250 record is the amount between two register reads.

An amount of weeks or months is one long interval. Its ends are put on the nearest quarter hour, so that it can be
spread evenly: an assumption, which its quality says (ADR 0007).
"""

import re
from datetime import datetime
from pathlib import Path

import polars as pl

from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.readers.market_formats.foreign import FOUND_SCHEMA, Found, Stream, read_found
from assets.readings.readers.market_formats.nem_records import (
    Record,
    bad_record,
    check_end,
    field_of,
    first_line,
    identifier,
    is_flag,
    market_time,
    number,
    records,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.time import CANONICAL_MINUTES

_HEADER = re.compile(rb"100,NEM13(?:,|$)", re.IGNORECASE)
# The last field that is needed, the 20th, is the unit.
_MIN_FIELDS = 20
# From the grid's side: E is what leaves it for the site, I what comes in from there.
_DIRECTIONS = {"E": "import", "I": "export"}


class Nem13:
    """Reader of NEM13 files; `source_line` is the line of the 250 record."""

    name = "nem13"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """By the first record."""
        return bool(_HEADER.match(first_line(head)))

    def header(self, path: Path) -> list[str]:
        """No columns."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All amounts. Raises BadInput for a file that is cut or whose records do not fit."""
        streams: dict[Stream, int] = {}
        rows: list[tuple[object, ...]] = []
        has_end, last = False, None
        for last in records(path):
            kind = last.fields[0]
            if kind == "250":
                rows.append(_row(last, streams))
                has_end = False
            elif kind == "900":
                has_end = True
            elif kind == "100" and field_of(last, 1).upper() != "NEM13":
                raise bad_record(last, "100,NEM13")
            elif kind not in ("100", "550"):
                raise bad_record(last, "a record 250, 550 or 900")
        check_end(last, has_end=has_end)
        if not rows:
            raise BadInput("there is no 250 record", line=1, reason="no_data")
        frame = pl.DataFrame(rows, schema=FOUND_SCHEMA, orient="row")
        return read_found(Found(list(streams), frame, _EXPECTED, {"spread_register_reads": len(rows)}), request)


def _row(record: Record, streams: dict[Stream, int]) -> tuple[object, ...]:
    """A row of FOUND_SCHEMA. Raises BadInput for a line that is none."""
    if len(record.fields) < _MIN_FIELDS:
        if not record.is_finished:
            raise BadInput("the file is cut inside this line", line=record.line, reason="truncated")
        raise bad_record(record, f"a 250 record of at least {_MIN_FIELDS} fields")
    suffix = identifier(record, 4, "a suffix").upper()
    stream = Stream(
        foreign_id=identifier(record, 1, "an NMI"),
        channel=suffix,
        label=suffix,
        direction=_DIRECTIONS.get(field_of(record, 7).upper(), ""),
        unit=field_of(record, 19) or None,
        commodity="electricity",
        # 11 is the first register; another one (41: controlled load) is not added to it unasked.
        is_main=suffix[1:] == "1" and suffix[0] in "1EB",
    )
    previous, current = market_time(field_of(record, 9)), market_time(field_of(record, 14))
    flags = field_of(record, 10), field_of(record, 15)
    start = _quarter(previous) if previous else None
    end = _quarter(current) if current else None
    reason = None
    if previous is None or current is None or current <= previous:
        reason = "bad_timestamp"
    elif not all(is_flag(flag) for flag in flags):
        reason = "quality_range"
    elif "N" in (flags[0][0], flags[1][0]):
        reason = "missing_read"
    is_actual = all(flag.startswith("A") for flag in flags)
    return (
        streams.setdefault(stream, len(streams)),
        None if start is None else start * 1_000_000,
        None if start is None or end is None else (end - start) // 60,
        number(field_of(record, 18)),
        int(QualityCode.DERIVED if is_actual else QualityCode.ESTIMATED_REFERENCE_DAY),
        record.line,
        f"{field_of(record, 18)} of {field_of(record, 9)} to {field_of(record, 14)}, {' and '.join(flags)}",
        reason,
    )


_EXPECTED = {
    "bad_timestamp": "two read times YYYYMMDDhhmmss in order, fields 10 and 15",
    "quality_range": "a quality method in fields 11 and 16",
    "missing_read": "two reads with a value",
}


def _quarter(moment: datetime) -> int:
    """The nearest quarter hour, epoch seconds."""
    step = CANONICAL_MINUTES * 60
    return (int(moment.timestamp()) + step // 2) // step * step
