"""A supplier's bill as it was read: labels, registers and lines, each with its place; what could not be read, too."""

from datetime import date
from decimal import Decimal
from typing import Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model


class Place(Model):
    """Where on the bill: page of a PDF (0: the file has no pages) and line of the text or row of the sheet."""

    page: int = Field(default=0, ge=0)
    line: int = Field(default=0, ge=0)

    def __str__(self) -> str:
        return (f"page {self.page}, " if self.page else "") + f"line {self.line}"


class Unread(Model):
    """Something on the bill that could not be read, or is missing (line 0). It is shown, never guessed."""

    place: Place
    label: str = ""
    text: str
    expected: str


class ScannedField(Model):
    """A field as a picture shows it. name: as the bill calls it, of a line `lines.0`; text: the line that it stands in.

    sure: 0 to 1, as the reader of letters says; doubt: what the numbers themselves say against it, else empty.
    """

    name: str
    place: Place
    text: str = ""
    sure: float = Field(ge=0, le=1)
    doubt: str = ""

    @property
    def is_for_a_person(self) -> bool:
        """True where somebody should look at the picture here."""
        return bool(self.doubt) or self.sure < SURE


# Below it a field of a picture is marked (measured in tests/bills/test_scans.py).
SURE = 0.8


class Scan(Model):
    """The reading of a picture. A bill that was read so is a draft, and counts nowhere, until a person confirmed it.

    turned_degrees: by how much each page lay turned; confirmed_by: their id; changed: fields that they put right.
    """

    fields: tuple[ScannedField, ...] = ()
    turned_degrees: tuple[int, ...] = ()
    confirmed_by: str = ""
    changed: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_draft(self) -> bool:
        """Nobody has confirmed it yet."""
        return not self.confirmed_by


class BilledRegister(Model):
    """States of one register printed on the bill, multiplier not applied. period_id as printed, in lower case."""

    period_id: str = ""
    opened: Decimal
    closed: Decimal
    # The next bill mends an estimate: until then a difference to the meter is no error of the supplier.
    is_estimated: bool = False


class BilledLine(Model):
    """One charge as billed. amount in the bill's currency; quantity and rate where they are printed."""

    place: Place
    label: str
    quantity: Decimal | None = None
    unit: str = ""
    rate: Decimal | None = None
    amount: Decimal


class VarianceThreshold(Model):
    """Above either limit a variance is reported: amount in its currency, share of the recomputed total (0 to 1)."""

    amount: Decimal = Field(default=Decimal(1), ge=0)
    share: Decimal = Field(default=Decimal("0.02"), ge=0)


class SupplierBill(Model):
    """One supplier's bill: local dates [start, end), its registers, its lines, its sums.

    net and total: as printed. notes: further labels. pages: of a PDF, else 0. Money in `currency` (ISO 4217).
    """

    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    pages: int = Field(default=0, ge=0)
    supplier: str = ""
    invoice: str = ""
    account: str = ""
    site: str = ""
    meter: str = ""
    start: date | None = None
    end: date | None = None
    tariff_codes: tuple[str, ...] = ()
    multiplier: Decimal | None = None
    is_estimated: bool = False
    registers: tuple[BilledRegister, ...] = ()
    currency: str | None = None
    lines: tuple[BilledLine, ...] = ()
    net: Decimal | None = None
    total: Decimal | None = None
    notes: tuple[tuple[str, str], ...] = ()
    unread: tuple[Unread, ...] = ()
    # Left out where the file is no picture: a bill is known by the digest of what was read of it.
    scan: Scan | None = Field(default=None, exclude_if=lambda found: found is None)

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError(f"the bill ends ({self.end}) before it starts ({self.start})")
        return self

    @property
    def is_draft(self) -> bool:
        """Read from an image, and confirmed by nobody: it counts nowhere."""
        return self.scan is not None and self.scan.is_draft

    @property
    def period(self) -> tuple[date, date]:
        """[start, end); only for a bill whose dates were read."""
        if self.start is None or self.end is None:
            raise ValueError(f"the period of {self.file} was not read")
        return self.start, self.end

    @property
    def lines_total(self) -> Decimal:
        """Sum of the lines that were read."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def amount_due(self) -> Decimal:
        """The total as printed, else the sum of its lines."""
        return self.lines_total if self.total is None else self.total
