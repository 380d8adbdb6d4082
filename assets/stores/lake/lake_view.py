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
    return frame.select(wanted).sort([*ORDER, "recorded_at_utc"]).collect()
