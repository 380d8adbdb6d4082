"""Train, compare, register and issue: the one place where models, backtest, promotion and registry meet."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from data_quality.contracts.control.forecast import BacktestScore, Forecast, ForecastRow
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import quantise
from ml.backtest import Forecasts, forecast_origins, midnights, score_together, week_scale
from ml.features.day_ahead import WEEK
from ml.features.hourly import HOUR, Hours, calendar_of, hours_of, stream_of
from ml.forecasts.forecast_model import Quantiles, TooShort
from ml.forecasts.forecast_registry import FITTERS, Case, Champion, fitter_of, load_champion, move_champion, register
from ml.promotion import Decision, decide
from ml.tracker import CHAMPION, LoggedModel, Tracker

# The longest lag looks back so far.
MIN_HISTORY_H = 4 * WEEK
# Each weekday three times; more would be fitted on less, and scored on a season that is over.
BACKTEST_DAYS = 21
# From any hour to the end of tomorrow, as far ahead as day-ahead prices are known.
MAX_HORIZON_H = 48
# A share of known hours in the week before the issue below which the lags say little.
MIN_RECENT_SHARE = 0.5


class Training(Model):
    """What one training did: every candidate's score on the same hours, the registered one, the decision."""

    site_id: str
    target: str
    trained_until_utc: datetime
    scores: dict[str, BacktestScore]
    registered: LoggedModel
    decision: Decision
    hours: int
    gap_hours: int
    left_out_hours: int
    input_digest: str
    is_synthetic: bool


def train_and_register(
    readings: pl.DataFrame,
    *,
    site: Site,
    target: str,
    known_until_utc: datetime,
    tracker: Tracker,
    as_of_utc: datetime | None = None,
    backtest_days: int = BACKTEST_DAYS,
) -> Training | Finding:
    """Backtest every kind of model and the champion on the last `backtest_days` days, refit the best on all hours,
    register it, and move the alias `champion` only where it beats the champion on days new to that one.

    readings: LAKE_SCHEMA, unique by key; only hours that end by `known_until_utc` and rows recorded by `as_of_utc`
    (None: all given) are used. Returns a Finding under four weeks of hours or where nothing can be scored.
    Raises Unreachable, and BadInput for an unknown target.
    """
    stream = stream_of(site, target)
    hours = hours_of(readings, site=site, stream=stream, end_utc=known_until_utc, as_of_utc=as_of_utc)
    refusal = _short_history(hours, stream.target)
    if refusal is not None:
        return refusal
    case = Case(site, stream, hours, calendar_of(site, hours.start_utc, len(hours.values) + MAX_HORIZON_H))
    origins = midnights(case.calendar, len(hours.values), last_days=backtest_days)
    # Fitted before the first origin and asked at all of them: nothing of what it is scored on is known to it.
    before = hours.until(hours.start_utc + origins[0] * HOUR)
    runs, scale = _candidate_runs(case, before, origins), week_scale(before.values)
    scores, left_out = score_together(runs, scale=scale) if runs else ({}, 0)
    if not scores:
        return _finding("not_scorable", "The last weeks hold no hours to score a forecast on.", stream.target)
    # NRMSE and not MAPE, which breaks where a load is near zero (formulas 5.17).
    best = min(scores, key=lambda name: scores[name].nrmse)
    champion = load_champion(tracker, site, target)
    decision = _decide(case, champion, {best: runs[best]}, scores[best], origins=origins, scale=scale)
    # Registered whether it leads or not: what was tried can be looked at later.
    logged = register(case, fitter_of(best).fit(hours, case.calendar), scores, tracker)
    if decision.is_promoted:
        move_champion(tracker, site, target, logged)
    return Training(
        site_id=site.site_id,
        target=stream.target,
        trained_until_utc=hours.end_utc,
        scores=scores,
        registered=logged,
        decision=decision,
        hours=len(hours.values),
        gap_hours=int(np.isnan(hours.values).sum()),
        left_out_hours=left_out,
        input_digest=hours.digest(),
        is_synthetic=hours.is_synthetic,
    )


def run_forecast(
    readings: pl.DataFrame,
    *,
    site: Site,
    target: str,
    issued_at_utc: datetime,
    horizon_h: int,
    tracker: Tracker,
    as_of_utc: datetime | None = None,
    available_at_utc: datetime | None = None,
) -> Forecast | Finding:
    """Issue the champion's forecast of the `horizon_h` hours (1–48) from the first full hour at or after the issue.

    Only readings that have ended by `issued_at_utc` and were recorded by `as_of_utc` (None: all given) are used.
    Returns a Finding where the history is short, the last week is mostly missing, or no model leads.
    Raises Unreachable, BadInput for an unknown target, ValueError for a horizon outside 1–48.
    """
    if not 1 <= horizon_h <= MAX_HORIZON_H:
        raise ValueError(f"horizon {horizon_h} h is outside 1–{MAX_HORIZON_H} h")
    stream = stream_of(site, target)
    hours = hours_of(readings, site=site, stream=stream, end_utc=issued_at_utc, as_of_utc=as_of_utc)
    refusal = _short_history(hours, stream.target) or _stale(hours, stream.target)
    if refusal is not None:
        return refusal
    champion = load_champion(tracker, site, target)
    if champion is None:
        return _finding("no_champion", "No model of this target has been registered and leads.", stream.target)
    origin = -(-(issued_at_utc - hours.start_utc) // HOUR)
    case = Case(site, stream, hours, calendar_of(site, hours.start_utc, origin + horizon_h))
    quantiles = champion.forecaster.predict(hours, case.calendar, origin, horizon_h)
    if not quantiles.is_known.all():
        gaps = int((~quantiles.is_known).sum())
        message = f"{gaps} of {horizon_h} hours cannot be forecast: the readings that they rest on are missing."
        return _finding("recent_readings_missing", message, stream.target, hours=gaps)
    rows = _rows(quantiles, hours.start_utc + origin * HOUR)
    return _forecast(case, champion, rows, issued_at_utc, available_at_utc or issued_at_utc)


def _candidate_runs(case: Case, before: Hours, origins: Sequence[int]) -> dict[str, Forecasts]:
    """What each kind of model, fitted once on the hours before the first origin, says on every origin."""
    runs = {}
    for fitter in FITTERS:
        try:
            model = fitter.fit(before, case.calendar)
        except TooShort:
            continue
        runs[fitter.algorithm] = forecast_origins(model, case.hours, case.calendar, origins)
    return runs


def _decide(
    case: Case,
    champion: Champion | None,
    challenger: dict[str, Forecasts],
    score: BacktestScore,
    *,
    origins: Sequence[int],
    scale: float,
) -> Decision:
    """Challenger against champion on the origins that the champion was not trained on."""
    if champion is None:
        return decide(champion=None, challenger=score, has_champion=False)
    runs = {**challenger, CHAMPION: forecast_origins(champion.forecaster, case.hours, case.calendar, origins)}
    scores, _ = score_together(runs, scale=scale, from_origin=case.hours.index(champion.trained_until_utc))
    if not scores:
        return decide(champion=None, challenger=score, has_champion=True)
    named = scores[CHAMPION].model_copy(update={"model_name": champion.forecaster.algorithm})
    return decide(champion=named, challenger=scores[score.model_name], has_champion=True)


def _rows(quantiles: Quantiles, start_utc: datetime) -> tuple[ForecastRow, ...]:
    return tuple(
        ForecastRow(
            time_utc=start_utc + step * HOUR,
            # In whole quanta, as readings are: a forecast read back from the store is the one that was issued.
            p10_kwh=quantise(float(quantiles.p10[step])),
            p50_kwh=quantise(float(quantiles.p50[step])),
            p90_kwh=quantise(float(quantiles.p90[step])),
        )
        for step in range(len(quantiles.p50))
    )


def _forecast(
    case: Case, champion: Champion, rows: tuple[ForecastRow, ...], issued_at_utc: datetime, available_at_utc: datetime
) -> Forecast:
    """The forecast with an id of what determines it: the same inputs and model give the same id."""
    logged, digest, site_id, target = champion.logged, case.hours.digest(), case.site.site_id, case.stream.target
    parts = [site_id, target, issued_at_utc.isoformat(), str(len(rows)), logged.name, str(logged.version), digest]
    return Forecast(
        forecast_id=hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32],
        site_id=site_id,
        target=target,
        issued_at_utc=issued_at_utc,
        available_at_utc=available_at_utc,
        model_name=logged.name,
        model_version=str(logged.version),
        input_digest=digest,
        is_synthetic=case.hours.is_synthetic,
        rows=rows,
    )


def _short_history(hours: Hours, target: str) -> Finding | None:
    known = int((~np.isnan(hours.values)).sum())
    if known >= MIN_HISTORY_H:
        return None
    message = f"{known} hours are known; a forecast needs {MIN_HISTORY_H} (four weeks)."
    return _finding("short_history", message, target, hours_found=known, hours_wanted=MIN_HISTORY_H)


def _stale(hours: Hours, target: str) -> Finding | None:
    known = int((~np.isnan(hours.values[-WEEK:])).sum())
    if known >= MIN_RECENT_SHARE * WEEK:
        return None
    message = f"Only {known} of the last {WEEK} hours before the issue are known."
    return _finding("recent_readings_missing", message, target, hours_found=known, hours_wanted=WEEK)


def _finding(code: str, message: str, target: str, **facts: int) -> Finding:
    return Finding(code=code, message=message, severity="blocking", scope=target, facts={**facts})
