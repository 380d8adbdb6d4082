"""The readings of a site as everybody should see them: the lake's view at T with the virtual meters computed."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT
from assets.sites.virtual import streams_for, virtual_meters, with_virtual
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_view import LakeFile, history_in, newest_of
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
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """As `Lake.current`, rows of virtual meters among them. LAKE_SCHEMA (or columns), unique and sorted by key."""
    files = lake.parts(site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
    return readings_in(files, site, start_utc=start_utc, end_utc=end_utc, meters=meters, columns=columns)


def readings_in(
    files: Sequence[LakeFile],
    site: Site,
    *,
    start_utc: datetime | None = None,
    end_utc: datetime | None = None,
    meters: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The same of files that somebody else asked the manifest for (`Lake.parts`): for a process without the store."""
    has_virtual = bool(virtual_meters(site))
    wanted = streams_for(site, meters) if has_virtual and meters is not None else meters
    # A virtual row is made of more columns than somebody asks for.
    given = None if has_virtual else columns
    read = newest_of(history_in(files, start_utc=start_utc, end_utc=end_utc, meters=wanted, columns=given))
    if not has_virtual:
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
