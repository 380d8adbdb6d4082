"""Rows of formats that name meter, register, unit and length of each interval become readings and rejects.

The same promises as judged_table.py makes for tables of columns: nothing is lost, and a row that contradicts another
one or the site's meters is rejected with its line.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from assets.readings.parsed import (
    FIRST_PLAUSIBLE,
    FUTURE_LIMIT,
    PARSED_SCHEMA,
    REJECT_SCHEMA,
    SEEN_NAME,
    UNSEEN,
    ReadRequest,
)
from assets.readings.readers.clock_changes import SIZES_S, Join, clock_of, hour_finding, unknown_clock
from assets.readings.streams import canonical_of, default_registers, streams
from assets.readings.tables.values import IMPLAUSIBLE
from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import WORST_FIRST
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, unit_of

# What a reader hands over: its foreign meter id and a second name of the same meter (or null), the instant at which
# the interval starts, `got` the value as it is written.
PLACED_SCHEMA: dict[str, pl.DataType] = {
    "meter": pl.String(),
    "alias": pl.String(),
    "register": pl.String(),
    "start": pl.Datetime("us", "UTC"),
    "minutes": pl.Int32(),
    "value": pl.Float64(),
    "unit": pl.String(),
    "quality": pl.Int32(),
    "line": pl.Int64(),
    "got": pl.String(),
}
# States of registers on their way: `start` is their instant, `got` their exact value, `series` tells two counts of one
# register apart.
STATES_SCHEMA: dict[str, pl.DataType] = {**PLACED_SCHEMA, "series": pl.String()}
# A display may show far more than an interval may hold.
DISPLAY_MOST = 1e12
# Registers that count in one direction; `net` may be negative.
ONE_WAY = ("import", "export", "reactive_import", "reactive_export")
# The day on which summer time begins has 23 hours.
_SHORTEST_DAY_MINUTES = 23 * 60
# Fifty years of bills; a hostile file has more.
MAX_FINDINGS = 100
_KEY = ["meter", "register"]


class RowFilter:
    """Rows still good (PLACED_SCHEMA), what was taken out, and what was noticed: counts, and findings."""

    def __init__(self, frame: pl.DataFrame, warnings: dict[str, int] | None = None) -> None:
        self.frame, self.warnings = frame, dict(warnings or {})
        self.findings: tuple[Finding, ...] = ()
        self._rejects: list[pl.DataFrame] = []
        self._single: list[tuple[int, str, str, str]] = []

    def take(self, reason: str, bad: pl.Expr, expected: str | pl.Expr, got: pl.Expr) -> None:
        """Move rows where `bad` holds to the rejects; null counts as holding. expected: a text, or one for each row."""
        # Unlike in tables/row_filter.py: what cannot be judged here is no reading either.
        is_bad = bad.fill_null(value=True)
        found = self.frame.filter(is_bad)
        if found.is_empty():
            return
        text = pl.lit(expected) if isinstance(expected, str) else expected
        self._rejects.append(
            found.select(source_line="line", reason=pl.lit(reason), expected=text, got=got.cast(pl.String))
        )
        self.frame = self.frame.filter(~is_bad)

    def reject(self, line: int, reason: str, expected: str, got: str) -> None:
        """One reject that never was a row of the frame."""
        self._single.append((line, reason, expected, got))

    def warn(self, code: str, count: int) -> None:
        """Count something that a person should know."""
        if count:
            self.warnings[code] = self.warnings.get(code, 0) + count

    def find(self, finding: Finding) -> None:
        """Keep a finding, of the first MAX_FINDINGS."""
        self.findings = (*self.findings, finding)[:MAX_FINDINGS]

    def join(self, other: "RowFilter") -> None:
        """Take over what another filter took out and noticed."""
        self._rejects += other._rejects
        self._single += other._single
        for code, count in other.warnings.items():
            self.warn(code, count)

    def rejects(self) -> pl.DataFrame:
        """All rejects, REJECT_SCHEMA."""
        parts = [part.cast(REJECT_SCHEMA) for part in self._rejects]  # type: ignore[arg-type]
        return pl.concat([pl.DataFrame(self._single, schema=REJECT_SCHEMA, orient="row"), *parts])


def place_rows(row_filter: RowFilter, request: ReadRequest, own_clock: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Good rows as PARSED_SCHEMA; the others are in the filter's rejects. own_clock: LocalTimeParameters' leaves."""
    _check_values(row_filter)
    _name_meters(row_filter, request)
    if request.site is not None:
        _check_streams(row_filter, request.site, skips_others=_skips_others(request))
    if request.mapping is None or request.mapping.negative == "quarantine":
        negative = (pl.col("value") < 0) & pl.col("register").is_in(ONE_WAY)
        expected = "no negative amount on a register of one direction"
        row_filter.take("negative_consumption", negative, expected, pl.col("got"))
    # By line at last: of equal rows the upper one stays.
    row_filter.frame = row_filter.frame.sort([*_KEY, "start", "line"], nulls_last=True)
    _check_times(row_filter, request.now_utc)
    _drop_duplicates(row_filter)
    _mend_clock_changes(row_filter, request, own_clock)
    _drop_overlaps(row_filter)
    _drop_zeros(row_filter, request)
    return row_filter.frame.select(
        meter_id="meter",
        register="register",
        interval_start_utc="start",
        source_minutes="minutes",
        value="value",
        unit="unit",
        quality_code="quality",
        source_line="line",
    ).cast(PARSED_SCHEMA)  # type: ignore[arg-type]


def place_states(frame: pl.DataFrame, row_filter: RowFilter, request: ReadRequest) -> pl.DataFrame:
    """frame: STATES_SCHEMA. Good states as STATE_SCHEMA, named as the site names them; rejects go to `row_filter`."""
    own = RowFilter(frame)
    _check_values(own, most=DISPLAY_MOST)
    _name_meters(own, request)
    if request.site is not None:
        _check_streams(own, request.site, skips_others=_skips_others(request))
    _check_times(own, request.now_utc)
    _drop_zeros(own, request)
    row_filter.join(own)
    # From the text: the float beside it is only for the checks of size.
    value = pl.col("got").cast(pl.Decimal(38, QUANTUM_DECIMALS))
    return own.frame.sort([*_KEY, "start", "line"]).select(
        meter_id="meter",
        register="register",
        series="series",
        at_utc="start",
        value=value,
        unit="unit",
        source_line="line",
    )


def meter_names(request: ReadRequest) -> dict[str, str]:
    """Foreign meter id -> meter of the site: of the file's column map, else of all maps of the site."""
    if request.mapping is not None:
        return dict(request.mapping.meters)
    maps = request.site.column_maps if request.site is not None else ()
    return {foreign: meter_id for each in maps for foreign, meter_id in each.meters.items()}


def _check_values(row_filter: RowFilter, most: float = IMPLAUSIBLE) -> None:
    row_filter.take("not_a_number", ~pl.col("value").is_finite(), "a finite number", pl.col("got"))
    known = [code for code in row_filter.frame["unit"].unique().to_list() if code in UNITS]
    allowed = f"one of {', '.join(sorted(UNITS))}"
    row_filter.take("unknown_unit", ~pl.col("unit").is_in(known), allowed, pl.col("unit"))
    factors = {code: unit_of(code).factor for code in known}
    size = pl.col("value").abs() * pl.col("unit").replace_strict(factors, default=None, return_dtype=pl.Float64)
    row_filter.take("implausible", size > most, "a plausible amount", pl.col("got"))


def _name_meters(row_filter: RowFilter, request: ReadRequest) -> None:
    names = meter_names(request)
    named = pl.col("meter").replace_strict(names, default=None, return_dtype=pl.String)
    by_alias = pl.col("alias").replace_strict(names, default=None, return_dtype=pl.String)
    row_filter.frame = row_filter.frame.with_columns(meter=pl.coalesce(named, by_alias, "meter"))
    row_filter.take("unknown_meter", pl.col("meter").str.contains(UNSEEN), SEEN_NAME, pl.col("meter"))


def _skips_others(request: ReadRequest) -> bool:
    return request.mapping is not None and request.mapping.other_meters == "skip"


def _check_streams(row_filter: RowFilter, site: Site, *, skips_others: bool) -> None:
    table, ids = streams(site), site.stream_ids()
    if skips_others:
        height = row_filter.frame.height
        row_filter.frame = row_filter.frame.filter(pl.col("meter").is_in(ids))
        row_filter.warn("other_meters", height - row_filter.frame.height)
    known = f"a meter of {site.site_id} ({', '.join(ids[:20])}), or its name under `meters` of a column map"
    row_filter.take("unknown_meter", ~pl.col("meter").is_in(ids), known, pl.col("meter"))
    default = pl.col("meter").replace_strict(default_registers(site), default=None, return_dtype=pl.String)
    # A meter without a register `import` has one that a source means by it.
    row_filter.frame = row_filter.frame.with_columns(
        register=pl.when(pl.col("register") == "import").then(default).otherwise("register")
    )
    row_filter.frame = row_filter.frame.join(
        table.select("meter_id", "register", "own_unit").rename({"meter_id": "meter"}),
        on=_KEY,
        how="left",
        maintain_order="left",
        validate="m:1",
    )
    row_filter.take("unknown_register", pl.col("own_unit").is_null(), "a register of the meter", pl.col("register"))
    kinds = {code: canonical_of(code) for code in UNITS}
    is_other = pl.col("unit").replace_strict(kinds) != pl.col("own_unit").replace_strict(kinds)
    row_filter.take("unit_mismatch", is_other, "a unit of the register's kind", pl.col("unit"))


def _check_times(row_filter: RowFilter, now_utc: datetime | None) -> None:
    time = pl.col("start").dt.to_string("iso:strict")
    row_filter.take("bad_timestamp", pl.col("start").is_null(), "a time", pl.col("got"))
    row_filter.take("clock_suspect", pl.col("start") < FIRST_PLAUSIBLE, "a time of a clock that was set", time)
    row_filter.take("unknown_interval", ~(pl.col("minutes") > 0), "a length of whole minutes", time)
    if now_utc is not None:
        limit = pl.lit(now_utc + FUTURE_LIMIT).cast(pl.Datetime("us", "UTC"))
        end = pl.col("start") + pl.duration(minutes="minutes")
        row_filter.take("future_timestamp", end > limit, "a time that has been", time)


def _drop_duplicates(row_filter: RowFilter) -> None:
    """One row per stream and time; identical ones are counted, differing ones all rejected."""
    order = [*_KEY, "start"]
    differs = pl.struct("value", "unit", "minutes").n_unique().over(order) > 1
    got = pl.concat_str("meter", pl.lit(" = "), "got", ignore_nulls=True)
    row_filter.take("duplicate_conflict", differs, "one value per meter and time", got)
    height = row_filter.frame.height
    kept = row_filter.frame.unique(order, keep="first", maintain_order=True)
    if kept.height < height:
        # The same value said to be read and to be estimated is no better than estimated.
        doubt = pl.col("quality").replace_strict(WORST_FIRST, range(len(WORST_FIRST)))
        doubtful_first = row_filter.frame.sort([*order, doubt, "line"])
        kept = doubtful_first.unique(order, keep="first", maintain_order=True)
    row_filter.frame = kept
    row_filter.warn("duplicate_rows", height - row_filter.frame.height)


def _mend_clock_changes(row_filter: RowFilter, request: ReadRequest, own_clock: Mapping[str, str] | None) -> None:
    """Periods of days, as those of bills, that overlap the next or leave a gap by the hour of a clock change: they
    last until that next one, an hour less or more than they state, and a finding names the hour.
    """
    mapping, site = request.mapping, request.site
    stated = (mapping.zone if mapping else None) or request.tz or (site.time_zone if site else None)
    is_long = pl.col("minutes") >= _SHORTEST_DAY_MINUTES
    if not row_filter.frame.select(is_long.any()).item():
        return
    joins = _joins(row_filter.frame.with_row_index("_row").filter(is_long))
    odd = [row for row in joins if row[0].off_s]
    if not odd:
        return
    clock = clock_of([join for join, _ in joins], stated=stated, own=own_clock)
    mended: dict[int, int] = {}
    for join, row in odd:
        if clock is not None and (change := clock.change_of(join)) is not None:
            mended[row["_row"]] = (join.next_s - join.start_s) // 60
            row_filter.find(hour_finding(join, change, clock, f"{row['meter']}.{row['register']}", row["line"]))
    if clock is None:
        row_filter.find(unknown_clock(len(odd)))
    row_filter.warn("clock_change_mended", len(mended))
    rows = pl.int_range(pl.len(), dtype=pl.UInt32)
    minutes = rows.replace_strict(mended, default=pl.col("minutes"), return_dtype=pl.Int32) if mended else "minutes"
    row_filter.frame = row_filter.frame.with_columns(minutes=minutes)


def _joins(long: pl.DataFrame) -> list[tuple[Join, dict[str, Any]]]:
    """Periods whose next begins where they end, give or take a clock change, with their rows."""
    start = pl.col("start").dt.epoch("s")
    following = start.shift(-1).over(_KEY)
    end = start + pl.col("minutes").cast(pl.Int64) * 60
    near = long.with_columns(_start=start, _end=end, _next=following).filter(
        (pl.col("_next") - pl.col("_end")).abs().is_in([0, *SIZES_S])
    )
    return [(Join(row["_start"], row["_end"], row["_next"]), row) for row in near.iter_rows(named=True)]


def _drop_zeros(row_filter: RowFilter, request: ReadRequest) -> None:
    if request.mapping is not None and request.mapping.zero_is_missing:
        height = row_filter.frame.height
        row_filter.frame = row_filter.frame.filter(pl.col("value") != 0)
        row_filter.warn("zero_is_missing", height - row_filter.frame.height)


def _drop_overlaps(row_filter: RowFilter) -> None:
    end = pl.col("start") + pl.duration(minutes="minutes")
    reached = end.cum_max().shift(1).over(_KEY)
    following = pl.col("start").shift(-1).over(_KEY)
    overlaps = (pl.col("start") < reached).fill_null(value=False) | (following < end).fill_null(value=False)
    time = pl.col("start").dt.to_string("iso:strict")
    sizes = [timedelta(seconds=size) for size in SIZES_S]
    is_hour = ((reached - pl.col("start")).is_in(sizes) | (end - following).is_in(sizes)).fill_null(value=False)
    is_change = is_hour & (pl.col("minutes") >= _SHORTEST_DAY_MINUTES)
    wanted = "rows that do not overlap"
    expected = (
        pl.when(is_change).then(pl.lit(f"{wanted}, or the zone whose clock change this is")).otherwise(pl.lit(wanted))
    )
    row_filter.take("overlapping_interval", overlaps, expected, time)
    gap = (pl.col("start") - end.shift(1).over(_KEY)).dt.total_minutes() // pl.col("minutes")
    row_filter.warn("gap_intervals", int(row_filter.frame.select(gap.clip(lower_bound=0).sum()).item() or 0))
