"""Channels that a file names itself (NEM12, NEM13, MSCONS) become streams of ours; placed_rows.py judges the rows.

Every interval of the file is told of in `Parsed.channels`, whatever becomes of it: what a file holds and what may be
stored are two questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl

from assets.readings.parsed import Channel, Parsed, ReadRequest
from assets.readings.readers.placed_rows import PLACED_SCHEMA, RowFilter, place_rows
from assets.readings.streams import default_registers, streams
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, Behaviour

# Ids come from outside and end up in paths, queries and pages: plain characters only.
FOREIGN_ID = r"[A-Za-z0-9_.:*-]{1,64}"
# A clock that was never set says 1970, and no file of readings tells of a time after the last one.
FIRST_UTC = datetime(1971, 1, 1, tzinfo=UTC)
LAST_UTC = datetime(2100, 1, 1, tzinfo=UTC)
# Two years between two reads happen, and a month's grace; longer ones would fill the lake from one row.
MAX_INTERVAL_DAYS = 800
# A place without a value: counted, and neither stored nor rejected.
MISSING = "missing"
FOUND_SCHEMA: dict[str, pl.DataType] = {
    "stream": pl.Int32(),
    "start_us": pl.Int64(),
    "minutes": pl.Int64(),
    "value": pl.Float64(),
    "quality": pl.Int32(),
    "line": pl.Int64(),
    "got": pl.String(),
    "reason": pl.String(),
}


@dataclass(frozen=True)
class Stream:
    """One channel of a file.

    label: how it is shown; direction: import, export, or empty where it may count both ways; is_main: that register
    is meant unless a person says another (a second import channel is not added to the first unasked); unit: our code
    of its unit or the file's word for it, None where the file has none; commodity: a carrier.
    """

    foreign_id: str
    channel: str
    label: str
    direction: str
    unit: str | None
    commodity: str = "unknown"
    is_main: bool = True


@dataclass
class Found:
    """Result of a format's reader: every interval of the file.

    rows: FOUND_SCHEMA. stream: a place in `streams`; value: null where it is no number; got: the text, where it is
    worth showing; reason: why the reader cannot use the row, MISSING, or null. expected: per reason.
    """

    streams: Sequence[Stream]
    rows: pl.DataFrame
    expected: dict[str, str]
    warnings: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Named:
    """Register of a channel; is_known: the site has that register."""

    meter_id: str
    register: str
    unit: str | None
    is_known: bool


def read_found(found: Found, request: ReadRequest) -> Parsed:
    """Rows and rejects of streams, and all channels of the file. Raises BadInput."""
    named = [_name(stream, request) for stream in found.streams]
    # Two channels in one register would be taken for doubles of one another.
    taken: dict[tuple[str, str], tuple[str, str]] = {}
    for stream, name in zip(found.streams, named, strict=True):
        channel = (stream.foreign_id, stream.channel)
        other = taken.setdefault((name.meter_id, name.register), channel)
        if other != channel and name.is_known:
            raise BadInput(
                f"channels {'/'.join(other)} and {'/'.join(channel)} both belong to {name.meter_id}.{name.register}",
                line=1,
                reason="shared_register",
                mend="name a register for each under `values` of the column map",
            )
    is_missing = pl.col("reason").fill_null("") == MISSING
    missing = found.rows.select(is_missing.sum()).item()
    estimated = pl.col("quality").is_in([int(code) for code in ESTIMATED_CODES]) & pl.col("reason").is_null()
    row_filter = RowFilter(_placed(found.rows.filter(~is_missing), found.streams, named), found.warnings)
    row_filter.warn("missing_intervals", int(missing or 0))
    row_filter.warn("estimated_intervals", int(found.rows.select(estimated.sum()).item() or 0))
    if request.mapping is not None and request.mapping.other_meters == "skip" and request.site is not None:
        kept = row_filter.frame.filter(pl.col("_is_known"))
        row_filter.warn("other_meters", row_filter.frame.height - kept.height)
        row_filter.frame = kept
    _judge(row_filter, found.expected, request)
    _take_overlaps(row_filter)
    row_filter.frame = row_filter.frame.select(*PLACED_SCHEMA)
    rows = place_rows(row_filter, request)
    return Parsed(
        rows=rows,
        rejects=row_filter.rejects(),
        warnings=row_filter.warnings,
        channels=_channels(found, named, request.site),
        channels_are_all=True,
        findings=row_filter.findings,
    )


def _judge(row_filter: RowFilter, expected: dict[str, str], request: ReadRequest) -> None:
    """Judgement that placed_rows.py leaves to the format."""
    for reason in row_filter.frame["reason"].drop_nulls().unique().sort().to_list():
        row_filter.take(reason, (pl.col("reason") == reason).fill_null(value=False), expected[reason], pl.col("got"))
    start, time = pl.col("start"), pl.col("start").dt.to_string("iso:strict")
    is_set = start.is_between(FIRST_UTC, LAST_UTC)
    row_filter.take("clock_suspect", ~is_set, "a time between 1971 and 2100", time)
    is_short = pl.col("minutes").is_between(1, MAX_INTERVAL_DAYS * 1440)
    row_filter.take("bad_interval", ~is_short, f"an interval of at most {MAX_INTERVAL_DAYS} days", time)
    if request.mapping is None or request.mapping.negative == "quarantine":
        amounts = [code for code, unit in UNITS.items() if unit.behaviour is Behaviour.AMOUNT]
        is_negative = pl.col("_is_one_way") & (pl.col("value") < 0) & pl.col("unit").is_in(amounts)
        expectation = "no negative amount in a register that counts one way"
        row_filter.take("negative_consumption", is_negative.fill_null(value=False), expectation, pl.col("got"))


def _take_overlaps(row_filter: RowFilter) -> None:
    """Intervals of two lengths that share time contradict each other, all of them: taken before doubles are."""
    key, span = ["meter", "register"], ["meter", "register", "start", "minutes"]
    # Intervals of one length overlap only as doubles or off the grid, which is judged later.
    if row_filter.frame.group_by(key).agg(pl.col("minutes").n_unique())["minutes"].eq(1).all():
        return
    end = pl.col("start") + pl.duration(minutes="minutes")
    shares = (pl.col("start") < end.cum_max().shift(1).over(key)) | (pl.col("start").shift(-1).over(key) < end)
    spans = row_filter.frame.select(span).unique().sort(span).with_columns(_shares=shares.fill_null(value=False))
    row_filter.frame = row_filter.frame.join(spans, on=span, how="left", maintain_order="left", validate="m:1")
    time = pl.col("start").dt.to_string("iso:strict")
    row_filter.take("overlapping_interval", pl.col("_shares"), "rows that do not overlap", time)


def _name(stream: Stream, request: ReadRequest) -> _Named:
    """The stream's meter, register and unit: by the file's column map, else by all maps of the site, else as it is.

    `values` of a map names single channels (NMI/E2: main.controlled), `meters` whole meters.
    """
    site = request.site
    maps = [request.mapping] if request.mapping else list(site.column_maps) if site else []
    values = {name: target for each in maps for name, target in each.values.items()}
    meters = {name: target for each in maps for name, target in each.meters.items()}
    meter_id, _, register = values.get(f"{stream.foreign_id}/{stream.channel}", "").partition(".")
    meter_id = meter_id or meters.get(stream.foreign_id, stream.foreign_id)
    unit = stream.unit.lower() if stream.unit else None
    if site is None:
        return _Named(meter_id, register or stream.channel or "value", unit, is_known=True)
    own = {(row[0], row[1]): row[2] for row in streams(site).iter_rows()}
    if not register:
        usual = default_registers(site).get(meter_id, "import") if stream.direction == "import" else stream.direction
        wanted = (stream.channel.lower(), usual if stream.is_main else "")
        register = next((name for name in wanted if (meter_id, name) in own), stream.channel or "value")
    return _Named(meter_id, register, unit or own.get((meter_id, register)), is_known=(meter_id, register) in own)


def _placed(rows: pl.DataFrame, found: Sequence[Stream], named: list[_Named]) -> pl.DataFrame:
    """PLACED_SCHEMA with `reason`, `_is_known` and `_is_one_way`."""
    table = pl.DataFrame(
        [
            (place, name.meter_id, None, name.register, name.unit, name.is_known, stream.direction != "")
            for place, (name, stream) in enumerate(zip(named, found, strict=True))
        ],
        schema={
            "stream": pl.Int32,
            "meter": pl.String,
            "alias": pl.String,
            "register": pl.String,
            "unit": pl.String,
            "_is_known": pl.Boolean,
            "_is_one_way": pl.Boolean,
        },
        orient="row",
    )
    start = pl.from_epoch("start_us", time_unit="us").dt.replace_time_zone("UTC")
    joined = rows.join(table, on="stream", how="left", maintain_order="left", validate="m:1")
    return joined.with_columns(start=start, got=pl.coalesce("got", pl.col("value").cast(pl.String)))


def _channels(found: Found, named: list[_Named], site: Site | None) -> tuple[Channel, ...]:
    """One channel per stream with the sum of all its numbers, good or not, in the file's unit."""
    carriers = {} if site is None else {row[0]: row[3] for row in streams(site).iter_rows()}
    parts = found.rows.partition_by("stream", as_dict=True)
    shown = []
    for place, (stream, name) in enumerate(zip(found.streams, named, strict=True)):
        part = parts.get((place,), found.rows.clear())
        ends = pl.col("start_us") + pl.col("minutes").cast(pl.Int64) * 60_000_000
        start, end = part.select(_instants(pl.col("start_us").min()), _instants(ends.max()).alias("end")).row(0)
        shown.append(
            Channel(
                meter=name.meter_id,
                channel=stream.label,
                commodity=carriers.get(name.meter_id, stream.commodity),
                unit=name.unit or "unknown",
                intervals=part.height,
                start_utc=start,
                end_utc=end,
                sum=_exact_sum(part["value"]),
                sum_kwh=_sum_kwh(part, name.unit),
            )
        )
    return tuple(sorted(shown, key=lambda channel: (channel.meter, channel.channel, channel.unit)))


def _instants(epoch_us: pl.Expr) -> pl.Expr:
    # A time beyond the calendar must not break off the report of all others.
    return pl.from_epoch(epoch_us.clip(0, int(LAST_UTC.timestamp()) * 10**6), time_unit="us").dt.replace_time_zone(
        "UTC"
    )


def _sum_kwh(part: pl.DataFrame, code: str | None) -> float | None:
    unit = UNITS.get(code or "")
    if unit is None or unit.canonical != "kwh":
        return None
    hours = pl.col("minutes").cast(pl.Float64) / 60 if unit.is_power else pl.lit(1.0)
    return _exact_sum(part.select(pl.col("value") * unit.factor * hours).to_series())


def _exact_sum(values: pl.Series) -> float:
    """Sum in whole quanta of 1e-9, free of the order of the rows; what is no number counts nothing."""
    quanta = (values * 10**QUANTUM_DECIMALS).round().cast(pl.Int128, strict=False).sum()
    return float(Decimal(int(quanta or 0)).scaleb(-QUANTUM_DECIMALS))
