"""The readings of a site as everybody should see them: the lake's view at T with the virtual meters computed."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT
from assets.sites.virtual import streams_for, virtual_meters, with_virtual
from assets.stores.lake.lake import Lake
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site


def site_readings(
    lake: Lake,
    site: Site,
    *,
    start_utc: datetime | None = None,
    end_utc: datetime | None = None,
    as_of_utc: datetime | None = None,
    meters: Sequence[str] | None = None,
) -> pl.DataFrame:
    """As `Lake.current`, rows of virtual meters among them. LAKE_SCHEMA, unique and sorted by key."""
    wanted = None if meters is None or not virtual_meters(site) else streams_for(site, meters)
    read = lake.current(
        site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc, meters=wanted or meters
    )
    if not virtual_meters(site):
        return read
    every = with_virtual(site, read, meters)
    return every if meters is None else every.filter(pl.col("meter_id").is_in(list(meters)))


def consumption_counts(readings: pl.DataFrame, meters: Sequence[str]) -> tuple[int, int]:
    """Quarter hours of consumption that were read of these meters, and how many of them are estimated.

    readings: LAKE_SCHEMA, unique by key.
    """
    rows = readings.filter(
        pl.col("meter_id").is_in(list(meters))
        & (pl.col("register") == CONSUMPTION_REGISTER)
        & (pl.col("unit") == ENERGY_UNIT)
    )
    return rows.height, rows.filter(pl.col("quality_code").is_in([int(code) for code in ESTIMATED_CODES])).height
