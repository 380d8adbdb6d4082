"""Budgets of a site: what a calendar month may cost and emit. Boards mark them; nothing is calculated with them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

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
