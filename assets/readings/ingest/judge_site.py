"""Readings judged as they were delivered, of a site or of one file: what validation itself wrote is no evidence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import polars as pl

from assets.readings.parsed import reason_counts
from assets.readings.readers.reader_list import reader_for
from assets.readings.sniff_files import FileRead, read_file
from assets.readings.tables.column_layout import resolve
from assets.readings.tables.normalise import normalise, on_grid
from assets.sites.meter_tree import balances
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.lake.lake_files import newest_of
from assets.stores.lake.merges import batches_of_reader
from assets.stores.lake.meter_blocks import meter_blocks
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, local_day, months_of
from data_quality.reading_grid import Grid, Stream, grids_of, streams_of_site
from data_quality.validate import Validation, history_start, together, validate

# The reader of batches that validation writes: estimates in place of excluded readings.
READER, VERSION = "validation", "1"
# Beside the days before them, a gigabyte.
ROWS_AT_ONCE = 6_000_000
# What judging looks at: of a site of thousands of meters nothing else is kept.
_REPEATED: Final[Any] = {"register": pl.Categorical(), "unit": pl.Categorical()}
_JUDGED = ["meter_id", "register", "interval_start_utc", "source_minutes", "value", "unit", "quality_code"]
# Beyond any meter's size a row is read again, this much smaller: a power of ten, so that its digits stay.
_SHRINK, _GROW = 1e-9, 1e9
_TOO_BIG = "implausible"


def delivered(
    lake: Lake,
    site: Site,
    *,
    start_utc: datetime,
    end_utc: datetime,
    as_of_utc: datetime | None = None,
    meters: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The readings of [start, end) as known at T, without what validation put in their place (LAKE_SCHEMA)."""
    if meters is not None and not meters:
        return pl.DataFrame(schema=LAKE_SCHEMA)
    rows = lake.history(site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc, meters=meters)
    ours = batches_of_reader(lake.store, site.site_id, READER)
    if ours:
        rows = rows.filter(~pl.col("batch_id").is_in(ours))
    # History comes in the order of recording: without our own batches the last row is what was delivered last.
    return newest_of(rows)


def delivered_in_blocks(
    lake: Lake, site: Site, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """As delivered, in the columns that judging looks at; read by blocks of meters."""
    blocks = meter_blocks(lake, site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
    # A number a row in place of a name; the site's own, which are asked for, among them.
    names = pl.Enum(sorted({*site.stream_ids(), *(name for block in blocks for name in block or ())}))
    parts = []
    for block in blocks:
        rows = delivered(lake, site, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc, meters=block)
        kept = rows.select(_JUDGED)
        parts.append(kept if block is None else kept.cast({"meter_id": names, **_REPEATED}))
    return pl.concat(parts)


def site_grids(rows: pl.DataFrame, site: Site, *, start_utc: datetime, end_utc: datetime) -> list[Grid]:
    """The grids of a site's readings over [start, end).

    A meter or driver of the site file without any reading is a row of gaps; a silent register of one that reports is
    none: many a site file names an export that never was.
    """
    reporting = set(rows["meter_id"].unique().to_list())
    pairs = set(rows.select("meter_id", "register").unique().iter_rows())
    known: list[Stream] = []
    silent: set[str] = set()
    for stream in streams_of_site(site):
        if (stream.meter_id, stream.register) in pairs:
            known.append(stream)
        elif stream.meter_id not in reporting | silent:
            silent.add(stream.meter_id)
            known.append(stream)
    return grids_of(rows, start_utc=start_utc, end_utc=end_utc, known=known)


def judge_site(
    lake: Lake, site: Site, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> Validation:
    """Validate [start, end), whole local months for the same result at any time, with the history before it.

    What is due ends with the site's last reading and begins with its first: a month that has only begun is not late.
    Of a span with more than ROWS_AT_ONCE readings some months are read at a time.
    """
    given: Any = {"as_of_utc": as_of_utc}
    known, spans = lake.span(site.site_id, **given), _months_at_once(lake, site, start_utc, end_utc, **given)

    def judged(since: datetime, until: datetime) -> Validation:
        rows = delivered_in_blocks(lake, site, start_utc=history_start(since, site.time_zone), end_utc=until, **given)
        # Between months that are read apart nothing begins or ends.
        first = since > start_utc and known is not None and known[0] < since.date()
        last = until < end_utc and known is not None and known[1] > until.date()
        found = judge_rows(rows, site, start_utc=since, end_utc=until, goes_on=(first, last))
        # Of several nobody asks for the grids, and those of all would not fit into memory.
        return found if len(spans) == 1 else replace(found, judged=())

    return together([judged(since, until) for since, until in spans])


def _months_at_once(
    lake: Lake, site: Site, start_utc: datetime, end_utc: datetime, *, as_of_utc: datetime | None
) -> list[tuple[datetime, datetime]]:
    """[start, end) as spans of whole local months, each of about ROWS_AT_ONCE readings and of a month at least."""
    entries = lake.manifest(site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
    first, last = (local_day(moment, site.time_zone) for moment in (start_utc, end_utc))
    every = months_of(Period(label="", start=first, end=last, time_zone=site.time_zone)) if last > first else []
    size = max(1, len(every) * ROWS_AT_ONCE // max(1, sum(int(entry["rows"]) for entry in entries)))
    edges = [start_utc, *(month.start_utc for month in every[size::size]), end_utc]
    return list(pairwise(edges))


def judge_rows(
    rows: pl.DataFrame,
    site: Site,
    *,
    start_utc: datetime,
    end_utc: datetime,
    goes_on: tuple[bool, bool] = (False, False),
) -> Validation:
    """As judge_site, for rows that were read already (delivered_in_blocks, from the history's start on).

    goes_on: whether the site has readings before the history and behind the end, so that all of the span is due.
    """
    since = history_start(start_utc, site.time_zone)
    if not all(goes_on) and rows.filter(pl.col("interval_start_utc") >= start_utc).is_empty():
        return validate([], time_zone=site.time_zone)
    times = rows["interval_start_utc"]
    first, last = cast("datetime | None", times.min()), cast("datetime | None", times.max())
    start = since if goes_on[0] or first is None else max(since, first)
    end = end_utc if goes_on[1] or last is None else min(end_utc, last + timedelta(minutes=CANONICAL_MINUTES))
    return validate(
        site_grids(rows, site, start_utc=start, end_utc=end),
        time_zone=site.time_zone,
        rules=site.validation,
        balances=balances(site),
        since_utc=start_utc,
    )


@dataclass(frozen=True)
class JudgedRows:
    """readings: canonical quarter hours (CANONICAL_SCHEMA); rejected: rows that cannot be read at all, per reason."""

    readings: pl.DataFrame
    rejected: dict[str, int]


def rows_to_judge(path: Path, *, mapping: ColumnMap | None, tz: str | None, now_utc: datetime) -> JudgedRows:
    """Read one file of any known format. Raises BadInput, naming file and line, where it cannot be used as a whole.

    Ingestion keeps the impossible out of the lake (quarantine); validation has to find it. So units are vouched for,
    negative amounts kept, and readings beyond any meter brought in as they stand.
    """
    kept = _keeping(path, mapping)
    read = _read(path, kept, tz, now_utc)
    if kept is None or (read is not None and _TOO_BIG not in read.rejects["reason"].to_list()):
        if read is None:
            raise BadInput("no row can be used", file=str(path), reason="no_rows")
        fit, off_grid = on_grid(read.rows)
        return JudgedRows(normalise(fit), reason_counts(pl.concat([read.rejects, off_grid])))
    columns = [*kept.values] or [kept.value or ""]
    factors = {column: kept.multipliers.get(column, 1.0) * _SHRINK for column in columns}
    shrunk = read_file(path, mapping=kept.model_copy(update={"multipliers": factors}), tz=tz, now_utc=now_utc)
    usual, off_grid = on_grid(shrunk.rows.clear() if read is None else read.rows)
    key = ["meter_id", "register", "interval_start_utc"]
    # Only rows of whole quarter hours: parts of one would have to be added to what was read the first time.
    big = shrunk.rows.join(usual, on=key, how="anti").filter(pl.col("source_minutes") >= CANONICAL_MINUTES)
    quarters, _ = on_grid(big.sort(key))
    raw = normalise(quarters).with_columns(pl.col("value") * _GROW)
    rejected = reason_counts(pl.concat([shrunk.rejects, off_grid]))
    return JudgedRows(pl.concat([normalise(usual), raw]).sort(key), rejected)


def _read(path: Path, mapping: ColumnMap | None, tz: str | None, now_utc: datetime) -> FileRead | None:
    """The file; None where the only fault of all of its rows is their size."""
    try:
        return read_file(path, mapping=mapping, tz=tz, now_utc=now_utc)
    except BadInput as fault:
        if mapping is None or fault.reason != _TOO_BIG:
            raise
        return None


def _keeping(path: Path, mapping: ColumnMap | None) -> ColumnMap | None:
    """The map that reads the table as it is, negative amounts kept and units vouched for; None for other formats."""
    if mapping is not None:
        return mapping.model_copy(update={"negative": "keep"})
    header = reader_for(path).header(path)
    if not header:
        return None
    layout = resolve(header, None, None)
    units = {column.column: column.unit for column in layout.values if column.unit is not None}
    if layout.meter is None and any(column.meter_id for column in layout.values):
        values = {column.column: column.meter_id or column.column for column in layout.values}
        return ColumnMap(timestamp=layout.time, values=values, units=units, negative="keep")
    value = layout.values[0].column
    return ColumnMap(timestamp=layout.time, value=value, meter=layout.meter, units=units, negative="keep")
