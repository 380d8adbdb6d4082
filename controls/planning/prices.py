"""Import prices of a site per quarter hour as a plan needs them; an unknown price is left out, never guessed."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from assets.stores.lake.lake import Lake
from assets.tariffs.periods import known_prices
from data_quality.contracts.site_file.site import Site


def prices_between(
    site: Site, lake: Lake, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """interval_start_utc, price_per_kwh (Float64, the site's currency) of the priced quarter hours of [start, end)."""
    zone = ZoneInfo(site.time_zone)
    stream = lake.current(
        site.site_id,
        start_utc=start_utc,
        end_utc=end_utc,
        as_of_utc=as_of_utc,
        meters=[site.price_stream] if site.price_stream else [],
    )
    # Tariffs are by local days, the window is not: whole days are asked for and cut afterwards.
    first, last = start_utc.astimezone(zone).date(), end_utc.astimezone(zone).date() + timedelta(days=1)
    return (
        known_prices(site, first, last, stream)
        .filter(pl.col("interval_start_utc").is_between(start_utc, end_utc, closed="left"))
        .drop_nulls("price_per_kwh")
        .select("interval_start_utc", pl.col("price_per_kwh").cast(pl.Float64))
    )
