"""`meterloom forecast` on plain files: rolling-origin scores of our model, and one forecast. Nothing is stored."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np

from data_quality.contracts.control.forecast import BacktestScore, ForecastRow
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from ml.features.forecast_case import Case
from ml.features.weather_as_of import FixedWeather
from ml.forecasts.backtest import (
    Fold,
    Forecasts,
    by_lead,
    by_season,
    day_wape,
    local_date,
    month_folds,
    run_folds,
    score_together,
    week_scale,
)
from ml.forecasts.file_case import FileCase
from ml.forecasts.forecast_model import Fitter, Forecaster, Quantiles, TooShort
from ml.forecasts.lifecycle.forecast_change import forecast_change
from ml.forecasts.lifecycle.forecast_registry import FITTERS, fitter_of
from ml.forecasts.lifecycle.trial import FLOOR
from ml.forecasts.model_fallback import finding, forecast_rows
from ml.forecasts.models.climatology import ClimatologyFitter
from ml.forecasts.plausible import MIN_RECENT_SHARE, age_days, implausible, notes, stale_note

# Four feed the longest lag, as many are learnt from.
MIN_WEEKS_BEFORE = 8
# More than a week ahead no lag of the last week is left, and no weather forecast is worth its name.
MAX_HORIZON_DAYS = 7


class FoldScore(Model):
    """A month that was forecast day by day, by models fitted on everything before it. nrmse None: nothing to score."""

    name: str
    start: date
    origins: int
    trained_steps: int
    score: BacktestScore | None
    floor: BacktestScore | None


class PartScore(Model):
    """Errors of one part of the backtest: a lead time, a season. skill: 1 − NRMSE / NRMSE of the floor."""

    part: str
    n: int
    nrmse: float
    floor_nrmse: float
    skill: float
    coverage_p10_p90: float


class FileBacktest(Model):
    """Result of a backtest over files. day_wape: of the sums of whole days.

    left_out_steps: without a value, one of a day or week before, or a forecast.
    """

    score: BacktestScore
    floor: BacktestScore
    folds: tuple[FoldScore, ...]
    by_lead: tuple[PartScore, ...]
    by_season: tuple[PartScore, ...]
    left_out_steps: int
    day_wape: float | None
    floor_day_wape: float | None
    findings: tuple[Finding, ...] = ()


class FileForecast(Model):
    """One forecast from files. unit: of the rows, an amount a step or a power; labels, why: as in Forecast."""

    model: str
    unit: str
    step_minutes: int
    trained_steps: int
    rows: tuple[ForecastRow, ...]
    labels: dict[str, str] = {}
    why: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def backtest_file(
    known: FileCase, *, folds: int, horizon: int, doing: Callable[[str], None] = lambda _: None
) -> FileBacktest | Finding:
    """The product's model and the floor on the last `folds` local calendar months. horizon: in steps.

    doing: told what goes on. Raises BadInput where the file is too short for so many folds; returns a Finding where
    nothing can be scored.
    """
    case = known.case
    chosen = _folds(known, folds)
    best, floor = FITTERS[0], fitter_of(FLOOR)
    runs = run_folds(case, (best, floor), chosen, horizon=horizon, doing=doing)
    whole = sum(len(fold.origins) for fold in chosen) * horizon
    # A kind that one month could not fit answers for the others only: its scores would be of easier days.
    runs = {name: run for name, run in runs.items() if len(run.step) == whole}
    scale = week_scale(case.series.values[: chosen[0].start], case.series.per_day)
    scores, left_out = score_together(runs, scale=scale) if FLOOR in runs else ({}, 0)
    if not scores:
        message = "No step of the months has a value, the ones of a day and of a week before, and a forecast."
        if scale == 0:
            message = "Every week before the months is as the one before it: there is no error to measure by."
        return finding("not_scorable", message, known.target)
    name = best.algorithm if best.algorithm in scores else FLOOR
    findings = known.findings if name != FLOOR else (*known.findings, _weaker(known, best.algorithm))
    counts = np.all([run.counts for run in runs.values()], axis=0)
    pair = tuple(runs[each].where(counts) for each in (name, FLOOR))
    return FileBacktest(
        score=scores[name],
        floor=scores[FLOOR],
        folds=tuple(_fold_score(case, fold, {name: runs[name], FLOOR: runs[FLOOR]}, scale) for fold in chosen),
        by_lead=_parts(*(by_lead(run, case.series.per_day) for run in pair)),
        by_season=_parts(*(by_season(run, case.civil) for run in pair)),
        left_out_steps=left_out,
        day_wape=day_wape(pair[0], case.series.per_day),
        floor_day_wape=day_wape(pair[1], case.series.per_day),
        findings=findings,
    )


def _folds(known: FileCase, count: int) -> list[Fold]:
    if count < 1:
        raise BadInput(f"--folds {count}: expected at least one month", reason="bad_number")
    case, day = known.case, known.case.series.per_day
    months = month_folds(case, len(case.series.values))
    usable = [fold for fold in months if fold.start >= MIN_WEEKS_BEFORE * 7 * day]
    if len(usable) >= count:
        return usable[-count:]
    first, last = case.series.start_utc, case.series.end_utc
    most = f"--folds {len(usable)} at most" if usable else "a longer file"
    raise BadInput(
        f"{count} months cannot be tested: the readings are of {first:%Y-%m-%d} to {last:%Y-%m-%d}, and each "
        f"month needs {MIN_WEEKS_BEFORE} weeks before it; expected {most}",
        reason="too_few_months",
    )


def _fold_score(case: Case, fold: Fold, runs: dict[str, Forecasts], scale: float) -> FoldScore:
    own = {name: run.where(np.isin(run.origin, fold.origins)) for name, run in runs.items()}
    scores, _ = score_together(own, scale=scale)
    return FoldScore(
        name=fold.name,
        start=local_date(case.civil, fold.start),
        origins=len(fold.origins),
        trained_steps=int((~np.isnan(case.series.values[: fold.start])).sum()),
        score=scores.get(next(iter(runs))),
        floor=scores.get(FLOOR),
    )


def _parts(own: dict[str, Forecasts], floor: dict[str, Forecasts]) -> tuple[PartScore, ...]:
    found = []
    for part, run in own.items():
        scores, _ = score_together({"own": run, FLOOR: floor[part]}, scale=1.0)
        if scores and scores[FLOOR].nrmse > 0:
            one, other = scores["own"], scores[FLOOR]
            found.append(
                PartScore(
                    part=part,
                    n=one.n,
                    nrmse=one.nrmse,
                    floor_nrmse=other.nrmse,
                    skill=1 - one.nrmse / other.nrmse,
                    coverage_p10_p90=one.coverage_p10_p90,
                )
            )
    return tuple(found)


def forecast_file(known: FileCase, *, issue_utc: datetime, horizon: int) -> FileForecast | Finding:
    """Fit the product's model on everything that had ended at the issue, and ask it for `horizon` steps from there.

    known: a case that ends at the issue. Where weather ends within the horizon, the steps behind its end are those of
    a model that knows only the weather before the issue; where the best model has no answer, or one that cannot be, the
    next one answers. Both are labelled. Returns a Finding where none can.
    """
    case = known.case
    refusal = _stale(known, issue_utc)
    if refusal is not None:
        return refusal
    origin = -(-(issue_utc - case.series.start_utc) // case.series.step)
    ahead = horizon if known.weather_until is None else min(max(known.weather_until - origin, 0), horizon)
    refused, answer, age = list[str](), None, age_days(case.series, origin)
    # As of a site: behind most of a week of silence a lag would be that of another week.
    is_stale = age > 7 * (1 - MIN_RECENT_SHARE)
    fitters = (ClimatologyFitter(),) if is_stale else FITTERS
    for fitter in fitters:
        try:
            answer = _answer(fitter, case, origin, horizon, known_ahead=ahead)
        except TooShort as fault:
            refused.append(f"{fitter.algorithm}: {fault}")
            continue
        why = implausible(answer.quantiles, case, origin)
        if why is None:
            break
        refused.append(f"{fitter.algorithm} answered {why}")
    if answer is None or len(refused) == len(fitters):
        message = f"No model has an answer: {'; '.join(refused)}."
        steps = int((~np.isnan(case.series.values)).sum())
        return finding("no_answer", message, known.target, steps_found=steps)
    quantiles = answer.quantiles
    labels = notes(case, origin, horizon, trained_until_utc=case.series.end_utc)
    if is_stale:
        labels["stale"] = stale_note(age)
    if refused:
        labels["weaker_model"] = f"{'; '.join(refused)}; {answer.model.algorithm} answers instead"
    moved = forecast_change(case, answer.model, origin, quantiles) if answer.is_of_one else None
    return FileForecast(
        model=answer.model.algorithm,
        unit=case.series.unit,
        step_minutes=int(case.series.step.total_seconds() // 60),
        trained_steps=int((~np.isnan(case.series.values)).sum()),
        rows=forecast_rows(quantiles, case.series, origin),
        labels=labels,
        why=moved.sentences() if moved else (),
        findings=known.findings,
    )


def _stale(known: FileCase, issue_utc: datetime) -> Finding | None:
    """A finding where the week before the issue holds no reading: no model may answer from what is older."""
    series = known.case.series
    last = np.flatnonzero(~np.isnan(series.values))
    end = series.time(int(last[-1]) + 1) if len(last) else series.start_utc
    if issue_utc - end < timedelta(days=7):
        return None
    message = f"The readings end at {end:%Y-%m-%d %H:%M}Z, {(issue_utc - end).days} days before the issue."
    if not len(last):
        message = f"None of the readings from {end:%Y-%m-%d %H:%M}Z to the issue can be used."
    return finding("recent_readings_missing", message, known.target, days=(issue_utc - end).days)


@dataclass(frozen=True)
class _Answer:
    """Answer of a model; is_of_one: of all steps, and not of two models of one kind with the weather and without."""

    quantiles: Quantiles
    model: Forecaster
    is_of_one: bool


def _answer(fitter: Fitter, case: Case, origin: int, horizon: int, *, known_ahead: int) -> _Answer:
    """Answer of that kind of model. Raises TooShort."""
    blind = case
    if known_ahead < horizon and isinstance(case.weather, FixedWeather):
        # Without weather ahead it must not learn from weather: a model that expects weather errs where there is none.
        blind = replace(case, weather=replace(case.weather, is_ahead=False))
    spans = [each for each in ((case, 0, known_ahead), (blind, known_ahead, horizon)) if each[1] < each[2]]
    models = [fitter.fit(each) for each, _, _ in spans]
    parts = [
        model.predict(each, origin, horizon).where(slice(first, last))
        for model, (each, first, last) in zip(models, spans, strict=True)
    ]
    return _Answer(Quantiles.joined(parts), models[0], is_of_one=len(models) == 1)


def _weaker(known: FileCase, wanted: str) -> Finding:
    message = f"The readings do not suffice for {wanted}: {FLOOR} answers instead."
    return finding("weaker_model", message, known.target).model_copy(update={"severity": "warning"})


def expect_horizon(steps: int, per_day: int) -> int:
    """The horizon, if it is within a week. Raises BadInput."""
    if not 1 <= steps <= MAX_HORIZON_DAYS * per_day:
        raise BadInput(
            f"--horizon: expected at least one step and at most {MAX_HORIZON_DAYS} days, got {steps} steps",
            reason="bad_horizon",
        )
    return steps
