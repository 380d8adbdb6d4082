"""Logistic models of a few named features, and those of the detectors, learned from faults put into meters."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from data_quality.contracts.quick_yaml import read_model

Features = Mapping[str, float]
# Scaled features are cut there: what is far out is not further out.
CUT = 4.0
FILE = Path(__file__).with_name("learned.yaml")


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


class Learned(BaseModel):
    """Models by what they judge, with the version of their figures.

    learned_from: the meters and seeds, in words. night: of waste; drift: of a gain that still moves; returned: of one
    that moved and is back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    learned_from: str
    night: Logistic
    drift: Logistic
    returned: Logistic


@cache
def learned() -> Learned:
    """The models that came with this version."""
    return read_model(FILE, Learned)
