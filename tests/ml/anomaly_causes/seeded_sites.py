"""Simulated sites with seeded causes of anomalies: each cause in a span of a meter, with the facts beside it.

A site is made by its number alone: load by shifts and weather, two other meters, a use that works against it, and what
is known of it (temperature, announcements, validation), where it is known. Sites of other numbers are other sites.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import numpy as np

from data_quality.contracts.reporting.anomaly_event import Cause
from ml.anomalies.day_grid import Mask
from ml.anomaly_causes.event_features import CauseContext
from ml.features.civil import Civil, civil_on
from ml.features.series import Index, Series, Vector

DAYS, TRAINING, PAD = 154, 49, 4
CAUSES = ("sensor_fault", "waste", "scheduled_change", "weather", "unknown")
# How often an announcement, and a finding of the validation, stands beside a cause, where the site has any.
ANNOUNCED = {"scheduled_change": 0.75, "waste": 0.04, "unknown": 0.06, "weather": 0.03, "sensor_fault": 0.03}
FLAGGED = {"sensor_fault": 0.7, "unknown": 0.15, "waste": 0.06, "scheduled_change": 0.08, "weather": 0.04}


class Seeded(NamedTuple):
    """A cause in the hours [first, end)."""

    cause: Cause
    kind: str
    first: int
    end: int


@dataclass(frozen=True)
class SeededSite:
    """One meter with its calendar, the facts beside it, and the truth."""

    series: Series
    civil: Civil
    context: CauseContext
    seeded: tuple[Seeded, ...]


@dataclass
class _Plant:
    """A site while it is made. load: without what was seeded; open_hours: of work, by day type."""

    rng: np.random.Generator
    civil: Civil
    degc: Vector
    is_work: Mask
    base: float
    heat: float
    cool: float
    load: Vector
    opposite: Vector

    @property
    def work_level(self) -> float:
        """Level of a working hour."""
        return float(np.median(self.load[self.is_work]))


def seeded_site(number: int) -> SeededSite:
    """The site of a number, with up to five causes."""
    rng = np.random.default_rng([number, 42])
    start, civil = _calendar(rng)
    spans = _spans(rng, civil)
    weather = [each for each in spans if each.cause == "weather"]
    plant = _plant(rng, civil, weather)
    others = tuple(_other(plant) for _ in range(int(rng.integers(0, 3))))
    values, opposite = plant.load.copy(), plant.opposite.copy()
    kept = list[Seeded]()
    for each in spans:
        made = each if each.cause == "weather" else _put(each, plant, values, opposite)
        if made is not None:
            kept.append(made)
    step = float(rng.choice([0.01, 0.1, 0.5]))
    values = np.maximum(np.round(values / step) * step, 0.0)
    context = CauseContext(
        temperature=plant.degc if rng.random() < 0.75 else None,
        announced=_spoken(rng, kept, civil, ANNOUNCED) if rng.random() < 0.7 else None,
        flagged=_spoken(rng, kept, civil, FLAGGED) if rng.random() < 0.7 else None,
        others=others,
        opposite=opposite if plant.heat or plant.cool else None,
    )
    return SeededSite(Series(start, values), civil, context, tuple(kept))


def _calendar(rng: np.random.Generator) -> tuple[datetime, Civil]:
    start = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=int(rng.integers(0, 365)))
    closed = {start.date() + timedelta(days=int(each)) for each in rng.integers(0, DAYS, 5)}

    def types(first: date, end: date) -> dict[date, str]:
        days = (first + timedelta(days=n) for n in range((end - first).days))
        return {day: "holiday" if day in closed else "weekend" if day.weekday() >= 5 else "weekday" for day in days}

    return start, civil_on(types, "UTC", start, DAYS * 24)


def _spans(rng: np.random.Generator, civil: Civil) -> list[Seeded]:
    """Causes one after another, with days between them that are as they should be."""
    found, day = list[Seeded](), TRAINING
    for place in rng.permutation(len(CAUSES)):
        if rng.random() < 0.15:
            continue
        kind = str(rng.choice(_KINDS[CAUSES[place]]))
        days = int(rng.integers(*_LENGTH[kind]))
        if kind in {"weekend", "closure"}:
            # Begins on a Friday or a Monday.
            wanted = 5 if kind == "weekend" else 1
            day += (wanted - int(civil.weekday[day * 24])) % 7
        hours = days * 24 if days else int(rng.integers(3, 30))
        first = day * 24 + int(_BEGINS.get(kind, rng.integers(0, 24)))
        if first + hours > (DAYS - 3) * 24:
            break
        found.append(Seeded(CAUSES[place], kind, first, first + hours))
        day += days + PAD + int(rng.integers(0, 8))
    return found


_KINDS = {
    "sensor_fault": ("stuck", "unit", "gain_drift", "dead"),
    "waste": ("night", "weekend", "against"),
    "scheduled_change": ("night_shift", "production", "closure", "step"),
    "weather": ("spell",),
    "unknown": ("bumps", "burst", "wander"),
}
_LENGTH = {
    "stuck": (1, 4), "unit": (2, 6), "gain_drift": (14, 22), "dead": (1, 3), "night": (3, 9), "weekend": (3, 4),
    "against": (3, 9), "night_shift": (5, 16), "production": (3, 12), "closure": (3, 12), "step": (12, 20),
    "spell": (4, 11), "bumps": (2, 8), "burst": (0, 1), "wander": (3, 9),
}  # fmt: skip
_BEGINS = {"night": 12, "weekend": 16, "night_shift": 6, "production": 0, "closure": 0, "step": 0, "spell": 0}


def _plant(rng: np.random.Generator, civil: Civil, weather: list[Seeded]) -> _Plant:
    length, hour = len(civil), civil.hour
    degc = _temperature(rng, civil)
    is_driven = bool(weather) or rng.random() < 0.4
    is_heat = bool(degc.mean() < 13)
    heat, cool = (
        (float(rng.uniform(0.04, 0.12)), 0.0) if is_driven and is_heat
        else (0.0, float(rng.uniform(0.05, 0.12))) if is_driven else (0.0, 0.0)
    )  # fmt: skip
    for each in weather:
        degc[each.first : each.end] += (-1 if is_heat else 1) * rng.uniform(9, 17)
    begin, span = int(rng.integers(5, 10)), int(rng.integers(8, 15))
    works_saturday = rng.random() < 0.3
    is_day = (civil.day_type == 0) | ((civil.weekday == 6) & works_saturday)
    is_work = is_day & (hour >= begin) & (hour < begin + span)
    base, swing = float(rng.uniform(0.12, 0.5)), rng.uniform(0, 0.3)
    shape = np.where(is_work, 1 - swing * np.cos((hour - begin) / span * 2 * np.pi) ** 2, base)
    days = rng.normal(1, rng.uniform(0.01, 0.05), int(civil.day[-1]) + 1)[civil.day]
    driven = 1 + heat * np.maximum(15 - degc, 0) + cool * np.maximum(degc - 20, 0)
    size = 10 ** rng.uniform(1, 2.7)
    load = size * shape * days * driven * rng.normal(1, rng.uniform(0.02, 0.07), length)
    compared = np.maximum(degc - 20, 0) if is_heat else np.maximum(15 - degc, 0)
    opposite = 0.2 * size * (0.3 + 0.1 * compared) * rng.normal(1, 0.06, length)
    return _Plant(rng, civil, degc, is_work, base, heat, cool, load, opposite)


def _temperature(rng: np.random.Generator, civil: Civil) -> Vector:
    noise = np.zeros(int(civil.day[-1]) + 1)
    for day in range(1, len(noise)):
        noise[day] = 0.75 * noise[day - 1] + rng.normal(0, 2.2)
    season = rng.uniform(8, 14) - rng.uniform(7, 12) * np.cos((civil.day_of_year - 15) / 365 * 2 * np.pi)
    return np.asarray(season + noise[civil.day] - 4 * np.cos((civil.hour - 3) / 24 * 2 * np.pi))


def _other(plant: _Plant) -> Vector:
    """Another meter of the site: the same weather, shifts of its own."""
    rng, civil = plant.rng, plant.civil
    driven = 1 + plant.heat * np.maximum(15 - plant.degc, 0) + plant.cool * np.maximum(plant.degc - 20, 0)
    level = np.where(plant.is_work, 1.0, rng.uniform(0.1, 0.6)) * driven * rng.normal(1, 0.05, len(civil))
    return np.asarray(10 ** rng.uniform(1, 2) * level)


def _put(each: Seeded, plant: _Plant, values: Vector, opposite: Vector) -> Seeded | None:
    """Change the hours of a cause; None where that would hardly be a change."""
    span = slice(each.first, each.end)
    if each.kind == "against":
        opposite[span] *= plant.rng.uniform(2, 5)
    changed = _MADE[each.kind](values[span].copy(), span, plant)
    if np.abs(changed - values[span]).sum() < 0.1 * np.abs(values[span]).sum():
        return None
    values[span] = changed
    return each


Made = Callable[[Vector, slice, _Plant], Vector]


def _is_night(hour: Index) -> Mask:
    return (hour >= 20) | (hour < 6)


def _night(own: Vector, span: slice, plant: _Plant) -> Vector:
    run = plant.work_level * plant.rng.uniform(0.55, 0.95) * plant.rng.normal(1, 0.04, len(own))
    return np.where(_is_night(plant.civil.hour[span]), np.maximum(own, run), own)


def _weekend(own: Vector, span: slice, plant: _Plant) -> Vector:
    run = plant.work_level * plant.rng.uniform(0.55, 1.0) * plant.rng.normal(1, 0.05, len(own))
    return np.maximum(own, run)


def _against(own: Vector, _: slice, plant: _Plant) -> Vector:
    more = plant.work_level * plant.rng.uniform(0.35, 0.8)
    return np.asarray(own + more * plant.rng.normal(1, 0.07, len(own)))


def _night_shift(own: Vector, span: slice, plant: _Plant) -> Vector:
    hour, weekday = plant.civil.hour[span], plant.civil.weekday[span]
    begin = int(plant.rng.integers(20, 23))
    is_on = ((hour >= begin) & (weekday <= 5)) | ((hour < 6) & (weekday >= 2) & (weekday <= 6))
    run = plant.work_level * plant.rng.uniform(0.8, 1.05)
    return np.where(is_on, np.maximum(own, run * plant.rng.normal(1, 0.07, len(own))), own)


def _production(own: Vector, span: slice, plant: _Plant) -> Vector:
    return np.where(plant.is_work[span], own * plant.rng.uniform(2.0, 3.0), own)


def _closure(own: Vector, _: slice, plant: _Plant) -> Vector:
    rest = plant.base * plant.work_level * plant.rng.uniform(0.15, 0.5)
    return np.asarray(rest * plant.rng.normal(1, 0.05, len(own)))


def _gain_drift(own: Vector, _: slice, plant: _Plant) -> Vector:
    gain = plant.rng.uniform(0.25, 0.5) * plant.rng.choice([-1, 1])
    return np.asarray(own * (1 + gain * np.linspace(0, 1, len(own))))


def _bumps(own: Vector, _: slice, plant: _Plant) -> Vector:
    place = np.arange(len(own))
    bumps = sum(
        plant.rng.uniform(0.5, 2.5) * np.exp(-(((place - at) / plant.rng.uniform(1, 6)) ** 2))
        for at in plant.rng.uniform(0, len(own), max(2, len(own) // 14))
    )
    return np.asarray(own + plant.work_level * bumps)


def _burst(own: Vector, _: slice, plant: _Plant) -> Vector:
    return np.asarray(own + plant.work_level * plant.rng.uniform(1, 3) * plant.rng.uniform(0.3, 1.4, len(own)))


def _wander(own: Vector, _: slice, plant: _Plant) -> Vector:
    walk = np.abs(np.cumsum(plant.rng.normal(0, 1, len(own))))
    return np.asarray(own + plant.work_level * plant.rng.uniform(1, 2.5) * walk / max(float(walk.max()), 1e-9))


_MADE: dict[str, Made] = {
    "stuck": lambda own, _span, _plant: np.full(len(own), own[0]),
    "unit": lambda own, _span, plant: np.asarray(own * plant.rng.choice([10, 0.1, 3.6, 1 / 3.6, 0.001, 60])),
    "gain_drift": _gain_drift,
    "dead": lambda own, _span, _plant: np.zeros(len(own)),
    "night": _night,
    "weekend": _weekend,
    "against": _against,
    "night_shift": _night_shift,
    "production": _production,
    "closure": _closure,
    "step": lambda own, _span, plant: np.asarray(own * plant.rng.choice([0.55, 1.4, 1.6, 1.9])),
    "bumps": _bumps,
    "burst": _burst,
    "wander": _wander,
}


def _spoken(rng: np.random.Generator, seeded: list[Seeded], civil: Civil, shares: dict[str, float]) -> Mask:
    """Whole days around a cause of which somebody, or the validation, says something."""
    found = np.zeros(len(civil), dtype=bool)
    for each in seeded:
        if rng.random() < shares[each.cause]:
            first, last = civil.day[each.first], civil.day[each.end - 1]
            found |= (civil.day >= first - rng.integers(0, 2)) & (civil.day <= last + rng.integers(0, 2))
    return found
