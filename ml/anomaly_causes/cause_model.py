"""The likely cause of an event by a multinomial logistic model, with calibrated confidence and what decided."""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from data_quality.contracts.quick_yaml import read_model
from data_quality.contracts.reporting.anomaly_event import Cause
from ml.anomalies.logistic import CUT

FILE = Path(__file__).with_name("learned_causes.yaml")
# A cause that is less likely than not is unknown, and none is certain.
LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.99
_DIGITS = 3
# Zero has no sign in a store, and the digest is of what stands there.
Weight = Annotated[float, AfterValidator(lambda value: value + 0.0)]
# Of how many features, and with how much log odds at least.
MOST_SHOWN, LEAST_LOG_ODDS = 4, 0.3
# Features that are another side of one that is shown.
_SIDES = {"rise": "ratio", "fall": "ratio", "unit_near": "ratio", "explained": "weather_share"}


class FeatureWeights(BaseModel):
    """One feature: where it is centred, its scale, and its weight for each cause."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    centre: float
    scale: float = Field(gt=0)
    weights: tuple[Weight, ...]


class CauseModel(BaseModel):
    """Log odds of each cause: intercept and the sum of weight × (feature − centre) / scale, cut at ±CUT.

    temperature: by which the log odds are divided, so that of events with confidence p a share p is right; set on sites
    that taught nothing else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    # 0: as it came with the release; else which of a project's own that were learned upon it.
    revision: int = 0
    learned_from: str
    # Figures on sites that taught nothing, of the shipped one.
    measured: dict[str, float] = {}
    temperature: float = Field(gt=0)
    causes: tuple[Cause, ...]
    intercepts: tuple[Weight, ...]
    features: dict[str, FeatureWeights]

    @property
    def name(self) -> str:
        """Version, and of a project's own its revision: 2, or 2.1."""
        return f"{self.version}.{self.revision}" if self.revision else str(self.version)

    @property
    def digest(self) -> str:
        """SHA-256 of the parameters, whatever they are called."""
        fields = self.model_dump(mode="json", exclude={"revision", "learned_from", "measured"})
        # By name: a store may keep them in another order.
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    def parts(self, features: Mapping[str, float]) -> dict[str, tuple[float, ...]]:
        """Log odds that each known feature brings to each cause; an unknown one brings none."""
        found = dict[str, tuple[float, ...]]()
        for name, each in self.features.items():
            value = features.get(name, math.nan)
            if math.isfinite(value):
                scaled = min(max((value - each.centre) / each.scale, -CUT), CUT)
                found[name] = tuple(weight * scaled / self.temperature for weight in each.weights)
        return found

    def probabilities(self, features: Mapping[str, float]) -> dict[Cause, float]:
        """Of each cause, 1 in all."""
        sums = np.array(self.intercepts) / self.temperature
        for parts in self.parts(features).values():
            sums = sums + np.array(parts)
        shares = np.exp(sums - sums.max())
        return dict(zip(self.causes, map(float, shares / shares.sum()), strict=True))


@dataclass(frozen=True)
class LikelyCause:
    """The cause of an event. confidence: probability of the likeliest; below 0.5 the cause is unknown. None by kind.

    evidence: {name, value, unit, weight} of the features that decided, the strongest first.
    """

    cause: Cause
    confidence: float | None
    evidence: tuple[dict[str, Any], ...] = ()


def by_kind(kind: str) -> LikelyCause:
    """The cause of an event that goes on, of which the weeks around it are looked at in the night."""
    return LikelyCause("sensor_fault" if kind in ("dead", "stuck", "unit_scale") else "unknown", None)


@cache
def shipped_causes() -> CauseModel:
    """The model that came with this version."""
    return read_model(FILE, CauseModel)


def named_cause(shares: Mapping[Cause, float]) -> tuple[Cause, Cause, float]:
    """The cause that is named, the likeliest, and its confidence. shares: the probability of each."""
    best = max(shares, key=lambda each: shares[each])
    confidence = min(round(shares[best], _DIGITS), MOST_CONFIDENCE)
    return best if confidence >= LEAST_CONFIDENCE else "unknown", best, confidence


def likely_cause(features: Mapping[str, float], model: CauseModel | None = None) -> LikelyCause:
    """The likeliest cause of an event with these features (event_features.py)."""
    model = model or shipped_causes()
    cause, best, confidence = named_cause(model.probabilities(features))
    place = model.causes.index(best)
    # For this cause against the mean of the others.
    decided = {
        name: (parts[place] - sum(parts) / len(parts)) * len(parts) / (len(parts) - 1)
        for name, parts in model.parts(features).items()
    }
    # The features that spoke most for a cause, the strongest first. decided: log odds by feature.
    weights = defaultdict[str, float](float)
    for name, weight in decided.items():
        weights["kind" if name.startswith("is_") else _SIDES.get(name, name)] += weight
    strongest = sorted((name for name in weights if weights[name] >= LEAST_LOG_ODDS), key=lambda each: -weights[each])
    shown = [name for name in strongest if name in _SHOWN or name == "kind"][:MOST_SHOWN]
    return LikelyCause(cause, confidence, tuple(_row(name, features, weights[name]) for name in shown))


def _percent(value: float) -> float:
    return 100 * value


def _factor(value: float) -> float:
    return math.exp(value)


def _exp_percent(value: float) -> float:
    return 100 * math.exp(value)


# How a feature is shown: the name of its sentence, its unit, and its value in that unit.
_SHOWN: dict[str, tuple[str, str, Callable[[float], float]]] = {
    "hours": ("hours", "h", _factor),
    "ratio": ("ratio", "1", _factor),
    "to_highest": ("to_highest", "%", _exp_percent),
    "to_working_day": ("to_working_day", "%", _exp_percent),
    "to_lowest": ("to_lowest", "%", _exp_percent),
    "evenness": ("evenness", "%", _exp_percent),
    "even_excess": ("even_excess", "%", _exp_percent),
    "even_ratio": ("even_ratio", "%", _exp_percent),
    "course": ("course", "%/week", _percent),
    "runs_a_day": ("runs_a_day", "1", float),
    "opposite": ("opposite", "1", _factor),
    "degc_apart": ("degc_apart", "degc", float),
    "degc_beyond": ("degc_beyond", "degc", float),
    "follows_degc": ("follows_degc", "1", float),
    **{
        name: (name, "%", _percent)
        for name in (
            "repeated", "zero", "night_share", "weekend_share", "working_share", "workday_night_share",
            "holiday_share", "school_holiday_share", "announced", "flagged", "alike", "weather_share",
        )
    },
}  # fmt: skip


def _row(name: str, features: Mapping[str, float], weight: float) -> dict[str, Any]:
    if name == "kind":
        return {"name": "kind", "value": 1.0, "unit": "1", "weight": round(weight, 2)}
    code, unit, value = _SHOWN[name]
    return {"name": code, "value": round(value(features[name]), 2), "unit": unit, "weight": round(weight, 2)}
