"""The site's load by local day and hour, from the readings: what a heat map draws."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period
from reports.recompute.figure_sources import Sources


def load_by_hour(
    sources: Sources, site: Site, period: Period, as_of_utc: datetime
) -> Mapping[date, Sequence[float | None]]:
    """Local day to the mean kW of its 24 hours by the clock, of the electricity that `site:<id>` counts.

    A mean over the quarter hours that were read: the hour that a clock change doubles stays one, a hole stays None.
    """
    meters = sources.meters(site, f"site:{site.site_id}")
    rows = sources.site_streams(site, period.start, period.end, as_of_utc).filter(
        pl.col("meter_id").is_in(list(meters))
        & (pl.col("register") == CONSUMPTION_REGISTER)
        & (pl.col("unit") == ENERGY_UNIT)
    )
    local = pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone)
    quarters = rows.group_by("interval_start_utc", maintain_order=True).agg(pl.col("value").sum())
    hours = (
        quarters.with_columns(day=local.dt.date(), hour=local.dt.hour())
        .group_by("day", "hour", maintain_order=True)
        .agg(kw=(pl.col("value").mean() * (60 / CANONICAL_MINUTES)).round(2))
    )
    made: dict[date, list[float | None]] = {}
    for day, hour, kw in hours.sort("day", "hour").iter_rows():
        made.setdefault(day, [None] * 24)[hour] = kw
    return made
