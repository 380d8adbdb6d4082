"""The readings of one file for validation: raw, so that what ingestion would refuse by its size is found and named.

Ingestion keeps the impossible out of the lake (quarantine); validation is asked what is wrong with a file, and must see
it. So the file is read with its unit vouched for and with negative amounts kept, and readings beyond any meter are
brought in as they stand.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from assets.readings.parsed import reason_counts
from assets.readings.readers.reader_list import reader_for
from assets.readings.sniff_files import FileRead, read_file
from assets.readings.tables.column_layout import resolve
from assets.readings.tables.normalise import normalise, on_grid
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.time import CANONICAL_MINUTES

# Beyond any meter's size a row is read again, this much smaller: a power of ten, so that its digits stay.
_SHRINK, _GROW = 1e-9, 1e9
_TOO_BIG = "implausible"


@dataclass(frozen=True)
class JudgedRows:
    """readings: canonical quarter hours (CANONICAL_SCHEMA); rejected: rows that cannot be read at all, per reason."""

    readings: pl.DataFrame
    rejected: dict[str, int]


def rows_to_judge(path: Path, *, mapping: ColumnMap | None, tz: str | None, now_utc: datetime) -> JudgedRows:
    """Read one file of any known format. Raises BadInput, naming file and line, where it cannot be used as a whole."""
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
