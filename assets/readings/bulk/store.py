"""A regular table into the lake: month by month, only what changes something."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.bulk.canonical import QUANTA, Readings, Rows
from assets.readings.bulk.cells import SLOT_US
from assets.readings.bulk.read import RegularFile
from assets.readings.holds import HISTORY, MAX_FALL, MAX_GROWTH, MIN_HISTORY_ROWS, MIN_ROWS
from assets.readings.rescaled import ROW_WITHIN, rescaled
from assets.stores.lake import BlockPlan, Lake, Stamp
from assets.stores.lake_block import Block, block_of
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import UNITS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RAW = int(QualityCode.RAW)


class Touched(NamedTuple):
    """Quarter hours that change in one month, ascending, each with the number of its rows."""

    slots: NDArray[np.int64]
    rows: NDArray[np.int64]


def plan_of(file: RegularFile, *, site: Site, lake: Lake, stamp: Stamp, touched: list[Touched]) -> BlockPlan:
    """What the file changes in the lake as it is now. touched: gets the quarter hours that change, month by month."""
    counts = {"new_rows": 0, "corrected_rows": 0, "unchanged_rows": 0}
    touched.clear()

    def blocks() -> Iterator[Block]:
        is_known = bool(lake.manifest(site.site_id, start_utc=file.first_utc))
        for rows in file.quarter_hours():
            changed, found = _changed(file, rows, site, lake) if is_known else (rows, {"new_rows": rows.slot.size})
            for name, count in found.items():
                counts[name] += count
            if changed.slot.size:
                first = int(changed.slot[0])
                sizes = np.bincount(changed.slot - first)
                slots = np.flatnonzero(sizes)
                touched.append(Touched(slots + first, sizes[slots]))
                yield _block(file, changed, site, stamp)

    return BlockPlan(blocks=blocks(), counts=counts)


def times_of(touched: Sequence[Touched], *, per_row: bool = False) -> pl.DataFrame:
    """interval_start_utc of the quarter hours that change: each once, or as often as it has rows that change."""
    parts = [np.repeat(each.slots, each.rows) if per_row else each.slots for each in touched]
    slots = np.concatenate([np.empty(0, np.int64), *parts])
    return pl.DataFrame({"interval_start_utc": pl.Series(slots * SLOT_US).cast(pl.Datetime("us", "UTC"))})


def _changed(file: RegularFile, rows: Rows, site: Site, lake: Lake) -> tuple[Rows, dict[str, int]]:
    """The rows that the lake does not know or knows otherwise, and how many rows are which."""
    current = _current(rows, site, lake)
    if current.is_empty():
        return rows, {"new_rows": rows.slot.size}
    is_new, is_changed = _against(file, rows, current)
    keep = is_new | is_changed
    counts = {
        "new_rows": int(is_new.sum()),
        "corrected_rows": int(is_changed.sum()),
        "unchanged_rows": int(keep.size - keep.sum()),
    }
    return rows if keep.all() else rows.take(keep), counts


def _against(file: RegularFile, rows: Rows, current: pl.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows that are not in `current` (LAKE_SCHEMA), and rows that are there otherwise."""
    new = np.ones(rows.slot.size, bool)
    kinds = file.shape.streams
    table = pl.DataFrame(
        {
            "meter_id": [each.meter_id for each in kinds],
            "register": [each.register for each in kinds],
            "_stream": range(len(kinds)),
        }
    )
    known = current.join(table, on=["meter_id", "register"], how="inner")
    key = known["interval_start_utc"].to_physical().to_numpy() // SLOT_US * len(kinds) + known["_stream"].to_numpy()
    order = np.argsort(key)
    wanted = rows.slot * len(kinds) + rows.stream
    place = np.searchsorted(key[order], wanted)
    place = np.minimum(place, max(key.size - 1, 0))
    if not key.size:
        return new, ~new
    found = key[order][place] == wanted
    twin = order[place]
    units = np.array([UNITS[each.unit.code].canonical for each in kinds])
    same = (
        (known["value"].to_numpy()[twin] == rows.values())
        & (known["source_minutes"].to_numpy()[twin] == file.meaning.quarters[rows.stream] * CANONICAL_MINUTES)
        & (known["quality_code"].to_numpy()[twin] == _RAW)
        & (known["unit"].to_numpy()[twin] == units[rows.stream])
        & ~known["is_synthetic"].to_numpy()[twin]
    )
    return ~found, found & ~same


def _block(file: RegularFile, rows: Rows, site: Site, stamp: Stamp) -> Block:
    kinds, minutes = file.shape.streams, (file.meaning.quarters * CANONICAL_MINUTES).tolist()
    return block_of(
        pl.select(
            site_id=pl.lit(site.site_id, pl.Enum([site.site_id])),
            meter_id=_of_stream([each.meter_id for each in kinds], rows.stream),
            register=_of_stream([each.register for each in kinds], rows.stream),
            interval_start_utc=pl.Series(rows.slot * SLOT_US).cast(pl.Datetime("us", "UTC")),
            interval_minutes=pl.lit(CANONICAL_MINUTES, pl.Int32),
            source_minutes=_of_stream(minutes, rows.stream),
            value=pl.Series(rows.values()),
            unit=_of_stream([each.unit.canonical for each in kinds], rows.stream),
            quality_code=pl.lit(_RAW, pl.Int32),
            source_line=pl.Series(rows.line),
            is_synthetic=pl.lit(value=False),
            batch_id=pl.lit(stamp.batch_id, pl.Enum([stamp.batch_id])),
            recorded_at_utc=pl.lit(stamp.recorded_at_utc, pl.Datetime("us", "UTC")),
        )
    )


def _of_stream(facts: list[Any], stream: NDArray[np.int64]) -> pl.Expr | pl.Series:
    """What is said of each row's stream: minutes, or a text."""
    said = sorted(set(facts))
    kind = pl.Enum(said) if isinstance(said[0], str) else pl.Int32()
    return pl.lit(said[0], kind) if len(said) == 1 else pl.Series(facts, dtype=kind).gather(stream)


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
        if now > 0.9 * MAX_GROWTH * level or now * MAX_FALL < 1.1 * level:
            return True
    return False


def _is_rescaled(file: RegularFile, site: Site, lake: Lake) -> bool:
    """A month of it corrects a stream by a power of ten or nearly: the careful way looks at the file as a whole."""
    if not lake.manifest(site.site_id, start_utc=file.first_utc):
        return False
    names = [pl.Series([getattr(each, name) for each in file.shape.streams]) for name in ("meter_id", "register")]
    for rows in file.quarter_hours():
        current = _current(rows, site, lake)
        if current.is_empty():
            continue
        incoming = pl.DataFrame(
            {
                "meter_id": names[0].gather(rows.stream),
                "register": names[1].gather(rows.stream),
                "interval_start_utc": pl.Series(rows.slot * SLOT_US).cast(pl.Datetime("us", "UTC")),
                "value": rows.values(),
                "is_synthetic": False,
                "source_line": rows.line,
            }
        )
        if rescaled(incoming, current, total_within=ROW_WITHIN).height:
            return True
    return False


def _current(rows: Rows, site: Site, lake: Lake) -> pl.DataFrame:
    """What the lake holds of the span of these rows."""
    start = _EPOCH + timedelta(microseconds=int(rows.slot[0]) * SLOT_US)
    end = _EPOCH + timedelta(microseconds=(int(rows.slot[-1]) + 1) * SLOT_US)
    return lake.current(site.site_id, start_utc=start, end_utc=end)


def _sizes(readings: Readings, number: int) -> NDArray[np.int64]:
    column = np.flatnonzero(readings.streams == number)
    if not column.size:
        return np.empty(0, np.int64)
    sizes = np.abs(readings.quanta[:, column[0]])
    return sizes[sizes > 0]
