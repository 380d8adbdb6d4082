"""Rolling-origin backtest: one origin a local midnight, the issue time explicit, gaps counted and never filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_quality.contracts.control.forecast import BacktestScore
from ml.features.day_ahead import WEEK
from ml.features.hourly import HOUR, Calendar, Hours, Vector
from ml.forecasts.forecast_model import HIGH, LOW, Forecaster, Quantiles

HORIZON_H = 24


@dataclass(frozen=True)
class Forecasts:
    """What one model said on every origin, beside what happened. Arrays of one length, NaN where unknown."""

    origin: Vector
    actual: Vector
    quantiles: Quantiles


def midnights(calendar: Calendar, length: int, *, last_days: int) -> list[int]:
    """Indices of the last `last_days` local midnights whose following 24 hours lie within `length`."""
    # Where clocks are moved at midnight, that day has no hour 0 and is no origin.
    found = np.flatnonzero(calendar.hour[:length] == 0)
    return [int(index) for index in found[found + HORIZON_H <= length][-last_days:]]


def forecast_origins(model: Forecaster, hours: Hours, calendar: Calendar, origins: Sequence[int]) -> Forecasts:
    """Ask the model at each origin, with the hours before that origin and none after it."""
    made = [model.predict(_before(hours, origin), calendar, origin, HORIZON_H) for origin in origins]
    return Forecasts(
        origin=np.repeat(np.array(origins, dtype=np.float64), HORIZON_H),
        actual=np.concatenate([hours.values[origin : origin + HORIZON_H] for origin in origins]),
        quantiles=Quantiles(
            p10=np.concatenate([one.p10 for one in made]),
            p50=np.concatenate([one.p50 for one in made]),
            p90=np.concatenate([one.p90 for one in made]),
        ),
    )


def score_together(
    runs: Mapping[str, Forecasts], *, scale: float, from_origin: int = 0
) -> tuple[dict[str, BacktestScore], int]:
    """Scores of several models on the hours that every one of them forecast and that have an actual value.

    scale: mean absolute week-to-week difference of the training hours (the divisor of MASE); origins before
    `from_origin` are left out. Returns the scores (empty where no hour is left) and how many hours were left out
    for gaps.
    """
    first = next(iter(runs.values()))
    inside = first.origin >= from_origin
    # The same hours for all: a model that leaves out the hard ones must not look better for it.
    common = inside & ~np.isnan(first.actual)
    for run in runs.values():
        common = common & run.quantiles.is_known
    left_out = int(inside.sum() - common.sum())
    # Scores divide by the energy and by the scale; `not scale > 0` holds for nan as well.
    if not common.any() or float(np.sum(first.actual[common])) == 0 or not scale > 0:
        return {}, left_out
    folds = len(np.unique(first.origin[common]))
    scores = {name: _score(name, run, common, scale, folds) for name, run in runs.items()}
    return scores, left_out


def week_scale(values: Vector) -> float:
    """Mean absolute difference to the same hour one week before, over hours where both are known; NaN if none is."""
    # A week and not an hour: below 1 MASE then says that the model beats the same hour last week.
    differences = np.abs(values[WEEK:] - values[:-WEEK])
    known = differences[~np.isnan(differences)]
    return float(known.mean()) if len(known) else float("nan")


def pinball(actual: Vector, predicted: Vector, quantile: float) -> float:
    """Mean pinball loss of one quantile, in the stream's unit."""
    error = actual - predicted
    return float(np.mean(np.maximum(quantile * error, (quantile - 1.0) * error)))


def _score(name: str, run: Forecasts, common: npt.NDArray[np.bool_], scale: float, folds: int) -> BacktestScore:
    actual = run.actual[common]
    p10, p50, p90 = run.quantiles.p10[common], run.quantiles.p50[common], run.quantiles.p90[common]
    error = actual - p50
    losses = [pinball(actual, p10, LOW), pinball(actual, p50, 0.5), pinball(actual, p90, HIGH)]
    return BacktestScore(
        model_name=name,
        # By the mean and not by the range: one peak would make every model look good.
        nrmse=float(np.sqrt(np.mean(error**2)) / abs(np.mean(actual))),
        wape=float(np.sum(np.abs(error)) / np.sum(np.abs(actual))),
        mase=float(np.mean(np.abs(error)) / scale),
        pinball=float(np.mean(losses)),
        coverage_p10_p90=float(np.mean((actual >= p10) & (actual <= p90))),
        folds=folds,
        n=int(common.sum()),
    )


def _before(hours: Hours, origin: int) -> Hours:
    return hours.until(hours.start_utc + origin * HOUR)
