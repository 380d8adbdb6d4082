"""An office's hourly load of half a year with seeded noise, and faults put into it."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from ml.anomalies.monitor import Watched, watch
from ml.anomalies.params import DetectorParams
from ml.features.civil import civil_on
from ml.features.series import Series, Vector

START, ZONE = datetime(2024, 9, 2, tzinfo=UTC), "Europe/London"


def types(start: date, end: date) -> dict[date, str]:
    """Monday to Friday and the rest."""
    days = (start + timedelta(days=n) for n in range((end - start).days))
    return {day: "weekday" if day.weekday() < 5 else "weekend" for day in days}


def load(days: int = 120, seed: int = 7) -> Vector:
    """kWh an hour by the local clock: nights of 20, working days up to 100, 4 % noise, and a slow season."""
    rng, place = np.random.default_rng(seed), np.arange(days * 24)
    civil = civil_on(types, ZONE, START, len(place))
    work = np.clip(np.sin((civil.hour - 7) / 11 * np.pi), 0, None) * ((civil.hour >= 7) & (civil.hour <= 18))
    season = 1 + 0.08 * np.sin(place / 24 / 180 * 2 * np.pi)
    level = (20 + 80 * work * np.where(civil.day_type == 0, 1, 0.15)) * season
    found: Vector = np.round(level * rng.normal(1, 0.04, len(place)), 2)
    return found


def watched(values: Vector, *, sensitivity: float = 0.5, step: timedelta = timedelta(hours=1)) -> Watched:
    """The events of these values."""
    civil = civil_on(types, ZONE, START, len(values), step)
    return watch(Series(START, values, step), civil, DetectorParams(sensitivity=sensitivity))
