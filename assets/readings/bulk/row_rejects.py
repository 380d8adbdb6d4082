"""Rows that only the whole file shows to be no readings: different values of one meter and time, and a repeated hour
without its other pass.
"""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.bulk.cells import MAX_ODD_ROWS, names_of
from assets.readings.bulk.lines import lines_at
from assets.readings.bulk.shape import NotRegular, Shape
from assets.readings.parsed import REJECT_SCHEMA
from assets.readings.tables.row_filter import EXPECTED


def conflict_rejects(path: Path, shape: Shape, lines: NDArray[np.int32]) -> pl.DataFrame:
    """The rejects (REJECT_SCHEMA) of lines that contradict each other. Raises NotRegular where they are too many to be
    told apart.
    """
    if not lines.size:
        return pl.DataFrame(schema=REJECT_SCHEMA)
    if lines.size > MAX_ODD_ROWS:
        raise NotRegular
    frame = lines_at(path, shape, np.sort(lines))
    meters = pl.Series([shape.streams[number].meter_id for number in shape.stream_of], dtype=pl.String)
    meter = meters.gather(names_of(frame, shape))
    got = pl.concat_str(meter, pl.lit(" = "), pl.col(shape.layout.values[0].column))
    return _rejects(frame, "duplicate_conflict", got)


def ambiguous_rejects(path: Path, shape: Shape, lines: NDArray[np.int32]) -> pl.DataFrame:
    """The rejects (REJECT_SCHEMA) of lines whose local time stands there once and should twice."""
    return _rejects(lines_at(path, shape, np.sort(lines)), "ambiguous_local_time", pl.col(shape.layout.time))


def _rejects(frame: pl.DataFrame, reason: str, got: pl.Expr) -> pl.DataFrame:
    return frame.select(
        source_line=pl.col("_line").cast(pl.Int64),
        reason=pl.lit(reason),
        expected=pl.lit(EXPECTED[reason]),
        got=got,
    ).cast(REJECT_SCHEMA)  # type: ignore[arg-type]
