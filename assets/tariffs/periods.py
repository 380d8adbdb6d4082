"""The price in force at each quarter hour of a site: of its price stream where it buys by one, else of its tariffs, by
local time, day type and holiday (formulas 5.11).

The energy price that the cost KPI and plans use; the periods in force at an instant, until when, and what follows.
Demand, tiers, fixed amounts and taxes stand on the bill (assets/bills), not in a price.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from assets.sites.calendar import quarter_starts, types_around
from assets.tariffs.calendar_layout import FREE, check_periods
from assets.tariffs.compiled import Grid, compile_tariff
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import QUARTER_MINUTES, DayType
from data_quality.contracts.billing.tariff_charges import TouPeriod
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_day, local_midnight_utc

if TYPE_CHECKING:
    from assets.stores.lake.lake import Lake

# Sums of several charges in millionths stay exact in 64 bits; a finer price is refused, not rounded.
PRICE_DECIMALS = 6
PRICE = pl.Decimal(12, PRICE_DECIMALS)
# A long weekend with holidays at both ends has passed by then.
LOOK_DAYS = 9
_QUARTER = timedelta(minutes=QUARTER_MINUTES)
_STEP = timedelta(minutes=CANONICAL_MINUTES)


def six_decimals(value: float | Decimal, *, what: str) -> Decimal:
    """The number as an exact decimal. Raises BadInput where it has more than six decimals: never rounded in silence."""
    exact = Decimal(str(value))
    kept = exact.quantize(Decimal(1).scaleb(-PRICE_DECIMALS))
    if kept != exact:
        raise BadInput(f"{what} {value} has more than six decimals", reason="too_many_decimals", mend=f"write {kept}")
    return kept


def check_tariff(tariff: Tariff) -> None:
    """Exactly one period must hold at each local quarter hour of each kind of day. Raises BadInput."""
    check_periods(tariff)
    _prices(tariff)


# What tariffs call the carriers that they sell.
COMMODITIES = {
    Carrier.ELECTRICITY: "electricity",
    Carrier.NATURAL_GAS: "gas",
    Carrier.HEAT: "heat",
    Carrier.STEAM: "steam",
    Carrier.COOLING: "cooling",
    Carrier.COMPRESSED_AIR: "compressed_air",
    Carrier.WATER: "water",
}


def tariffs_of(site: Site, carrier: Carrier = Carrier.ELECTRICITY) -> tuple[Tariff, ...]:
    """The site's tariffs of one carrier, in order of their dates. Raises BadInput where two are in force on one day."""
    return in_order(tariff for tariff in site.tariffs if tariff.commodity == COMMODITIES.get(carrier))


def in_order(tariffs: Iterable[Tariff]) -> tuple[Tariff, ...]:
    """Dated tariffs in order of their dates. Raises BadInput where two are in force on one day."""
    found = sorted(tariffs, key=lambda tariff: tariff.valid_from)
    for first, second in pairwise(found):
        if second.valid_from < first.valid_to:
            raise BadInput(
                f"tariffs {first.tariff_id} and {second.tariff_id} are both in force on {second.valid_from}",
                reason="tariff_overlap",
            )
    return tuple(found)


def example_prices(tariff: Tariff) -> Finding:
    """Finding of a tariff with `prices: example`: of every bill and report that its amounts may be in."""
    message = "Tariff {0} has example prices: its structure is real, its amounts are no supplier's."
    return Finding(code="example_prices", message=Sentence(message, tariff.tariff_id))


def quarter_hour_prices(site: Site, start: date, end: date, *, carrier: Carrier = Carrier.ELECTRICITY) -> pl.DataFrame:
    """The tariff's energy price of each quarter hour of the local dates [start, end), in the site's currency.

    Per kWh, of water per cubic metre.

    Returns interval_start_utc, price_per_kwh (Decimal(12, 6)), tariff_id; both null where no tariff is in force. The
    price is the sum of the tariff's charges per kWh; null where one of them has tiers or goes by a price series: such
    a price is not known before the bill. Local wall time decides, so on the day that summer time ends an hour is
    priced twice. Raises BadInput for a tariff that is not total and disjoint, and for two in force on one day.
    """
    parts = []
    # The site's tariffs, each with its part of the local dates [start, end).
    spans = [(each, max(each.valid_from, start), min(each.valid_to, end)) for each in tariffs_of(site, carrier)]
    for tariff, first, last in spans:
        if first >= last:
            continue
        check_tariff(tariff)
        # Price and tariff of every quarter hour of [start, end), all of it in force.
        grid = quarter_starts(site, first, last)
        # The tariff laid over the quarter hours of [start, end), by the site's day types.
        compiled = compile_tariff(
            tariff,
            Grid(local_midnight_utc(first, site.time_zone), CANONICAL_MINUTES, grid.height, site.time_zone),
            day_types=types_around(site, first, last),
        )
        known = _prices(tariff)
        scale = 10**PRICE_DECIMALS
        total: np.ndarray | None = np.zeros(grid.height, dtype=np.int64)
        for charge in tariff.energy_charges:
            prices, periods = known[charge.charge_id], compiled.energy[charge.charge_id]
            # One charge of unknown price makes the sum unknown; a sum of the others would pass for the price.
            if prices is None or periods is None or total is None:
                total = None
                continue
            total += np.array([int(price * scale) for price in prices], dtype=np.int64)[periods]
        price = _exact_prices(total) if total is not None else pl.Series([None] * grid.height)
        parts.append(grid.with_columns(price_per_kwh=price.cast(PRICE), tariff_id=pl.lit(tariff.tariff_id)))
    return _on_quarter_hours(site, start, end, parts, {"price_per_kwh": PRICE, "tariff_id": pl.String()})


def _on_quarter_hours(
    site: Site, start: date, end: date, parts: Sequence[pl.DataFrame], columns: dict[str, pl.DataType]
) -> pl.DataFrame:
    """The parts on the quarter hours of the local dates [start, end); null where no part holds."""
    grid = quarter_starts(site, start, end)
    nothing = grid.clear().with_columns(**{name: pl.lit(None, dtype=kind) for name, kind in columns.items()})
    # Without a tariff there is no part, and the columns must have their types all the same.
    rows = pl.concat([nothing, *parts])
    return grid.join(rows, on="interval_start_utc", how="left", validate="1:1", maintain_order="left")


def _exact_prices(total: np.ndarray) -> pl.Series:
    """Millionths of the currency as exact prices; a year of quarter hours has a handful of different ones."""
    different, place = np.unique(total, return_inverse=True)
    exact = pl.Series([Decimal(int(value)).scaleb(-PRICE_DECIMALS) for value in different], dtype=PRICE)
    return exact.gather(place.ravel())


def _prices(tariff: Tariff) -> dict[str, list[Decimal] | None]:
    """Charge -> price of each of its periods; None where tiers or a series make it unknown before the bill."""
    found: dict[str, list[Decimal] | None] = {}
    for charge in tariff.energy_charges:
        blocks = [period.blocks for period in charge.all_periods]
        if charge.by_register or not blocks or any(len(tiers) > 1 or tiers[0].price is None for tiers in blocks):
            found[charge.charge_id] = None
            continue
        what = f"tariff {tariff.tariff_id}: price"
        found[charge.charge_id] = [six_decimals(tiers[0].price or Decimal(0), what=what) for tiers in blocks]
    return found


def stream_prices(site: Site, readings: pl.DataFrame) -> pl.DataFrame | None:
    """Prices from the site's price stream, as the lake holds it now; None where the site has no such stream.

    readings: LAKE_SCHEMA. Returns interval_start_utc, price_per_kwh, to six decimals: exchange prices have fewer.
    """
    if site.price_stream is None:
        return None
    rows = readings.filter((pl.col("meter_id") == site.price_stream) & (pl.col("unit") == "per_kwh"))
    # Exchanges correct prices: of one interval the latest record holds.
    latest = rows.sort("recorded_at_utc").unique("interval_start_utc", keep="last", maintain_order=True)
    return latest.sort("interval_start_utc").select(
        "interval_start_utc", price_per_kwh=pl.col("value").round(PRICE_DECIMALS).cast(PRICE)
    )


def known_prices(
    site: Site, start: date, end: date, readings: pl.DataFrame, *, carrier: Carrier = Carrier.ELECTRICITY
) -> pl.DataFrame:
    """Prices of the quarter hours of [start, end) by the site's price stream (of electricity), or else by its tariffs.

    Returns interval_start_utc, price_per_kwh (null: unknown), one row per quarter hour. Raises BadInput.
    """
    streamed = stream_prices(site, readings) if carrier is Carrier.ELECTRICITY else None
    if streamed is None:
        return quarter_hour_prices(site, start, end, carrier=carrier).select("interval_start_utc", "price_per_kwh")
    # A quarter hour that the stream lacks stays null: it is not filled from the tariff, which has another meaning.
    grid = quarter_starts(site, start, end)
    return grid.join(streamed, on="interval_start_utc", how="left", validate="1:1", maintain_order="left")


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
    site: Site, lake: "Lake", *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """interval_start_utc, price_per_kwh (Decimal(12, 6), null: unknown) of electricity in [start, end)."""
    stream = price_stream_of(site)
    rows = lake.current(
        site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc, meters=[stream] if stream else []
    )
    # Tariffs are by local days, the window is not: whole days are asked for and cut afterwards.
    first, last = (local_day(each, site.time_zone) for each in (start_utc, end_utc))
    return known_prices(site, first, last + timedelta(days=1), rows).filter(
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
