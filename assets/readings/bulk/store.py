"""A regular table into the lake: month by month, only what changes something."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.bulk.canonical import QUANTA, Readings, Rows
from assets.readings.bulk.read import RegularFile
from assets.readings.bulk.shape import SLOT_US
from assets.readings.changes.bitemporal import classify
from assets.readings.changes.holds import (
    HISTORY,
    MAX_FALL,
    MAX_GROWTH,
    MIN_HISTORY_ROWS,
    MIN_ROWS,
    current_rows,
    looks_like_power,
)
from assets.readings.changes.rescaled import ROW_WITHIN, rescaled
from assets.stores.lake.lake import BlockPlan, Lake, Stamp
from assets.stores.lake.lake_block import TIME, Block, block_of
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES

_TIMES = {TIME: pl.Datetime("us", "UTC"), "rows": pl.UInt32()}


def plan_of(file: RegularFile, *, site: Site, lake: Lake, stamp: Stamp, touched: list[pl.DataFrame]) -> BlockPlan:
    """Changes by the file to the lake as it is now. touched: gets, month by month, the quarter hours that change
    (interval_start_utc, ascending) and how many `rows` of each do.
    """
    counts = {"new_rows": 0, "corrected_rows": 0, "unchanged_rows": 0}
    # The lake asks again where another batch was recorded in between: what the first answer touched is void.
    touched.clear()

    def blocks() -> Iterator[Block]:
        # Asked once: where the lake is empty nothing can be a correction, and no month is looked up.
        is_known = bool(lake.manifest(site.site_id, start_utc=file.first_utc))
        for rows in file.quarter_hours():
            changes, corrected = _table(file, rows, site), 0
            if is_known and (current := current_rows(lake, site, changes)).height:
                changes, unchanged = classify(_as_texts(changes), current)
                counts["unchanged_rows"] += unchanged
                corrected = int(changes["is_correction"].sum())
            counts["new_rows"] += changes.height - corrected
            counts["corrected_rows"] += corrected
            if changes.height:
                # Runs, not rows: a quarter hour stands there once for every meter.
                touched.append(changes[TIME].rle().struct.unnest().select(pl.col("value").alias(TIME), rows="len"))
                yield block_of(
                    changes.with_columns(
                        # One text for all rows: an enum holds it once.
                        batch_id=pl.lit(stamp.batch_id, pl.Enum([stamp.batch_id])),
                        recorded_at_utc=pl.lit(stamp.recorded_at_utc, pl.Datetime("us", "UTC")),
                    )
                )

    return BlockPlan(blocks=blocks(), counts=counts)


def times_of(touched: Sequence[pl.DataFrame], *, per_row: bool = False) -> pl.DataFrame:
    """interval_start_utc of the quarter hours that change: each once, or as often as it has rows that change."""
    times = pl.concat([pl.DataFrame(schema=_TIMES), *touched])
    return times.select(pl.col(TIME).repeat_by("rows").explode() if per_row else TIME)


def _table(file: RegularFile, rows: Rows, site: Site) -> pl.DataFrame:
    """Quarter hours of the site, as holds.canonical_rows has them; texts are places in a list of names."""
    kinds, minutes = file.shape.streams, (file.meaning.quarters * CANONICAL_MINUTES).tolist()
    return pl.select(
        site_id=pl.lit(site.site_id, pl.Enum([site.site_id])),
        meter_id=_of_stream([each.meter_id for each in kinds], rows.stream),
        register=_of_stream([each.register for each in kinds], rows.stream),
        interval_start_utc=pl.Series(rows.slot * SLOT_US).cast(pl.Datetime("us", "UTC")),
        interval_minutes=pl.lit(CANONICAL_MINUTES, pl.Int32),
        source_minutes=_of_stream(minutes, rows.stream),
        value=pl.Series(rows.values()),
        unit=_of_stream([each.unit.canonical for each in kinds], rows.stream),
        quality_code=pl.lit(int(QualityCode.RAW), pl.Int32),
        source_line=pl.Series(rows.line).cast(pl.Int64),
        is_synthetic=pl.lit(value=False),
    )


def _of_stream(facts: list[Any], stream: NDArray[np.int64]) -> pl.Expr | pl.Series:
    """A fact of each row's stream, by row: minutes, or a text. facts: by stream."""
    distinct = sorted(set(facts))
    kind = pl.Enum(distinct) if isinstance(distinct[0], str) else pl.Int32()
    return pl.lit(distinct[0], kind) if len(distinct) == 1 else pl.Series(facts, dtype=kind).gather(stream)


def _as_texts(table: pl.DataFrame) -> pl.DataFrame:
    return table.cast({pl.Enum: pl.String})


def is_suspected(file: RegularFile, *, site: Site, lake: Lake) -> bool:
    """A stream's size may not go with its own last 30 days, or with what the file corrects: the careful way (holds.py)
    decides which rows to hold.
    """
    if _is_rescaled(file, site, lake):
        return True
    if any(each.unit is not None or each.units for each in file.shape.maps):
        return False
    history = lake.current(site.site_id, start_utc=file.first_utc - HISTORY, end_utc=file.first_utc)
    was = (
        history.filter(~pl.col("is_synthetic") & (pl.col("value") != 0))
        .group_by("meter_id", "register")
        .agg(pl.col("value").abs().quantile(0.9), pl.len())
        .filter(pl.col("len") >= MIN_HISTORY_ROWS)
    )
    if was.is_empty():
        return False
    levels = {(meter, register): level for meter, register, level, _ in was.iter_rows()}
    for number, each in enumerate(file.shape.streams):
        level = levels.get((each.meter_id, each.register))
        if level is None:
            continue
        sizes = np.concatenate([_sizes(readings, number) for readings in file.readings()])
        quarters = int(file.meaning.quarters[number])
        if sizes.size * quarters < MIN_ROWS:
            continue
        now = float(np.quantile(sizes, 0.9)) / QUANTA / quarters
        # A little earlier than holds.py: near the limit, the careful way computes it exactly.
        if now > 0.9 * MAX_GROWTH * level or now * MAX_FALL < 1.1 * level or looks_like_power(now, level):
            return True
    return False


def _is_rescaled(file: RegularFile, site: Site, lake: Lake) -> bool:
    """A month of it corrects a stream by a power of ten or nearly: the careful way looks at the file as a whole."""
    if not lake.manifest(site.site_id, start_utc=file.first_utc):
        return False
    for rows in file.quarter_hours():
        incoming = _as_texts(_table(file, rows, site))
        if rescaled(incoming, current_rows(lake, site, incoming), total_within=ROW_WITHIN).height:
            return True
    return False


def _sizes(readings: Readings, number: int) -> NDArray[np.int64]:
    column = np.flatnonzero(readings.streams == number)
    if not column.size:
        return np.empty(0, np.int64)
    sizes = np.abs(readings.quanta[:, column[0]])
    # A zero says nothing of a unit: closed days would pull the level down.
    return sizes[sizes > 0]
