"""Live samples: one source and one quarter hour a file, as the collector's drain leaves it in the landing folder.

What each point is stands in the site file (contracts/site_file/live_point.py). Registers and pulses become states, of
which cumulative/ makes amounts; an instant value becomes a mean; amounts stand for the interval that they end.

A value holds until the next one, but no longer than its source may be silent; so a sensor that tells changes only, one
that tells every second and one that was away for five minutes are weighed by the same rule.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from assets.readings.packed.bounded import unpacked_head
from assets.readings.parsed import PARSED_SCHEMA, Channel, Parsed, ReadRequest
from assets.readings.readers.live_format.sample_rows import SampleFile, read_samples
from assets.readings.readers.placed_rows import PLACED_SCHEMA, STATES_SCHEMA, RowFilter, place_rows, place_states
from assets.readings.streams import DRIVER_REGISTER
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample_line import MAGIC, QUARTER_US, label_us
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.live_source import LiveSource
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS

# Below the first share the quarter hour has no value, below the second it is partly interpolated.
LEAST_COVERAGE, WHOLE_COVERAGE = 0.5, 0.9


def quarter_means(samples: pl.DataFrame, *, start_utc: datetime, holds_s: float) -> pl.DataFrame:
    """The mean of each point over the quarter hour that begins at start_utc.

    samples: point, at, value, unit, line, sorted by point and time, of any times; holds_s: how long a value holds.
    Returns point, value, unit, line (of the first sample), coverage (0-1), quality (code); one row per point and unit
    that has samples in the quarter hour.
    """
    end_utc = start_utc + timedelta(minutes=CANONICAL_MINUTES)
    key = ["point", "unit"]
    inside = samples.filter((pl.col("at") >= start_utc) & (pl.col("at") < end_utc))
    following = pl.col("at").shift(-1).over(key).fill_null(end_utc)
    lasts = (following - pl.col("at")).dt.total_microseconds() / 1e6
    # What the first sample of the quarter hour says held a while before it, too.
    first = pl.col("at").shift(1).over(key).is_null()
    before = pl.when(first).then((pl.col("at") - start_utc).dt.total_microseconds() / 1e6).otherwise(0.0)
    held = inside.with_columns(_s=pl.min_horizontal(lasts, holds_s) + pl.min_horizontal(before, holds_s))
    return weighted_means(held, key)


def weighted_means(held: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """held: the key's columns, value, line, and in `_s` the seconds of its quarter hour for which the value holds.

    Returns the key, value, line (the first), coverage (0-1) and quality (code).
    """
    weight = pl.col("_s").sum()
    return (
        held.group_by(key, maintain_order=True)
        .agg(
            # Equal instants, or one at the very end, weigh nothing.
            value=pl.when(weight > 0)
            .then((pl.col("value") * pl.col("_s")).sum() / weight)
            .otherwise(pl.col("value").mean()),
            line=pl.col("line").min(),
            coverage=(weight / (60 * CANONICAL_MINUTES)).clip(upper_bound=1),
        )
        .with_columns(
            quality=pl.when(pl.col("coverage") >= WHOLE_COVERAGE)
            .then(int(QualityCode.RAW))
            .otherwise(int(QualityCode.ESTIMATED_INTERPOLATED))
        )
    )


class Samples:
    """Reader of live samples; `source_line` is the line of the unpacked text."""

    name = "samples"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """By the first words, packed or not."""
        return unpacked_head(head).startswith(MAGIC.encode())

    def header(self, path: Path) -> list[str]:
        """None that a column map could name: the site file says what each point is."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All samples. Raises BadInput: as read_samples; samples of another site, or of a source that it has not."""
        file = read_samples(path)
        if request.site is None:
            return _as_received(file)
        source = _source(file, request.site)
        # Foreign names of column maps are those of files: here the site file names the streams itself.
        own = request.model_copy(update={"mapping": ColumnMap()})
        row_filter = file.row_filter
        row_filter.frame = row_filter.frame.join(
            _points(source, request.site), on="point", how="left", maintain_order="left"
        )
        known = ", ".join(point.point for point in source.points[:20])
        expected = f"a point of source {source.source_id} ({known})"
        row_filter.take("unknown_point", pl.col("what").is_null(), expected, pl.col("point"))
        _check_units(row_filter)
        row_filter.warn("live_only", row_filter.frame.filter(pl.col("what") == "live").height)
        states = place_states(_states(row_filter.frame), row_filter, own)
        found = RowFilter(pl.concat([_means(row_filter, file, source), _amounts(row_filter)]), {})
        rows = place_rows(found, own)
        row_filter.join(found)
        return Parsed(
            rows=rows,
            states=states,
            rejects=row_filter.rejects(),
            warnings=row_filter.warnings,
            is_synthetic=file.head.is_synthetic or source.is_synthetic,
            reading={
                "source": f"{source.source_id} ({source.kind})",
                "quarter": f"{file.head.quarter_start_utc:%FT%H:%MZ}",
            },
        )


def _source(file: SampleFile, site: Site) -> LiveSource:
    head = file.head
    if head.site_id != site.site_id:
        message = f"samples of site {head.site_id!r}, and this is {site.site_id!r}"
        raise BadInput(message, line=1, reason="other_site")
    for source in site.sources:
        if source.source_id == head.source_id:
            return source
    has = ", ".join(source.source_id for source in site.sources) or "none"
    message = f"samples of source {head.source_id!r}; the site file has {has}"
    raise BadInput(message, line=1, reason="unknown_source")


def _points(source: LiveSource, site: Site) -> pl.DataFrame:
    drivers = {driver.driver_id for driver in site.drivers}
    rows = [
        (
            point.point,
            point.what,
            point.stream,
            DRIVER_REGISTER if point.stream in drivers else point.register_id,
            point.interval_minutes,
            None if point.value_per_pulse is None else f"{point.value_per_pulse:f}",
            point.unit,
        )
        for point in source.points
    ]
    names = ["point", "what", "stream", "register", "minutes", "per_pulse"]
    schema = dict.fromkeys([*names, "own_unit"], pl.String) | {"minutes": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _check_units(row_filter: RowFilter) -> None:
    """Before states are chosen: one of another kind would hide its neighbours."""
    kinds = {code: unit.canonical for code, unit in UNITS.items()}
    kind, own = (pl.col(name).replace_strict(kinds, default=None) for name in ("unit", "own_unit"))
    # Pulses are counts, whatever each is worth.
    is_free = pl.col("what").is_in(["pulses", "live"])
    row_filter.take("unknown_unit", kind.is_null() & ~is_free, f"one of {', '.join(sorted(UNITS))}", pl.col("unit"))
    row_filter.take("unit_mismatch", (kind != own) & ~is_free, "a unit of the point's kind", pl.col("unit"))


def _states(samples: pl.DataFrame) -> pl.DataFrame:
    """STATES_SCHEMA of registers and of pulse counters, these in the unit of their pulses."""
    kept = needed_states(samples.filter(pl.col("what").is_in(["register", "pulses"])))
    counted = pl.col("what") == "pulses"
    kept = kept.with_columns(
        # As text: what a display shows and what a pulse is worth are decimals.
        got=pl.Series([_shown(*row) for row in kept.select("got", "per_pulse").iter_rows()], dtype=pl.String),
        unit=pl.when(counted).then("own_unit").otherwise("unit"),
    )
    return _placed(
        kept, start=pl.col("at").dt.truncate("1s"), minutes=pl.lit(1), value=pl.col("got").cast(pl.Float64), series=""
    )


def _shown(got: str, per_pulse: str | None) -> str:
    value = Decimal(got) * Decimal(per_pulse or 1)
    return f"{round(value, QUANTUM_DECIMALS):f}"


def needed_states(samples: pl.DataFrame) -> pl.DataFrame:
    """The states that amounts need: the first and last of each quarter hour, and those around a fall.

    samples: point, at and value, sorted by point and time. Of a quarter hour at one a second, 900, two or
    three tell all amounts.
    """
    second, quarter = (pl.col("at").dt.truncate(every) for every in ("1s", "15m"))
    at, value = pl.col("at"), pl.col("value")
    # Of one second one state; two values of one instant are a contradiction, which is judged.
    is_new = (second != second.shift(1)).fill_null(value=True) | (at == at.shift(1)).fill_null(value=False)
    samples = samples.filter(is_new.over("point"))
    is_edge = (quarter != quarter.shift(1)) | (quarter != quarter.shift(-1))
    falls = (value < value.shift(1)).fill_null(value=False)
    # What falls back may have stood too high before: its neighbours show which of them is the odd one.
    near = pl.any_horizontal(falls.shift(by, fill_value=False) for by in (-2, -1, 0, 1))
    return samples.filter((is_edge.fill_null(value=True) | near).over("point"))


def _means(row_filter: RowFilter, file: SampleFile, source: LiveSource) -> pl.DataFrame:
    """PLACED_SCHEMA: a driver's mean over the quarter hour, where enough of it is covered."""
    samples = row_filter.frame.filter(pl.col("what") == "mean")
    start_utc, quarter_s = file.head.quarter_start_utc, QUARTER_US // 1_000_000
    means = quarter_means(samples, start_utc=start_utc, holds_s=source.silent_after_s)
    facts = samples.select("point", "stream", "register").unique()
    own = RowFilter(means.join(facts, on="point", how="left", maintain_order="left"))
    seconds = (pl.col("coverage") * quarter_s).round().cast(pl.Int64)
    covered = pl.concat_str(seconds, pl.lit(f" of {quarter_s} s"))
    half = f"samples over {LEAST_COVERAGE:.0%} of the quarter hour, each for at most {source.silent_after_s:g} s"
    own.take("incomplete_quarter", pl.col("coverage") < LEAST_COVERAGE, half, covered)
    row_filter.join(own)
    row_filter.warn("partly_covered", own.frame.filter(pl.col("coverage") < WHOLE_COVERAGE).height)
    return _placed(own.frame, start=pl.lit(start_utc), minutes=pl.lit(quarter_s // 60), value=pl.col("value"))


def _amounts(row_filter: RowFilter) -> pl.DataFrame:
    """PLACED_SCHEMA: amounts over the intervals that end at their times."""
    own = RowFilter(row_filter.frame.filter(pl.col("what") == "interval"))
    lengths = own.frame["minutes"].unique().to_list()
    near_us = pl.col("minutes").replace_strict({each: label_us(each) for each in lengths}, return_dtype=pl.Int64)
    length_us, at_us = pl.col("minutes").cast(pl.Int64) * 60_000_000, pl.col("at").dt.epoch("us")
    end_us = (at_us + length_us // 2) // length_us * length_us
    written = pl.col("at").dt.to_string("iso:strict")
    own.take("off_grid", (at_us - end_us).abs() > near_us, "a time near the end of its interval", written)
    row_filter.join(own)
    start = (end_us - length_us).cast(pl.Datetime("us", "UTC"))
    return _placed(own.frame, start=start, minutes=pl.col("minutes"), value=pl.col("value"))


def _placed(
    frame: pl.DataFrame, *, start: pl.Expr, minutes: pl.Expr, value: pl.Expr, series: str | None = None
) -> pl.DataFrame:
    """PLACED_SCHEMA, or with a series STATES_SCHEMA."""
    columns = {
        "meter": pl.col("stream"),
        "alias": pl.lit(None, pl.String),
        "register": pl.col("register"),
        "start": start,
        "minutes": minutes,
        "value": value,
        "unit": pl.col("unit"),
        "quality": pl.col("quality") if "quality" in frame.columns else pl.lit(int(QualityCode.RAW)),
        "line": pl.col("line"),
        "got": pl.col("got") if "got" in frame.columns else value.cast(pl.String),
        **({} if series is None else {"series": pl.lit(series)}),
    }
    schema = PLACED_SCHEMA if series is None else STATES_SCHEMA
    return frame.select(**columns).select(pl.col(name).cast(kind) for name, kind in schema.items())


def _as_received(file: SampleFile) -> Parsed:
    """Without a site: the samples as received, a channel for each point, and no readings."""
    key = ["point", "unit"]
    facts = file.row_filter.frame.group_by(key, maintain_order=True).agg(
        start=pl.col("at").min(), end=pl.col("at").max(), last=pl.col("value").last()
    )
    channels = tuple(
        Channel(
            meter=row["point"],
            channel="sample",
            unit=row["unit"],
            start_utc=row["start"],
            end_utc=row["end"],
            reading=row["last"],
        )
        for row in facts.iter_rows(named=True)
    )
    return Parsed(
        rows=pl.DataFrame(schema=PARSED_SCHEMA),
        rejects=file.row_filter.rejects(),
        warnings=file.row_filter.warnings,
        is_synthetic=file.head.is_synthetic,
        channels=channels,
    )
