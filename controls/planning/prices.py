"""Import prices of a site per quarter hour as a plan needs them; an unknown price is left out, never guessed."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from assets.stores.lake.lake import Lake
from assets.tariffs.periods import export_prices, known_prices
from data_quality.contracts.site_file.site import Site


def prices_between(
    site: Site, lake: Lake, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """interval_start_utc, price_per_kwh (Float64, the site's currency) of the priced quarter hours of [start, end).

    Where a tariff pays export by hours, export_price_per_kwh too; what it does not say is 0: nothing is what a plan
    may always count on.
    """
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
    bought = (
        known_prices(site, first, last, stream)
        .filter(pl.col("interval_start_utc").is_between(start_utc, end_utc, closed="left"))
        .drop_nulls("price_per_kwh")
        .select("interval_start_utc", pl.col("price_per_kwh").cast(pl.Float64))
    )
    if not any(tariff.export is not None and tariff.export.periods for tariff in site.tariffs):
        return bought
    sold = export_prices(site, first, last).with_columns(pl.col("export_price_per_kwh").cast(pl.Float64).fill_null(0.0))
    return bought.join(sold, on="interval_start_utc", how="left", validate="1:1", maintain_order="left")
