"""A bill, ours or a supplier's: periods with line items in the ESPI taxonomy; total = sum of lines."""

from datetime import date
from decimal import Decimal
from enum import IntEnum
from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from data_quality.contracts.billing.tariff_charges import Component, LineOwner
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model


class ItemKind(IntEnum):
    """ESPI 4.0 ItemKind: what a line item is."""

    ENERGY_GENERATION_FEE = 1
    ENERGY_DELIVERY_FEE = 2
    ENERGY_USAGE_FEE = 3
    ADMINISTRATIVE_FEE = 4
    TAX = 5
    ENERGY_GENERATION_CREDIT = 6
    ENERGY_DELIVERY_CREDIT = 7
    ADMINISTRATIVE_CREDIT = 8
    PAYMENT = 9
    INFORMATION = 10


class BillLine(Model):
    """One line. amount is in the bill's currency, rounded as the tariff says; quantity and rate are unrounded.

    line_id: charge, period and tier joined by dots, e.g. `energy.on_peak.2`; the start of a part of a split period is
    appended as `@2024-04-01`. component: the part of the tariff that it comes from. owner: who it belongs to.
    """

    line_id: str
    kind: ItemKind
    component: Component
    description: str
    quantity: Decimal | None = None
    unit: str = ""
    rate: Decimal | None = None
    rate_unit: str = ""
    amount: Decimal
    charge_id: str = ""
    period_id: str = ""
    tier: int = 0
    party: str = ""
    owner: LineOwner = "unknown"


class BillPeriod(Model):
    """One bill: local dates [start, end). coverage: share of its intervals that the load has, 0 to 1.

    Where coverage is below 1 the energy lines hold what was metered, and a finding says so.
    """

    start: date
    end: date
    tariff_ids: tuple[str, ...]
    lines: tuple[BillLine, ...]
    total: Decimal
    coverage: float = Field(ge=0, le=1)
    energy_kwh: Decimal = Decimal(0)
    export_kwh: Decimal = Decimal(0)
    findings: tuple[Finding, ...] = ()

    @model_validator(mode="after")
    def _total_is_the_sum_of_lines(self) -> Self:
        # A line of information (a credit carried on, a count) states an amount that nobody pays.
        counted = sum((line.amount for line in self.lines if line.kind is not ItemKind.INFORMATION), Decimal(0))
        if counted != self.total:
            raise ValueError(f"bill {self.start}: total {self.total} is not the sum of its lines, {counted}")
        return self


class Bill(Model):
    """Bills of one supply in order of time, all in one currency."""

    currency: str
    time_zone: str
    rounding: Literal["line", "none"]
    periods: tuple[BillPeriod, ...]
    total: Decimal
    coverage: float = Field(ge=0, le=1)
    findings: tuple[Finding, ...] = ()

    def by_owner(self) -> dict[LineOwner, Decimal]:
        """Amounts by who they belong to, in the order of `LineOwner`; they add up to the total."""
        found: dict[LineOwner, Decimal] = {}
        for line in (line for period in self.periods for line in period.lines):
            if line.kind is not ItemKind.INFORMATION:
                found[line.owner] = found.get(line.owner, Decimal(0)) + line.amount
        return {owner: found[owner] for owner in get_args(LineOwner) if owner in found}
