"""Rolling-origin backtest: one origin a local midnight, the issue time explicit, gaps counted and never filled.

Protocol of the stateless command (cli.md): the last local calendar months, each forecast by models that were fitted on
everything before its first day. Steps count where the value, the one a day and the one a week before are known, and
every model had an answer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

import numpy as np
import numpy.typing as npt

from data_quality.contracts.control.forecast import BacktestScore
from ml.features.civil import Civil
from ml.features.feature import WEEK_DAYS
from ml.features.forecast_case import Case
from ml.features.series import Index, Vector
from ml.forecasts.forecast_model import Fitter, Forecaster, Quantiles, TooShort
from ml.forecasts.uncertainty.scores import crps, mean_pinball

Mask = npt.NDArray[np.bool_]
SEASONS = {1: "winter", 2: "spring", 3: "summer", 4: "autumn"}
# A month counts with half of its days: files end some hours before local midnight.
MIN_MONTH_DAYS = 15


@dataclass(frozen=True)
class Fold:
    """Origins that are forecast by models fitted on everything before `start` (steps of the case's grid)."""

    name: str
    start: int
    origins: tuple[int, ...]


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one model at every origin, beside the outcome. Arrays of one length, NaN where unknown.

    origin, step: of the grid. is_fair: the values a day and a week before are known too, so that the floor can answer.
    """

    origin: Index
    step: Index
    actual: Vector
    quantiles: Quantiles
    is_fair: Mask

    def where(self, rows: Mask) -> "Forecasts":
        """Some of the rows."""
        part = self.quantiles.where(rows)
        return Forecasts(self.origin[rows], self.step[rows], self.actual[rows], part, self.is_fair[rows])

    @property
    def counts(self) -> Mask:
        """Rows that can be scored."""
        return ~np.isnan(self.actual) & self.quantiles.is_known & self.is_fair


def midnights(civil: Civil, length: int, *, last_days: int) -> list[int]:
    """Steps of the last `last_days` local midnights whose following 24 hours lie within `length`."""
    found = civil.midnights
    return [int(step) for step in found[found + civil.per_day <= length][-last_days:]]


def month_folds(case: Case, count: int) -> list[Fold]:
    """A fold for each of the last `count` local calendar months of the series; fewer where it is shorter."""
    length = len(case.series.values)
    origins = [int(step) for step in case.civil.midnights if step < length]

    def month(step: int) -> tuple[int, int]:
        day = local_date(case.civil, step)
        return day.year, day.month

    months = [(key, tuple(group)) for key, group in groupby(origins, month)]
    whole = [(key, group) for key, group in months if len(group) >= MIN_MONTH_DAYS]
    return [Fold(f"{year}-{number:02}", group[0], group) for (year, number), group in whole[-count:]]


def local_date(civil: Civil, step: int) -> date:
    """The local date of a step."""
    return civil.first_day + timedelta(days=int(civil.day[step]))


def run_folds(
    case: Case,
    fitters: Sequence[Fitter],
    folds: Sequence[Fold],
    *,
    horizon: int,
    doing: Callable[[str], None] = lambda _: None,
) -> dict[str, Forecasts]:
    """Forecasts of models of each kind on all origins of all folds; a kind that cannot be fitted on one is left out.

    horizon: in steps. doing: told the name of each fold as it begins.
    """
    made: dict[str, list[Forecasts]] = {fitter.algorithm: [] for fitter in fitters}
    for fold in folds:
        doing(fold.name)
        before = case.before(fold.start)
        for fitter in fitters:
            try:
                model = fitter.fit(before)
            except TooShort:
                made.pop(fitter.algorithm, None)
                continue
            if fitter.algorithm in made:
                made[fitter.algorithm].append(forecast_origins(model, case, fold.origins, horizon))
    return {name: joined(parts) for name, parts in made.items() if parts}


def forecast_origins(model: Forecaster, case: Case, origins: Sequence[int], horizon: int) -> Forecasts:
    """Ask the model at each origin, with the steps before that origin and none after it."""
    answers = [model.predict(case.before(origin), origin, horizon) for origin in origins]
    return with_actual(case, origins, horizon, answers)


def with_actual(case: Case, origins: Sequence[int], horizon: int, answers: Sequence[Quantiles]) -> Forecasts:
    """Answers, one an origin and each of `horizon` steps, beside what happened."""
    origin = np.repeat(np.array(origins, dtype=np.int64), horizon)
    step = origin + np.tile(np.arange(horizon), len(origins))
    before = [value_at(case, case.civil.same_clock(step, days)) for days in (1, WEEK_DAYS)]
    return Forecasts(
        origin=origin,
        step=step,
        actual=value_at(case, step),
        quantiles=Quantiles.joined(answers),
        is_fair=~np.isnan(before[0]) & ~np.isnan(before[1]),
    )


def value_at(case: Case, step: Index) -> Vector:
    """Actual values at those steps, whatever the origin: for scores alone."""
    values = case.series.values
    found: Vector = np.full(len(step), np.nan)
    inside = (step >= 0) & (step < len(values))
    found[inside] = values[step[inside]]
    return found


def joined(parts: Iterable[Forecasts]) -> Forecasts:
    """The same model's answers on several folds, one behind the other."""
    all_parts = list(parts)
    return Forecasts(
        origin=np.concatenate([part.origin for part in all_parts]),
        step=np.concatenate([part.step for part in all_parts]),
        actual=np.concatenate([part.actual for part in all_parts]),
        quantiles=Quantiles.joined([part.quantiles for part in all_parts]),
        is_fair=np.concatenate([part.is_fair for part in all_parts]),
    )


def score_together(
    runs: Mapping[str, Forecasts], *, scale: float, from_origin: int = 0
) -> tuple[dict[str, BacktestScore], int]:
    """Scores of several models on the steps that every one of them forecast and that have an actual value.

    scale: mean absolute week-to-week difference of the training steps (the divisor of MASE); origins before
    `from_origin` are left out. Returns the scores (empty where no step is left) and how many steps were left out
    for gaps.
    """
    first = next(iter(runs.values()))
    inside = first.origin >= from_origin
    # The same steps for all: a model that leaves out the hard ones must not look better for it.
    common = inside & np.all([run.counts for run in runs.values()], axis=0)
    left_out = int(inside.sum() - common.sum())
    # Scores divide by the energy and by the scale; `not scale > 0` holds for nan as well.
    if not common.any() or float(np.sum(first.actual[common])) == 0 or not scale > 0:
        return {}, left_out
    return {name: score(name, run.where(common), scale=scale) for name, run in runs.items()}, left_out


def score(name: str, run: Forecasts, *, scale: float) -> BacktestScore:
    """Scores of answers that all count; at least one, with a mean that is not zero (formulas 5.17)."""
    actual, q = run.actual, run.quantiles
    error = q.p50 - actual
    has_ends = not np.isnan((q.p5, q.p95)).any()
    return BacktestScore(
        model_name=name,
        # By the mean and not by the range: one peak would make every model look good.
        nrmse=float(np.sqrt(np.mean(error**2)) / abs(np.mean(actual))),
        wape=float(np.sum(np.abs(error)) / np.sum(np.abs(actual))),
        mase=float(np.mean(np.abs(error)) / scale),
        pinball=mean_pinball(actual, q),
        coverage_p10_p90=float(np.mean((actual >= q.p10) & (actual <= q.p90))),
        # None of a model that did not give them of every step.
        coverage_p5_p95=float(np.mean((actual >= q.p5) & (actual <= q.p95))) if has_ends else None,
        folds=len(np.unique(run.origin)),
        n=len(actual),
        crps=crps(actual, q),
        bias=float(np.mean(error) / abs(np.mean(actual))),
    )


def day_wape(run: Forecasts, per_day: int) -> float | None:
    """WAPE of the sums of whole days (24 hours from the origin, and from there on); None where no day counts whole."""
    day = (run.step - run.origin) // per_day
    _, which, steps = np.unique(np.stack([run.origin, day]), axis=1, return_inverse=True, return_counts=True)
    actual, error = (
        np.bincount(which.ravel(), weights=each)[steps == per_day]
        for each in (run.actual, run.quantiles.p50 - run.actual)
    )
    size = float(np.abs(actual).sum())
    return float(np.abs(error).sum()) / size if size > 0 else None


def lead_names(steps_ahead: Index, per_day: int) -> npt.NDArray[np.str_]:
    """The lead block of each step: six-hour blocks h00 to h18 of the first day, then d1, d2 … by day."""
    hour = steps_ahead * 24 // per_day
    return np.array([f"h{6 * (h // 6):02}" if h < 24 else f"d{h // 24}" for h in hour.tolist()], dtype=np.str_)


def by_lead(run: Forecasts, per_day: int) -> dict[str, Forecasts]:
    """The answers by how far ahead they were (`lead_names`)."""
    names = lead_names(run.step - run.origin, per_day)
    return {name: run.where(names == name) for name in dict.fromkeys(names.tolist())}


def by_season(run: Forecasts, civil: Civil) -> dict[str, Forecasts]:
    """The answers by meteorological season of the northern year's months: winter is December to February."""
    month = np.array([local_date(civil, int(step)).month for step in run.origin])
    season = month % 12 // 3 + 1
    return {SEASONS[number]: run.where(season == number) for number in sorted(set(season.tolist()))}


def week_scale(values: Vector, per_day: int) -> float:
    """Mean absolute difference to the same hour one week before, over steps where both are known; NaN if none is."""
    # A week and not an hour: below 1 MASE then says that the model beats the same hour last week.
    week = WEEK_DAYS * per_day
    differences = np.abs(values[week:] - values[:-week])
    known = differences[~np.isnan(differences)]
    return float(known.mean()) if len(known) else float("nan")
