"""A supplier's bill against ours, line by line, with the cause of every variance (issue of rows E.2 and E.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Literal

from assets.bills.dispute.applies import TariffOverride, is_named, tariffs_in_force
from assets.bills.dispute.classify import agrees, classify
from assets.bills.dispute.pairing import pair_lines
from assets.bills.dispute.scenario import Scenario, scenario_bill
from assets.bills.dispute.suspect_reads import dates_of
from assets.bills.dispute.suspicion import Case, Cause, printed_uses
from assets.bills.documents.reads import MeterReads, RegisteredMeter, Unit, uses_of
from assets.bills.engine.bill_load import Load, RegisterUse
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.bill import BillPeriod
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.billing.tariff_charges import LineOwner
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model

_ZERO = Decimal(0)


def make_case(
    bill: SupplierBill,
    tariffs: Sequence[Tariff],
    *,
    load: Load | None = None,
    reads: MeterReads | None = None,
    register: Sequence[RegisteredMeter] | None = None,
    overrides: Sequence[TariffOverride] = (),
    prices: Mapping[str, PriceSeries] | None = None,
    time_zone: str = "UTC",
    day_types: dict[date, DayType] | None = None,
) -> Case:
    """The bill with what is true of it.

    tariffs: all that the supplier may have used. day_types: the site's. Where no read stands on a printed date, the
    bill is recomputed for the dates whose reads its registers are. Raises BadInput for a bill that cannot be read,
    another currency, or nothing to hold it against.
    """
    start, end, currency = _readable(bill)
    notes: list[str] = []
    mine = _registered(bill, register)
    # The site register outranks the bill: the printed multiplier is one of the things under audit.
    multiplier = mine.multiplier if mine else bill.multiplier or Decimal(1)
    codes = (mine.tariff_id,) if mine and mine.tariff_id else bill.tariff_codes
    if codes and not any(is_named(tariff, codes) for tariff in tariffs):
        known = ", ".join(tariff.tariff_id for tariff in tariffs)
        notes.append(f"tariff {', '.join(codes)} is not given; taken as {known}")
    # Before the tariffs: true dates may reach into another tariff than the printed ones.
    span = _reads_span(bill, reads, start, end)
    chosen = tariffs_in_force(
        tariffs, start=span[0], end=span[1], codes=codes, account=bill.account, overrides=overrides
    )
    named = {tariff.currency for tariff in chosen if tariff.currency}
    if named - {currency}:
        raise BadInput(
            f"the bill is in {currency}, tariff {chosen[0].tariff_id} in {sorted(named)[0]}; expected one currency",
            file=bill.file, reason="currency_mismatch",
        )  # fmt: skip
    by_register = any(charge.by_register for tariff in chosen for charge in tariff.energy_charges)
    truth = Scenario(chosen, start, end, time_zone, currency, load=load, prices=prices or {}, day_types=day_types)
    # Prices by register need register states, even where a load is known.
    if load is None or by_register:
        units = _units(bill, reads, chosen)
        (first, last), uses = _uses(bill, reads, multiplier, span, notes, units)
        truth = replace(truth, start=first, end=last, uses=uses, load=None)
    return Case(
        bill=bill, tariffs=tuple(tariffs), truth=truth, multiplier=multiplier, reads=reads,
        notes=tuple(notes), units=_units(bill, reads, chosen),
    )  # fmt: skip


def _readable(bill: SupplierBill) -> tuple[date, date, str]:
    """Dates and currency. Raises BadInput naming the place where they are not read."""
    for name, label in (("start", "Period from"), ("end", "Period to"), ("currency", "Currency")):
        if getattr(bill, name) is None:
            seen = next((u for u in bill.unread if u.label.lower().startswith(label.lower())), None)
            where = f"{seen.place}: {seen.text!r}, expected {seen.expected}" if seen and seen.text else "it is missing"
            raise BadInput(f"label {label!r} could not be read: {where}", file=bill.file, reason="label_unread")
    if not bill.lines:
        raise BadInput("no line with an amount could be read", file=bill.file, reason="no_lines")
    start, end = bill.period
    return start, end, bill.currency or ""


def _registered(bill: SupplierBill, register: Sequence[RegisteredMeter] | None) -> RegisteredMeter | None:
    if register is None:
        return None
    found = [row for row in register if row.meter == bill.meter]
    # By account only where no meter is printed: an account may have several.
    if not found and not bill.meter:
        found = [row for row in register if row.account and row.account == bill.account]
    if len(found) != 1:
        known = ", ".join(row.meter for row in register)
        raise BadInput(
            f"meter {bill.meter or 'without a name'!r} is not in the site register, which has {known}",
            file=bill.file, reason="unknown_meter",
        )  # fmt: skip
    return found[0]


def _reads_span(bill: SupplierBill, reads: MeterReads | None, start: date, end: date) -> tuple[date, date]:
    """The printed dates; where no read stands on one, the date whose reads the bill's registers are."""
    if reads is None:
        return start, end
    first, last = start, end
    if reads.at(start) is None:
        first = min(dates_of(reads, bill.registers, is_opening=True), key=lambda d: abs(d - start), default=start)
    if reads.at(end) is None:
        last = min(dates_of(reads, bill.registers, is_opening=False), key=lambda d: abs(d - end), default=end)
    # Reads that turn the period around are not those of this bill.
    return (first, last) if first < last else (start, end)


def _uses(
    bill: SupplierBill,
    reads: MeterReads | None,
    multiplier: Decimal,
    span: tuple[date, date],
    notes: list[str],
    units: Mapping[str, Unit],
) -> tuple[tuple[date, date], tuple[RegisterUse, ...]]:
    start, end = span
    if reads is not None:
        # Actual reads first: an estimate is what an audit looks for.
        actual = reads.actual()
        whole = actual.between(start, end, multiplier)
        if whole is not None:
            return span, whole.uses
        # An estimate is used where no actual read ends the bill, and said so.
        estimated = reads.between(start, end, multiplier)
        printed = printed_uses(bill, multiplier, span, units)
        if estimated is not None:
            notes.append(f"a read of {start} or {end} is itself an estimate")
            return span, estimated.uses
        if printed and _is_possible(bill, actual, span):
            notes.append(f"no read of {start} or {end} confirms the bill's registers; they are possible")
            return span, printed
        # Last, because it makes up a state that nobody read: use is spread over the days between two real reads.
        before = [state for state in actual.states if state.on <= start]
        after = [state for state in actual.states if state.on >= end]
        if before and after:
            notes.append(f"no read of {start} or {end}: use is spread by days from {before[-1].on} to {after[0].on}")
            inside = [state for state in actual.states if before[-1].on <= state.on <= after[0].on]
            return span, uses_of(inside, actual.units, multiplier)
        known = f"{actual.states[0].on} to {actual.states[-1].on}" if actual.states else "no actual date"
        raise BadInput(
            f"the reads of meter {reads.meter or 'without a name'} cover {known}, the bill {start} to {end}",
            file=bill.file, reason="no_reads",
        )  # fmt: skip
    printed = printed_uses(bill, multiplier, span, units)
    if not printed:
        raise BadInput(
            "the bill prints no registers, and neither reads nor a load that its tariff can use are given",
            file=bill.file, reason="no_load", mend="give --reads or --load",
        )  # fmt: skip
    notes.append("no reads are given: the registers printed on the bill are taken as they are")
    return span, printed


def _units(bill: SupplierBill, reads: MeterReads | None, tariffs: Sequence[Tariff]) -> dict[str, Unit]:
    """Unit of each register: as the reads say, else m3 where the tariff turns them to kWh, else kWh."""
    # A calorific value in the tariff means that the meter counts volume.
    usual: Unit = "m3" if all(tariff.gas is not None for tariff in tariffs) else "kwh"
    return {**{register.period_id: usual for register in bill.registers}, **(reads.units if reads else {})}


def _is_possible(bill: SupplierBill, reads: MeterReads, span: tuple[date, date]) -> bool:
    """True where the printed states lie between the reads before and after their dates."""
    for register in bill.registers:
        if register.period_id not in reads.units:
            return False
        for on, printed in zip(span, (register.opened, register.closed), strict=True):
            at = reads.at(on)
            if at is not None and at.states[register.period_id] != printed:
                return False
            before = [state.states[register.period_id] for state in reads.states if state.on <= on]
            after = [state.states[register.period_id] for state in reads.states if state.on >= on]
            if (before and printed < before[-1]) or (after and printed > after[0]):
                return False
    return True


class ReconciledLine(Model):
    """One line; None on the side that lacks it. delta = billed - recomputed, in the bill's currency."""

    id: str
    label: str
    billed: Decimal | None
    recomputed: Decimal | None
    delta: Decimal
    billed_quantity: Decimal | None
    recomputed_quantity: Decimal | None
    billed_rate: Decimal | None
    recomputed_rate: Decimal | None
    unit: str
    owner: LineOwner = "unknown"


class Reconciliation(Model):
    """The audit of one bill. delta_total above zero: too much was billed."""

    file: str
    invoice: str
    account: str
    meter: str
    currency: str
    billed_period: tuple[str, str]
    period: tuple[str, str]
    tariffs: tuple[str, ...]
    lines: tuple[ReconciledLine, ...]
    billed_net: Decimal | None
    recomputed_net: Decimal
    billed_total: Decimal
    recomputed_total: Decimal
    delta_total: Decimal
    coverage: float
    verdict: Literal["agrees", "differs"]
    cause: Cause
    also: tuple[Cause, ...] = ()
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def reconcile(case: Case) -> Reconciliation:
    """Bill the true dates, registers or load at the true tariffs and compare each line."""
    bill = case.bill
    ours = scenario_bill(case.truth)
    pairs = pair_lines(bill.lines, ours)
    # Lines that agree on dates which the bill does not print are right by chance: the dates themselves are wrong.
    is_right = agrees(case, pairs, ours) and (case.truth.start, case.truth.end) == bill.period
    explanation = None if is_right else classify(case, ours, pairs)
    notes = [*case.notes, *(finding.message for finding in ours.findings)]
    notes += [f"{unread.place}: {unread.text!r}: expected {unread.expected}" for unread in bill.unread]
    return Reconciliation(
        file=bill.file,
        invoice=bill.invoice,
        account=bill.account,
        meter=bill.meter,
        currency=case.truth.currency,
        billed_period=(str(bill.start), str(bill.end)),
        period=(str(case.truth.start), str(case.truth.end)),
        tariffs=ours.tariff_ids,
        lines=tuple(
            ReconciledLine(
                id=pair.line_id, label=pair.label, billed=pair.billed, recomputed=pair.recomputed, delta=pair.delta,
                billed_quantity=pair.billed_quantity, recomputed_quantity=pair.quantity,
                billed_rate=pair.billed_rate, recomputed_rate=pair.rate, unit=pair.unit,
                owner=pair.owner,
            )
            for pair in pairs
        ),
        billed_net=bill.net,
        recomputed_net=_net(ours),
        billed_total=bill.amount_due,
        recomputed_total=ours.total,
        delta_total=bill.amount_due - ours.total,
        coverage=ours.coverage,
        verdict="agrees" if explanation is None else "differs",
        cause="none" if explanation is None else explanation.cause,
        also=() if explanation is None else explanation.also,
        evidence=() if explanation is None else explanation.evidence,
        notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _net(ours: BillPeriod) -> Decimal:
    taxes = sum((line.amount for line in ours.lines if line.component == "tax"), _ZERO)
    return ours.total - taxes
