"""Tables whose times are in two places: a column of dates next to one of the clock, or a column for each time of day.

Both become one column of times before anything else is judged; the column map states which they are.
"""

import polars as pl

from data_quality.contracts.site_file.site import ColumnMap

# The value column of a table that had one for each time of day.
VALUE = "value"
# A date of a workbook comes with the midnight at which it begins.
_MIDNIGHT = r"[ T]00:00(?::00(?:\.0+)?)?$"
# A time of day of a workbook comes with the day before its first one.
_DAY_NONE = r"^1899-12-3[01] "
_CLOCK_CODES = ("%H", "%I", "%T", "%R")


def joined_times(frame: pl.DataFrame, mapping: ColumnMap | None) -> tuple[pl.DataFrame, ColumnMap | None, int]:
    """The table with one column of times, the column map for it, and how many cells without a reading were left out.

    frame: columns as found, and `_line`.
    """
    if mapping is None:
        return frame, None, 0
    if mapping.clocks:
        return _unpivoted(frame, mapping)
    if mapping.clock is None:
        return frame, mapping, 0
    clock = pl.col(mapping.clock).cast(pl.String).str.strip_chars().str.replace(_DAY_NONE, "")
    times = pl.concat_str(_date(mapping.timestamp), pl.lit(" "), clock).alias(mapping.timestamp)
    return frame.with_columns(times).drop(mapping.clock), mapping.model_copy(update={"clock": None}), 0


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
