"""Figures of a site file from answers: percent as a share, litres as heat between two temperatures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Heat that warms a litre of water by one kelvin, kWh.
_KWH_PER_LITRE_K = 0.001163
_VOLTS = 230.0


def _heat_of_water(litres: float, cold_degc: float, hot_degc: float) -> float:
    return litres * _KWH_PER_LITRE_K * (hot_degc - cold_degc)


def _amperes(power_kw: float, phases: float) -> float:
    return power_kw * 1000 / (_VOLTS * float(phases))


_MADE: Mapping[str, Callable[..., Any]] = {
    "share": lambda percent: percent / 100,
    "number": float,
    "list": lambda value: [value],
    "mean_of_day": lambda kwh: kwh / 24,
    "heat_of_water": _heat_of_water,
    "amperes": _amperes,
}


def figure(how: str, values: Sequence[Any]) -> str:
    """The figure as YAML. how: a name that questions.yaml uses, empty for the answer as it is."""
    made = _MADE[how](*values) if how else values[0]
    if isinstance(made, list):
        return f"[{', '.join(map(_text, made))}]"
    return _text(made)


def _text(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:.6g}"
    text = str(value)
    # A clock without quotes would be a number of YAML 1.1.
    return f'"{text}"' if ":" in text else text
