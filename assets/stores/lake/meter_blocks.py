"""A site's meters in blocks whose readings fit into memory together: for work over all of them, stream by stream."""

from datetime import datetime

import polars as pl

from assets.stores.lake.lake import Lake

# At the peak of sorting, half a kilobyte a row.
ROWS_AT_ONCE = 500_000


def meter_blocks(
    lake: Lake, site_id: str, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> list[list[str] | None]:
    """Meters and drivers of the span's readings in order, about ROWS_AT_ONCE a block; [None] where one holds them all.

    Each goes as `meters` of a reading of the lake.
    """
    entries = lake.manifest(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
    rows = sum(int(entry["rows"]) for entry in entries)
    if rows <= ROWS_AT_ONCE:
        return [None]
    names = pl.scan_parquet(lake.files(entries), hive_partitioning=False).select(pl.col("meter_id").unique().sort())
    every = names.collect()["meter_id"].to_list()
    size = max(1, len(every) * ROWS_AT_ONCE // rows)
    return [every[at : at + size] for at in range(0, len(every), size)]
