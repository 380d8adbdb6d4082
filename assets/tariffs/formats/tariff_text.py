"""A tariff in words, and its prices over a week: for people who check a tariff against the paper that it came from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from assets.tariffs.calendar_layout import QUARTERS, all_kinds, charge_layout
from data_quality.contracts.billing.tariff import Tariff, TariffSource
from data_quality.contracts.billing.tariff_calendar import DAY_TYPES, Season, Window
from data_quality.contracts.billing.tariff_charges import (
    Charge,
    DemandCharge,
    DemandPeriod,
    EnergyCharge,
    Rider,
    Tax,
    Tier,
    TouPeriod,
)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = {"kwh": "kWh", "kwh_per_day": "kWh a day", "kwh_per_kw": "kWh per kW", "kw": "kW"}


@dataclass(frozen=True)
class PriceWeek:
    """Energy price of each quarter hour of a week, Monday first, in months that are alike.

    price_per_kwh: [7, 96], first tier, all energy charges without a price series added; label names the months.
    """

    label: str
    price_per_kwh: np.ndarray


def price_weeks(tariff: Tariff) -> tuple[PriceWeek, ...]:
    """One week per group of months with equal prices; empty where every price goes by a series or by register."""
    charges = [c for c in tariff.energy_charges if c.all_periods and not (c.by_register and len(c.periods) > 1)]
    if not charges:
        return ()
    kinds = all_kinds(tariff)
    total = np.zeros((len(kinds), QUARTERS))
    for charge in charges:
        table = charge_layout(tariff, charge.charge_id, charge.all_periods, kinds, is_total=True)
        prices = np.array([float(_first_price(period.blocks[0])) for period in charge.all_periods])
        total += prices[table]
    weekend = tariff.calendar.weekend or ("sat", "sun")
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    found: dict[bytes, tuple[list[str], np.ndarray]] = {}
    names_of: dict[bytes, dict[str, None]] = {}
    # all_kinds lists the day types of one month and its seasons next to each other.
    for index in range(0, len(kinds), len(DAY_TYPES)):
        # Holidays are left out of the week: which date they fall on is not known of a week that stands for months.
        by_type = {kinds[index + n].day_type: total[index + n] for n in range(len(DAY_TYPES))}
        # Without a calendar of its own the site decides about rest days; the text has no site.
        week = np.stack([by_type["weekend" if name in weekend else "weekday"] for name in names])
        first = tariff.calendar.first_quarter
        week[:, :first] = np.roll(week, 1, axis=0)[:, :first]
        labels, _ = found.setdefault(week.tobytes(), ([], week))
        label = _MONTHS[kinds[index].month - 1]
        if label not in labels:
            labels.append(label)
        # Two colours of days may hold in the same months.
        if tariff.calendar.published_days:
            names_of.setdefault(week.tobytes(), {}).update(dict.fromkeys(kinds[index].seasons))
    return tuple(
        PriceWeek(label=", ".join([_run(labels), *names_of.get(key, ())]), price_per_kwh=week)
        for key, (labels, week) in found.items()
    )


def _first_price(tier: Tier) -> Decimal:
    return tier.price if tier.price is not None else tier.steps[0].price


def _run(labels: Sequence[str]) -> str:
    """`Jun-Sep`, `Jan-May, Oct-Dec`, `all year`."""
    numbers = sorted(_MONTHS.index(label) for label in labels)
    if len(numbers) == len(_MONTHS):
        return "all year"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(_MONTHS[r[0]] if len(r) == 1 else f"{_MONTHS[r[0]]}-{_MONTHS[r[-1]]}" for r in runs)


def tariff_text(tariff: Tariff) -> str:
    """The whole tariff, a line a thing, charges in the order of the bill."""
    # Of water the same words are by the cubic metre.
    return "\n".join(_lines(tariff)).replace("kWh", tariff.billed_unit)


def about_text(about: TariffSource) -> str:
    """Title, sources and gaps of a shipped tariff, a line each."""
    head = f"{about.title} ({about.country}, {about.kind.replace('_', ' ')})"
    read = [f"  source     {each.publication} ({each.dated or 'not dated'}): {each.read}" for each in about.sources]
    return "\n".join([head, *read, *([f"  not in it  {about.lacks}"] if about.lacks else [])])


def _head(tariff: Tariff, money: str) -> Iterator[str]:
    yield f"{tariff.tariff_id}" + (f": {tariff.name}" if tariff.name else "")
    if tariff.prices != "own":
        yield f"  prices     {tariff.prices}" + (f": {tariff.source}" if tariff.source else "")
    if tariff.supplier:
        yield f"  supplier   {tariff.supplier}"
    fields = Tariff.model_fields
    # Dates that nobody wrote are defaults centuries away; printed, they would look like a contract's term.
    is_open = (tariff.valid_from, tariff.valid_to) == (fields["valid_from"].default, fields["valid_to"].default)
    span = "always" if is_open else f"{tariff.valid_from} to {tariff.valid_to} (end exclusive)"
    yield f"  in force   {span}" + (f"; {tariff.version}" if tariff.version else "")
    rounding = "each line half up to the minor unit" if tariff.rounding == "line" else "none"
    yield f"  amounts    {money}; rounding: {rounding}; clock: {tariff.clock}"
    calendar = tariff.calendar
    if calendar.weekend is not None:
        yield f"  weekend    {', '.join(calendar.weekend) or 'none'}"
    if calendar.holidays is not None:
        yield f"  holidays   {len(calendar.holidays)} of its own"
    for season in calendar.seasons:
        yield f"  season     {season.season_id}: {_season(season)}"
    if calendar.first_quarter:
        yield f"  day        from {calendar.day_starts:%H:%M} on"


def _lines(tariff: Tariff) -> Iterator[str]:
    money = tariff.currency or "the site's currency"
    yield from _head(tariff, money)
    for energy in tariff.energy_charges:
        yield from _energy(energy, money)
    for demand in tariff.demand:
        yield from _demand(demand, money)
    for capacity in tariff.capacity:
        unit = "kVA" if capacity.unit == "kva" else "kW"
        price = f"{capacity.contracted} {unit} x {capacity.price_per_unit} {money} a {capacity.per}"
        above = f"above: {capacity.excess_price_per_unit} {money}/{unit}"
        yield f"  capacity   {capacity.charge_id}{_whose(capacity)}: {price}; {above}"
    for reactive in tariff.reactive:
        price = f"{reactive.price_per_kvarh} {money}/kvarh"
        yield f"  reactive   {reactive.charge_id}{_whose(reactive)}: {price} beyond tan phi {reactive.tan_phi}"
    for fixed in tariff.fixed:
        yield f"  fixed      {fixed.charge_id}{_whose(fixed)}: {fixed.amount} {money} a {fixed.per}"
    for rider in tariff.riders:
        yield f"  rider      {rider.charge_id}{_whose(rider)}: {_rider(rider, money)}"
    yield from _surplus(tariff, money)
    least = tariff.minimum
    if amounts := [
        f"{amount} {money} a {per}"
        for amount, per in ((least.daily, "day"), (least.monthly, "month"), (least.annual, "year"))
        if amount
    ]:
        yield f"  minimum    {', '.join(amounts)}"
    for tax in tariff.taxes:
        yield f"  tax        {tax.charge_id}{_whose(tax)}: {_percent(tax.share)} of {_of(tax)}"


def _whose(charge: Charge | Tax) -> str:
    names = [*([charge.party] if isinstance(charge, Charge) and charge.party else []), charge.owner or ""]
    return f" ({', '.join(filter(None, names))})" if any(names) else ""


def _season(season: Season) -> str:
    if season.dates:
        return f"{len(season.dates)} published days, {min(season.dates)} to {max(season.dates)}"
    if season.other_than:
        return f"all days but those of {', '.join(season.other_than)}"
    return f"{season.start} to {season.end} (end exclusive)"


def _energy(charge: EnergyCharge, money: str) -> Iterator[str]:
    name = f"  energy     {charge.charge_id}{_whose(charge)}"
    if charge.series is not None:
        series = charge.series
        held = "" if series.floor_per_kwh is None else f", at least {series.floor_per_kwh} {money}/kWh"
        held += "" if series.cap_per_kwh is None else f", at most {series.cap_per_kwh} {money}/kWh"
        yield f"{name}: {series.factor} x price series {series.series!r} + {series.adder_per_kwh} {money}/kWh{held}"
        return
    if not charge.periods:
        yield f"{name}: {charge.price_per_kwh} {money}/kWh"
        return
    yield name + (", periods by register" if charge.by_register else "")
    for period in charge.periods:
        yield from _period(period, f"{money}/kWh", is_by_register=charge.by_register)


def _demand(charge: DemandCharge, money: str) -> Iterator[str]:
    unit = "kVA" if charge.unit == "kva" else "kW"
    window = f"{charge.window_minutes}-minute {charge.method}"
    if charge.method == "rolling":
        window += f", moved by {charge.sub_interval_minutes} minutes"
    peaks = "highest" if charge.peaks == 1 else f"mean of the {charge.peaks} highest daily"
    yield f"  demand     {charge.charge_id}{_whose(charge)}: {peaks} {window} {unit}" + (
        f", at {len(charge.coincident_at)} published instants" if charge.coincident_at else ""
    )
    for period in charge.periods:
        yield from _period(period, f"{money}/{unit} a month")
    if charge.ratchet is not None:
        months = f"the {charge.ratchet.rule} of {charge.ratchet.months} months"
        share = "" if charge.ratchet.rule == "mean" else f"at least {_percent(charge.ratchet.share)} of "
        yield f"             {share}{months}"
    if charge.minimum_kw:
        yield f"             at least {charge.minimum_kw} {unit}"
    if charge.contracted_kw is not None:
        share = _percent(charge.contracted_share)
        yield f"             contracted {charge.contracted_kw} {unit}, at least {share} of it"
    if charge.reference_power_factor is not None:
        yield f"             x {charge.reference_power_factor} / power factor where that is lower"


def _period(period: TouPeriod | DemandPeriod, unit: str, *, is_by_register: bool = False) -> Iterator[str]:
    when = "" if is_by_register else "; ".join(_when(window) for window in period.when)
    if not period.tiers:
        yield f"             {period.period_id:<12} {_price(period.blocks[0], unit)}  {when}".rstrip()
        return
    yield f"             {period.period_id:<12} {when}".rstrip()
    for number, tier in enumerate(period.tiers, start=1):
        limit = "above that" if tier.up_to is None else f"up to {tier.up_to} {_UNITS[tier.up_to_unit]}"
        yield f"               tier {number}: {_price(tier, unit)} {limit}"


def _price(tier: Tier, unit: str) -> str:
    if tier.amount is not None:
        return f"{tier.amount} {unit.partition('/')[0]} a month"
    return f"{_rates(tier)} {unit}"


def _rates(tier: Tier) -> str:
    if tier.price is not None:
        return str(tier.price)
    return ", ".join(
        f"{step.price} " + ("above" if step.up_to_kwh is None else f"to {step.up_to_kwh} kWh") for step in tier.steps
    )


def _when(window: Window) -> str:
    days = "every day" if set(window.day_types) == set(DAY_TYPES) else " and ".join(f"{d}s" for d in window.day_types)
    # The language writes a whole day as 00:00 to 00:00.
    is_whole_day = window.start == window.end
    hours = "" if is_whole_day else f" {window.start:%H:%M}-{window.end:%H:%M}"
    months = f", {_run([_MONTHS[m - 1] for m in window.months])}" if window.months else ""
    return f"{days}{hours}{months}" + (f", {', '.join(window.seasons)}" if window.seasons else "")


def _rider(rider: Rider, money: str) -> str:
    if rider.share is not None:
        return f"{_percent(rider.share)} of {_of(rider)}"
    if rider.price_per_kwh is not None:
        return f"{rider.price_per_kwh} {money}/kWh"
    return (
        f"{rider.price_per_kw} {money}/kW" if rider.price_per_kw is not None else f"{rider.price_per_day} {money} a day"
    )


def _surplus(tariff: Tariff, money: str) -> Iterator[str]:
    terms, metering = tariff.export_terms, tariff.metering
    netted = f", netted over {metering.netting_minutes} minutes" if metering.netting_minutes else ""
    yield f"  surplus    {metering.arrangement.replace('_', ' ')}{netted}"
    if metering.arrangement.startswith("net_metering") or metering.arrangement.endswith("carry"):
        payout = f", {metering.payout_per_kwh} {money}/kWh" if metering.payout_per_kwh else ""
        yield f"             true-up with {_MONTHS[metering.true_up_month - 1]}: {metering.true_up}{payout}"
    if terms.series is not None:
        series = terms.series
        yield f"             export: {series.factor} x series {series.series!r} + {series.adder_per_kwh}"
    elif terms.periods:
        for period in terms.periods:
            yield from _period(period, f"{money}/kWh export")
    else:
        yield f"             export: {terms.price_per_kwh} {money}/kWh"


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"


def _of(charge: Rider | Tax) -> str:
    return ", ".join(charge.of) or "all lines above"
