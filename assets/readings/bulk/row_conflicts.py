"""Rows that say different values of one meter and time: none of them is a reading."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.bulk.cells import MAX_ODD_ROWS, names_of
from assets.readings.bulk.lines import lines_at
from assets.readings.bulk.shape import NotRegular, Shape
from assets.readings.parsed import REJECT_SCHEMA
from assets.readings.tables.sieve import EXPECTED


def conflict_rejects(path: Path, shape: Shape, lines: NDArray[np.int32]) -> pl.DataFrame:
    """The rejects (REJECT_SCHEMA) of these lines. Raises NotRegular where they are too many to be told apart."""
    if not lines.size:
        return pl.DataFrame(schema=REJECT_SCHEMA)
    if lines.size > MAX_ODD_ROWS:
        raise NotRegular
    frame = lines_at(path, shape, np.sort(lines))
    meters = pl.Series([shape.streams[number].meter_id for number in shape.stream_of], dtype=pl.String)
    meter = meters.gather(names_of(frame, shape))
    reason = "duplicate_conflict"
    return frame.select(
        source_line=pl.col("_line").cast(pl.Int64),
        reason=pl.lit(reason),
        expected=pl.lit(EXPECTED[reason]),
        got=pl.concat_str(meter, pl.lit(" = "), pl.col(shape.layout.values[0].column)),
    ).cast(REJECT_SCHEMA)  # type: ignore[arg-type]
