"""Is a file a regular table: one value column, times with an offset or a declared zone, streams that the site knows?

Only such a table is read in blocks. Whatever else it may be is for judged_table.py, which sees the file whole.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.packed.csv_text import SEPARATORS
from assets.readings.parsed import Reader, ReadRequest
from assets.readings.readers.reader_list import reader_for
from assets.readings.readers.table_formats.csv_table import CsvTable
from assets.readings.streams import canonical_of, default_registers, streams
from assets.readings.tables.clocks import joined_times
from assets.readings.tables.column_layout import Layout, check_columns, choose_maps, resolve
from assets.readings.tables.times import local_times
from assets.readings.tables.values import IMPLAUSIBLE, ONE_WAY, infers_comma
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.text import file_name
from data_quality.contracts.units import UNITS, Behaviour, Unit

SLOT_US = 900_000_000
_HEAD_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"
# Declarations that change nothing about how a row is read here, or that the blocks obey.
_OBEYED = (
    "match",
    "timestamp",
    "value",
    "meter",
    "meters",
    "other_meters",
    "unit",
    "zone",
    "interval_minutes",
    "zero_is_missing",
    "missing",
    "negative",
    "register_id",
    "label",
    "date_format",
    "date_formats",
    "decimal",
    "midnight",
    "repeated_hour",
    "clock",
    "encoding",
)
_FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
# Codes of a declared style that the blocks read; a style without hour and minute means days.
_CODES = frozenset("YymdHMS")


class NotRegular(Exception):  # an answer, not a fault: the file goes the careful way
    """The table holds something that only the sight of the whole file can judge."""


@dataclass(frozen=True)
class Stream:
    """Meaning of one stream's rows."""

    meter_id: str
    register: str
    commodity: str
    unit: Unit
    is_one_way: bool
    load_kw: float | None

    @property
    def limit(self) -> float:
        """Largest plausible size of a value in `unit`."""
        return IMPLAUSIBLE / self.unit.factor


@dataclass(frozen=True)
class Shape:
    """Form of the rows. names: what the meter column may say; stream_of: the stream of each name.

    streams: in the order of meter and register, which is the order of the lake's rows at one time; offset_width: 0
    where times are local ones of `time_zone`; comma: a decimal comma, declared or of the first rows; clock: the column
    of the time of day beside dates, of which `request` and `layout` know no more: see joined; declared_encoding: None
    for UTF-8.
    """

    reader: Reader
    maps: tuple[ColumnMap, ...]
    request: ReadRequest
    layout: Layout
    header: tuple[str, ...]
    separator: str
    body_at: int
    encoding: str
    names: tuple[str, ...]
    stream_of: NDArray[np.int32]
    streams: tuple[Stream, ...]
    form: str
    offset_width: int
    time_bytes: int
    time_zone: str
    comma: bool
    clock: str | None
    declared_encoding: str | None

    def joined(self, frame: pl.DataFrame, *, may_hold_blanks: bool = True) -> pl.DataFrame:
        """Columns of the file with one column of times."""
        if self.clock is None:
            return frame
        time = self.layout.time
        # Without blanks there is nothing to take off: a workbook's midnight behind a date is longer than the date.
        date = self.form.partition(" ")[0].replace("%Y", "%Y__")
        if not may_hold_blanks and frame[time].str.len_bytes().max() == len(date):
            return frame.with_columns(pl.concat_str(time, pl.lit(" "), self.clock).alias(time)).drop(self.clock)
        return joined_times(frame, self.mapping.model_copy(update={"clock": self.clock}))[0]

    @property
    def mapping(self) -> ColumnMap:
        """The column map, or the one that declares nothing."""
        return self.request.mapping or ColumnMap()


def shape_of(
    path: Path, *, site: Site, mapping: ColumnMap | None, now_utc: datetime, tz: str | None = None
) -> Shape | None:
    """The shape of a regular table; None for any other file, or one that must be refused: judged_table.py says why.

    tz: zone of times without offset where the map names none.
    """
    try:
        reader = reader_for(path)
        if not isinstance(reader, CsvTable):
            return None
        head = _first_lines(path)
        maps = (mapping,) if mapping is not None else choose_maps(file_name(path), head.header, site.column_maps)
        given = maps[0] if maps else ColumnMap()
        if len(maps) > 1 or not _is_obeyed(given):
            return None
        if given.encoding is not None and head.encoding == "utf-8":
            head = _first_lines(path, given.encoding)
        if given.clock is not None:
            check_columns(head.header, given)
        own = given.model_copy(update={"clock": None})
        request = ReadRequest(mapping=own if maps else None, site=site, now_utc=now_utc, tz=tz)
        layout = resolve(head.header, request.mapping, site)
        return _shape(head, given.clock, layout, request, reader, tuple(maps))
    except (BadInput, NotRegular):
        return None


def _shape(
    head: "_Head", clock: str | None, layout: Layout, request: ReadRequest, reader: Reader, maps: tuple[ColumnMap, ...]
) -> Shape | None:
    """The shape of a table whose columns are known, or None."""
    header, site, mapping = head.header, request.site, request.mapping or ColumnMap()
    columns = {layout.time, clock, layout.meter, *(each.column for each in layout.values)} - {None}
    # Columns that change what a row means, row by row, are for the careful way.
    extra = (layout.register_column, layout.unit_column, layout.synthetic)
    if len(layout.values) != 1 or set(header) != columns or len(header) != len(columns) or any(extra):
        return None
    first = head.rows[0]
    if site is None or len(first) != len(header):
        return None
    # As tables/times.py: a name that says UTC is a zone.
    time_zone = mapping.zone or request.tz or ("UTC" if layout.time.lower() == "timestamp_utc" else "")
    time = " ".join(first[header.index(name)] for name in (layout.time, clock) if name)
    form, named = _form(time, mapping, time_zone), _streams(site, layout, mapping)
    comma = _has_comma(head, header.index(layout.values[0].column), mapping)
    if form is None or not named or _makes_energy(site, named.values()) or (comma and head.separator == ","):
        return None
    kinds = sorted({_key(each): each for each in named.values()}.items())
    place = {key: number for number, (key, _) in enumerate(kinds)}
    return Shape(
        reader=reader,
        maps=maps,
        request=request,
        layout=layout,
        header=tuple(header),
        separator=head.separator,
        body_at=head.body_at,
        encoding=head.encoding,
        names=tuple(named),
        stream_of=np.array([place[_key(each)] for each in named.values()], np.int32),
        streams=tuple(each for _, each in kinds),
        form=form[0],
        offset_width=form[1],
        time_bytes=len(time),
        time_zone=time_zone,
        comma=comma,
        clock=clock,
        declared_encoding=head.declared,
    )


def _has_comma(head: "_Head", place: int, mapping: ColumnMap) -> bool:
    """The decimal mark is a comma: declared, or as far as the first rows can tell."""
    if mapping.decimal is not None or head.separator == ",":
        return mapping.decimal == ","
    texts = [row[place] for row in head.rows if len(row) == len(head.header)]
    return infers_comma(pl.Series(texts, dtype=pl.String))


def _makes_energy(site: Site, named: Iterable[Stream]) -> bool:
    """Volumes of gas that become energy as well (tables/normalise.py)."""
    with_factors = {meter.meter_id for meter in site.meters if meter.gas_factors}
    return any(each.meter_id in with_factors and each.unit.canonical == "m3" for each in named)


def _key(stream: Stream) -> tuple[str, str]:
    return stream.meter_id, stream.register


def _is_obeyed(mapping: ColumnMap) -> bool:
    known = {name: getattr(mapping, name) for name in _OBEYED}
    quarters = mapping.interval_minutes is None or mapping.interval_minutes % 15 == 0
    # Of UTF-16 no line can be found without reading it as text.
    is_declared = quarters and len(mapping.formats) < 2 and not (mapping.encoding or "").startswith("utf-16")
    return mapping == ColumnMap(**known) and is_declared


@dataclass(frozen=True)
class _Head:
    """Head of a file. body_at: place of the first row; encoding: as declared; declared: None for UTF-8."""

    header: list[str]
    separator: str
    body_at: int
    encoding: str
    declared: str | None
    rows: list[list[str]]


def _first_lines(path: Path, declared: str | None = None) -> _Head:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if (
        b'"' in head
        or b"\0" in head
        or head.count(b"\n") < 2
        # UTF-16 and gzip: blocks are cut from plain UTF-8 (table_blocks.py unpacks).
        or head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b"))
    ):
        raise NotRegular
    # The last line may go on beyond the head.
    line, *others = head.removeprefix(_BOM).split(b"\n")[:-1]
    code = declared or "utf-8"
    text = line.decode(code, errors="replace").rstrip("\r")
    separator = max(SEPARATORS, key=text.count)
    header = [name.strip() for name in next(csv.reader([text], delimiter=separator), [])]
    if not all(header) or len(set(header)) != len(header):
        raise NotRegular
    mark = "utf-8 with byte-order mark" if head.startswith(_BOM) else "utf-8"
    rows = [each.decode(code, errors="replace").rstrip("\r").split(separator) for each in others]
    return _Head(header, separator, head.index(b"\n") + 1, declared or mark, declared, rows)


def _form(text: str, mapping: ColumnMap, time_zone: str) -> tuple[str, int] | None:
    """The strptime form of a time and the width of its offset, 0 where a zone is declared; None for others."""
    if mapping.formats:
        form = mapping.formats[0]
        codes = {each[0] for each in form.split("%")[1:] if each}
        has_clock = {"m", "d", "H", "M"} <= codes <= _CODES and len(codes & {"Y", "y"}) == 1
        has_clock &= form.count("%") == len(codes)
        return (form, 0) if has_clock and time_zone else None
    for width in (1, 6):
        base, offset = text[:-width], text[-width:]
        if not (offset == "Z" if width == 1 else offset[:1] in "+-" and offset[3:4] == ":"):
            continue
        for form in _FORMS:
            if not pl.Series([base]).str.to_datetime(form, strict=False, time_unit="us").null_count():
                return form, width
    if time_zone:
        times = pl.Series([text])
        return next(((form, 0) for form in _FORMS if not local_times(times, (form,)).null_count()), None)
    return None


def _streams(site: Site, layout: Layout, mapping: ColumnMap) -> dict[str, Stream]:
    """Stream by what the meter column may say; names whose rows are all to be rejected are none."""
    column = layout.values[0]
    known = {(row[0], row[1]): row for row in streams(site).iter_rows()}
    default = default_registers(site)
    loads = {meter.meter_id: meter.connected_load_kw for meter in site.meters}
    drivers = {driver.driver_id for driver in site.drivers}
    is_closed = mapping.other_meters == "skip" and bool(mapping.meters)
    names = [*mapping.meters] if is_closed else [*mapping.meters, *site.stream_ids()]
    targets = {name: mapping.meters.get(name, name) for name in names}
    if layout.meter is None:
        targets = {"": column.meter_id or ""}
    states = {(m.meter_id, r.register_id) for m in site.meters for r in m.registers if r.kind == "cumulative"}
    found = {}
    for name, meter_id in targets.items():
        key = (meter_id, column.register_id or default.get(meter_id, ""))
        # States of a display become amounts elsewhere (register_intervals.py).
        if key not in known or key in states:
            continue
        own, commodity = known[key][2], known[key][3]
        code = column.unit or own
        # Each row of such a stream is a reject, which the careful way words.
        if code not in UNITS or canonical_of(code) != canonical_of(own):
            continue
        unit = UNITS[code]
        is_metered = unit.behaviour is Behaviour.AMOUNT and meter_id not in drivers
        is_one_way = mapping.negative == "quarantine" and is_metered and key[1] in ONE_WAY
        found[name] = Stream(*key, commodity, unit, is_one_way, loads.get(meter_id))
    return found
