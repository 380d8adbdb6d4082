"""Goals of a plan, as data: of a site file (`objective:`), a dispatch case and a stored plan."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

Preset = Literal["economic", "comfort", "environmental", "balanced", "peak_shaving", "self_consumption"]
GoalName = Literal["money", "comfort", "carbon", "peak", "imports"]


class Goal(Model):
    """One goal of an order: the goals after it may worsen it by no more than `tolerance`."""

    goal: GoalName
    tolerance: float = Field(default=0.0, ge=0, le=1, description="Share of its best value")

    @model_validator(mode="before")
    @classmethod
    def _of_its_name(cls, content: Any) -> Any:
        return {"goal": content} if isinstance(content, str) else content


class Objective(Model):
    """A preset and its prices, all in the site's currency: what has no price is not added to money.

    In YAML the name of a preset alone will do: `objective: peak_shaving`.
    """

    preset: Preset = "economic"
    carbon_price_per_tonne: float | None = Field(default=None, gt=0, description="Currency per tonne CO2e")
    peak_price_per_kw: float | None = Field(default=None, gt=0, description="Currency per kW of the highest import")
    imports_price_per_kwh: float | None = Field(default=None, gt=0, description="On top, per kWh imported")
    carbon_max_kgco2e: float | None = Field(default=None, ge=0, description="Bound of the imports over the horizon")
    first: tuple[Goal, ...] = Field(default=(), description="One after the other, before the preset decides the rest")
    export_min_price_per_kwh: float | None = Field(default=None, description="Nothing is exported below this price")
    carbon_stream: str | None = Field(
        default=None, description="Driver in kgCO2e per kWh of grid electricity by the hour; else the site's factors"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_its_preset(cls, content: Any) -> Any:
        return {"preset": content} if isinstance(content, str) else content

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        names = [each.goal for each in self.first]
        if len(set(names)) != len(names):
            raise ValueError(f"first names a goal twice: {', '.join(names)}")
        if self.preset == "balanced" and self.carbon_price_per_tonne is None:
            raise ValueError("balanced weighs carbon against money: give carbon_price_per_tonne")
        return self

    @property
    def is_default(self) -> bool:
        """True where it is what every plan had before there was a choice: the least money."""
        return self == _DEFAULT


# What every plan had before there was a choice.
_DEFAULT = Objective()
