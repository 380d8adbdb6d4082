"""The price that rules at a site: its price stream where it buys by one, else its tariffs. Nothing else decides it."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import polars as pl

from assets.stores.lake.lake import Lake
from assets.tariffs.periods import known_prices, tariffs_of
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, zone

_STEP = timedelta(minutes=CANONICAL_MINUTES)


class StreamPrice(NamedTuple):
    """The price of a price stream at an instant, of a kWh. price: None where the stream has none then.

    until_utc: when another price begins, or the stream ends; following: that price.
    """

    price: Decimal | None
    until_utc: datetime | None = None
    following: Decimal | None = None


def price_stream_of(site: Site, carrier: Carrier = Carrier.ELECTRICITY) -> str | None:
    """The stream by which the site buys a carrier; None where its tariffs say the price."""
    return site.price_stream if carrier is Carrier.ELECTRICITY else None


def price_sources(site: Site, carrier: Carrier, start: date, end: date) -> list[str]:
    """What the price of a carrier comes from on the local days [start, end): the id of its stream, or of tariffs."""
    if stream := price_stream_of(site, carrier):
        return [stream]
    return [each.tariff_id for each in tariffs_of(site, carrier) if each.valid_from < end and each.valid_to > start]


def prices_in_force(
    site: Site, lake: Lake, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """interval_start_utc, price_per_kwh (Decimal(12, 6), null: unknown) of electricity in [start, end)."""
    stream = price_stream_of(site)
    rows = lake.current(
        site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc, meters=[stream] if stream else []
    )
    # Tariffs are by local days, the window is not: whole days are asked for and cut afterwards.
    local = zone(site.time_zone)
    first, last = start_utc.astimezone(local).date(), end_utc.astimezone(local).date() + timedelta(days=1)
    return known_prices(site, first, last, rows).filter(
        pl.col("interval_start_utc").is_between(start_utc, end_utc, closed="left")
    )


def stream_price_at(prices: pl.DataFrame, at_utc: datetime) -> StreamPrice:
    """What holds at the instant. prices: of `prices_in_force`, from before the instant on."""
    ahead = prices.filter(pl.col("interval_start_utc") > at_utc - _STEP).sort("interval_start_utc")
    rows = list(ahead.select("interval_start_utc", "price_per_kwh").iter_rows())
    if not rows or rows[0][0] > at_utc or rows[0][1] is None:
        return StreamPrice(None)
    price = rows[0][1]
    for start, other in rows[1:]:
        if other != price:
            return StreamPrice(price, start, other)
    return StreamPrice(price, rows[-1][0] + _STEP)
