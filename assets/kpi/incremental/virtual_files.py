"""Rows of virtual meters for the warehouse: computed from the lake's view at T at every load, so none is ever stale."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from assets.sites.view import site_readings
from assets.sites.virtual import virtual_meters
from assets.stores.lake.derived import keep_derived
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_ledger import expect_own
from data_quality.contracts.site_file.site import Site


def virtual_files(sites: Mapping[str, Site], lake: Lake, *, as_of_utc: datetime | None = None) -> tuple[Path, ...]:
    """One Parquet file (LAKE_SCHEMA) for each site with virtual meters, beside the lake's own files."""
    found = []
    for site in sites.values():
        names = virtual_meters(site)
        if names:
            # Older files of the site go: not those of another project's lake.
            expect_own(lake.store, lake.kept)
            rows = site_readings(lake, site, as_of_utc=as_of_utc, meters=names)
            found.append(keep_derived(lake.root, site.site_id, rows))
    return tuple(found)
