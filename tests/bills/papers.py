"""A supplier's bill before it is written, and all that an auditor holds against it."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from assets.bills.documents.reads import MeterReads, RegisteredMeter
from assets.bills.engine.bill_load import Load
from data_quality.contracts.billing.tariff import Tariff

D = Decimal


@dataclass
class Paper:
    """A bill before it is written: head, lines (label, quantity, unit, rate, amount), sums."""

    head: list[tuple[str, str]]
    lines: list[tuple[str, str, str, str, str]]
    net: Decimal
    total: Decimal

    def csv(self) -> str:
        """As the shape of cli.md."""
        rows = [",".join(pair) for pair in self.head] + ["", "Description,Quantity,Unit,Rate,Amount"]
        rows += [",".join(line) for line in self.lines]
        return "\n".join([*rows, f"Net,,,,{self.net}", f"Total,,,,{self.total}"]) + "\n"


@dataclass
class Scene:
    """A paper and all that the auditor holds; cause is what the audit must find."""

    name: str
    cause: str
    paper: Paper
    tariffs: tuple[Tariff, ...]
    reads: MeterReads | None = None
    register: tuple[RegisteredMeter, ...] | None = None
    load: Load | None = None
    time_zone: str = "UTC"


def cents(amount: Decimal) -> Decimal:
    """Half up to the cent."""
    return amount.quantize(D("0.01"), rounding=ROUND_HALF_UP)
