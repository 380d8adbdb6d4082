"""Targets for emissions as people state them, in a site file or in organisation.yaml: so much less by a later year."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.premises import PartId
from data_quality.contracts.text import each_id_once


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
