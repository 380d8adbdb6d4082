"""Which partitions a batch touches, so that late data are recomputed where they fall and nowhere else."""

from collections.abc import Mapping

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
    for site_id, site in sites.items():
        newest: dict[str, int] = {}
        for entry in lake.manifest(site_id):
            if int(entry["id"]) > after_ids.get(site_id, 0):
                (path,) = map(str, lake.files([entry]))
                newest[path] = max(newest.get(path, 0), int(entry["id"]))
        if not newest:
            continue
        local = pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone)
        months = (
            # The lake's folders are called site=...: as hive partitions they would add columns of guessed types.
            pl.scan_parquet(sorted(newest), hive_partitioning=False, include_file_paths="path")
            .select("path", month=local.dt.strftime("%Y-%m"))
            .unique()
            .collect()
        )
        for path, month in months.iter_rows():
            name = f"{site_id}|{month}"
            found[name] = max(found.get(name, 0), newest[path])
    return found
