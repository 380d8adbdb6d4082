"""`meterloom tariff carriers|held|change`: cost and emissions of a site's carriers on a day; tariffs of its file."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from assets.bills.notice import overrides_of
from assets.carbon.factor_choice.factor_view import MeterFactor, known_factors, meter_factors
from assets.sites.patch import with_next_tariff
from assets.stores.lake.lake import Lake
from assets.tariffs.formats.tariff_file import read_tariffs
from assets.tariffs.periods import price_sources, price_stream_of, prices_in_force, quarter_hour_prices, tariffs_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, local_midnight_utc, parse_period
from orchestration.open_project import OpenProject
from orchestration.operations.answer import Answer, Table
from orchestration.operations.bills.tariff import FileArgument
from orchestration.operations.operation import ACTS, READS, Argument, Call, Option, operation
from orchestration.operations.options import ReasonOption, SiteOption, day_or_none
from orchestration.operations.signing import actor, change_site_file

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
    found = tariffs_in_site_file(call.project, site, call.as_of_utc)
    lines = [f"{put.account}: {put.tariff_id} from {put.valid_from} to {put.valid_to}" for put in found["overrides"]]
    return Answer(found, HELD, "\n".join(lines))


def tariffs_in_site_file(project: OpenProject, site_id: str, as_of_utc: datetime | None = None) -> dict[str, Any]:
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
    day = day_or_none(on, "--on") or local_day(call.clock.now_utc(), known.time_zone)
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


@operation(
    "tariff change",
    takes=ACTS,
    example='DAY-2025 day-2026.yaml --site factory --as carla --reason "prices of 1 January"',
)
def tariff_change(
    call: Call,
    tariff: Annotated[str, Argument("Its id in the site's file.", metavar="TARIFF")],
    file: FileArgument,
    site: SiteOption,
    reason: ReasonOption,
) -> Answer:
    """Let a tariff end where its next version (FILE, of its own id and first day) begins; nothing before changes."""
    known, who = call.project.site(site), actor(call, Role.ENGINEER)
    found = read_tariffs(file)
    if len(found) != 1:
        raise BadInput(f"expected one tariff, got {len(found)}", reason="bad_tariff")
    after = found[0]
    _expect_next(known, tariff, after)

    def ended(text: str, name: str) -> str:
        return with_next_tariff(text, tariff, after, file=name)

    def check(changed: Site) -> None:
        for carrier in Carrier:
            # Two in force on one day are refused here, not with the first bill.
            tariffs_of(changed, carrier)

    change_site_file(who, site, ended, "tariff change", tariff, check=check, next=after.tariff_id, reason=reason)
    ends = f"{tariff} ends on {after.valid_from} and {after.tariff_id} begins, by {who.person.name}: {reason}"
    return Answer(tariffs_in_site_file(call.project, site), HELD, ends)


def _expect_next(site: Site, tariff_id: str, after: Tariff) -> None:
    """Raises BadInput where it is no next version of a tariff that the site has and that holds on that day."""
    held_there = {each.tariff_id: each for each in site.tariffs}
    before = held_there.get(tariff_id)
    if before is None:
        names = ", ".join(held_there) or "none"
        raise BadInput(f"site {site.site_id} has no tariff {tariff_id[:64]!r}; it has {names}", reason="unknown_tariff")
    if after.tariff_id in held_there:
        message = f"the next version needs an id of its own: the site has a tariff {after.tariff_id!r}"
        raise BadInput(message, reason="exists")
    if not before.valid_from < after.valid_from < before.valid_to:
        raise BadInput(
            f"the next version begins on {after.valid_from}: expected a day after {before.valid_from} and before "
            f"{before.valid_to}, while {tariff_id} holds",
            reason="bad_period",
        )
    if after.commodity != before.commodity:
        raise BadInput(f"{tariff_id} is of {before.commodity}, the next of {after.commodity}", reason="bad_tariff")
