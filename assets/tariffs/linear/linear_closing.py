"""Closing of the bill as linear forms: riders, export, credits, minimum, true-up, taxes; the order of the bill."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from assets.tariffs.compiled import Compiled
from assets.tariffs.linear.linear_build import Desk
from assets.tariffs.linear.linear_charges import Netted, export_rates
from assets.tariffs.linear.linear_demand import highest_demand
from assets.tariffs.linear.linear_frame import Carried
from assets.tariffs.linear.linear_model import ONE, ZERO, Cap, Form, NotLinear, Refused, total_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.time import ends_month
from data_quality.contracts.units import of_quanta

# Twelve months of days add up to twelve only to the last digit.
YEAR_OF_MONTHS = Decimal("11.5")


def write_riders(desk: Desk, tariff: Tariff, netted: Netted, demands: Mapping[str, list[Form | None]]) -> None:
    """Riders in their order; a share is taken of the lines above."""
    first = next((charge.charge_id for charge in tariff.energy_charges if charge.series is None), None)
    highest: Form | None = None
    for rider in tariff.riders:
        if rider.share is not None:
            form = desk.sum_of(rider.of).times(rider.share)
        elif rider.price_per_kwh is not None:
            # By what netting left of the first charge, as the bill does: further charges repeat the same kWh.
            billed = (
                total_of(each for each in netted.billed[first] if each is not None)
                if first
                else desk.energy(f"{rider.charge_id}.import", "import", desk.frame.whole)
            )
            form = billed.times(rider.price_per_kwh)
        elif rider.price_per_kw is not None:
            # Made once: a second one would be a second variable of the same name.
            highest = highest or highest_demand(desk, demands)
            form = highest.times(rider.price_per_kw)
        else:
            form = Form(constant=desk.frame.days * (rider.price_per_day or ZERO))
        desk.write(rider.charge_id, "rider", form)


def write_export(desk: Desk, tariff: Tariff, compiled: Compiled, netted: Netted) -> None:
    """Payment for surplus, or with carry-over credit against this bill."""
    arrangement = tariff.metering.arrangement
    # Surplus under net metering lowers kWh or becomes credit: there is no payment to write.
    if arrangement.startswith("net_metering"):
        return
    value = _worth(desk, tariff, compiled)
    if arrangement == "net_billing_carry":
        _apply_money(desk, tariff, netted, value)
        return
    desk.write(tariff.export_terms.charge_id, "export", value.times(-ONE))


def _worth(desk: Desk, tariff: Tariff, compiled: Compiled) -> Form:
    """Worth of the export. Caps on kWh use up the periods in their order."""
    terms, name = tariff.export_terms, tariff.export_terms.charge_id
    rates = export_rates(desk, tariff)
    if rates is not None:
        return _paid(desk, tariff, name, desk.frame.whole, rates)
    assert compiled.export is not None  # noqa: S101 - a price or periods stand wherever no series does
    found, cumulative, over = Form(), Form(), Form()
    for index, period in enumerate(terms.all_periods):
        mask = compiled.export == index
        if not mask.any():
            continue
        price = period.blocks[0].price or ZERO
        price = max(price, ZERO) if terms.negative_prices == "zero" else price
        if terms.cap_kwh is None:
            found = found.plus(_paid(desk, tariff, f"{name}.{period.period_id}", mask, [price] * mask.size))
            continue
        amount = _paid(desk, tariff, f"{name}.{period.period_id}", mask, [ONE] * mask.size)
        cumulative = cumulative.plus(amount)
        # Paid in this period: what all up to it have within the cap, less what those before it have.
        beyond = desk.positive(
            f"{name}.{period.period_id}.beyond", cumulative.minus(Form(constant=terms.cap_kwh)), "export beyond the cap"
        )
        found = found.plus(amount.minus(beyond).plus(over), price)
        over = beyond
    return found


def _paid(desk: Desk, tariff: Tariff, name: str, mask: np.ndarray, rates: list[Decimal]) -> Form:
    """Export of the mask times its rates, each interval within cap_kw."""
    terms = tariff.export_terms
    if terms.cap_kw is None:
        return desk.energy(name, "export", mask, rates)
    frame = desk.frame
    # Cut to whole quanta as the bill cuts it: a cap of finer digits would price otherwise than the bill.
    most = (terms.cap_kw * frame.grid.step_minutes / 60).quantize(Decimal("1e-9"), rounding="ROUND_DOWN")
    known = np.flatnonzero(mask & (frame.known_export != 0)).tolist()
    form = Form(constant=sum((min(of_quanta(frame.known_export[slot]), most) * rates[slot] for slot in known), ZERO))
    slots = frame.open_slots(mask).tolist()
    priced = [(slot, rates[slot + frame.first]) for slot in slots if rates[slot + frame.first]]
    # Split by sign: what earns stays linear, and only what costs needs binaries; one must not drag in the other.
    for sign, suffix in ((1, "capped"), (-1, "capped_cost")):
        chosen = [(slot, abs(rate)) for slot, rate in priced if (rate > 0) == (sign > 0)]
        if chosen:
            cap = Cap(
                name=f"{name}.{suffix}", intervals=tuple(slot for slot, _ in chosen),
                weights=tuple(rate for _, rate in chosen), cap_kwh=most,
            )  # fmt: skip
            form = form.plus(desk.add(cap), Decimal(sign))
    return form


def write_credits(desk: Desk, tariff: Tariff, netted: Netted) -> None:
    """Money that net metering turned surplus into, against this bill's charges."""
    if tariff.metering.arrangement == "net_metering_money":
        _apply_money(desk, tariff, netted, Form())


def _apply_money(desk: Desk, tariff: Tariff, netted: Netted, earned: Form) -> None:
    terms = tariff.metering
    # Added before or after it is applied: so a credit lowers the bill it was earned on, or only the next.
    if terms.credit_applies == "same_bill":
        netted.money = netted.money.plus(earned)
    base = desk.sum_of(("energy",) if terms.credit_offsets == "energy" else ())
    payable = desk.positive("payable", base, "charges that credit may lower")
    # Export at negative prices can leave a credit below zero; it waits, and does not raise the bill.
    money = desk.positive("credit", netted.money, "credit above zero")
    # What credit leaves to pay, not what it takes off: so the charges stand in the cost once, with their own sign.
    applied = payable.minus(desk.positive("left_to_pay", payable.minus(money), "charges beyond the credit"))
    desk.write("credit_applied", "credit", applied.times(-ONE))
    netted.money = netted.money.minus(applied)
    if terms.credit_applies == "next_bill":
        netted.money = netted.money.plus(earned)


def write_minimum(desk: Desk, tariff: Tariff, carried: Carried) -> list[NotLinear]:
    """Lift the bill to its minimum, the year to its own: the greater of two forms. Returns what later bills feel."""
    terms, share = tariff.minimum, desk.frame.month_share
    subtotal = desk.sum_of()
    if terms.monthly:
        floor = Form(constant=terms.monthly * share)
        lifted = desk.maximum("minimum_bill", [subtotal, floor], "the bill, or its monthly minimum")
        desk.write("minimum", "minimum", lifted.minus(subtotal))
        subtotal = lifted
    if not terms.annual:
        return []
    if not ends_month(desk.frame.end, terms.year_ends_with):
        return [NotLinear(component="annual_minimum", why="what this bill does to the year is settled with its last")]
    # A supply of less than a year is not held to the minimum of one.
    if carried.months_in_year + share <= YEAR_OF_MONTHS:
        return []
    floor = Form(constant=terms.annual - carried.billed_year)
    lifted = desk.maximum("minimum_year", [subtotal, floor], "the year's last bill, or what the year still lacks")
    desk.write("annual_minimum", "minimum", lifted.minus(subtotal))
    return []


def write_true_up(desk: Desk, tariff: Tariff, netted: Netted) -> list[NotLinear]:
    """With the true-up month's bill what is left is paid or expires; before it, it is carried: named, not counted."""
    terms = tariff.metering
    if terms.arrangement in ("net_billing", "buy_all_sell_all"):
        return []
    left_kwh = netted.left_kwh if terms.payout_basis == "period" else netted.netted_kwh
    # Before the true-up, or where credit is kept, surplus is worth what it saves in bills that nobody knows yet.
    if not ends_month(desk.frame.end, terms.true_up_month) or terms.true_up == "keep":
        is_empty = all(
            not desk.range(form)[1] and desk.range(form)[1] is not None for form in (netted.left_kwh, netted.money)
        )
        why = "surplus carried to later bills lowers them; its worth is not known with this bill"
        return [] if is_empty else [NotLinear(component="credit", why=why)]
    if terms.true_up == "pay":
        desk.write("true_up", "credit", left_kwh.times(-terms.payout_per_kwh))
        desk.write("true_up.money", "credit", netted.money.times(-ONE))
    return []


def write_taxes(desk: Desk, tariff: Tariff) -> None:
    """Taxes in their order, each on the lines it names; without names on all that are no tax."""
    for tax in tariff.taxes:
        base = desk.sum_of(tax.of) if tax.of else desk.sum_before_tax()
        desk.write(tax.charge_id, "tax", base.times(tax.share))


def refuse_carried_hours(tariff: Tariff, carried: Carried) -> None:
    """Surplus that moves by hours of the day must have been moved before: it is given per period. Raises Refused."""
    if tariff.metering.carry_by_hours and carried.kwh:
        raise Refused("credit", "surplus carried by hours of the day needs the hours of the bill before")
