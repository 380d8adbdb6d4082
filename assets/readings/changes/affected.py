"""Which partitions a batch touches, so that late data are recomputed where they fall and nowhere else."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from assets.stores.lake.lake import Lake
from data_quality.contracts.site_file.site import Site


def affected_months(site: Site, changes: pl.DataFrame) -> list[str]:
    """Site-local months of the changed rows (interval_start_utc) as "SITE|YYYY-MM", in order."""
    local = pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone)
    months = changes.select(local.dt.strftime("%Y-%m")).to_series().unique().sort()
    return [f"{site.site_id}|{month}" for month in months]


def touched_months(sites: Mapping[str, Site], lake: Lake, *, after_ids: Mapping[str, int]) -> dict[str, int]:
    """Months ("SITE|YYYY-MM") with the id of the newest manifest entry that changed each, of entries above a site's id.

    after_ids: site -> id of the last entry that needs no look. By the readings themselves: a UTC day reaches into
    two local months, a late row at its end touches one.
    """
    found: dict[str, int] = {}
    changed = lake.changed_files({site_id: after_ids.get(site_id, 0) for site_id in sites})
    for site_id, newest in changed.items():
        local = pl.col("interval_start_utc").dt.convert_time_zone(sites[site_id].time_zone)
        months = (
            # The lake's folders are called site=...: as hive partitions they would add columns of guessed types.
            pl.scan_parquet(sorted(newest), hive_partitioning=False, include_file_paths="path")
            .select("path", month=local.dt.truncate("1mo"))
            .unique()
            .select("path", pl.col("month").dt.strftime("%Y-%m"))
            .collect()
        )
        for path, month in months.iter_rows():
            name = f"{site_id}|{month}"
            found[name] = max(found.get(name, 0), newest[Path(path)])
    return found
