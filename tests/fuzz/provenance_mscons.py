"""Provenance of a quantity of a message: the segments split character by character, and walked through once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tests.fuzz.cases import Row
from tests.fuzz.provenance import same_number, sentences

_MINUTES = {"805": 60, "806": 1}
_TIME = re.compile(r"(\d{8})(\d{4})?(?:\d\d)?(?:([+-])(\d\d)(\d\d)?)?")
_FORMS = ("102", "203", "204", "303", "304")


@dataclass
class Quantity:
    """A QTY segment with all that stands above and behind it. counted: its place in its line, from 0."""

    value: str
    names: tuple[str, str] = ("", "")
    code: str = ""
    counted: int = 0
    times: dict[str, float | None] = field(default_factory=dict)
    of_line: dict[str, float | None] = field(default_factory=dict)
    step_s: int = 0

    def span(self) -> tuple[float | None, float | None]:
        """Start and end, epoch seconds: its own, or by its place in the line."""
        if "163" in self.times and "164" in self.times:
            return self.times["163"], self.times["164"]
        first = self.of_line.get("163")
        if first is None or not self.step_s:
            return None, None
        return first + self.counted * self.step_s, first + (self.counted + 1) * self.step_s


def segments_of(data: bytes) -> list[list[list[str]]]:
    """Segments as elements of components; the service string advice is the first where there is one."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").lstrip()
    marks, found = ":+.? '", []
    if text.startswith("UNA"):
        marks, text = text[3:9], text[9:]
        found.append([["UNA"]])
    component, element, release, end = marks[0], marks[1], marks[3], marks[5]
    segment, current, place = [[""]], "", 0
    while place < len(text):
        mark = text[place]
        if mark == release and release != " " and place + 1 < len(text):
            place += 1
            current += text[place]
        elif mark in (component, element, end):
            segment[-1][-1] += current
            current = ""
            if mark == element:
                segment.append([""])
            elif mark == component:
                segment[-1].append("")
            else:
                segment[0][0] = segment[0][0].strip()
                found.append(segment)
                segment = [[""]]
        else:
            current += mark
        place += 1
    return found


def _part(segment: list[list[str]], element: int, component: int = 0) -> str:
    return segment[element][component] if element < len(segment) and component < len(segment[element]) else ""


def _instant(text: str, form: str) -> float | None:
    found = _TIME.fullmatch(text)
    if found is None or form not in _FORMS:
        return None
    ends_day = found[2] == "2400"
    clock = "0000" if ends_day else found[2] or "0000"
    try:
        moment = datetime.strptime(found[1] + clock + "+0000", "%Y%m%d%H%M%z")
    except ValueError:
        return None
    offset = timedelta(hours=int(found[4] or 0), minutes=int(found[5] or 0)) * (-1 if found[3] == "-" else 1)
    return (moment.astimezone(UTC) - offset + timedelta(days=ends_day)).timestamp()


def quantities_of(data: bytes) -> dict[int, Quantity]:
    """Every quantity by the number of its segment, from 1."""
    found: dict[int, Quantity] = {}
    above, last = Quantity(""), None
    for number, segment in enumerate(segments_of(data), start=1):
        tag = segment[0][0]
        if tag in ("LOC", "NAD", "UNH"):
            names = (_part(segment, 2), _part(segment, 2, 3)) if tag == "LOC" else ("", "")
            above, last = Quantity("", names), None
        elif tag == "LIN":
            above, last = replace(above, code="", counted=0, of_line=dict(above.of_line)), None
        elif tag == "PIA":
            above.code = _part(segment, 2)
        elif tag == "QTY":
            last = replace(above, value=_part(segment, 1, 1), times={}, of_line=above.of_line)
            found[number] = last
            above.counted += 1
        elif tag == "DTM":
            kind, text, form = _part(segment, 1), _part(segment, 1, 1), _part(segment, 1, 2)
            if last is not None:
                # Two starts, or two ends, that differ are none.
                moment = _instant(text, form)
                last.times[kind] = moment if last.times.get(kind, moment) == moment else None
            elif kind == "672":
                above.step_s = int(text) * _MINUTES.get(form, 0) * 60 if text.isdecimal() and len(text) < 6 else 0
            else:
                above.of_line[kind] = _instant(text, form)
    return found


def mscons(data: bytes, rows: Sequence[Row]) -> list[str]:
    """Value in the QTY segment, its times behind it or by its place, its code and location above it."""
    quantities = quantities_of(data)

    def fault(row: Row) -> str:
        quantity = quantities.get(row.line)
        if quantity is None:
            return "no QTY segment"
        if row.meter_id not in quantity.names or row.register not in (quantity.code, "value"):
            return f"location {quantity.names} and code {quantity.code!r} stand above it"
        if not same_number(quantity.value, row.value):
            return f"the segment says {quantity.value!r}, not {row.value!r}"
        start, end = quantity.span()
        is_there = start == row.start_utc.timestamp() and end == start + row.minutes * 60
        return "" if is_there else f"it lasts from {start} to {end}"

    return sentences(rows, fault)
