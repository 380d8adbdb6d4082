"""Which partitions a batch touches, so that late data are recomputed where they fall and nowhere else."""

import polars as pl

from data_quality.contracts.site import Site


def affected_months(site: Site, changes: pl.DataFrame) -> list[str]:
    """Site-local months of the changed rows (interval_start_utc) as "SITE|YYYY-MM", in order."""
    local = pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone)
    months = changes.select(local.dt.strftime("%Y-%m")).to_series().unique().sort()
    return [f"{site.site_id}|{month}" for month in months]
