"""Readings that come less often than a quarter hour: a peak inside of them is hidden."""

import polars as pl

from assets.kpi.scope_streams import scope_meters
from assets.sites.virtual import streams_for
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period

# KPIs in which the highest quarter hour stands: a source that reads less often hides it.
PEAKS = ("peak_15min_kw", "load_factor", "demand_factor")
COARSE = "coarse_source"


def is_coarse(
    readings: pl.DataFrame, *, site: Site, scope: str, period: Period, minutes: int = CANONICAL_MINUTES
) -> bool:
    """True where a reading of the scope's meters, or of what virtual ones are made of, took more minutes than that.

    readings: LAKE_SCHEMA rows of the site, the newest of each key.
    """
    rows = readings.filter(
        pl.col("meter_id").is_in(list(streams_for(site, scope_meters(site, scope))))
        & pl.col("interval_start_utc").is_between(period.start_utc, period.end_utc, closed="left")
    )
    return bool((rows["source_minutes"] > minutes).any())
