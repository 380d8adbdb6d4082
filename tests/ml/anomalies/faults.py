"""Faults put into the readings of a real meter by a seed, each labelled with its hours."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ml.features.series import Vector

# No fault begins before: so much is for learning what is usual. Between two faults a day is left as it was.
TRAINING, PAD = 42 * 24, 24
PLAN = ("drift", "unit_scale", "night_waste", "night_waste", *2 * ("stuck", "dead"), *4 * ("spike",))
HOURS = {
    "drift": lambda rng: 24 * int(rng.integers(14, 22)),
    "unit_scale": lambda rng: int(rng.integers(48, 121)),
    "night_waste": lambda rng: 24 * int(rng.integers(4, 9)),
    "stuck": lambda rng: int(rng.integers(12, 73)),
    "dead": lambda rng: int(rng.integers(6, 49)),
    "spike": lambda rng: int(rng.integers(1, 4)),
}
# A drift begins at midnight, waste at noon before its first night.
BEGINS_AT = {"drift": 0, "night_waste": 12}


class Fault(NamedTuple):
    """Fault put into hours [first, end)."""

    kind: str
    first: int
    end: int


def with_faults(clean: Vector, seed: int) -> tuple[Vector, list[Fault]]:
    """The readings with twelve faults, or fewer where no place is found for one. Midnight is a multiple of 24."""
    rng, values, faults = np.random.default_rng(seed), clean.copy(), list[Fault]()
    is_free = np.isfinite(clean)
    is_free[:TRAINING] = False
    for kind in PLAN:
        hours = HOURS[kind](rng)
        for _ in range(200):
            first = int(rng.integers(TRAINING, len(values) - hours - 2 * PAD))
            first = first // 24 * 24 + BEGINS_AT[kind] if kind in BEGINS_AT else first
            made = _MADE[kind](clean, first, first + hours, rng)
            if made is not None and is_free[first - PAD : first + hours + PAD].all():
                values[first : first + hours] = made
                is_free[first : first + hours] = False
                faults.append(Fault(kind, first, first + hours))
                break
    return values, sorted(faults, key=lambda each: each.first)


Made = Callable[[Vector, int, int, np.random.Generator], Vector | None]


def _drift(clean: Vector, first: int, end: int, rng: np.random.Generator) -> Vector | None:
    gain = rng.uniform(0.25, 0.45) * rng.choice([-1, 1])
    return np.asarray(clean[first:end] * (1 + gain * np.linspace(0, 1, end - first)))


def _night_waste(clean: Vector, first: int, end: int, rng: np.random.Generator) -> Vector | None:
    """Nights near the level of the week before; None where that is hardly above what they are."""
    hour = np.arange(first, end) % 24
    is_night = (hour >= 20) | (hour < 6)
    level = rng.uniform(0.7, 0.9) * np.nanquantile(clean[first - 168 : first], 0.9)
    if not np.nanmean(clean[first:end][is_night]) * 1.3 <= level:
        return None
    raised = np.maximum(clean[first:end], level * rng.normal(1, 0.03, end - first))
    return np.where(is_night, raised, clean[first:end])


def _spike(clean: Vector, first: int, end: int, rng: np.random.Generator) -> Vector | None:
    return np.asarray(rng.uniform(2.5, 6) * np.nanquantile(clean, 0.95) * rng.normal(1, 0.03, end - first))


_MADE: dict[str, Made] = {
    "drift": _drift,
    "unit_scale": lambda clean, first, end, rng: np.asarray(clean[first:end] * rng.choice([10, 0.1, 3.6, 0.001])),
    "night_waste": _night_waste,
    "stuck": lambda clean, first, end, _: np.full(end - first, clean[first - 1]),
    "dead": lambda _clean, first, end, _: np.zeros(end - first),
    "spike": _spike,
}
