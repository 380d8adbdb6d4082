"""Evidence for a cause: the features that decided, as names with value and unit, worded by who shows them."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

# Of how many features, and with how much log odds at least.
MOST, LEAST = 4, 0.3


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
# Features that are another side of one that is shown.
_SIDES = {"rise": "ratio", "fall": "ratio", "unit_near": "ratio", "explained": "weather_share"}


def evidence_of(features: Mapping[str, float], decided: Mapping[str, float]) -> tuple[dict[str, Any], ...]:
    """The features that spoke most for a cause, the strongest first. decided: log odds by feature."""
    weights = defaultdict[str, float](float)
    for name, weight in decided.items():
        weights["kind" if name.startswith("is_") else _SIDES.get(name, name)] += weight
    strongest = sorted((name for name in weights if weights[name] >= LEAST), key=lambda each: -weights[each])
    shown = [name for name in strongest if name in _SHOWN or name == "kind"][:MOST]
    return tuple(_row(name, features, weights[name]) for name in shown)


def _row(name: str, features: Mapping[str, float], weight: float) -> dict[str, Any]:
    if name == "kind":
        return {"name": "kind", "value": 1.0, "unit": "1", "weight": round(weight, 2)}
    code, unit, value = _SHOWN[name]
    return {"name": code, "value": round(value(features[name]), 2), "unit": unit, "weight": round(weight, 2)}
