"""MSCONS, the metered values of Germany's and Switzerland's energy markets, as EDIFACT messages.

A quantity (QTY) belongs to the OBIS code (PIA) of a line (LIN) of a location (LOC). Its interval is its own DTM 163 and
164, or, in older load profiles, its place in the line, counted from the location's start in steps of DTM 672.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.readers.market_formats.edifact import Interchange, Message, Segment, is_edifact
from assets.readings.readers.market_formats.foreign import FOREIGN_ID, FOUND_SCHEMA, MISSING, Found, Stream, read_found
from assets.readings.readers.market_formats.mscons_codes import QUALITIES, UNITS, instant, obis_facts, period_minutes
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:[.,][0-9]{1,30})?")
_ID = re.compile(FOREIGN_ID)
_OBIS = re.compile(r"[A-Za-z0-9.:*&-]{0,40}")
# Function of a message (BGM, 1225): 1 cancels, 5 replaces, 9 is an original.
_CANCELLATION = "1"
_ENDS_LINE = ("LIN", "LOC", "NAD", "")
_ENDS_QUANTITY = ("QTY", *_ENDS_LINE)
_EXPECTED = {
    "bad_timestamp": "a date and time of format 303 with its offset, or 203",
    "ambiguous_local_time": "an offset: summer time's end repeats this local time",
    "nonexistent_local_time": "a local time that exists (summer time skips this one)",
    "no_interval": "one start and one end (DTM 163 and 164), or one start and a period (DTM 163 and 672)",
    "register_read": "an interval; a register's state alone (DTM 9) is none",
    "unknown_qualifier": f"a quantity qualifier of {', '.join(sorted(QUALITIES))}",
    "forecast_value": "a metered value, not a forecast",
    "cancelled": "an original or a replacement, not a cancellation (BGM 1)",
    "quantity_count": "as many quantities as the location's period has intervals",
}


class Mscons:
    """Reader of MSCONS interchanges; `source_line` is the place of the QTY segment, UNA being the first."""

    name = "mscons"
    version = "2"

    def recognises(self, head: bytes, path: Path) -> bool:
        """By the interchange header; messages of another type are refused when read."""
        return is_edifact(head)

    def header(self, path: Path) -> list[str]:
        """No columns."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All quantities with an interval. Raises BadInput for an interchange that is cut or is none of MSCONS."""
        interchange = Interchange(path)
        name = (request.mapping.zone if request.mapping else None) or request.tz
        gathered = _Gathered(interchange.decimal_mark, zone(name) if name else None)
        for message, segment in interchange.parts():
            if message.kind != "MSCONS":
                text = f"expected a message of type MSCONS, got {message.kind[:20]!r}"
                raise BadInput(text, line=message.number, reason="not_mscons")
            gathered.take(message, segment)
        return read_found(gathered.found(interchange.warnings), request)


@dataclass
class _Place:
    """Place of a quantity: location, line, and the times that hold for all of its line. counted: quantities so
    far; is_counted: some have their time from their place; first_row: the row of the line's first one.
    """

    location: str = ""
    obis: str = ""
    start: tuple[str, str] | None = None
    end: tuple[str, str] | None = None
    minutes: int | None = None
    level: str = ""
    counted: int = 0
    is_counted: bool = False
    first_row: int = 0


@dataclass
class _Quantity:
    """A QTY segment and the times after it. is_twofold: it has two starts or two ends, so that it has none."""

    segment: Segment
    start: tuple[str, str] | None = None
    end: tuple[str, str] | None = None
    is_read: bool = False
    is_twofold: bool = False


class _Gathered:
    """Rows and streams of all messages so far; a column a list, for there may be many."""

    def __init__(self, decimal_mark: str, time_zone: ZoneInfo | None) -> None:
        self._mark, self._zone = decimal_mark, time_zone
        self._streams: dict[Stream, int] = {}
        self._places: dict[tuple[str, str, str, str], int] = {}
        self._columns: dict[str, list[object]] = {name: [] for name in FOUND_SCHEMA}
        self._instants: dict[tuple[str, str], datetime | str] = {}
        self._other_marks = 0
        self._place, self._is_cancelled = _Place(), False
        self._quantity: _Quantity | None = None
        self._first_counted: int | None = None

    def take(self, message: Message, segment: Segment | None) -> None:
        """The next segment of a message, or its end."""
        tag = "" if segment is None else segment.tag
        # The quantity before the line: it is still of the line that ends here.
        if tag in _ENDS_QUANTITY:
            self._keep()
        if tag in _ENDS_LINE:
            self._close_line()
            self._place = _Place() if segment is None else _moved(self._place, segment)
        if segment is None:
            self._end(message)
        elif tag == "QTY":
            self._quantity = _Quantity(segment)
            self._place.counted += 1
        elif tag == "DTM" and self._quantity is not None:
            quantity = self._quantity
            kind, time = segment.get(1), (segment.get(1, 1), segment.get(1, 2))
            known = {"163": quantity.start, "164": quantity.end}.get(kind)
            # Where the segment of the next quantity is lost, its times would be taken for those of this one.
            quantity.is_twofold |= known is not None and known != time
            if kind == "163":
                quantity.start = time
            elif kind == "164":
                quantity.end = time
            # DTM 9 is when a register was read: a state, which has no length.
            elif kind == "9":
                quantity.is_read = True
        elif tag == "DTM":
            _time_place(self._place, segment)
        elif tag == "PIA" and self._place.level == "line":
            if self._place.counted:
                text = "expected the code of a line (PIA) before its quantities, got another one behind them"
                raise BadInput(text, line=segment.number, reason="bad_segment")
            self._place.obis = segment.get(2)
        elif tag == "BGM":
            self._is_cancelled = segment.get(3) == _CANCELLATION

    def _end(self, message: Message) -> None:
        if self._first_counted is not None and not message.has_right_count:
            text = "the quantities have no times of their own, and UNT does not count them right"
            raise BadInput(text, line=self._first_counted, reason="unt_count")
        self._is_cancelled, self._first_counted = False, None

    def _keep(self) -> None:
        """A row of the quantity; a location or code that is no plain name is refused with its sentence."""
        quantity, self._quantity = self._quantity, None
        if quantity is None:
            return
        place, segment = self._place, quantity.segment
        if not _ID.fullmatch(place.location) or not _OBIS.fullmatch(place.obis):
            got = f"{place.location[:40]!r} and {place.obis[:40]!r}"
            text = f"expected a location (LOC) and an OBIS code (PIA) of plain letters, digits and marks, got {got}"
            raise BadInput(text, line=segment.number, reason="bad_identifier")
        qualifier, text = segment.get(1)[:20], segment.get(1, 1)
        span = self._span(quantity)
        start, minutes = (None, None) if isinstance(span, str) else span
        quality, value = QUALITIES.get(qualifier), self._number(text)
        reason = "cancelled" if self._is_cancelled else _fault(qualifier, span)
        row: dict[str, object] = {
            "stream": self._stream(qualifier, segment.get(1, 2)),
            "start_us": None if start is None else int(start.timestamp()) * 1_000_000,
            "minutes": minutes,
            "value": value,
            "quality": None if quality is None else int(quality),
            "line": segment.number,
            "got": f"{text[:40]!r} as QTY {qualifier}" if reason or value is None else None,
            "reason": reason,
        }
        for name, each in row.items():
            self._columns[name].append(each)

    def _stream(self, qualifier: str, unit: str) -> int:
        key = (self._place.location, self._place.obis, qualifier, unit)
        if key not in self._places:
            carrier, direction, own_unit = obis_facts(self._place.obis)
            stream = Stream(
                foreign_id=self._place.location,
                channel=self._place.obis,
                label=f"{self._place.obis}/QTY{qualifier}",
                direction=direction,
                unit=UNITS.get(unit.upper(), unit[:20]) if unit else own_unit,
                commodity=carrier,
            )
            self._places[key] = self._streams.setdefault(stream, len(self._streams))
        return self._places[key]

    def _number(self, text: str) -> float | None:
        """Either mark can only be the decimal one: EDIFACT has none for thousands (ISO 9735)."""
        if not _NUMBER.fullmatch(text):
            return None
        if ("." in text or "," in text) and self._mark not in text:
            self._other_marks += 1
        return float(text.replace(",", "."))

    def _span(self, quantity: _Quantity) -> tuple[datetime, int] | str:
        """Start and minutes, or the reason why there are none."""
        place, number = self._place, quantity.segment.number
        if quantity.is_twofold:
            return "no_interval"
        if quantity.start is not None and quantity.end is not None:
            start, end = self._instant(quantity.start, number), self._instant(quantity.end, number)
            if isinstance(start, str) or isinstance(end, str):
                return start if isinstance(start, str) else str(end)
            seconds = (end - start).total_seconds()
            return (start, int(seconds // 60)) if seconds > 0 and seconds % 60 == 0 else "no_interval"
        if quantity.is_read:
            return "register_read"
        if quantity.start is not None or quantity.end is not None or place.start is None or place.minutes is None:
            return "no_interval"
        start = self._instant(place.start, number)
        if isinstance(start, str):
            return start
        if not place.is_counted:
            # Rows of this line begin with its first quantity, also where that one had times of its own.
            place.is_counted, place.first_row = True, len(self._columns["line"]) - place.counted + 1
            self._first_counted = self._first_counted or number
        try:
            return start + timedelta(minutes=place.minutes * (place.counted - 1)), place.minutes
        except OverflowError:
            return "bad_timestamp"

    def _close_line(self) -> None:
        """Where places tell the time, one quantity too few or too many moves all others: none is good then."""
        place = self._place
        if not place.is_counted or place.start is None or place.end is None or place.minutes is None:
            return
        start, end = self._instant(place.start, 1), self._instant(place.end, 1)
        length = timedelta(minutes=place.minutes * place.counted)
        if isinstance(start, datetime) and isinstance(end, datetime) and end - start == length:
            return
        reasons = self._columns["reason"]
        for index in range(place.first_row, len(reasons)):
            reasons[index] = reasons[index] or "quantity_count"

    def _instant(self, time: tuple[str, str], number: int) -> datetime | str:
        if time not in self._instants:
            found = instant(*time, self._zone)
            if found == "no_zone":
                raise BadInput(
                    f"time {time[0][:20]} has no offset and no zone is declared",
                    line=number,
                    reason="no_zone",
                    mend="give --tz or a column map with zone",
                )
            self._instants[time] = found
        return self._instants[time]

    def found(self, warnings: dict[str, int]) -> Found:
        """All messages together. Raises BadInput where there is no quantity at all."""
        if not self._columns["line"]:
            raise BadInput("there is no quantity (QTY)", line=1, reason="no_data")
        marks = {"other_decimal_mark": self._other_marks} if self._other_marks else {}
        rows = pl.DataFrame(self._columns, schema=FOUND_SCHEMA)
        return Found(list(self._streams), rows, _EXPECTED, {**warnings, **marks})


def _fault(qualifier: str, span: tuple[datetime, int] | str) -> str | None:
    if qualifier not in QUALITIES:
        return "forecast_value" if qualifier == "187" else "unknown_qualifier"
    if isinstance(span, str):
        return span
    return MISSING if QUALITIES[qualifier] is None else None


def _moved(place: _Place, segment: Segment) -> _Place:
    """The next place: a line keeps its location's times, a location starts afresh."""
    if segment.tag == "LIN":
        return _Place(place.location, "", place.start, place.end, place.minutes, level="line")
    if segment.tag == "LOC":
        # The id stands first, or as the location's name where the first is left out.
        return _Place(segment.get(2) or segment.get(2, 3), level="location")
    return _Place()


def _time_place(place: _Place, segment: Segment) -> None:
    kind, time = segment.get(1), (segment.get(1, 1), segment.get(1, 2))
    # Times before the first location are of the message: when it was written.
    if not place.level:
        return
    if kind == "163":
        place.start = time
    elif kind == "164":
        place.end = time
    elif kind == "672":
        place.minutes = period_minutes(*time)
