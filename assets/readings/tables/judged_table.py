"""A table of columns becomes readings and rejects. Whatever the file format, the same decisions are made here, on
whole columns; only rejected rows are ever looked at one by one.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from assets.readings.parsed import (
    FIRST_PLAUSIBLE,
    FUTURE_LIMIT,
    PARSED_SCHEMA,
    REJECT_SCHEMA,
    SEEN_NAME,
    UNSEEN,
    Parsed,
    ReadRequest,
    one_line,
)
from assets.readings.streams import canonical_of, default_registers, streams
from assets.readings.tables.clocks import joined_times
from assets.readings.tables.column_layout import Layout, check_columns, resolve, unit_text
from assets.readings.tables.reading_lengths import add_minutes, minutes_to_next
from assets.readings.tables.register_states import take_states
from assets.readings.tables.row_filter import RowFilter
from assets.readings.tables.times import TimeRule, add_instants
from assets.readings.tables.values import (
    check_plausible,
    drop_missing_rows,
    drop_missing_values,
    drop_zeros,
    read_values,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.units import UNITS

DRIVER_LIMIT = timedelta(days=1)
# Prices of the day ahead are known before they hold: up to two local days of 25 hours, and a weekend's publication.
PRICE_LIMIT = timedelta(days=3)
# What a cell takes as a row and on its way into the lake; so many are judged at once where they can be parted.
BYTES_A_CELL, CELLS_AT_ONCE = 150, 2_000_000
# Of the 2 GiB that a file may take, what is left beside the program and what the system keeps of freed memory.
MAX_BYTES = 1450 * 1024**2
_KEY = ["_meter", "_register"]
# A step that says months (February, an hour less where clocks change in it), and weeks where several say so.
_MONTH_DAYS, _WEEK_DAYS, _WEEKS, _DAY_MINUTES = 27, 6, 3, 25 * 60
# Without a clock of ours: what begins later would end where no calendar goes.
_LAST = datetime(9999, 1, 1, tzinfo=UTC)
# Columns that stand beside those of the file while its times are read.
_OWN_NAMES = {"_by", "_text", "_day", "_start", "_days_minutes", "_time_fault", "_is_assumed"}
_OWN_NAMES |= {"_local", "_early", "_late", "_aware", "_picked"}


@dataclass(frozen=True)
class RawTable:
    """A file's columns as found. frame: text or typed columns and `_line` (source line or element, from 1);
    rejects: rows that are no rows (REJECT_SCHEMA); allows_comma: decimal commas cannot be separators here;
    reading: how the text was parsed, for people.
    """

    frame: pl.DataFrame
    rejects: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECT_SCHEMA))
    warnings: dict[str, int] = field(default_factory=dict)
    allows_comma: bool = False
    reading: dict[str, str] = field(default_factory=dict)


def read_table(raw: RawTable, request: ReadRequest) -> Parsed:
    """Rows, rejects and warnings of a table. Raises BadInput for a table that cannot be used as a whole."""
    header = _columns(raw.frame)
    if request.mapping is not None:
        check_columns(header, request.mapping)
    kept, day_zone = _kept(raw.frame, header, request), request.site.time_zone if request.site else None
    day_zone = (request.mapping and request.mapping.zone) or request.tz or day_zone
    frame, mapping, empty = joined_times(kept, request.mapping, day_zone)
    request = request.model_copy(update={"mapping": mapping})
    layout = resolve(_columns(frame), mapping, request.site)
    _refuse_large(frame, layout)
    _refuse_second_header(frame, layout)
    row_filter = RowFilter(_used(frame, layout), raw.rejects, raw.warnings)
    row_filter.warn("ignored_columns", len(layout.ignored))
    row_filter.warn("empty_cells", empty)
    is_synthetic = _synthetic(frame, layout, request)
    mapping = mapping or ColumnMap()
    _skip_other_meters(row_filter, layout, request)
    if not mapping.until_next_row:
        drop_missing_rows(row_filter, layout, mapping)
    _read_times(row_filter, layout, request)
    shares = _shares(layout, row_filter.frame.height)
    allows_comma = raw.allows_comma and (len(shares) == 1 or _holds_no_point(row_filter.frame, layout))
    parts = [_judged(row_filter.frame, share, layout, request, allows_comma=allows_comma) for share in shares]
    for part in parts:
        row_filter.rejects += part.rejects
        for code, count in part.warnings.items():
            # Order is one fact of the file, however many of its streams lack it.
            row_filter.warnings[code] = 1 if code == "unsorted" else row_filter.warnings.get(code, 0) + count
    return Parsed(
        rows=pl.concat([part.rows for part in parts]),
        rejects=pl.concat([part.cast(REJECT_SCHEMA) for part in row_filter.rejects]),  # type: ignore[arg-type]
        warnings=row_filter.warnings,
        is_synthetic=is_synthetic,
        reading=raw.reading | reading_of(layout, mapping, request),
        states=pl.concat([part.states for part in parts]),
    )


def _columns(frame: pl.DataFrame) -> list[str]:
    return [name for name in frame.columns if name != "_line"]


def _used(frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The columns that the layout names. Raises BadInput for one that is called as a column of ours."""
    own = (layout.time, layout.meter, layout.register_column, layout.unit_column, layout.synthetic)
    names = list(dict.fromkeys(name for name in (*own, *(each.column for each in layout.values)) if name is not None))
    ours = next((name for name in names if name in _OWN_NAMES), None)
    if ours is not None:
        message = f"a column is called {ours!r}, as one of the reader's own; give it another name"
        raise BadInput(message, line=1, reason="duplicate_column")
    return frame.select("_line", *names)


@dataclass(frozen=True)
class _Judged:
    """Judged streams of a table: PARSED_SCHEMA in the order of streams, rejects, warnings, STATE_SCHEMA."""

    rows: pl.DataFrame
    rejects: list[pl.DataFrame]
    warnings: dict[str, int]
    states: pl.DataFrame


def _refuse_large(frame: pl.DataFrame, layout: Layout) -> None:
    """Raises BadInput where a table that must be seen whole would need more memory than a meter file may."""
    cells = frame.height * len(layout.values)
    needed = frame.estimated_size() + BYTES_A_CELL * (cells + min(cells, CELLS_AT_ONCE))
    if needed > MAX_BYTES:
        most = cells * MAX_BYTES // needed
        raise BadInput(
            f"{cells:,} values in a table that has to be seen whole (wide, or with rows that only it can judge), "
            f"expected at most some {most:,} of its kind; split it by months or by meters",
            line=1,
            reason="too_large",
        )


def _shares(layout: Layout, height: int) -> list[Layout]:
    """The layout, in shares of so many meters that their cells fit into memory while they are judged."""
    meters = sorted({column.meter_id or "" for column in layout.values})
    if layout.meter is not None or height * len(layout.values) <= CELLS_AT_ONCE:
        return [layout]
    step = max(1, CELLS_AT_ONCE * len(meters) // (height * len(layout.values)))
    shares = [set(meters[place : place + step]) for place in range(0, len(meters), step)]
    values = [tuple(column for column in layout.values if (column.meter_id or "") in share) for share in shares]
    return [layout.model_copy(update={"values": each}) for each in values]


def _holds_no_point(frame: pl.DataFrame, layout: Layout) -> bool:
    """No value of the whole table has a decimal point: one share of its streams cannot tell of the others."""
    columns = [column.column for column in layout.values if frame.schema[column.column] == pl.String]
    points = (pl.col(name).str.contains(".", literal=True).any() for name in columns)
    return not columns or not any(frame.select(points).row(0))


def _judged(frame: pl.DataFrame, share: Layout, layout: Layout, request: ReadRequest, *, allows_comma: bool) -> _Judged:
    """The streams of a share of the table. frame: the table with its instants."""
    mapping = request.mapping or ColumnMap()
    row_filter = RowFilter(frame, pl.DataFrame(schema=REJECT_SCHEMA), {})
    _name_streams(row_filter, share, mapping, is_wide=len(layout.values) > 1)
    _check_streams(row_filter, request)
    # Before rows are set in order: the year 2099 of a wrong clock is no end of a gap.
    _check_clock(row_filter, request)
    back = (pl.col("_start").diff() < 0).over(_KEY) if row_filter.frame.height else pl.lit(value=False)
    row_filter.warn("unsorted", int(row_filter.frame.select(back.any()).item() or 0))
    # By line at last: of equal rows the upper one stays, whatever order the file came in.
    row_filter.frame = row_filter.frame.sort([*_KEY, "_start", "_line"])
    states = take_states(row_filter, request, layout, allows_comma=allows_comma)
    # Before values are judged: a row with a bad value still shows the step of its stream.
    if mapping.until_next_row:
        row_filter.frame = minutes_to_next(row_filter.frame)
    else:
        if not mapping.model_fields_set & {"until_next_row", "interval_minutes"}:
            _refuse_long_steps(row_filter.frame)
        row_filter.frame = add_minutes(row_filter.frame, mapping.interval_minutes)
    drop_missing_values(row_filter, mapping)
    read_values(row_filter, share, mapping, allows_comma=allows_comma)
    _drop_duplicates(row_filter)
    time = pl.col("_start").dt.to_string("iso:strict")
    row_filter.take("unknown_interval", pl.col("_minutes").is_null(), time)
    step = pl.col("_start").diff().dt.total_minutes().over(_KEY)
    following = step.shift(-1).over(_KEY)
    overlaps = ((step < pl.col("_minutes").shift(1).over(_KEY)) | (following < pl.col("_minutes"))).fill_null(
        value=False
    )
    row_filter.take("overlapping_interval", overlaps, time)
    gaps = row_filter.frame.select(
        ((step - pl.col("_minutes").shift(1).over(_KEY)) // pl.col("_minutes")).clip(lower_bound=0).sum()
    ).item()
    row_filter.warn("gap_intervals", int(gaps or 0))
    if mapping.label == "end":
        row_filter.warn("end_labelled", row_filter.frame.height)
        row_filter.frame = row_filter.frame.with_columns(_start=pl.col("_start") - pl.duration(minutes="_minutes"))
    drop_zeros(row_filter, mapping)
    check_plausible(row_filter, layout, request)
    return _Judged(_rows(row_filter.frame), row_filter.rejects, row_filter.warnings, states)


def reading_of(layout: Layout, mapping: ColumnMap, request: ReadRequest) -> dict[str, str]:
    """Meaning found for the columns, for people."""
    zone = mapping.zone or request.tz or (request.site.time_zone if request.site else None)
    columns = [
        f"{each.column}{f' -> {each.meter_id}' if each.meter_id else ''}{f' [{each.unit}]' if each.unit else ''}"
        for each in layout.values[:20]
    ]
    facts = {
        "time_column": layout.time,
        "dates": " or ".join(mapping.formats) or "ISO 8601",
        "zone": zone or "offsets in the file",
        "label": mapping.label,
        "meter_column": layout.meter or "",
        "values": ", ".join(columns),
    }
    return {name: one_line(text) for name, text in facts.items() if text}


def _kept(frame: pl.DataFrame, header: list[str], request: ReadRequest) -> pl.DataFrame:
    """Rows that are no blank lines and that the map's `where` wants."""
    first = (request.mapping.data_line if request.mapping else None) or 0
    frame = frame.filter(~pl.all_horizontal(pl.col(header).is_null()) & (pl.col("_line") >= first))
    if frame.is_empty():
        raise BadInput("there is a header but no row", line=1, reason="no_rows")
    for column, wanted in (request.mapping.where if request.mapping else {}).items():
        frame = frame.filter(pl.col(column).cast(pl.String) == wanted)
    if frame.is_empty() and request.mapping:
        raise BadInput(f"no row has {request.mapping.where}", line=1, reason="no_rows")
    return frame


def _skip_other_meters(row_filter: RowFilter, layout: Layout, request: ReadRequest) -> None:
    """Rows of meters that the map does not name, or, where it names none, the site does not have."""
    mapping, site = request.mapping, request.site
    if mapping is None or mapping.other_meters != "skip" or layout.meter is None:
        return
    named = list(mapping.meters) or (site.stream_ids() if site else None)
    if named is None:
        return
    mine = row_filter.frame.filter(pl.col(layout.meter).cast(pl.String).is_in(named).fill_null(value=False))
    row_filter.warn("other_meters", row_filter.frame.height - mine.height)
    row_filter.frame = mine


def _refuse_second_header(frame: pl.DataFrame, layout: Layout) -> None:
    if frame[layout.time].dtype != pl.String:
        return
    names = [layout.time, layout.values[0].column]
    is_header = pl.all_horizontal(
        pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase() == name.lower() for name in names
    )
    again = frame.lazy().filter(is_header).head(1).collect()
    if not again.is_empty():
        raise BadInput(
            "a second header is inside the file; expected one header in line 1",
            line=int(again["_line"][0]),
            reason="second_header",
        )


def _refuse_long_steps(frame: pl.DataFrame) -> None:
    """Raises BadInput for dates that are weeks or months apart, all of them: amounts of a day, or until the next?"""
    # Of months the length is known.
    dates = frame.filter(pl.col("_days_minutes") <= _DAY_MINUTES)
    days = dates.select(pl.col("_start").diff().over(_KEY).dt.total_days()).to_series().drop_nulls()
    least = _WEEK_DAYS if days.len() >= _WEEKS else _MONTH_DAYS
    if (days >= least).all() and not days.is_empty():
        raise BadInput(
            f"the dates are {days[0]} days apart: expected a column map that says until_next_row: true where each "
            "amount lasts until the next date, or false where it is of its day",
            line=int(dates["_line"][0]),
            reason="unknown_interval",
        )


def _synthetic(frame: pl.DataFrame, layout: Layout, request: ReadRequest) -> bool:
    declared = request.mapping is not None and request.mapping.is_synthetic
    if layout.synthetic is None:
        return declared
    column = frame[layout.synthetic]
    flags = column.cast(pl.String).str.strip_chars().str.to_lowercase()
    known = flags.replace_strict({"true": True, "1": True, "false": False, "0": False}, default=None)
    if known.null_count():
        row = known.is_null().arg_max() or 0
        message = f"column 'is_synthetic' holds {column[row]!r}; expected true or false"
        raise BadInput(message, line=int(frame["_line"][row]), reason="bad_synthetic_flag")
    if known.n_unique() > 1:
        row = (known != known[0]).arg_max() or 0
        raise BadInput(
            "real and synthetic rows are in one file; expected one kind",
            line=int(frame["_line"][row]),
            reason="mixed_synthetic",
        )
    return declared or bool(known[0])


def _read_times(row_filter: RowFilter, layout: Layout, request: ReadRequest) -> None:
    mapping, site = request.mapping or ColumnMap(), request.site
    time_zone = mapping.zone or request.tz
    if time_zone is None and layout.time.lower() == "timestamp_utc":
        time_zone = "UTC"
    names = [name for name in (layout.meter, layout.register_column) if name is not None]
    by = pl.concat_str([pl.col(name).cast(pl.String) for name in names], separator="\x1f") if names else pl.lit("")
    frame = row_filter.frame.with_columns(_by=by)
    before = frame.select(pl.col("_line"), _text=pl.col(layout.time).cast(pl.String))
    rule = TimeRule(
        time_zone=time_zone,
        day_zone=time_zone or (site.time_zone if site else None),
        formats=mapping.formats,
        midnight_ends_day=mapping.midnight == "end",
        repeated_hour=mapping.repeated_hour,
    )
    row_filter.frame = add_instants(frame, column=layout.time, rule=rule, by="_by").with_columns(_text=before["_text"])
    written = f"a time as {' or '.join(mapping.formats)}" if mapping.formats else ""
    row_filter.take("bad_timestamp", pl.col("_time_fault") == "bad_timestamp", pl.col("_text"), written)
    row_filter.take(pl.col("_time_fault"), pl.col("_time_fault").is_not_null(), pl.col("_text"))
    row_filter.warn("repeated_hour_assumed", int(row_filter.frame["_is_assumed"].sum()))
    row_filter.frame = row_filter.frame.drop("_by", "_text", "_time_fault", "_is_assumed")


def _name_streams(row_filter: RowFilter, layout: Layout, mapping: ColumnMap, *, is_wide: bool) -> None:
    """Columns `_meter`, `_register` (null = the stream's own), `_unit` (null = the stream's own), `_raw`."""
    unit = None
    if layout.unit_column is not None:
        texts = row_filter.frame[layout.unit_column].cast(pl.String).drop_nulls().unique()
        known = {text: unit_text(text) or text.strip().lower() for text in texts}
        unit = pl.col(layout.unit_column).cast(pl.String)
        unit = unit.replace_strict(known, default=None, return_dtype=pl.String)
    parts = []
    for column in layout.values:
        part = row_filter.frame.select(
            "_line",
            "_start",
            "_days_minutes",
            _meter=pl.lit(column.meter_id) if layout.meter is None else _name(layout.meter),
            _register=pl.lit(column.register_id, pl.String)
            if layout.register_column is None
            else _name(layout.register_column),
            _unit=unit if unit is not None else pl.lit(column.unit, pl.String),
            _raw=pl.col(column.column),
            _factor=pl.lit(mapping.multipliers.get(column.column, 1.0)),
        )
        if is_wide:
            # In a wide table an empty cell says that this stream has no reading here.
            kept = part.filter(pl.col("_raw").is_not_null())
            row_filter.warn("empty_cells", part.height - kept.height)
            part = kept
        parts.append(part)
    # Typed files may hold whole numbers in one column and floats in the next.
    frame = pl.concat(parts, how="vertical_relaxed") if len(parts) > 1 else parts[0]
    if layout.meter is not None and mapping.meters:
        frame = frame.with_columns(pl.col("_meter").replace(mapping.meters))
    row_filter.frame = frame


def _name(column: str) -> pl.Expr:
    """The texts of a column; an empty one says nothing."""
    text = pl.col(column).cast(pl.String)
    return pl.when(text != "").then(text)


def _check_streams(row_filter: RowFilter, request: ReadRequest) -> None:
    """Unknown meters, registers and units out; the stream's own unit and register in; values in canonical size."""
    site, frame = request.site, row_filter.frame
    if site is None:
        row_filter.take("unknown_meter", pl.col("_meter").is_null(), pl.lit("nothing"), "the name of a meter")
        row_filter.take("unknown_meter", pl.col("_meter").str.contains(UNSEEN), pl.col("_meter"), SEEN_NAME)
        frame = row_filter.frame.with_columns(pl.col("_register").fill_null("import"), own_unit=pl.lit(None, pl.String))
    else:
        table = streams(site)
        default = pl.col("_meter").replace_strict(default_registers(site), default=None, return_dtype=pl.String)
        frame = frame.with_columns(pl.coalesce("_register", default).alias("_register")).join(
            table.rename({"meter_id": "_meter", "register": "_register"}).drop("commodity"),
            on=_KEY,
            how="left",
            maintain_order="left",
            validate="m:1",
        )
    row_filter.frame = frame
    if site is not None:
        ids = site.stream_ids()
        known = f"a meter of {site.site_id}: {', '.join(ids[:20])}{', …' if len(ids) > 20 else ''}"
        row_filter.take("unknown_meter", ~pl.col("_meter").is_in(ids).fill_null(value=False), pl.col("_meter"), known)
        row_filter.take(
            "unknown_register", pl.col("own_unit").is_null(), pl.col("_register"), "a register of the meter"
        )
    row_filter.frame = row_filter.frame.with_columns(_unit=pl.coalesce("_unit", "own_unit"))
    codes = row_filter.frame["_unit"].unique().to_list()
    known_units = [code for code in codes if code in UNITS]
    row_filter.take("unknown_unit", ~pl.col("_unit").is_in(known_units).fill_null(value=False), pl.col("_unit"))
    if site is not None:
        kinds = {code: canonical_of(code) for code in UNITS}
        is_other = pl.col("_unit").replace_strict(kinds) != pl.col("own_unit").replace_strict(kinds)
        row_filter.take("unit_mismatch", is_other, pl.col("_unit"), "a unit of the register's kind")


def _drop_duplicates(row_filter: RowFilter) -> None:
    """One row per stream and time; identical ones are counted, differing ones all rejected."""
    order = [*_KEY, "_start"]
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in order).fill_null(value=False)
    if not row_filter.frame.select(same.any()).item():
        return
    differs = pl.struct("_value", "_unit").n_unique().over(order) > 1
    row_filter.take(
        "duplicate_conflict", differs, pl.concat_str("_meter", pl.lit(" = "), pl.col("_raw").cast(pl.String))
    )
    height = row_filter.frame.height
    row_filter.frame = row_filter.frame.filter(~same)
    row_filter.warn("duplicate_rows", height - row_filter.frame.height)


def _check_clock(row_filter: RowFilter, request: ReadRequest) -> None:
    """Readings of a clock that was never set, and of one that runs ahead of ours."""
    time = pl.col("_start").dt.to_string("iso:strict")
    row_filter.take("clock_suspect", pl.col("_start") < pl.lit(FIRST_PLAUSIBLE), time)
    site, now_utc = request.site, request.now_utc or _LAST
    # Weather, production plans and prices may be known before they hold; what a meter counted may not.
    drivers = [driver.driver_id for driver in site.drivers] if site else []
    price = site.price_stream if site else None
    ahead = (
        pl.when(pl.col("_meter").eq_missing(price) if price else pl.lit(value=False))
        .then(pl.lit(PRICE_LIMIT))
        .when(pl.col("_meter").is_in(drivers))
        .then(pl.lit(DRIVER_LIMIT))
        .otherwise(pl.lit(FUTURE_LIMIT))
    )
    is_future = pl.col("_start") > pl.lit(now_utc).cast(pl.Datetime("us", "UTC")) + ahead
    row_filter.take("future_timestamp", is_future, time)


def _rows(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        meter_id="_meter",
        register="_register",
        interval_start_utc="_start",
        source_minutes="_minutes",
        value="_value",
        unit="_unit",
        quality_code=pl.lit(int(QualityCode.RAW)),
        source_line="_line",
    ).cast(PARSED_SCHEMA)  # type: ignore[arg-type]
