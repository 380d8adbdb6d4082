"""The readings of a site as everybody should see them: the lake's view at T with the virtual meters computed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT
from assets.sites.virtual import streams_for, virtual_meters, with_virtual
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import LakeFile, history_in, newest_of
from assets.stores.lake.meter_blocks import meter_blocks
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site

# What sums and prices are made of; texts repeat over millions of rows.
_LEAN: Final = ["meter_id", "register", "interval_start_utc", "value", "unit", "quality_code"]
# Registers and units are few: two bytes tell them apart.
_FEW: Final = pl.Categorical(pl.Categories("registers and units", physical=pl.UInt16))
_REPEATED: Final[Any] = {"meter_id": pl.Categorical(), "register": _FEW, "unit": _FEW}


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


def summed_readings(
    lake: Lake,
    site: Site,
    meters: Sequence[str],
    *,
    start_utc: datetime,
    end_utc: datetime,
    as_of_utc: datetime | None = None,
    has_quality: bool = True,
) -> pl.DataFrame:
    """`site_readings` for sums over many meters of a large site: the same rows, each in a tenth of the memory.

    Where a site's span has more rows than fit into memory: _LEAN only, texts as categories, read by blocks. A
    site with virtual meters is read whole, since they are sums over meters of any block. has_quality: with the quality
    codes, which not everybody looks at.
    """
    lean = _LEAN if has_quality else _LEAN[:-1]
    given: Any = {"start_utc": start_utc, "end_utc": end_utc, "as_of_utc": as_of_utc}
    blocks = [block for block in meter_blocks(lake, site.site_id, **given) if block is not None]
    if not blocks or virtual_meters(site):
        return site_readings(lake, site, meters=meters, **given)
    wanted = {*meters}
    parts = [
        site_readings(lake, site, meters=own, columns=lean, **given).select(lean).cast(_REPEATED)
        for block in blocks
        if (own := sorted(wanted.intersection(block)))
    ]
    # Readings there are, of other meters only: no row, with the columns of rows.
    return pl.concat(parts) if parts else site_readings(lake, site, meters=meters[:1], **given)


def readings_in(
    files: Sequence[LakeFile],
    site: Site,
    *,
    start_utc: datetime | None = None,
    end_utc: datetime | None = None,
    meters: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pl.DataFrame:
    """`site_readings` of files already looked up in the manifest (`Lake.parts`): for a process without the store."""
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
