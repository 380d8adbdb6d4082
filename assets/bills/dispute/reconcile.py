"""A supplier's bill against ours, line by line, with the cause of every variance (issue of rows E.2 and E.3)."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

from assets.bills.dispute.applies import TariffOverride
from assets.bills.dispute.classify import agrees, classify
from assets.bills.dispute.pairing import pair_lines
from assets.bills.dispute.scenario import bill_again
from assets.bills.dispute.settle_truth import make_case
from assets.bills.dispute.suspicion import Cause
from assets.bills.documents.reads import MeterReads, RegisteredMeter
from assets.bills.engine.bill_load import Load
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.bill import BillPeriod
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.model import Model

_ZERO = Decimal(0)


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


def reconcile(
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
) -> Reconciliation:
    """Bill the true dates, registers or load at the true tariffs and compare each line.

    tariffs: all that the supplier may have used. day_types: the site's. Where no read stands on a printed date, the
    bill is recomputed for the dates whose reads its registers are. Raises BadInput for a bill that cannot be read,
    another currency, or nothing to hold it against.
    """
    case = make_case(
        bill, tariffs, load=load, reads=reads, register=register, overrides=overrides, prices=prices,
        time_zone=time_zone, day_types=day_types,
    )  # fmt: skip
    ours = bill_again(case.truth)
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
