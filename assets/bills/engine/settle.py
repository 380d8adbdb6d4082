"""Charges on a whole bill or on earlier ones: netting, credits carried, ratchets, riders, minimum, taxes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Generic

from assets.tariffs.bill_part import Hours, Usage
from assets.tariffs.charge_lines import Cells, Writer, mean_price
from assets.tariffs.linear_model import N
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_charges import Export, Rider
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import ends_month

_ZERO = Decimal(0)
MonthKey = tuple[int, int]


@dataclass
class Account(Generic[N]):
    """State of one supply's account, carried from bill to bill.

    kwh: surplus per (charge, period); netted_kwh: surplus of all periods netted; money: credit in currency;
    billed_year: totals before taxes since the last year's end, with the number of bills; peaks: charge -> month ->
    period -> measured kW; hours: of the last bill, by which surplus moves.
    """

    kwh: dict[tuple[str, str], N | Decimal] = field(default_factory=dict)
    netted_kwh: N | Decimal = _ZERO
    money: N | Decimal = _ZERO
    billed_year: N | Decimal = _ZERO
    months_in_year: Decimal = _ZERO
    peaks: dict[str, dict[MonthKey, dict[str, Decimal]]] = field(default_factory=dict)
    hours: Hours = field(default_factory=dict)

    def remember(self, tariff: Tariff, usage: Usage[N]) -> None:
        """Keep hours and measured demands of a segment for later bills; what a plan has yet to decide is none."""
        self.hours = usage.hours
        month = (usage.start.year, usage.start.month)
        for charge in tariff.demand:
            if charge.ratchet is None:
                continue
            seen = self.peaks.setdefault(charge.charge_id, {}).setdefault(month, {})
            # A part without a slot of the period says nothing about its peak.
            for period, demand in zip(charge.periods, usage.demand[charge.charge_id], strict=True):
                if isinstance(demand, Decimal):
                    # Two parts of one month, or two tariffs of it, leave the higher peak.
                    seen[period.period_id] = max(demand, seen.get(period.period_id, _ZERO))

    def ratchet_demands(self, tariff: Tariff, start: date) -> tuple[dict[str, dict[str, list[Decimal]]], list[Finding]]:
        """Charge -> period -> demands of the months that its ratchet looks back on from that date, each times its
        share; findings where months lack.
        """
        found: dict[str, dict[str, list[Decimal]]] = {}
        findings = []
        for charge in tariff.demand:
            if charge.ratchet is None:
                continue
            ratchet = charge.ratchet
            back = ratchet.months - (1 if ratchet.includes_current else 0)
            # Months are counted through: those before January are of the year before.
            before = [divmod(start.year * 12 + start.month - 1 - n, 12) for n in range(1, back + 1)]
            wanted = [(year, month + 1) for year, month in before if ratchet.is_set_in(month + 1)]
            known = self.peaks.get(charge.charge_id, {})
            history: dict[str, list[Decimal]] = {}
            for month in wanted:
                for name, demand in known.get(month, {}).items():
                    history.setdefault(name, []).append(ratchet.share_in(month[1]) * demand)
            found[charge.charge_id] = history
            # Told, not refused: a new supply has no history, and its bill must come all the same.
            if lacking := [month for month in wanted if month not in known]:
                findings.append(_ratchet_lacks(charge.charge_id, start, lacking, len(wanted)))
        return found, findings


def net_energy(
    pen: Writer[N], tariff: Tariff, usage: Usage[N], account: Account[N]
) -> dict[str, tuple[N | Decimal | None, ...]]:
    """KWh to bill per charge and period. Under net metering: import less surplus less what was carried, at least 0;
    what is left over is carried in the account (kWh), or turned to money.
    """
    terms = tariff.metering
    if not terms.arrangement.startswith("net_metering"):
        return usage.energy
    is_energy = terms.arrangement == "net_metering_energy"
    found: dict[str, tuple[N | Decimal | None, ...]] = {}
    if is_energy:
        # Apart from the periods: what one period lacks another may have left, and true-up may pay the total.
        kept = account.netted_kwh - usage.import_kwh + usage.export_kwh
        account.netted_kwh = pen.positive("netted", kept, "surplus of all periods netted")
    for position, charge in enumerate(tariff.energy_charges):
        if charge.series is not None:
            continue
        carried = _moved(tariff, charge.charge_id, account, usage.hours) if is_energy else {}
        billed: list[N | Decimal | None] = []
        for index, period in enumerate(charge.all_periods):
            bought = usage.energy[charge.charge_id][index]
            if bought is None:
                billed.append(None)
                # No slot of that period in this bill: its credit waits for the season in which there is one.
                if carried.get(period.period_id):
                    account.kwh[charge.charge_id, period.period_id] = carried[period.period_id]
                continue
            sold, name = usage.surplus[charge.charge_id][index] or _ZERO, f"{charge.charge_id}.{period.period_id}"
            net = bought - sold - carried.get(period.period_id, _ZERO)
            use = pen.maximum(f"{name}.net", (net, _ZERO), f"import of {name} beyond its surplus")
            billed.append(use)
            left = use - net or _ZERO
            if is_energy:
                account.kwh[charge.charge_id, period.period_id] = left
            # Surplus is the same kWh for every charge: only the first sells it, or one that names its own price.
            elif position == 0 or period.sell_price_per_kwh:
                account.money += left * (period.sell_price_per_kwh or _ZERO)
        found[charge.charge_id] = tuple(billed)
    return found


def _moved(
    tariff: Tariff,
    charge_id: str,
    account: Account[N],
    hours: Hours,
) -> dict[str, N | Decimal]:
    """Carried kWh by the period that may use them in this bill; taken out of the account."""
    mine = {name: kwh for (charge, name), kwh in account.kwh.items() if charge == charge_id and kwh}
    for name in mine:
        # Out of the account before it is placed: what finds no period now must not turn up again later.
        del account.kwh[charge_id, name]
    by_hours = tariff.metering.carry_by_hours
    if not by_hours:
        return mine
    found: dict[str, N | Decimal] = {}
    before, now = account.hours.get(charge_id, {}), hours.get(charge_id, {})
    for name, kwh in mine.items():
        # A period that holds at none of the named hours has nowhere to move its surplus to: it is lost.
        at = next((hour for hour in by_hours if before.get(hour) == name), None)
        if at is not None and at in now:
            found[now[at]] = found.get(now[at], _ZERO) + kwh
    return found


def write_riders(
    pen: Writer[N],
    riders: Sequence[Rider],
    usages: Sequence[Usage[N]],
    billed_kwh: N | Decimal,
    demand_kw: N | Decimal,
    *,
    billed_unit: str = "kWh",
) -> None:
    """Riders in their order; a share is taken of the lines that stand above it."""
    days = sum(usage.days for usage in usages)
    for rider in riders:
        if rider.share is not None:
            base = pen.sum(rider.of)
            # ESPI has a kind for credits of its own; a discount under the kind of a fee would read as a charge.
            is_credit = rider.share < 0 and rider.kind == "administrative_fee"
            own = rider.model_copy(update={"kind": "administrative_credit"}) if is_credit else rider
            cells: Cells[N] = {"quantity": base, "rate": rider.share, "rate_unit": "of lines above"}
            pen.write_charge(own, "rider", base * rider.share, **cells)
            continue
        quantity: N | Decimal = Decimal(days)
        unit, rate = "day", rider.price_per_day or _ZERO
        if rider.price_per_kwh is not None:
            quantity, unit, rate = billed_kwh, billed_unit, rider.price_per_kwh
        elif rider.price_per_kw is not None:
            quantity, unit, rate = demand_kw, "kW", rider.price_per_kw
        pen.write_charge(rider, "rider", quantity * rate, quantity=quantity, unit=unit, rate=rate)


def write_export(
    pen: Writer[N], tariff: Tariff, usages: Sequence[Usage[N]], account: Account[N], *, bill_share: Decimal
) -> None:
    """Payment for surplus: lines of their own, or, with carry-over, credit in the account. bill_share: of the parts."""
    arrangement = tariff.metering.arrangement
    if arrangement.startswith("net_metering"):
        return
    terms = tariff.export_terms
    is_carried = arrangement == "net_billing_carry"
    earned: N | Decimal = _ZERO
    cap_kwh = None if terms.cap_kwh is None else terms.cap_kwh * bill_share
    for name, kwh, rate, value in _export_items(pen, terms, cap_kwh, [each for each in usages if each.export_kwh]):
        if is_carried:
            earned += value
            continue
        pen.write(
            terms.charge_id + (f".{name}" if name else ""), terms.kind, "export",
            (terms.description or terms.charge_id) + (f", {name}" if name else ""), -value,
            quantity=kwh, unit="kWh", rate=-rate if rate is not None else None,
            charge_id=terms.charge_id, period_id=name, owner=terms.owner or "unknown",
        )  # fmt: skip
    if is_carried:
        _apply_money(pen, tariff, account, earned)


def _export_items(
    pen: Writer[N], terms: Export, cap_kwh: Decimal | None, usages: Sequence[Usage[N]]
) -> Iterable[tuple[str, N | Decimal, Decimal | None, N | Decimal]]:
    """(period, kWh, price, value) of what is paid for; the parts' periods use up a cap on kWh in their order."""
    reached: N | Decimal = _ZERO
    before: N | Decimal = _ZERO
    for usage in usages:
        if terms.series is not None:
            kwh, value = usage.export_series
            yield "", kwh, mean_price(value, kwh), value
            continue
        for period, amount in zip(terms.all_periods, usage.export, strict=True):
            if amount is None:
                continue
            paid = amount
            if cap_kwh is not None:
                # Paid in this period: what all up to it have within the cap, less what those before it have.
                reached += amount
                name = f"{terms.charge_id}.{period.period_id}.beyond"
                within = pen.least(name, reached, cap_kwh, "export beyond the cap")
                paid, before = within - before, within
            price = period.blocks[0].price or _ZERO
            if terms.negative_prices == "zero":
                price = max(price, _ZERO)
            yield (period.period_id if terms.periods else ""), paid, price, paid * price


def write_credits(pen: Writer[N], tariff: Tariff, account: Account[N]) -> None:
    """Money that net metering turned surplus into, against this bill's charges."""
    if tariff.metering.arrangement == "net_metering_money":
        _apply_money(pen, tariff, account, _ZERO)


def _apply_money(pen: Writer[N], tariff: Tariff, account: Account[N], earned: N | Decimal) -> None:
    terms = tariff.metering
    if terms.credit_applies == "same_bill":
        account.money += earned
    base = pen.sum(("energy",) if terms.credit_offsets == "energy" else ())
    payable = pen.positive("payable", base, "charges that credit may lower")
    # Export at negative prices can leave a credit below zero; it waits, and does not raise the bill.
    credit = pen.positive("credit", account.money, "credit above zero")
    # What credit leaves to pay, not what it takes off: so the charges stand in a plan's cost once, with their own sign.
    used = pen.least("left_to_pay", payable, credit, "charges beyond the credit")
    # Rounded before it leaves the account: the account loses exactly what the bill shows.
    applied = pen.money(used)
    account.money -= applied
    if applied:
        pen.write("credit_applied", "energy_generation_credit", "credit", "credit for surplus energy", -applied)
    if terms.credit_applies == "next_bill":
        account.money += earned
    if earned:
        pen.write("credit_earned", "information", "carried", "credit earned with this bill, carried on", earned)


def write_true_up(pen: Writer[N], tariff: Tariff, account: Account[N], end: date) -> None:
    """With the bill that ends the true-up month, what is left over is paid, expires or is kept."""
    terms = tariff.metering
    if terms.arrangement in ("net_billing", "buy_all_sell_all") or not ends_month(end, terms.true_up_month):
        return
    kwh = carried_kwh(tariff, account) if terms.payout_basis == "period" else account.netted_kwh
    if terms.true_up == "pay":
        if kwh:
            pen.write(
                "true_up", "energy_generation_credit", "credit", "surplus energy paid out",
                -kwh * terms.payout_per_kwh, quantity=kwh, unit="kWh", rate=-terms.payout_per_kwh,
            )  # fmt: skip
        if account.money:
            pen.write("true_up.money", "energy_generation_credit", "credit", "credit paid out", -account.money)
    elif terms.true_up == "expire" and (kwh or account.money):
        pen.write("true_up", "information", "carried", "credit that expires", account.money, quantity=kwh, unit="kWh")
    if terms.true_up != "keep":
        account.kwh.clear()
        account.money = account.netted_kwh = _ZERO


def carried_kwh(tariff: Tariff, account: Account[N]) -> N | Decimal:
    """Surplus that later bills may use: the first charge carries it for all of them (net_energy)."""
    first = next((charge.charge_id for charge in tariff.energy_charges if charge.series is None), "")
    return sum((kwh for (charge, _), kwh in account.kwh.items() if charge == first), _ZERO)


def write_minimum(
    pen: Writer[N], tariff: Tariff, account: Account[N], month_share: Decimal, days: int, end: date
) -> list[Finding]:
    """Lift the bill to its minimum, and at the year's end the year to its annual minimum."""
    terms, before = tariff.minimum, account.billed_year
    findings: list[Finding] = []
    subtotal = pen.sum()
    if floor := terms.of_bill(month_share, days):
        lifted = pen.maximum("minimum_bill", (subtotal, floor), "the bill, or its minimum")
        if lack := lifted - subtotal:
            text = f"minimum bill adjustment (to {floor})"
            subtotal += pen.write("minimum", "administrative_fee", "minimum", text, lack)
    # Before taxes, and with the minimum in: what the annual minimum is held against.
    account.billed_year += subtotal
    account.months_in_year += month_share
    if not ends_month(end, terms.year_ends_with):
        return findings
    # Eleven and a half, not twelve: the months of a year of days add up to twelve only to the last digit.
    is_year = account.months_in_year > Decimal("11.5")
    if terms.annual and is_year:
        meaning = "the year's last bill, or what the year still lacks"
        lifted = pen.maximum("minimum_year", (subtotal, terms.annual - before), meaning)
        if lack := lifted - subtotal:
            text = f"annual minimum adjustment (to {terms.annual})"
            pen.write("annual_minimum", "administrative_fee", "minimum", text, lack)
    if terms.annual and not is_year:
        findings.append(
            Finding(
                code="annual_minimum_open",
                message=f"the annual minimum of {terms.annual} was not applied: the year is not billed in full",
                facts={"months_billed": float(account.months_in_year)},
            )
        )
    # The year ends with this bill whether the minimum was reached or not.
    account.billed_year = account.months_in_year = _ZERO
    return findings


def write_taxes(pen: Writer[N], tariff: Tariff) -> None:
    """Taxes in their order, each on the lines it names; without names on all lines that are no tax."""
    for tax in tariff.taxes:
        base = pen.sum(tax.of, beside=None if tax.of else "tax")
        pen.write(
            tax.charge_id, "tax", "tax", tax.description or tax.charge_id, base * tax.share,
            quantity=base, rate=tax.share, rate_unit="of subtotal", owner=tax.owner or "unknown",
        )  # fmt: skip


def _ratchet_lacks(charge_id: str, start: date, lacking: Sequence[MonthKey], wanted: int) -> Finding:
    return Finding(
        code="ratchet_history",
        message=f"charge {charge_id}, bill from {start}: the ratchet looks back on {wanted} months, of which "
        f"{len(lacking)} are not known; billed demand may be higher",
        scope=charge_id,
        facts={"months_wanted": wanted, "months_missing": len(lacking)},
    )
