"""Green Button (ESPI Atom XML), plain or gzipped: interval readings with the unit of their ReadingType.

`source_line` is the line of the row's IntervalReading. Meters are named by their MeterReading's own link, or by their
UsagePoint's. Rows of a type that states no unit, or whose starts cannot be told apart, are no readings: they stay in
the report as a channel with their sum.
"""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl

from assets.readings.cumulative.register_steps import State
from assets.readings.packed.bounded import unpacked_head
from assets.readings.parsed import Channel, Parsed, ReadRequest
from assets.readings.readers.espi_format.espi_feed import Feed, FeedVisitor
from assets.readings.readers.espi_format.espi_links import Source, sources_of
from assets.readings.readers.espi_format.espi_types import Meaning, meaning, quality_code
from assets.readings.readers.placed_rows import (
    PLACED_SCHEMA,
    STATES_SCHEMA,
    RowFilter,
    meter_names,
    place_rows,
    place_states,
)
from assets.readings.readers.register_rows import placed_states, quanta_of, state_channel
from assets.readings.readers.xml_safe import is_xml, walk
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import WORST_FIRST, QualityCode
from data_quality.contracts.units import UNITS, Behaviour, unit_of

# Epoch seconds of 2100: what lies beyond is no meter's time.
_LAST_EPOCH_S = 4_102_444_800
# A bill of a year that comes a month late.
_LONGEST_S = 400 * 86_400
_NUMBER = r"^[+-]?\d{1,18}(?:\.\d{1,12})?$"
_EPOCH = r"^\d{1,12}(?:\.\d{1,12})?$"


class Espi:
    """Reader of Green Button files."""

    name = "espi"
    version = "3"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Any markup: what is none of ours is refused with its reason when it is read."""
        return is_xml(unpacked_head(head))

    def header(self, path: Path) -> list[str]:
        """A document has no columns."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All interval readings. Raises BadInput: broken or hostile XML, no Green Button data, no interval reading."""
        visitor = FeedVisitor()
        walk(path, visitor)
        feed = visitor.finished()
        if not feed.is_green_button:
            message = "XML, but no Green Button document (no UsagePoint, MeterReading or IntervalBlock in it)"
            raise BadInput(message, line=1, reason="unknown_format")
        if feed.rows.is_empty():
            raise BadInput("a Green Button document without any IntervalReading", line=1, reason="no_rows")
        channels = _channels(feed, request)
        return _parsed(_rows(feed, channels), channels, request, feed.local_time)


@dataclass(frozen=True)
class _Channel:
    """All blocks of one meter reading: place in the list, where it comes from, what its values mean."""

    source: Source
    meaning: Meaning


def _channels(feed: Feed, request: ReadRequest) -> list[_Channel]:
    """One channel per block (blocks of one meter reading share theirs)."""
    declared = request.mapping.unit if request.mapping else None
    unit = unit_of(declared, line=1).code if declared is not None else None
    made: dict[tuple[str, int], _Channel] = {}
    channels = []
    for source in sources_of(feed):
        key = (source.meter, id(source.reading_type))
        if key not in made:
            made[key] = _Channel(source, _meaning(source, unit))
        channels.append(made[key])
    return _power_separated(channels)


def _meaning(source: Source, declared: str | None) -> Meaning:
    if source.reading_type is None:
        return Meaning(reason="no_reading_type", expected="a ReadingType, which states unit and multiplier")
    return meaning(source.reading_type.fields, source.service, declared)


def _power_separated(channels: list[_Channel]) -> list[_Channel]:
    """Power of a usage point that has energy too, as a register of its own: both as import would count twice."""
    energy = {(each.source.usage_point, each.meaning.register) for each in channels if not each.meaning.is_power}
    separated: dict[int, _Channel] = {}
    for each in channels:
        if each.meaning.is_power and (each.source.usage_point, each.meaning.register) in energy:
            changed = Meaning(**{**vars(each.meaning), "register": f"power_{each.meaning.register}"})
            separated[id(each)] = _Channel(each.source, changed)
    return [separated.get(id(each), each) for each in channels]


def _rows(feed: Feed, channels: list[_Channel]) -> pl.DataFrame:
    """One row per interval reading, in file order, with its channel's place `_channel` and what could be read."""
    places: dict[int, int] = {}
    for each in channels:
        places.setdefault(id(each), len(places))
    distinct = list({id(each): each for each in channels}.values())
    of_block = [places[id(each)] for each in channels]
    meanings = [each.meaning for each in distinct]
    table = pl.DataFrame(
        {
            "_channel": range(len(distinct)),
            "meter": [each.source.meter for each in distinct],
            "alias": [each.source.usage_point for each in distinct],
            "register": [each.register for each in meanings],
            "unit": [each.unit for each in meanings],
            "_commodity": [each.commodity for each in meanings],
            "_exponent": [each.exponent for each in meanings],
            "_default": [each.quality for each in meanings],
            "_is_register": [each.is_register for each in meanings],
            "_reason": [each.reason for each in meanings],
            "_expected": [each.expected for each in meanings],
            "_got": [each.got for each in meanings],
        },
        schema_overrides={"_channel": pl.Int64, "alias": pl.String, "_exponent": pl.Int64, "_default": pl.Int32},
    )
    blocks = pl.DataFrame(
        {"block": range(len(of_block)), "_channel": of_block}, schema={"block": pl.Int64, "_channel": pl.Int64}
    )
    texts = feed.rows.rename({"start": "_start", "duration": "_duration", "value": "got", "quality": "_quality"})
    texts = texts.join(blocks, on="block", how="left", maintain_order="left", validate="m:1").drop("block")
    return _read_texts(texts.join(table, on="_channel", how="left", maintain_order="left", validate="m:1"))


def _read_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds `value`, `start`, `_seconds`, `minutes`, `quality`; null where a text is none of these."""
    # As one text with its power of ten: parsed once, to the nearest float. Scaling a float would round twice.
    scaled = pl.concat_str("got", pl.lit("e"), pl.col("_exponent").cast(pl.String))
    number = pl.when(pl.col("got").str.contains(_NUMBER)).then(scaled).cast(pl.Float64, strict=False)
    epoch = pl.when(pl.col("_start").str.contains(_EPOCH)).then(pl.col("_start")).cast(pl.Float64, strict=False)
    whole = pl.when(epoch <= _LAST_EPOCH_S).then(epoch.floor()).cast(pl.Int64)
    seconds = pl.col("_duration").str.extract(r"^(\d{1,9})(?:\.0+)?$", 1).cast(pl.Int64, strict=False)
    return frame.with_columns(
        value=number,
        start=pl.from_epoch(whole, time_unit="s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        _is_decimal=pl.col("_start").str.contains(".", literal=True).fill_null(value=False),
        _is_fraction=(epoch != epoch.floor()).fill_null(value=False),
        _seconds=seconds,
        minutes=pl.when((seconds % 60 == 0) & (seconds <= _LONGEST_S)).then(seconds // 60).cast(pl.Int32),
        quality=_quality(frame["_quality"], frame["_default"]),
    )


def _quality(texts: pl.Series, default: pl.Series) -> pl.Series:
    found = {text: _worst(text) for text in texts.unique().to_list() if text}
    codes = texts.replace_strict(found, default=None, return_dtype=pl.Int32)
    return codes.fill_null(default) if codes.null_count() else codes


def _worst(text: str) -> int:
    """One code of the qualities that a row states, separated by blanks."""
    # No row states so many; a hostile one must not set the work.
    codes = {quality_code(int(part)) if part.isascii() and part.isdigit() else 10 for part in text.split()[:32]}
    return int(next((code for code in WORST_FIRST if code in codes), QualityCode.QUESTIONABLE))


def _parsed(
    frame: pl.DataFrame, channels: list[_Channel], request: ReadRequest, local_time: dict[str, str] | None
) -> Parsed:
    row_filter = RowFilter(frame)
    row_filter.warn("non_integer_epoch", int(frame["_is_decimal"].sum()))
    _take_meaningless(row_filter)
    row_filter.take("not_a_number", pl.col("value").is_null(), "a number as value", pl.col("got"))
    held = _held(row_filter)
    row_filter.take("bad_timestamp", pl.col("start").is_null(), "start in epoch seconds", pl.col("_start"))
    row_filter.take("off_grid", pl.col("_is_fraction"), "start in whole epoch seconds", pl.col("_start"))
    registers, stated = _registers(row_filter)
    row_filter.take("unknown_interval", pl.col("minutes").is_null(), "a duration of whole minutes", pl.col("_duration"))
    row_filter.frame = row_filter.frame.select(pl.col(name).cast(dtype) for name, dtype in PLACED_SCHEMA.items())
    rows = place_rows(row_filter, request, local_time)
    states = place_states(registers, row_filter, request)
    names = meter_names(request)
    commodities = {
        names.get(each.source.meter, names.get(each.source.usage_point or "", each.source.meter)): commodity
        for each in channels
        if (commodity := each.meaning.commodity)
    }
    return Parsed(
        rows=rows,
        rejects=row_filter.rejects(),
        warnings=row_filter.warnings,
        channels=held + stated,
        commodities=commodities,
        states=states,
        findings=row_filter.findings,
    )


def _take_meaningless(row_filter: RowFilter) -> None:
    """Rows whose type is missing or contradicts itself."""
    bad = row_filter.frame.filter(pl.col("_reason") != "")
    for reason, expected, got in bad.select("_reason", "_expected", "_got").unique(maintain_order=True).iter_rows():
        is_same = (pl.col("_reason") == reason) & (pl.col("_expected") == expected) & (pl.col("_got") == got)
        row_filter.take(reason, is_same, expected, pl.lit(got or "none"))


def _held(row_filter: RowFilter) -> tuple[Channel, ...]:
    """Channels without unit, or whose rows all start at one fractional instant: no readings, but reported."""
    same = (pl.col("start").n_unique().over("_channel") == 1) & (pl.len().over("_channel") > 1)
    is_held = (pl.col("unit") == "") | (same & pl.col("_is_fraction"))
    held = row_filter.frame.filter(is_held)
    row_filter.frame = row_filter.frame.filter(~is_held)
    silent = held.filter(pl.col("unit") == "")
    row_filter.warn("no_unit", silent.height)
    row_filter.warn(
        "same_start", held.filter(pl.col("start").n_unique().over("_channel") < pl.len().over("_channel")).height
    )
    return tuple(_held_channel(part) for part in held.partition_by("_channel", maintain_order=True))


def _held_channel(part: pl.DataFrame) -> Channel:
    first = part.row(0, named=True)
    total = sum((Decimal(text) for text in part["got"]), Decimal(0)).scaleb(first["_exponent"])
    unit = UNITS.get(first["unit"])
    is_energy = unit is not None and unit.canonical == "kwh" and not unit.is_power
    ends = part.select((pl.col("start") + pl.duration(seconds="_seconds")).max()).item()
    return Channel(
        meter=first["meter"],
        channel=first["register"],
        commodity=first["_commodity"],
        unit=first["unit"],
        intervals=part.height,
        start_utc=part["start"].min(),
        end_utc=ends,
        sum=float(total) if unit is None or (unit.behaviour is Behaviour.AMOUNT and not unit.is_power) else None,
        sum_kwh=float(total * Decimal(str(unit.factor))) if unit is not None and is_energy else None,
    )


def _registers(row_filter: RowFilter) -> tuple[pl.DataFrame, tuple[Channel, ...]]:
    """States of cumulative registers (STATES_SCHEMA), and their report."""
    registers = row_filter.frame.filter(pl.col("_is_register"))
    row_filter.frame = row_filter.frame.filter(~pl.col("_is_register"))
    placed, channels = [pl.DataFrame(schema=STATES_SCHEMA)], []
    seen: dict[tuple[str, str], int] = {}
    for part in registers.partition_by("_channel", maintain_order=True):
        first = part.row(0, named=True)
        texts = zip(part["start"].dt.epoch("s"), part["_seconds"].fill_null(0), part["got"], part["line"], strict=True)
        # A state holds at the end of the period that it closes.
        states = [
            State(start + length, quanta_of(Decimal(text).scaleb(first["_exponent"])), line)
            for start, length, text, line in texts
        ]
        # Two channels of one register are two counts: as one, each would contradict the other.
        count = seen[first["meter"], first["register"]] = seen.get((first["meter"], first["register"]), 0) + 1
        placed.append(placed_states(states, first, str(count) if count > 1 else ""))
        channels.append(state_channel(max(states, key=lambda state: state.epoch_s), first))
    return pl.concat(placed), tuple(channels)
