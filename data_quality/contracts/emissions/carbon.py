"""Activities and what they emit: the input and the answer of a carbon account (formulas 5.12)."""

from datetime import date
from decimal import Decimal

from pydantic import Field

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model


class Activity(Model):
    """An amount of something that emits, over local dates [start, end)."""

    activity_id: str = Field(min_length=1)
    activity: str = Field(min_length=1)
    quantity: Decimal = Field(ge=0)
    unit: str = Field(min_length=1)
    start: date
    end: date
    region: str = ""
    supplier: str = ""
    instrument: str = Field(default="", description="factor_id or basis of the instrument that covers it")
    file: str = ""
    line: int = 0

    @property
    def where(self) -> str:
        """File and line, for a sentence."""
        return f"{self.file} line {self.line}" if self.file else self.activity_id


class GasAmount(Model):
    """Mass of one gas and its weight; mass is None where the source gives kgCO2e of the gas only."""

    gas: str
    kg: Decimal | None
    kgco2e: Decimal


class CarbonLine(Model):
    """One activity, or its part under one factor. `basis` is empty outside Scope 2.

    A line of Scope 2 counts in the location-based total, in the market-based one, or in both (grid average used by
    both methods): summing lines by these two flags gives the totals.
    """

    line_id: str
    scope: int
    basis: str
    activity: str
    quantity: Decimal
    unit: str
    factor_id: str
    kgco2e: Decimal
    start: date
    end: date
    is_location: bool = False
    is_market: bool = False
    gwp_set: str = ""
    gases: tuple[GasAmount, ...] = ()
    source: str = ""


class CarbonResult(Model):
    """Totals in kgCO2e, exact. Scope 3 and biogenic CO2 are lines, in no total of Scope 1 and 2."""

    scope1_kgco2e: Decimal
    scope2_location_kgco2e: Decimal
    scope2_market_kgco2e: Decimal
    # Biogenic CO2 is reported outside of the scopes and never within them (GHG Protocol).
    outside_scopes_kgco2e: Decimal
    lines: tuple[CarbonLine, ...]
    scope1_by_activity_kgco2e: dict[str, Decimal] = {}
    scope1_by_gas_kgco2e: dict[str, Decimal] = Field(default={}, description="`not split`: the source gives no gases")
    gwp_set: str = ""
    findings: tuple[Finding, ...] = ()
