"""Times of a column as quarter hours, straight from the bytes."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from assets.readings.bulk.words import ABOVE_NINE, FIRST, HIGHEST, Fields, Places, Words, words_at

_NO_QUARTER = 255
_QUARTERS = np.full(256, _NO_QUARTER, np.uint8)
_QUARTERS[:60:15] = range(4)
_MONTH = re.compile(rb"(\d{4})-(0[1-9]|1[0-2])-")
_OFFSET = re.compile(rb"([+-])(0\d|1[0-4]):([0-5]\d)")
_EPOCH = date(1970, 1, 1)
_QUARTERS_A_DAY = 96


@dataclass(frozen=True)
class TimeForm:
    """How times look: "YYYY-MM-DD", `mark`, "HH:MM", ":00" if has_seconds, then "Z" or an offset of six bytes."""

    mark: str
    has_seconds: bool
    offset_width: int

    @property
    def size(self) -> int:
        """Bytes of a time."""
        return 16 + 3 * self.has_seconds + self.offset_width


def quarter_hours_of(fields: Fields, form: TimeForm) -> NDArray[np.int32] | None:
    """Quarter hours since 1970 of instants that begin one."""
    if fields.size != form.size and (fields.ends - fields.starts != form.size).any():
        return None
    width = form.size - 16
    month, day, *tail = words_at(fields.body, fields.starts, 2 + -(-width // 8))
    rest = tail[0] & FIRST[min(width, 8)]
    if width > 8:
        # Only the last minute of an offset stands in the ninth byte.
        rest = rest >> np.uint64(8) | tail[1] << np.uint64(56)
        if (tail[0] & np.uint64(0xFF) != ord(":")).any():
            return None
    is_other = (month[1:] != month[:-1]) | (rest[1:] != rest[:-1])
    edges = np.flatnonzero(is_other | (day[1:] != day[:-1])) + 1
    # Rows of one time stand together, or those of one stream: then only the day and hour differ.
    counts = None
    if 4 * edges.size < month.size:
        counts = np.diff(edges, prepend=0, append=month.size)
        firsts = np.append(0, edges)
        month, day, rest, is_other = month[firsts], day[firsts], rest[firsts], is_other[edges - 1]
    found = _decoded(month, day, rest, np.append(0, np.flatnonzero(is_other) + 1), form)
    return found if found is None or counts is None else np.repeat(found, counts)


def _decoded(month: Words, day: Words, rest: Words, starts: Places, form: TimeForm) -> NDArray[np.int32] | None:
    """starts: where another month or another offset begins."""
    if 4 * starts.size > month.size + 64:
        return None
    kinds = [_base(int(month[row]), int(rest[row]), form) for row in starts.tolist()]
    bases = [each for each in kinds if each is not None]
    if len(bases) < len(kinds):
        return None
    counts = np.diff(starts, append=month.size)
    first, days = (np.repeat(np.array(each, np.int64), counts) for each in zip(*bases, strict=True))
    digits = day ^ np.uint64(int.from_bytes(f"00{form.mark}00:00".encode(), "little"))
    separators = np.uint64(0xFF_0000_FF00_00)
    wrong = (((digits + ABOVE_NINE) | digits) & HIGHEST) | (digits & separators)
    if np.bitwise_or.reduce(wrong):
        return None
    pairs = digits * np.uint64(10) + (digits >> np.uint64(8))
    of_month, hour = ((pairs >> np.uint64(shift) & np.uint64(0xFF)).astype(np.int64) for shift in (0, 24))
    quarter = _QUARTERS[(pairs >> np.uint64(48) & np.uint64(0xFF)).astype(np.intp)]
    is_right = int(quarter.max()) < _NO_QUARTER and int(hour.max()) < 24 and int(of_month.min()) > 0
    if not is_right or (of_month > days).any():
        return None
    return (first + (of_month - 1) * _QUARTERS_A_DAY + hour * 4 + quarter).astype(np.int32)


@cache
def _base(month: int, rest: int, form: TimeForm) -> tuple[int, int] | None:
    """Quarter hour in which the month begins by its clock, in UTC, and the days of the month."""
    text = _MONTH.fullmatch(month.to_bytes(8, "little"))
    tail = rest.to_bytes(8, "little")[: min(form.size - 16, 8)]
    seconds, offset = tail[: -form.offset_width], tail[-form.offset_width :]
    if text is None or not b":00".endswith(seconds):
        return None
    shift = 0
    if form.offset_width > 1:
        parts = _OFFSET.fullmatch(offset)
        if parts is None:
            return None
        minutes = int(parts[2]) * 60 + int(parts[3])
        if minutes % 15:
            return None
        shift = minutes // 15 * (1 if parts[1] == b"+" else -1)
    elif offset != b"Z":
        return None
    year, number = int(text[1]), int(text[2])
    if year < 1:
        return None
    first = date(year, number, 1)
    days = ((first + timedelta(days=31)).replace(day=1) - first).days if (year, number) != (9999, 12) else 31
    return (first - _EPOCH).days * _QUARTERS_A_DAY - shift, days
