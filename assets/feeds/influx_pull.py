"""The history and the news of an InfluxDB 2 bucket: month by month into files of the landing folder.

Every value is asked for as it was written; what a point is (live_point.py) decides what is landed of it: of a counter
the first and last state of each quarter hour and those around a fall, of an instant value the mean, weighed by how long
each held, and of an amount the amount, from where its interval begins.

Nothing of a site file ends up as code of a query (Flux).
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import polars as pl

from assets.feeds.fetch import Patience, Question, ask, client_for
from assets.feeds.influx_csv import read_tables, values_of
from assets.feeds.landed import land, read_note, write_note
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.live_source import InfluxPoint, InfluxSource
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import unit_of

# A month of one point at one a minute is 43,000 lines, 2 MB.
PATIENCE = Patience(read_s=60.0, whole_s=300.0, pauses_s=(1.0, 5.0, 20.0), max_bytes=256 * 2**20)
CONNECTIONS = 6
QUARTER = timedelta(minutes=15)
# What reaches the bucket late is looked for once more: gateways send again what they kept while it was away.
LATE = timedelta(hours=2)
# Below it a quarter hour of instant values has no mean.
LEAST_COVERAGE = 0.5
T = TypeVar("T")
DIALECT = {"header": True, "annotations": ["datatype", "group", "default"], "dateTimeFormat": "RFC3339Nano"}


def rows_query(source: InfluxSource, point: InfluxPoint, start_utc: datetime, stop_utc: datetime) -> str:
    """Every value of [start, stop) as it was written, times and values alone."""
    return f'{_series(source, point, start_utc, stop_utc)} |> keep(columns: ["_time", "_value"])'


def newest_query(source: InfluxSource, point: InfluxPoint, start_utc: datetime, stop_utc: datetime) -> str:
    """The newest value of each series that the point's words meet, with the tags that distinguish them."""
    return f"{_series(source, point, start_utc, stop_utc)} |> last()"


def query_body(flux: str) -> bytes:
    """The body of POST /api/v2/query."""
    return json.dumps({"query": flux, "type": "flux", "dialect": DIALECT}).encode()


def _series(source: InfluxSource, point: InfluxPoint, start_utc: datetime, stop_utc: datetime) -> str:
    wanted = {"_measurement": point.measurement, "_field": point.field, **point.tags}
    conditions = " and ".join(f"r[{_text(name)}] == {_text(value)}" for name, value in wanted.items())
    return (
        f"from(bucket: {_text(source.bucket)}) "
        f"|> range(start: {start_utc:%Y-%m-%dT%H:%M:%SZ}, stop: {stop_utc:%Y-%m-%dT%H:%M:%SZ}) "
        f"|> filter(fn: (r) => {conditions})"
    )


def _text(value: str) -> str:
    """A text of Flux: quotes, backslashes and what would be a placeholder are taken as they are."""
    plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return '"' + plain.replace("\n", "\\n").replace("\r", "\\r") + '"'


class Pulled(Model):
    """Result of a pull. until_utc: up to here everything is landed. values: as the bucket has them.

    refused: rows that are no number or have no time; uncovered: quarter hours of instant values with too few of them.
    """

    source_id: str
    since_utc: datetime
    until_utc: datetime
    values: int = 0
    refused: int = 0
    uncovered: int = 0
    files: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


@dataclass
class _Counts:
    values: int = 0
    refused: int = 0
    uncovered: int = 0
    files: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def pull(
    site: Site,
    source: InfluxSource,
    *,
    landing: Path,
    notes: Path,
    now_utc: datetime,
    patience: Patience = PATIENCE,
    progress: Callable[[str], None] = lambda _: None,
) -> Pulled:
    """Everything from where the last pull ended up to the last quarter hour that is over. progress: once a month.

    Raises BadInput (token, another series than meant, refused), Unreachable, OSError; what was landed until then stays,
    and the next pull goes on behind it.
    """
    return asyncio.run(_pull(site, source, landing, notes, now_utc, patience, progress))


async def _pull(
    site: Site,
    source: InfluxSource,
    landing: Path,
    notes: Path,
    now_utc: datetime,
    patience: Patience,
    report: Callable[[str], None],
) -> Pulled:
    note_path = notes / site.site_id / f"{source.source_id}.json"
    meant = hashlib.sha256(source.model_dump_json(exclude={"every_minutes"}).encode()).hexdigest()
    note = read_note(note_path)
    since = datetime.combine(source.since, time.min, tzinfo=UTC)
    begin = since
    if note.get("meant") == meant:
        begin = max(since, datetime.fromisoformat(note["until_utc"]) - LATE)
    now = now_utc.astimezone(UTC)
    end = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    counts, own_units = _Counts(), _own_units(site)
    async with client_for(patience, CONNECTIONS) as client:
        line = _Line(client, source, _token(source), patience)
        await _all(line.must_be_one(point, begin, max(end, begin + QUARTER)) for point in source.points)
        start = begin
        while start < end:
            stop = min(end, _next_month(start))
            found = await _all(line.values(point, start, stop) for point in source.points)
            before = counts.values
            files = await asyncio.to_thread(_landed, site, source, found, (start, stop), landing, own_units, counts)
            counts.files += files
            if counts.values == before:
                counts.empty.append(f"{start:%Y-%m-%d} to {stop:%Y-%m-%d}")
            # Only now: what a note says is landed.
            write_note(note_path, {"meant": meant, "until_utc": stop.isoformat()})
            report(f"{source.source_id}: {start:%Y-%m-%d} to {stop:%Y-%m-%d}, {counts.values - before:,} values")
            start = stop
    return Pulled(
        source_id=source.source_id,
        since_utc=begin,
        until_utc=max(begin, end),
        values=counts.values,
        refused=counts.refused,
        uncovered=counts.uncovered,
        files=tuple(counts.files),
        empty=tuple(counts.empty),
    )


async def _all(requests: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All answers, in their order; the first fault ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in requests]
    except ExceptionGroup as faults:
        # Of a server that is away every question says the same.
        raise faults.exceptions[0] from faults
    return [task.result() for task in tasks]


@dataclass(frozen=True)
class _Line:
    """A client, and whom it asks."""

    client: httpx.AsyncClient
    source: InfluxSource
    token: str
    patience: Patience

    async def values(self, point: InfluxPoint, start: datetime, stop: datetime) -> tuple[pl.DataFrame, int]:
        """At and value of a point over the span, and how many rows were none."""
        body = await self._answer(rows_query(self.source, point, start, stop))
        what = f"{self.source.source_id}: point {point.point!r}"
        return await asyncio.to_thread(lambda: values_of(read_tables(body), what=what, file=self.source.url))

    async def must_be_one(self, point: InfluxPoint, start: datetime, stop: datetime) -> None:
        """Raises BadInput where the point's words meet several series: their values would be mixed."""
        tables = read_tables(await self._answer(newest_query(self.source, point, start, stop)), file=self.source.url)
        series = [each for table in tables for each in table.series]
        if len(series) > 1:
            tags_text = "; ".join(", ".join(f"{name}={value}" for name, value in each.items()) for each in series[:3])
            raise BadInput(
                f"{self.source.source_id}: point {point.point!r} meets {len(series)} series ({tags_text})",
                reason="several_series",
                mend="add a tag that one of them has to `tags` of the point",
            )

    async def _answer(self, flux: str) -> bytes:
        question = Question(
            self.source.url,
            "/api/v2/query",
            {"org": self.source.org},
            {
                "Authorization": f"Token {self.token}",
                "Content-Type": "application/json",
                "Accept": "application/csv",
            },
            query_body(flux),
            f"sources ({self.source.source_id})",
        )
        return await ask(self.client, question, patience=self.patience)


def _token(source: InfluxSource) -> str:
    found = os.environ.get(source.token_env, "") if source.token_env else ""
    if not found:
        named = source.token_env or "token_env"
        raise BadInput(
            f"source {source.source_id!r}: no token of InfluxDB; expected one in the environment variable {named}",
            reason="no_token",
        )
    return found


def _next_month(moment: datetime) -> datetime:
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def _own_units(site: Site) -> dict[str, str]:
    """The unit of each stream, by the name of its column."""
    found = {f"{meter.meter_id}.{each.register_id}": each.unit for meter in site.meters for each in meter.registers}
    return found | {driver.driver_id: driver.unit for driver in site.drivers}


def _landed(
    site: Site,
    source: InfluxSource,
    found: list[tuple[pl.DataFrame, int]],
    span: tuple[datetime, datetime],
    landing: Path,
    own_units: dict[str, str],
    counts: _Counts,
) -> list[str]:
    """The files of a span: one for all points whose rows have the same length."""
    groups: dict[str, dict[str, pl.DataFrame]] = {}
    drivers = {driver.driver_id for driver in site.drivers}
    for point, (rows, refused) in zip(source.points, found, strict=True):
        counts.values += rows.height
        counts.refused += refused
        if point.what == "live":
            continue
        kind, kept = "states", rows
        if point.what in ("register", "pulses"):
            kept = states(rows)
        elif point.what == "interval":
            kind = f"{point.interval_minutes}min"
            kept = rows.with_columns(at=pl.col("at") - timedelta(minutes=point.interval_minutes or 0))
        else:
            kind = "means"
            kept, uncovered = means(rows, holds_s=source.silent_after_s)
            counts.uncovered += uncovered
        column = point.stream if point.stream in drivers else f"{point.stream}.{point.register_id}"
        groups.setdefault(kind, {})[column] = _in_unit(kept, point, own_units[column])
    start, stop = span
    stems = {kind: f"{source.source_id}.{start:%Y%m%dT%H%MZ}.{stop:%Y%m%dT%H%MZ}.{kind}" for kind in groups}
    folder = landing / site.site_id
    paths = [land(folder, stems[kind], groups[kind], is_synthetic=source.is_synthetic) for kind in sorted(groups)]
    return [path.name for path in paths if path is not None]


def states(rows: pl.DataFrame) -> pl.DataFrame:
    """The states that amounts need: the first and last of each quarter hour, and those around a fall. rows: at, value,
    in time order.
    """
    quarter, value = pl.col("at").dt.truncate("15m"), pl.col("value")
    is_edge = (quarter != quarter.shift(1)).fill_null(value=True) | (quarter != quarter.shift(-1)).fill_null(value=True)
    falls = (value < value.shift(1)).fill_null(value=False)
    near = pl.any_horizontal(falls.shift(by, fill_value=False) for by in (-2, -1, 0, 1))
    return rows.unique("at", keep="last", maintain_order=True).filter(is_edge | near)


def means(rows: pl.DataFrame, *, holds_s: float) -> tuple[pl.DataFrame, int]:
    """The mean of each quarter hour, and how many had too few values. A value holds until the next, within its quarter
    hour, and no longer than holds_s.
    """
    quarter = pl.col("at").dt.truncate("15m")
    ends = pl.min_horizontal(pl.col("at").shift(-1), quarter + QUARTER).fill_null(quarter + QUARTER)
    held_s = pl.min_horizontal((ends - pl.col("at")).dt.total_microseconds() / 1e6, holds_s)
    weighed = rows.select("value", at=quarter, held_s=held_s)
    found = weighed.group_by("at", maintain_order=True).agg(
        value=((pl.col("value") * pl.col("held_s")).sum() / pl.col("held_s").sum()).round(9),
        held_s=pl.col("held_s").sum(),
    )
    good = found.filter(pl.col("held_s") >= LEAST_COVERAGE * QUARTER.total_seconds())
    return good.select("at", "value"), found.height - good.height


def _in_unit(rows: pl.DataFrame, point: InfluxPoint, own: str) -> pl.DataFrame:
    """In the unit that the stream's column is read in; pulses by what one is worth."""
    theirs, ours = unit_of(point.unit), unit_of(own)
    factor = theirs.factor * float(point.value_per_pulse or 1) / ours.factor
    offset = (theirs.offset - ours.offset) / ours.factor
    if factor == 1 and not offset:
        return rows
    return rows.with_columns(value=(pl.col("value") * factor + offset).round(9))
