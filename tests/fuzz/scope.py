"""Bytes of a good file on which a row depends, and whether a change stayed among them.

A change is the region between what two files share at the beginning and at the end. It is local where it touched
nothing that speaks for several rows: no header, no channel, no structure. Then every row that depends on other bytes
must say what it said before.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tests.fuzz.cases import Row
from tests.fuzz.provenance_dsmr import OWN_TIME, Telegram, moments, proven

Span = tuple[int, int]


@dataclass(frozen=True)
class Change:
    """Bounds of the changed region: in the good file from start to end, in the other from start to other_end."""

    good: bytes
    other: bytes
    start: int
    end: int
    other_end: int

    @property
    def removed(self) -> bytes:
        """Bytes that stood there, with the whole lines around them."""
        return _whole_lines(self.good, self.start, self.end)

    @property
    def inserted(self) -> bytes:
        """Bytes that stand there now, with the whole lines around them."""
        return _whole_lines(self.other, self.start, self.other_end)

    def touches(self, span: Span) -> bool:
        """True where the region and the span share a byte, or meet."""
        return self.start <= span[1] and span[0] <= self.end


def _whole_lines(data: bytes, start: int, end: int) -> bytes:
    last = data.find(b"\n", end)
    return data[data.rfind(b"\n", 0, start) + 1 : last if last >= 0 else len(data)]


def change_of(good: bytes, other: bytes) -> Change:
    """Changed region between two files."""
    start = _shared(good, other)
    tail = _shared(good[start:][::-1], other[start:][::-1])
    return Change(good, other, start, len(good) - tail, len(other) - tail)


def _shared(first: bytes, second: bytes) -> int:
    """Length of the common beginning."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _line_spans(data: bytes) -> list[Span]:
    ends = list(accumulate(len(line) for line in data.splitlines(keepends=True)))
    return list(zip([0, *ends], ends, strict=False))


# CSV: a row is its line, and the header speaks for all.


def _csv_spans(data: bytes, rows: Sequence[Row]) -> list[list[Span]]:
    lines = _line_spans(data)
    return [[lines[row.line - 1]] for row in rows]


def _csv_is_local(change: Change) -> bool:
    has_quotes = b'"' in change.good or b'"' in change.other
    # Carriage returns end lines only where there is no line feed at all.
    is_one_style = (b"\r" in change.good) == (b"\r" in change.other) and b"\n" in change.other
    return change.start > change.good.find(b"\n") and is_one_style and not has_quotes


# NEM: a day is its 300 record and the 400 records below; 100, 200 and 900 speak for others.


def _nem12_spans(data: bytes, rows: Sequence[Row]) -> list[list[Span]]:
    lines = data.split(b"\n")
    bounds = _feed_spans(data)
    ends: dict[int, int] = {}
    for row in rows:
        if row.line not in ends:
            below = row.line
            while below < len(lines) and lines[below].strip().startswith((b"400", b"500")):
                below += 1
            ends[row.line] = bounds[below - 1][1]
    return [[(bounds[row.line - 1][0], ends[row.line])] for row in rows]


def _feed_spans(data: bytes) -> list[Span]:
    ends = list(accumulate(len(line) + 1 for line in data.split(b"\n")))
    return list(zip([0, *ends], ends, strict=False))


def _nem12_is_local(change: Change) -> bool:
    return _only_records(change, (b"300", b"400", b"500", b""))


def _nem13_spans(data: bytes, rows: Sequence[Row]) -> list[list[Span]]:
    lines = _feed_spans(data)
    return [[lines[row.line - 1]] for row in rows]


def _nem13_is_local(change: Change) -> bool:
    return _only_records(change, (b"250", b"550", b""))


def _only_records(change: Change, kinds: tuple[bytes, ...]) -> bool:
    lines = change.removed.split(b"\n") + change.inserted.split(b"\n")
    return all(line.split(b",")[0].strip(b' "\r\t') in kinds for line in lines)


# MSCONS: a quantity is its segment and those behind it, up to the next quantity.


def _mscons_segments(data: bytes) -> list[tuple[Span, bytes]]:
    found = [((match.start(), match.end()), match[0]) for match in re.finditer(rb"(?:[^?']|\?.)*'", data, re.DOTALL)]
    if data.startswith(b"UNA"):
        # The advice has a fixed length, and marks in it that end nothing.
        rest = [((m.start() + 9, m.end() + 9), m[0]) for m in re.finditer(rb"(?:[^?']|\?.)*'", data[9:], re.DOTALL)]
        return [((0, 9), data[:9]), *rest]
    return found


def _mscons_spans(data: bytes, rows: Sequence[Row]) -> list[list[Span]]:
    segments = _mscons_segments(data)
    tags = [text.strip()[:3] for _, text in segments]
    spans = []
    for row in rows:
        last = row.line
        while last < len(tags) and tags[last] in (b"DTM", b"STS"):
            last += 1
        spans.append([(segments[row.line - 1][0][0], segments[last - 1][0][1])])
    return spans


def _mscons_is_local(change: Change) -> bool:
    if b"DTM+672" in change.good or b"DTM+672" in change.other:
        # Places tell times: one quantity more or less moves all others.
        return False
    if change.good[:9] != change.other[:9] or change.other.count(b"'") < change.good.count(b"'") // 2:
        # Other service characters speak for every segment, and where none ends it looks for its end again and again.
        return False
    before, after = _mscons_segments(change.good), _mscons_segments(change.other)
    touched = [n for n, (span, _) in enumerate(before) if change.touches(span)]
    other = Change(change.other, change.good, change.start, change.other_end, change.end)
    now = [n for n, (span, _) in enumerate(after) if other.touches(span)]
    tags = [before[n][1].strip()[:4] for n in touched], [after[n][1].strip()[:4] for n in now]
    if not touched or tags[0] != tags[1] or not set(tags[0]) <= {b"QTY+", b"DTM+", b"STS+"}:
        return False
    # A released end mark swallows the segment behind.
    behind = len(change.good) - before[touched[-1]][0][1], len(change.other) - after[now[-1]][0][1]
    if behind[0] != behind[1]:
        return False
    # A location has times too: above the first touched segment a quantity must stand before any location or line.
    above = [text.strip()[:3] for _, text in before[: touched[0] + 1] if text.strip()[:3] in (b"QTY", b"LIN", b"LOC")]
    return above[-1:] == [b"QTY"]


# ESPI: a row is its IntervalReading.


_READING = re.compile(rb"<(?:\w+:)?IntervalReading\b.*?</(?:\w+:)?IntervalReading>", re.DOTALL)


def _espi_spans(data: bytes, rows: Sequence[Row]) -> list[list[Span]]:
    by_line: dict[int, list[Span]] = {}
    for match in _READING.finditer(data):
        by_line.setdefault(data.count(b"\n", 0, match.start()) + 1, []).append((match.start(), match.end()))
    return [by_line.get(row.line, [(0, len(data))]) for row in rows]


def _espi_is_local(change: Change) -> bool:
    inside = [m for m in _READING.finditer(change.good) if m.start() < change.start and change.end < m.end() - 1]
    if len(inside) != 1:
        return False
    start, end = inside[0].start(), inside[0].end()
    now = change.other[start : end + change.other_end - change.end]
    names = [re.findall(rb"</?[\w:]+|<[!?]|/>", text) for text in (inside[0][0], now)]
    # States of a register are differences: each speaks for two rows.
    is_state = re.search(rb"accumulationBehaviour>\s*[13]\s*<", change.good)
    return names[0] == names[1] and is_state is None


# DSMR: an amount is the telegrams at its ends, and those between.


def _dsmr_spans(data: bytes, rows: Sequence[Row]) -> list[list[Span]]:
    telegrams = proven(data)
    spans = []
    for row in rows:
        places = [n for n, each in enumerate(telegrams) if each.line <= row.line < each.line + len(each.lines)]
        # Without times of their own all of them, up to the one behind, are the row's.
        last = places[0] + 1 if places else len(telegrams) - 1
        spans.append([(each.start, each.end) for each in _since(telegrams[: last + 1], row)])
    return spans


def _since(telegrams: list[Telegram], row: Row) -> list[Telegram]:
    wanted = row.start_utc.timestamp() - 900
    found = []
    for each in telegrams:
        time = OWN_TIME.search(b"\n".join(each.lines))
        when = moments(time[1], time[2]) if time else set()
        if not when or max(when) >= wanted:
            found.append(each)
    return found


def _dsmr_is_local(change: Change) -> bool:
    def bounds(data: bytes) -> list[bytes]:
        return re.findall(rb"(?m)^[/!]", data)

    return bounds(change.removed) == bounds(change.inserted) and b"/" not in change.inserted[:1]


Spans = Callable[[bytes, Sequence[Row]], list[list[Span]]]
SCOPES: dict[str, tuple[Spans, Callable[[Change], bool]]] = {
    "csv": (_csv_spans, _csv_is_local),
    "nem12": (_nem12_spans, _nem12_is_local),
    "nem13": (_nem13_spans, _nem13_is_local),
    "mscons": (_mscons_spans, _mscons_is_local),
    "espi": (_espi_spans, _espi_is_local),
    "dsmr": (_dsmr_spans, _dsmr_is_local),
}
