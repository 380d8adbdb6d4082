"""The price that rules at a site: its price stream where it buys by one, else its tariffs. Nothing else decides it.

The periods of a tariff that hold at an instant, until when, and what follows; days and holidays are its own.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import polars as pl

from assets.stores.lake.lake import Lake
from assets.tariffs.calendar_layout import FREE
from assets.tariffs.compiled import Grid, compile_tariff
from assets.tariffs.periods import known_prices, tariffs_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import QUARTER_MINUTES, DayType
from data_quality.contracts.billing.tariff_charges import TouPeriod
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_midnight_utc, zone

# A long weekend with holidays at both ends has passed by then.
LOOK_DAYS = 9
_QUARTER = timedelta(minutes=QUARTER_MINUTES)


class Holding(NamedTuple):
    """One charge's period. until_utc: None where none other begins within LOOK_DAYS; following is then None too."""

    charge_id: str
    period: TouPeriod
    until_utc: datetime | None
    following: TouPeriod | None

    @property
    def price(self) -> Decimal | None:
        """Its one price of a kWh; None where it has tiers."""
        return self.period.price


def holding_at(
    tariff: Tariff, now_utc: datetime, *, time_zone: str, day_types: Mapping[date, DayType]
) -> list[Holding]:
    """Prices in force at the instant, by charge in the tariff's order; charges by reference or register are left out.

    day_types: the site's, of the days around; LOOK_DAYS and one more behind it.
    """
    seconds = int(now_utc.timestamp()) // (QUARTER_MINUTES * 60) * QUARTER_MINUTES * 60
    start_utc = datetime.fromtimestamp(seconds, UTC)
    # Behind the tariff's end another holds: what this one would say there is nobody's price.
    last = min(start_utc + timedelta(days=LOOK_DAYS), local_midnight_utc(tariff.valid_to, time_zone))
    size = max(1, int((last - start_utc) / _QUARTER))
    zone_name = tariff.time_zone or time_zone
    compiled = compile_tariff(tariff, Grid(start_utc, QUARTER_MINUTES, size, zone_name), day_types=dict(day_types))
    found = []
    for charge in tariff.energy_charges:
        slots = compiled.energy[charge.charge_id]
        if slots is None or slots[0] == FREE:
            continue
        changes = np.flatnonzero(slots != slots[0])
        at = int(changes[0]) if changes.size else None
        following = None if at is None else charge.all_periods[int(slots[at])]
        until = None if at is None else start_utc + at * _QUARTER
        if at is None and size < LOOK_DAYS * 24 * 60 // QUARTER_MINUTES:
            until = last
        found.append(Holding(charge.charge_id, charge.all_periods[int(slots[0])], until, following))
    return found


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
    """Sources of a carrier's price on the local days [start, end): the id of its stream, or of tariffs."""
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
    """Price in force at the instant. prices: of `prices_in_force`, from before the instant on."""
    ahead = prices.filter(pl.col("interval_start_utc") > at_utc - _STEP).sort("interval_start_utc")
    rows = list(ahead.select("interval_start_utc", "price_per_kwh").iter_rows())
    if not rows or rows[0][0] > at_utc or rows[0][1] is None:
        return StreamPrice(None)
    price = rows[0][1]
    for start, other in rows[1:]:
        if other != price:
            return StreamPrice(price, start, other)
    return StreamPrice(price, rows[-1][0] + _STEP)
