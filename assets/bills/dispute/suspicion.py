"""Suspicions about a bill: a case, a cause, a change that would explain the difference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Literal

from assets.bills.dispute.pairing import Pair
from assets.bills.dispute.scenario import Change, Scenario
from assets.bills.documents.reads import MeterReads, Unit, advance
from assets.bills.engine.bill_load import RegisterUse
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.billing.tariff import Tariff, minor_digits

Cause = Literal[
    "none",
    "wrong_read_date",
    "wrong_tariff_period",
    "meter_multiplier",
    "estimated_read",
    "demand_window",
    "tax",
    "missing_data",
    "unexplained",
]
# How a suspicion arose: a paper contradicts the bill; a simple slip; one that is found by searching.
PAPER, SLIP, SEARCH = 0, 2, 4
# All pairs of eight periods.
_MAX_PAIRS = 28


@dataclass(frozen=True)
class Case:
    """The bill, every tariff given, what we hold to be true, and the references behind it.

    multiplier: of the site register, else of the bill. notes: how the truth was settled.
    """

    bill: SupplierBill
    tariffs: tuple[Tariff, ...]
    truth: Scenario
    multiplier: Decimal
    reads: MeterReads | None = None
    notes: tuple[str, ...] = ()
    units: Mapping[str, Unit] = field(default_factory=dict)

    @property
    def unit(self) -> Decimal:
        """One minor unit of the currency: what two ways of rounding a line may differ by."""
        return Decimal(1).scaleb(-minor_digits(self.truth.currency))

    @property
    def period(self) -> tuple[date, date]:
        """The dates that the bill prints."""
        return self.bill.period

    def printed_uses(self) -> tuple[RegisterUse, ...]:
        """Uses by the registers on the bill with the true multiplier, over the printed dates."""
        return printed_uses(self.bill, self.multiplier, self.period, self.units)


@dataclass(frozen=True)
class Suspicion:
    """One way in which the bill may have gone wrong. sentence: what it would mean; rank: PAPER, SLIP or SEARCH."""

    cause: Cause
    rank: int
    sentence: str
    change: Change


def printed_uses(
    bill: SupplierBill, multiplier: Decimal, span: tuple[date, date], units: Mapping[str, Unit]
) -> tuple[RegisterUse, ...]:
    """Uses by the registers on a bill with that multiplier, over [start, end). units: per register."""
    return tuple(
        RegisterUse(*span, advance(each.opened, each.closed) * multiplier, units[each.period_id], each.period_id)
        for each in bill.registers
    )


def period_pairs(case: Case) -> list[tuple[str, str]]:
    """Names of energy periods, two by two: what may have been taken for each other."""
    names = {p.period_id for t in case.truth.tariffs for c in t.energy_charges for p in c.periods}
    return list(combinations(sorted(names), 2))[:_MAX_PAIRS]


def energy_pairs(pairs: list[Pair]) -> list[Pair]:
    """Lines per kWh that both have, with their quantities."""
    return [
        pair
        for pair in pairs
        if pair.component == "energy" and pair.billed_quantity is not None and pair.quantity is not None
    ]


def days(count: int) -> str:
    """`1 day`, `2 days`."""
    return f"{count} day" if count == 1 else f"{count} days"


def plain(number: Decimal) -> str:
    """A number without needless zeros or exponent, at most six decimals."""
    text = f"{round(number, 6):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
