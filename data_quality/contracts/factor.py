"""Emission factors as data: what an activity emits, where and when that holds, who says so (formulas 5.12)."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model, StatedUncertainty


class Basis(StrEnum):
    """Basis of a Scope 2 factor. `location` is the grid average; the others serve the market-based method."""

    LOCATION = "location"
    RESIDUAL = "residual"
    SUPPLIER = "supplier"
    CONTRACT = "contract"
    CERTIFICATE = "certificate"


# Of the market-based method, first to last; grid average comes after all of them (Scope 2 Guidance, table 6.3).
HIERARCHY = (Basis.CERTIFICATE, Basis.CONTRACT, Basis.SUPPLIER, Basis.RESIDUAL)


# Of the market-based method, what is somebody's own: each kWh of it may be claimed once.
HELD = (Basis.CERTIFICATE, Basis.CONTRACT)


class GwpSet(StrEnum):
    """Assessment report whose 100-year global warming potentials are used."""

    # N2O weighs 298, 265 or 273 by these three: totals by different sets must not be compared.
    AR4 = "AR4"
    AR5 = "AR5"
    AR6 = "AR6"


class QualityCriteria(Model):
    """Scope 2 quality criteria of one instrument. None: not stated; False: stated not to hold."""

    is_conveyed: bool | None = Field(default=None, description="Its claim goes with the energy")
    is_unique: bool | None = Field(default=None, description="The only instrument with that claim")
    is_redeemed: bool | None = Field(default=None, description="Tracked and retired for the reporter")
    is_same_market: bool | None = Field(default=None, description="Of the market that the consumption is in")
    is_residual_mix_used: bool | None = Field(default=None, description="What is not claimed goes by a residual mix")
    vintage_from: date | None = Field(default=None, description="First day that the energy was made")
    vintage_to: date | None = Field(default=None, description="Day after the last")


# The criteria that hold or do not; a file states them in columns of these names.
TRUTHS = tuple(name for name in QualityCriteria.model_fields if name.startswith("is_"))


class Factor(StatedUncertainty):
    """One row of a factor set: kgCO2e of one unit of an activity on local dates [valid_from, valid_to).

    Either `kg_co2e_per_unit`, or `gas` with `kg_per_unit` (kilograms of the gas, to be weighted by a GWP set). `gas`
    beside `kg_co2e_per_unit` is the share of that gas in kgCO2e. scope 0 stands outside the scopes (biogenic CO2).
    """

    factor_id: str = Field(min_length=1)
    scope: int = Field(ge=0, le=3)
    activity: str = Field(min_length=1)
    unit: str = Field(min_length=1)
    kg_co2e_per_unit: Decimal | None = Field(default=None, ge=0)
    gas: str = ""
    kg_per_unit: Decimal | None = Field(default=None, ge=0)
    gwp_set: GwpSet | None = None
    valid_from: date
    valid_to: date
    region: str = ""
    supplier: str = ""
    basis: Basis = Basis.LOCATION
    source: str = ""
    sha256: str = Field(default="", description="Of the document that states it")
    instrument_kwh: Decimal | None = Field(default=None, ge=0, description="Energy that a certificate or contract has")
    criteria: QualityCriteria = QualityCriteria()
    file: str = ""
    line: int = 0

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.valid_to <= self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} is not after valid_from {self.valid_from}")
        if (self.kg_co2e_per_unit is None) == (self.kg_per_unit is None):
            raise ValueError("give kg_co2e_per_unit, or gas and kg_per_unit, and not both")
        if self.kg_per_unit is not None and not self.gas:
            raise ValueError("kg_per_unit needs the gas that it counts")
        return self

    @property
    def where(self) -> str:
        """File and line, for a sentence; the factor's id where it comes from no file."""
        return f"{self.file} line {self.line}" if self.file else self.factor_id


class FactorSet(Model):
    """Rows of one file, and the hash of the file."""

    path: str
    sha256: str
    factors: tuple[Factor, ...]


class StoredFactor(Model):
    """A factor as the store knows it: for whom (empty: everybody), and since when.

    withdrawn: why nothing holds on its days any more; empty for a factor. Withdrawals stand in the history only.
    """

    factor: Factor
    tenant: str = ""
    set_id: str
    recorded_at_utc: datetime
    withdrawn: str = ""
