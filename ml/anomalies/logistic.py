"""Logistic models of a few named features, kept as a small table of figures."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

Features = Mapping[str, float]
# Scaled features are cut there: what is far out is not further out.
CUT = 4.0


class Weight(BaseModel):
    """One feature: where it is centred, its scale, and its weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre: float
    scale: float
    weight: float


class Logistic(BaseModel):
    """Log odds of yes: intercept and the sum of weight × (feature − centre) / scale, each cut at ±CUT."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intercept: float
    weights: dict[str, Weight]

    def odds(self, features: Features) -> float:
        """Log odds of these features; 0 is as likely as not."""
        return self.intercept + sum(
            each.weight * min(max((features[name] - each.centre) / each.scale, -CUT), CUT)
            for name, each in self.weights.items()
        )
