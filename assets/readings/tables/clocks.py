"""Tables whose times are in several places: a column of dates next to one of the clock, a column for each time of day,
or one for each of year, month, day and hour.

All become one column of times before anything else is judged; the column map states which they are.
"""

import polars as pl

from assets.readings.tables.times import dates_of, day_table
from data_quality.contracts.site_file.site import ColumnMap

# The value column of a table that had one for each time of day.
VALUE = "value"
# A date of a workbook comes with the midnight at which it begins.
_MIDNIGHT = r"[ T]00:00(?::00(?:\.0+)?)?$"
# A time of day of a workbook comes with the day before its first one.
DAY_NONE = r"^1899-12-3[01][ T]"
# Of a time of day that is written as a span the begin.
_CLOCK_SPAN = r"^(\d{1,2}[:.]\d{2}(?::\d{2})?)\s*[-–]\s*\d{1,2}[:.]\d{2}(?::\d{2})?$"
_CLOCK_CODES = ("%H", "%I", "%T", "%R")


def joined_times(
    frame: pl.DataFrame, mapping: ColumnMap | None, day_zone: str | None = None
) -> tuple[pl.DataFrame, ColumnMap | None, int]:
    """The table with one column of times, the column map for it, and how many cells without a reading were left out.

    frame: columns as found, and `_line`; day_zone: of the days whose intervals are numbered.
    """
    if mapping is None:
        return frame, None, 0
    if mapping.clocks:
        return _unpivoted(frame, mapping)
    if mapping.date_columns:
        times = _of_parts(mapping.timestamp, *mapping.date_columns).alias(mapping.timestamp)
        own_map = mapping.model_copy(update={"date_columns": ()})
        return frame.with_columns(times).drop(*mapping.date_columns), own_map, 0
    if mapping.clock is None:
        return frame, mapping, 0
    if mapping.clock_from is not None:
        begins = _numbered(frame[mapping.timestamp], frame[mapping.clock], mapping, day_zone)
        own: dict[str, object] = {"clock": None, "clock_from": None, "date_format": None, "date_formats": ()}
        return frame.with_columns(begins).drop(mapping.clock), mapping.model_copy(update=own), 0
    times = pl.concat_str(_date(mapping.timestamp), pl.lit(" "), clock_of(mapping.clock)).alias(mapping.timestamp)
    return frame.with_columns(times).drop(mapping.clock), mapping.model_copy(update={"clock": None}), 0


def _of_parts(*columns: str) -> pl.Expr:
    """Texts of ISO 8601 of a year, a month and a day, of an hour and a minute where there are any."""
    year, month, day, *clock = (
        pl.col(name).cast(pl.String).str.strip_chars().str.replace(r"\.0+$", "").str.zfill(2) for name in columns
    )
    date = pl.concat_str(year, month, day, separator="-")
    time = pl.concat_str(*clock, *([pl.lit("00")] if len(clock) == 1 else []), separator=":") if clock else None
    return date if time is None else pl.concat_str(date, time, separator=" ")


def clock_of(column: str) -> pl.Expr:
    """The time of day that a column says: of a span (00:00-01:00) its begin, of a workbook's without its day."""
    text = pl.col(column).cast(pl.String).str.strip_chars().str.replace(DAY_NONE, "")
    return text.str.replace(_CLOCK_SPAN, "${1}")


def _numbered(days: pl.Series, clock: pl.Series, mapping: ColumnMap, day_zone: str | None) -> pl.Series:
    """Begins of the numbered intervals as texts of ISO 8601; what is none stays as it was written, to be refused.

    A day of 23 hours ends with 23 and one of 25 with 25: the numbers count what has passed since midnight. Where they
    do not end so, they are those of the clock on the wall.
    """
    step, texts = mapping.interval_minutes or 0, days.cast(pl.String).str.strip_chars()
    dates = dates_of(texts.str.replace(_MIDNIGHT, ""), mapping.formats)
    number = (
        clock.cast(pl.String).str.strip_chars().str.replace(r"(?:\.0+|(^\d+):00)$", "$1").cast(pl.Int64, strict=False)
    )
    place = (number - (mapping.clock_from or 0)) * step
    rows = pl.DataFrame({"_day": dates, "_place": place, "_text": pl.select(texts + " " + clock.cast(pl.String))})
    table = day_table(dates, day_zone or "UTC")
    rows = rows.join(table, on="_day", how="left", maintain_order="left")
    length, end = pl.col("_days_minutes"), pl.col("_place") + step
    last = rows.group_by("_day", "_days_minutes").agg(_end=end.max()).drop_nulls()
    is_passed = last.select(
        ((length >= 1440) | (pl.col("_end") <= length)).all() & ((length <= 1440) | (pl.col("_end") > 1440)).all()
    ).item()
    passed = pl.duration(minutes="_place")
    begin = pl.col("_start") + passed if is_passed and day_zone else pl.col("_day").cast(pl.Datetime("us")) + passed
    form = "%Y-%m-%dT%H:%M:%SZ" if is_passed and day_zone else "%Y-%m-%dT%H:%M:%S"
    is_one = (pl.col("_place") >= 0) & (end <= (length if is_passed else 1440))
    return rows.select(pl.when(is_one).then(begin.dt.strftime(form)).otherwise("_text")).to_series().alias(days.name)


def _unpivoted(frame: pl.DataFrame, mapping: ColumnMap) -> tuple[pl.DataFrame, ColumnMap, int]:
    """One row for each date and time of day. Two columns of one time are the passes of a repeated hour, in order."""
    kept = [name for name in frame.columns if name not in mapping.clocks and name != "_clock"]
    value = VALUE if VALUE not in kept else f"{VALUE}_of_clock"
    clocks = list(mapping.clocks)
    rows = frame.select(*kept, *clocks).unpivot(clocks, index=kept, variable_name="_clock", value_name=value)
    filled = rows.filter(pl.col(value).is_not_null())
    clock = pl.col("_clock").replace_strict(mapping.clocks, return_dtype=pl.String)
    times = pl.concat_str(_date(mapping.timestamp), pl.lit(" "), clock).alias(mapping.timestamp)
    # Back in the order of the file, and within a line in that of its columns: a repeated hour is resolved by order.
    long = filled.with_columns(times).drop("_clock").sort("_line", maintain_order=True)
    styles = tuple(each if any(code in each for code in _CLOCK_CODES) else f"{each} %H:%M" for each in mapping.formats)
    own: dict[str, object] = {"clocks": {}, "value": value, "date_format": None, "date_formats": styles}
    return long, mapping.model_copy(update=own), rows.height - filled.height


def _date(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars().str.replace(_MIDNIGHT, "")
