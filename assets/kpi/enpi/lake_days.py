"""The daily tables of many uses out of the lake, in memory that does not grow with the site or the period.

Files lie by time, so that slices of days are read once whatever the number of uses; what is kept of a slice are sums.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from assets.kpi.enpi.daily import DAY_COLUMNS, SiteDays, day_sums
from assets.sites.view import readings_in
from assets.sites.virtual import streams_for
from assets.stores.lake.lake_files import LakeFile
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period

# A quarter of a GB while they are sorted.
ROWS_A_SLICE = 1_000_000
_SLOTS_A_DAY = 24 * 60 // CANONICAL_MINUTES


def uses_streams(seus: Sequence[Seu]) -> list[str]:
    """Ids of the meters and drivers of the uses, each once."""
    names = (name for seu in seus for name in (*seu.meters, *(driver.driver_id for driver in seu.drivers)))
    return list(dict.fromkeys(names))


def days_in(files: Sequence[LakeFile], site: Site, seus: Sequence[Seu], *, start: date, end: date) -> SiteDays:
    """The daily tables of these uses over the local dates [start, end). files: of the site (`Lake.parts`)."""
    streams = uses_streams(seus)
    step = timedelta(days=max(ROWS_A_SLICE // (_SLOTS_A_DAY * max(len(streams_for(site, streams)), 1)), 1))
    parts, first = list[pl.DataFrame](), start
    while first < end or not parts:
        after = min(first + step, end)
        period = Period(label="", start=first, end=after, time_zone=site.time_zone)
        span = {"start_utc": period.start_utc, "end_utc": period.end_utc}
        readings = readings_in(files, site, **span, meters=streams, columns=DAY_COLUMNS)
        parts.append(day_sums(readings, site=site, start=first, end=after))
        first = after
    return SiteDays(pl.concat(parts), site=site, start=start, end=end)
