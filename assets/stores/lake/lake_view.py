"""Rows of the lake's files for whoever knows which: of some streams, days and columns, and without the store."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from assets.stores.lake.lake_block import LAKE_SCHEMA, TIME
from data_quality.contracts.model import Model

# What makes a row one and the same reading, and the order in which views give them.
ORDER = ("site_id", "meter_id", "register", TIME)


class LakeFile(Model):
    """A file of the lake as the manifest knows it: all that a process without the store needs to read it.

    first, last: UTC days that it holds rows of. key, address: where the path is a copy of what a bucket keeps.
    """

    path: Path
    key: str = ""
    address: str = ""
    sha256: str
    first: date
    last: date


def history_in(
    files: Sequence[LakeFile],
    *,
    start_utc: datetime | None = None,
    end_utc: datetime | None = None,
    meters: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Every row of the files in the span, superseded ones included, by key and recorded time.

    files: those that the manifest named at T. columns: of LAKE_SCHEMA, beside ORDER and recorded_at_utc; None: all.
    """
    first = date.min if start_utc is None else start_utc.astimezone(UTC).date()
    last = date.max if end_utc is None else end_utc.astimezone(UTC).date()
    paths = [file.path for file in files if file.first <= last and file.last >= first]
    asked = {*ORDER, "recorded_at_utc", *(LAKE_SCHEMA if columns is None else columns)}
    wanted = [name for name in LAKE_SCHEMA if name in asked]
    if not paths:
        return pl.DataFrame(schema={name: LAKE_SCHEMA[name] for name in wanted})
    # The folders site=… and m=… are no columns: every row says its site itself.
    frame = pl.scan_parquet(paths, hive_partitioning=False)
    if start_utc is not None:
        frame = frame.filter(pl.col(TIME) >= start_utc)
    if end_utc is not None:
        frame = frame.filter(pl.col(TIME) < end_utc)
    if meters is not None:
        frame = frame.filter(pl.col("meter_id").is_in(list(meters)))
    return _in_order(frame.select(wanted).collect())


def newest_of(history: pl.DataFrame) -> pl.DataFrame:
    """The latest row per key, in the same order. history: as `history_in` gives it, or some of its rows."""
    # Rows of one key stand side by side. Whole keys side by side cost a tenth of looking each up among all others.
    is_again = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in ORDER)
    return history.filter(~is_again.fill_null(value=False))


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """By ORDER and recorded time. One number a row stands for its key: texts compared cost ten times that."""
    stream = pl.lit(0, dtype=pl.Int64)
    for name in ORDER[:3]:
        texts = rows[name].unique().sort()
        if len(texts) > 1:
            stream = stream * len(texts) + pl.col(name).cast(pl.Enum(texts)).to_physical()
    # Readings begin on a grid of minutes: seconds tell them apart, and leave room for five hundred million streams.
    keyed = rows.with_columns(key=stream * (1 << 34) + pl.col(TIME).to_physical() // 1_000_000).sort("key")
    if not keyed.filter(pl.col("key") == pl.col("key").shift(-1)).is_empty():
        keyed = keyed.sort("key", "recorded_at_utc")
    return keyed.drop("key")
