"""Uncertainty of numbers that are made of measured ones: first order, by source (JCGM 100, the GUM, clauses 4.3, 5.1).

A source (a meter, a factor, a model) is off by one and the same amount wherever it stands, so what it does to a sum, a
difference or a ratio is added with its sign; sources are off apart from one another, so their parts add by squares.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from statistics import NormalDist
from typing import NamedTuple

from data_quality.contracts.reporting.figure import Band, BandExclusion

METER, FACTOR, MODEL = "meter:", "factor:", "model:"
COVERAGE = 0.9
# Half of a 95 % interval, as the IPCC guidelines state it, over the standard uncertainty.
IPCC_K = NormalDist().inv_cdf(0.975)
# Where all other sources together are less than this part of a rectangular one, it decides the shape (EA-4/02, S9.14).
_DOMINATED = 0.3


class Spread(NamedTuple):
    """A number and what it is off by: source -> standard uncertainty with its sign, in the number's unit."""

    value: float | None
    parts: Mapping[str, float]
    left_out: frozenset[BandExclusion] = frozenset()


def of_limit(percent: float) -> float:
    """Relative standard uncertainty of a meter that may be off by so much: any error within is as likely (4.3.7)."""
    return percent / 100 / math.sqrt(3)


def of_half_95(percent: float) -> float:
    """Relative standard uncertainty of a factor, of half of its 95 % interval."""
    return percent / 100 / IPCC_K


def of_half(half: float, confidence: float) -> float:
    """Standard uncertainty of a band that is known by its half-width."""
    return half / NormalDist().inv_cdf(0.5 + confidence / 2)


def band_of(spread: Spread, coverage: float = COVERAGE) -> Band:
    """The band of a spread."""
    left_out = tuple(sorted(spread.left_out))
    parts = {source: abs(part) for source, part in spread.parts.items() if part}
    if spread.value is None or not parts:
        return Band(None, None, None, coverage, {}, left_out)
    sigma = math.hypot(*parts.values())
    first = max(parts, key=lambda source: parts[source])
    rest = math.hypot(*(part for source, part in parts.items() if source != first))
    is_flat = first.startswith(METER) and rest <= _DOMINATED * parts[first]
    # A rectangle holds its share within that share of its limit; a normal k would be too wide by a fifteenth.
    half = sigma * (coverage * math.sqrt(3) if is_flat else NormalDist().inv_cdf(0.5 + coverage / 2))
    shares = {source: (parts[source] / sigma) ** 2 for source in sorted(parts, key=lambda each: -parts[each])}
    return Band(spread.value - half, spread.value + half, half, coverage, shares, left_out)


def scaled(spread: Spread, by: float, value: float | None) -> Spread:
    """The spread of a number that is `by` times another."""
    return Spread(value, {source: by * part for source, part in spread.parts.items()}, spread.left_out)


def combined(computation: str, value: Decimal | None, operands: Sequence[Spread]) -> Spread:
    """The spread of what a named combination makes of numbers; nothing is propagated through one that is not known."""
    left_out = frozenset(left for each in operands for left in each.left_out)
    known = [each.value for each in operands if each.value is not None]
    if value is None or len(known) < len(operands):
        return Spread(None, {}, left_out)
    if computation not in _SLOPES:
        left_out |= {BandExclusion("not_propagated", computation)}
    if any(each.code == "not_propagated" for each in left_out):
        # A band of the other parts alone would look like one of the whole.
        return Spread(float(value), {}, left_out)
    parts: dict[str, float] = {}
    for slope, each in zip(_SLOPES[computation](known), operands, strict=True):
        for source, part in each.parts.items():
            parts[source] = parts.get(source, 0.0) + slope * part
    return Spread(float(value), parts, left_out)


def _ratio(values: Sequence[float], by: float = 1.0) -> Collection[float]:
    first, second = values
    return (by / second, -by * first / second**2) if second else (0.0, 0.0)


def _largest(values: Sequence[float]) -> Collection[float]:
    at = values.index(max(values))
    return [float(place == at) for place in range(len(values))]


# Combination -> how much it moves with each of the numbers that it is made of.
_SLOPES: Mapping[str, Callable[[Sequence[float]], Collection[float]]] = {
    "sum": lambda values: [1.0] * len(values),
    "max": _largest,
    "difference": lambda _: (1.0, -1.0),
    "ratio": _ratio,
    "product": lambda values: (values[1], values[0]),
    "deviation_percent": lambda values: _ratio(values, 100.0),
    "percent_of": lambda values: _ratio(values, 100.0),
    "in_gj": lambda _: (0.0036,),
    "in_thousands": lambda _: (0.001,),
}
