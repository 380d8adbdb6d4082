"""The trial of a training: every kind of model on the same recent days, by fold, lead and season, against the floor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Literal

import numpy as np

from data_quality.contracts.control.forecast import BacktestScore
from data_quality.contracts.model import Model
from ml.features.civil import Civil
from ml.features.forecast_case import Case
from ml.features.series import DAY, Series
from ml.forecasts.backtest import (
    Fold,
    Forecasts,
    by_lead,
    by_season,
    local_date,
    midnights,
    run_folds,
    score,
    score_together,
    week_scale,
)
from ml.forecasts.forecast_model import Fitter
from ml.forecasts.lifecycle.promotion import MIN_COMMON_DAYS
from ml.forecasts.models.naive import SameHourLastWeekFitter
from ml.forecasts.plausible import out_of_reach
from ml.forecasts.targets import Target
from ml.forecasts.uncertainty.scores import mean_pinball

FLOOR = SameHourLastWeekFitter.algorithm
# Of a short history this share is kept for the trial: what is left has to be learnt from.
MAX_TRIAL_SHARE = 3
MIN_TRIAL_DAYS = 7
# A week can be looked at; more becomes a grey band.
PICTURE_DAYS = 7


class Slice(Model):
    """Scores of one model on a part of the trial: a fold, a lead block or a season.

    skill: 1 − CRPS / CRPS of same hour last week; None where the floor was exact or did not answer.
    """

    model_name: str
    kind: Literal["fold", "lead", "season"]
    name: str
    score: BacktestScore
    skill: float | None


class Chart(Model):
    """Numbers to draw: lines over times, or bars over names; None is a gap."""

    name: str
    title: str
    unit: str
    at: tuple[datetime, ...] | tuple[str, ...]
    series: dict[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class Trial:
    """Answers of every model on the folds, and its scores on the steps of the first day that all of them answered.

    scale: of MASE. left_out: steps of the first day that cannot be scored for gaps. refused: kinds that may not lead,
    with why.
    """

    case: Case
    folds: tuple[Fold, ...]
    runs: dict[str, Forecasts]
    scores: dict[str, BacktestScore]
    scale: float
    left_out: int
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def best(self) -> str:
        """The model with the least CRPS: what plans use are all three quantiles. Of those that may lead."""
        return self.ranking[0]

    @property
    def ranking(self) -> list[str]:
        """Models that may lead, the best first."""
        allowed = [name for name in self.scores if name not in self.refused]
        return sorted(allowed, key=lambda name: (self.scores[name].crps or 0.0, self.scores[name].nrmse))

    @property
    def origins(self) -> tuple[int, ...]:
        """Of all folds."""
        return tuple(origin for fold in self.folds for origin in fold.origins)

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """Every model by fold, lead block and season, on the steps that all of them answered."""
        common = np.all([run.counts for run in self.runs.values()], axis=0)
        runs = {name: run.where(common) for name, run in self.runs.items()}
        ends = [fold.start for fold in self.folds[1:]] + [len(self.case.series.values)]
        groups: dict[tuple[Literal["fold", "lead", "season"], str], dict[str, Forecasts]] = {}
        for name, run in runs.items():
            day = judged(run, self.case.civil)
            for part, ahead in by_lead(run, self.case.civil.per_day).items():
                groups.setdefault(("lead", part), {})[name] = ahead
            for part, ahead in by_season(day, self.case.civil).items():
                groups.setdefault(("season", part), {})[name] = ahead
            for fold, end in zip(self.folds, ends, strict=True):
                inside = (day.origin >= fold.start) & (day.origin < end)
                groups.setdefault(("fold", fold.name), {})[name] = day.where(inside)
        return tuple(
            Slice(model_name=name, kind=kind, name=part, score=found, skill=skill(found, scores.get(FLOOR)))
            for (kind, part), models in groups.items()
            for scores in [self._scores(models)]
            for name, found in scores.items()
        )

    def _scores(self, models: Mapping[str, Forecasts]) -> dict[str, BacktestScore]:
        # A block of the night in which nothing is generated has no mean to divide by.
        scorable = {name: run for name, run in models.items() if np.sum(np.abs(run.actual)) > 0 < abs(run.actual.sum())}
        return {name: score(name, run, scale=self.scale) for name, run in scorable.items()}

    def charts(self, unit: str) -> tuple[Chart, ...]:
        """The last week beside what happened, the loss day by day, and the skill by lead, of the best model."""
        return (self._last_week(unit), self._daily(unit), self._by_lead())

    def _last_week(self, unit: str) -> Chart:
        run = first_day(self.runs[self.best], self.case.civil)
        run = run.where(run.origin >= self.origins[-PICTURE_DAYS:][0])
        q, series = run.quantiles, self.case.series
        lines = {"what happened": run.actual, "P50": q.p50, "P10": q.p10, "P90": q.p90}
        return Chart(
            name="last_week",
            title=f"{self.best}: forecast at each midnight, last {PICTURE_DAYS} days of the backtest",
            unit=unit,
            at=tuple(series.time(int(step)) for step in run.step),
            series={
                name: tuple(None if np.isnan(value) else float(value) for value in values)
                for name, values in lines.items()
            },
        )

    def _daily(self, unit: str) -> Chart:
        shown = [name for name in dict.fromkeys((self.best, FLOOR)) if name in self.runs]
        losses = {name: daily_losses(self.runs[name], self.case.civil) for name in shown}
        days = sorted(set().union(*losses.values()))
        series = {name: tuple(by_day.get(day) for day in days) for name, by_day in losses.items()}
        moments = tuple(datetime(day.year, day.month, day.day) for day in days)  # noqa: DTZ001  # local dates
        return Chart(name="daily_loss", title="Mean pinball loss by day", unit=unit, at=moments, series=series)

    def _by_lead(self) -> Chart:
        found = [each for each in self.slices if each.kind == "lead" and each.model_name == self.best]
        return Chart(
            name="skill_by_lead",
            title=f"{self.best}: skill against same hour last week by lead (0 is no better)",
            unit="skill",
            at=tuple(each.name for each in found),
            series={"skill": tuple(each.skill for each in found)},
        )


def recent_folds(case: Case, *, count: int, days: int) -> tuple[Fold, ...]:
    """The last `days` local days in `count` folds of like length, the newest last; fewer days of a short history.

    Raises nothing: of a series without a whole day there is none.
    """
    length = len(case.series.values)
    allowed = max(length // case.civil.per_day // MAX_TRIAL_SHARE, MIN_TRIAL_DAYS)
    origins = midnights(case.civil, length, last_days=min(days, allowed))
    parts = [part.tolist() for part in np.array_split(np.array(origins, dtype=np.int64), max(count, 1)) if len(part)]
    return tuple(Fold(f"{local_date(case.civil, part[0])}", part[0], tuple(part)) for part in parts)


def days_known(series: Series) -> int:
    """Days of which something is known."""
    per_day, known = series.per_day, ~np.isnan(series.values)
    return int(known[: len(known) // per_day * per_day].reshape(-1, per_day).any(axis=1).sum())


def days_to_lead(target: Target) -> int:
    """Days of history from which on a first model that learns may lead: three horizons, of two weeks at least.

    A third of the history at most is judged: of three horizons one is, whole, behind two to learn from.
    """
    return MAX_TRIAL_SHARE * max(MIN_COMMON_DAYS, -(-target.horizon // DAY))


def hold_trial(
    case: Case,
    fitters: Sequence[Fitter],
    folds: Sequence[Fold],
    *,
    horizon: int,
) -> Trial | None:
    """Fit each kind before each fold, ask it at each midnight for `horizon` steps; None where nothing can be scored."""
    runs = run_folds(case, fitters, folds, horizon=horizon) if folds else {}
    if not runs:
        return None
    scale = week_scale(case.series.values[: folds[0].start], case.series.per_day)
    days = {name: judged(run, case.civil) for name, run in runs.items()}
    scores, left_out = score_together(days, scale=scale)
    return Trial(case, tuple(folds), runs, scores, scale, left_out) if scores else None


def first_day(run: Forecasts, civil: Civil) -> Forecasts:
    """The answers about the day that begins at each origin: of later days each is asked about more than once."""
    return run.where(civil.day[run.step] == civil.day[run.origin])


def judged(run: Forecasts, civil: Civil) -> Forecasts:
    """The answers that a model is judged by: the first day of hours, and of days the whole horizon."""
    return run if civil.per_day == 1 else first_day(run, civil)


def daily_losses(run: Forecasts, civil: Civil, *, from_origin: int = 0) -> dict[date, float]:
    """Mean pinball loss of what each origin is judged by and can be scored, by local date."""
    day = judged(run, civil)
    day = day.where(day.counts & (day.origin >= from_origin))
    found = {}
    for origin in np.unique(day.origin):
        part = day.where(day.origin == origin)
        found[local_date(civil, int(origin))] = mean_pinball(part.actual, part.quantiles)
    return found


def answered_by_both(one: Forecasts, other: Forecasts) -> tuple[Forecasts, Forecasts]:
    """Two runs over the same origins without the steps that either left out: none looks better for its gaps."""
    common = one.counts & other.counts
    return one.where(common), other.where(common)


def straying(run: Forecasts, case: Case) -> str | None:
    """Answers of a model in the trial beyond the reach of all history by then; None where there is none."""
    parts = (run.where(run.origin == origin) for origin in np.unique(run.origin))
    found = (out_of_reach(part.quantiles, case.series, int(part.origin[0])) for part in parts)
    return next((why for why in found if why is not None), None)


def skill(own: BacktestScore, floor: BacktestScore | None) -> float | None:
    """1 − CRPS / CRPS of the floor: 0 is no better, 1 is exact."""
    if floor is None or own.crps is None or not floor.crps:
        return None
    return 1 - own.crps / floor.crps
