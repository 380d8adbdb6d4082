"""`meterloom tariff carriers|held`: what each carrier of a site costs and emits on a day; the tariffs of its file."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from assets.bills.notice import overrides_of
from assets.carbon.factor_choice.factor_view import MeterFactor, known_factors, meter_factors
from assets.stores.lake.lake import Lake
from assets.tariffs.periods import price_sources, price_stream_of, prices_in_force, quarter_hour_prices
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc, parse_period
from orchestration.open_project import OpenProject
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import READS, Call, Option, operation
from orchestration.operations.options import SiteOption, day_or_none

CARRIERS = Table(
    "carriers",
    "carrier | unit | meters: {count} | price: {price} | price of: {prices} | kgCO2e per kWh: {factor} | factor: {of}",
    count=lambda each: len(each["meters"]),
    price=lambda each: _span(each["lowest_price"], each["highest_price"]),
    prices=lambda each: ", ".join(each["price_of"]) or "nothing: no tariff",
    factor=lambda each: _span(each["lowest_kgco2e_per_kwh"], each["highest_kgco2e_per_kwh"]),
    of=lambda each: (
        ", ".join(each["factor_of"]) or ("counted where it is made of" if each["is_made_on_site"] else "none")
    ),
)
HELD = Table(
    "tariffs",
    "tariff: {tariff_id} | carrier: {commodity} | from: {valid_from} | to: {valid_to} | currency",
    empty="the site file has no tariff",
)


@operation("tariff held", takes=READS, example="--site tower")
def held(call: Call, site: SiteOption) -> Answer:
    """List the tariffs that a site's file holds, and the accounts that people put on one of them for some dates."""
    found = held_tariffs(call.project, site, call.as_of_utc)
    lines = [f"{put.account}: {put.tariff_id} from {put.valid_from} to {put.valid_to}" for put in found["overrides"]]
    return Answer(found, HELD, "\n".join(lines))


def held_tariffs(project: OpenProject, site_id: str, as_of_utc: datetime | None = None) -> dict[str, Any]:
    """Tariffs of a site's file and its accounts' overrides, as the answer of `tariff held`."""
    known = project.site(site_id)
    rows = [each.model_dump(mode="json") | {"currency": each.currency or known.currency} for each in known.tariffs]
    put = overrides_of(project.store, known.site_id, as_of_utc=as_of_utc)
    return {"site_id": known.site_id, "tariffs": rows, "overrides": put}


@operation("tariff carriers", example="--site tower --on 2025-10-01")
def carriers(
    call: Call,
    site: SiteOption,
    on: Annotated[str | None, Option("Local day; none: today.")] = None,
) -> Answer:
    """Show what each carrier of a site costs and emits on a day: unit, price, factor, and what says so."""
    known = call.project.site(site)
    day = day_or_none(on, "--on") or call.clock.now_utc().astimezone(ZoneInfo(known.time_zone)).date()
    # Its prices are read up to the day behind it, which the end of the calendar has not.
    parse_period(str(day), known.time_zone)
    factors = meter_factors(known, known_factors(known, call.project.store, as_of_utc=call.as_of_utc))
    held = list(dict.fromkeys(meter.carrier for meter in known.meters))
    rows = [_row(call.project.lake, known, carrier, day, factors) for carrier in held]
    return Answer({"site_id": known.site_id, "on": day, "currency": known.currency, "carriers": rows}, CARRIERS,
                  f"prices are in {known.currency} per unit")  # fmt: skip


def _row(lake: Lake, site: Site, carrier: Carrier, day: date, factors: list[MeterFactor]) -> dict[str, Any]:
    """One carrier. Prices are None where none is known, or where no single one holds (tiers): it is never guessed."""
    meters = [meter for meter in site.meters if meter.carrier is carrier]
    names = {meter.meter_id for meter in meters}
    mine = [each for each in factors if each.meter_id in names and each.start <= day < each.end]
    prices, values = _prices(lake, site, carrier, day), [each.kgco2e_per_kwh for each in mine]
    return {
        "carrier": carrier.value,
        "unit": "m3" if carrier is Carrier.WATER else "kWh",
        "meters": [meter.meter_id for meter in meters],
        "is_made_on_site": all(meter.is_made_on_site for meter in meters),
        "lowest_price": min(prices, default=None),
        "highest_price": max(prices, default=None),
        "price_of": price_sources(site, carrier, day, day + timedelta(days=1)),
        "lowest_kgco2e_per_kwh": min(values, default=None),
        "highest_kgco2e_per_kwh": max(values, default=None),
        "factor_of": list(dict.fromkeys(each.version.factor_id for each in mine)),
    }


def _prices(lake: Lake, site: Site, carrier: Carrier, day: date) -> list[Decimal]:
    """Known prices of the day's quarter hours, per kWh, of water per cubic metre."""
    after = day + timedelta(days=1)
    if price_stream_of(site, carrier):
        start_utc, end_utc = (local_midnight_utc(each, site.time_zone) for each in (day, after))
        frame = prices_in_force(site, lake, start_utc=start_utc, end_utc=end_utc)
    else:
        frame = quarter_hour_prices(site, day, after, carrier=carrier)
    return frame["price_per_kwh"].drop_nulls().to_list()


def _span(lowest: Decimal | None, highest: Decimal | None) -> str:
    if lowest is None or highest is None:
        return "-"
    texts = dict.fromkeys(f"{value.normalize():f}" for value in (lowest, highest))
    return " to ".join(texts)
