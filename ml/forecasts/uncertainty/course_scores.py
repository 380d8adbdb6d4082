"""Reliability of a model's courses: each backtest day against courses drawn from the errors of all other days."""

from dataclasses import dataclass

import numpy as np

from ml.features.series import Vector
from ml.forecasts.backtest import Forecasts
from ml.forecasts.forecast_model import HIGH, LOW, Quantiles
from ml.forecasts.uncertainty.scores import crps_of_courses, energy_score, variogram_score
from ml.forecasts.uncertainty.trajectories import MAX_DAYS, ErrorMemory, courses

COUNT = 100


@dataclass(frozen=True)
class CourseScores:
    """Means over the days, each of so many steps; scores in the unit of the series.

    sum_coverage: share of days whose sum lies between P10 and P90 of the sums of their courses; apart_coverage: the
    same for steps drawn each for itself, and apart_variogram likewise.
    """

    days: int
    steps: int
    sum_coverage: float
    apart_coverage: float
    crps: float
    energy: float
    variogram: float
    apart_variogram: float

    @property
    def metrics(self) -> dict[str, float]:
        """For the registry's run, in a group of its own."""
        return {f"courses/{name}": float(value) for name, value in vars(self).items()}


def course_scores(run: Forecasts, *, floor: float | None = None) -> CourseScores | None:
    """Of a backtest whose origins were all asked for equally many steps; None where too few days are whole.

    floor: below which the series never was.
    """
    rows = np.unique(run.origin, return_counts=True)[1]
    if not len(rows) or (rows != rows[0]).any():
        return None
    steps = int(rows[0])
    is_known = ~np.isnan(run.actual) & run.quantiles.is_known
    whole = np.flatnonzero(is_known.reshape(-1, steps).all(axis=1))[-MAX_DAYS:]
    days = run.where(np.isin(np.arange(len(run.step)) // steps, whole))
    memory = ErrorMemory.of(days)
    # A day on which nothing was uncertain has no errors to learn from.
    if memory is None or len(memory.scores) != len(whole):
        return None
    q = days.quantiles
    actual, p10, p50, p90 = (each.reshape(-1, steps) for each in (days.actual, q.p10, q.p50, q.p90))
    independent = ErrorMemory(np.full((1, steps), np.nan))
    found = []
    for day in range(len(whole)):
        forecast, happened = Quantiles(p10[day], p50[day], p90[day]), actual[day]
        others = ErrorMemory(np.delete(memory.scores, day, axis=0))
        own = courses(forecast, others, seed=day, count=COUNT, floor=floor)
        free = courses(forecast, independent, seed=day, count=COUNT, floor=floor)
        found.append(
            (
                _holds(own.sum(axis=1), happened.sum()),
                _holds(free.sum(axis=1), happened.sum()),
                crps_of_courses(happened, own),
                energy_score(happened, own),
                variogram_score(happened, own),
                variogram_score(happened, free),
            )
        )
    return CourseScores(len(whole), steps, *np.mean(found, axis=0).tolist())


def _holds(sums: Vector, happened: float) -> float:
    low, high = np.quantile(sums, [LOW, HIGH])
    return float(low <= happened <= high)
