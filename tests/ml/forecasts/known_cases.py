"""Cases with a known course, for tests of models and of their explanations."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np

from ml.features.civil import Civil, civil_on
from ml.features.forecast_case import Case
from ml.features.series import DAY, HOUR, Series, Vector
from ml.features.weather_as_of import NO_WEATHER, WeatherAsOf

ZONE = "Europe/Berlin"
# A Monday at midnight in Berlin.
START = datetime(2025, 1, 5, 23, tzinfo=UTC)


def types(start: date, end: date, holidays: frozenset[date] = frozenset()) -> Mapping[date, str]:
    """Day types by date: Saturday and Sunday rest, and so do the holidays."""
    days = [start + timedelta(days=n) for n in range((end - start).days)]
    return {d: "holiday" if d in holidays else "weekend" if d.weekday() >= 5 else "weekday" for d in days}


def case_like(
    course: Callable[[Civil], Vector],
    *,
    days: int,
    ahead_days: int = 40,
    step: timedelta = HOUR,
    start: datetime = START,
    holidays: frozenset[date] = frozenset(),
    weather: WeatherAsOf = NO_WEATHER,
) -> Case:
    """A case of so many days of 24 hours; course: values of all steps of a civil calendar."""
    per_day = DAY // step
    civil = civil_on(lambda a, b: types(a, b, holidays), ZONE, start, (days + ahead_days) * per_day, step)
    return Case(Series(start, course(civil)[: days * per_day], step), civil, weather)


def factory(seed: int, *, sigma: float = 0.5) -> Callable[[Civil], Vector]:
    """A load that works by day on weekdays, by local clock, with independent noise, kWh per step."""

    def course(civil: Civil) -> Vector:
        working = np.sin(np.pi * np.clip(civil.minute / 60 - 6, 0, 12) / 12) * np.where(civil.day_type == 0, 1.0, 0.2)
        noise: Vector = np.random.default_rng(seed).normal(0.0, sigma, len(civil))
        return np.maximum(10.0 + 20.0 * working + noise, 0.1)

    return course
