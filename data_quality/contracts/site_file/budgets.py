"""Budgets of a site (cost and emissions of a calendar month, which boards mark), and targets for emissions of a site or
an organisation: so much less by a later year.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.premises import PartId
from data_quality.contracts.text import each_id_once

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")]
Amount = Annotated[Decimal, Field(gt=0)]


class Budgets(Model):
    """Budgets of each calendar month, of the whole site."""

    cost_per_month: Mapping[Currency, Amount] = Field(default_factory=dict, description="By the currency of its costs")
    kgco2e_per_month: Amount | None = Field(default=None, description="Location-based emissions")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.cost_per_month and self.kgco2e_per_month is None:
            raise ValueError("budgets without one: expected cost_per_month or kgco2e_per_month")
        return self


class EmissionTarget(Model):
    """So many percent less than in the base year by the target year, and who decided it.

    measure: a number of the inventory. base_kgco2e: that of the base year, as it was accounted for then. Readings of
    then are not asked again: who buys or sells a site states it anew.
    """

    target: PartId
    name: str = Field(min_length=1, max_length=120)
    measure: Literal[
        "scope1_kgco2e", "scope2_location_kgco2e", "scope2_market_kgco2e",
        "total_location_kgco2e", "total_market_kgco2e",
    ]  # fmt: skip
    base_year: int = Field(ge=1990, le=2100)
    base_kgco2e: float = Field(gt=0, description="Emissions of the base year")
    reduction_percent: float = Field(gt=0, le=100, description="Less than in the base year")
    target_year: int = Field(ge=1990, le=2100)
    source: str = Field(min_length=1, max_length=200, description="A decision, a plan, a published promise")
    stated_on: date

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.target_year <= self.base_year:
            raise ValueError(f"target {self.target!r}: {self.target_year} is not after the base year {self.base_year}")
        # Nobody promises less than a percent.
        if self.reduction_percent < 1:
            meant = f"{self.reduction_percent * 100:g}"
            raise ValueError(f"target {self.target!r}: {self.reduction_percent:g} %: a share? Then write {meant}")
        return self

    def holds_in(self, year: int) -> bool:
        """True of a year on the way from the base year to the target year."""
        return self.base_year < year <= self.target_year


def _each_once(targets: tuple[EmissionTarget, ...]) -> tuple[EmissionTarget, ...]:
    each_id_once("target", [each.target for each in targets])
    return targets


Targets = Annotated[tuple[EmissionTarget, ...], AfterValidator(_each_once)]
