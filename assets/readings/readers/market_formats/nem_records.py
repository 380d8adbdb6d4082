"""Lines of AEMO's meter data file format as records: what NEM12 and NEM13 share."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from assets.readings.packed.bounded import chunks
from assets.readings.readers.market_formats.foreign import FOREIGN_ID
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode

# A day of five-minute values is under 8 kB; longer lines are no meter data.
MAX_LINE_BYTES = 1_000_000
# Years of several meters; each value of a few bytes takes three hundred while it is judged.
MAX_BYTES = 24 << 20
# Market time: Australian Eastern Standard Time all year, in every state.
MARKET_TIME = timezone(timedelta(hours=10))
_ID = re.compile(FOREIGN_ID)
# Actual, estimated ahead, final substitute, substitute, none, variable.
_FLAG = re.compile(r"([AEFSNV])(\d\d)?")
# Substitution methods that draw a line between two reads; all others take the values of some other time.
_LINEAR_METHODS = ("17", "54")
_DIGITS = r"-?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)"
_NUMBER = re.compile(_DIGITS)
# Joined by what no field can hold: a quoted "1,5" is one field, and no two numbers.
_NUMBERS = re.compile(f"{_DIGITS}(?:\n{_DIGITS})*+")


class Record(NamedTuple):
    """One line: its number from 1, its fields, and whether it ends with a line end."""

    line: int
    fields: list[str]
    is_finished: bool


def records(path: Path) -> Iterator[Record]:
    """All lines but blank ones, of a plain or gzipped file.

    Raises BadInput: a line longer than a megabyte, not text, too large, gzip cut.
    """
    for place, raw in enumerate(_lines(path), start=1):
        if b"\0" in raw:
            raise BadInput("not a text file", line=place, reason="not_text")
        # A mark of byte order may stand before the first record only.
        text = raw.decode("utf-8-sig" if place == 1 else "utf-8", errors="replace")
        is_finished = text.endswith("\n")
        text = text.strip()
        if text:
            yield Record(place, _fields(text, place), is_finished)


def _lines(path: Path) -> Iterator[bytes]:
    rest, place = b"", 1
    for piece in chunks(path, max_bytes=MAX_BYTES):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
        place += len(whole)
        if len(rest) > MAX_LINE_BYTES:
            raise BadInput("the line is longer than 1 MB", line=place, reason="line_too_long")
    if rest:
        yield rest


def _fields(text: str, place: int) -> list[str]:
    if '"' in text:
        try:
            # One line only: a quote left open ends with it.
            return [field.strip() for field in next(csv.reader([text]))]
        except csv.Error as error:
            raise BadInput(f"cannot read the quotes of this line: {error}", line=place, reason="bad_record") from error
    return [field.strip() for field in text.split(",")]


def first_line(head: bytes) -> bytes:
    """The first line of a file that is not blank, without mark, quotes and blanks around it."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    return text.split(b"\n", 1)[0].replace(b'"', b"").strip()


def bad_record(record: Record, expected: str) -> BadInput:
    """The refusal of a file whose structure cannot be trusted from this line on."""
    if not record.is_finished:
        return BadInput("the file is cut inside this line", line=record.line, reason="truncated")
    got = ",".join(record.fields)[:80]
    return BadInput(f"expected {expected}, got {got!r}", line=record.line, reason="bad_record")


def identifier(record: Record, place: int, what: str) -> str:
    """A field that is a name. Raises BadInput."""
    text = field_of(record, place)
    if not _ID.fullmatch(text):
        raise bad_record(record, f"{what} of plain letters and digits in field {place + 1}")
    return text


def field_of(record: Record, place: int) -> str:
    """A field, empty where the line is shorter."""
    return record.fields[place] if place < len(record.fields) else ""


def market_time(text: str) -> datetime | None:
    """YYYYMMDD or YYYYMMDDhhmm[ss] of market time as UTC; None for anything else."""
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(text))
    if form is None or not (text.isascii() and text.isdigit()):
        return None
    try:
        return datetime.strptime(text, form).replace(tzinfo=MARKET_TIME).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def number(text: str) -> float | None:
    """A plain decimal number; None for anything else."""
    return float(text) if _NUMBER.fullmatch(text) else None


def is_plain(texts: list[str]) -> bool:
    """True where all are plain decimal numbers: one look at a whole day."""
    return _NUMBERS.fullmatch("\n".join(texts)) is not None


def is_flag(text: str) -> bool:
    """True for a quality method: a flag and, where it was estimated, two digits of method."""
    return _FLAG.fullmatch(text) is not None


def quality_of(flag: str) -> QualityCode | None:
    """A, E, F or S with its method as quality; None for N: there is no value."""
    letter, method = flag[0], flag[1:]
    if letter == "N":
        return None
    if letter == "A":
        return QualityCode.VALID
    is_linear = method in _LINEAR_METHODS
    return QualityCode.ESTIMATED_INTERPOLATED if is_linear else QualityCode.ESTIMATED_REFERENCE_DAY


def check_end(last: Record | None, *, has_end: bool) -> None:
    """Raises BadInput where the file does not end with its end record: nobody can say how much is missing."""
    if last is None:
        raise BadInput("the file is empty", line=1, reason="empty_file")
    if not has_end:
        raise BadInput("the file is cut: no end record 900 after the last line", line=last.line, reason="truncated")
