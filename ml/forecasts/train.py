"""Train, compare and register: where models, backtest, promotion and registry meet."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from data_quality.contracts.control.forecast import BacktestScore
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from ml.features.forecast_case import Case
from ml.features.series import stream_of
from ml.forecasts.backtest import Fold, Forecasts, forecast_origins, midnights, run_folds, score_together, week_scale
from ml.forecasts.issue import MAX_HORIZON_H, finding, short_history
from ml.forecasts.life.forecast_registry import FITTERS, Champion, fitter_of, load_champion, move_champion, register
from ml.forecasts.life.promotion import Decision, decide
from ml.forecasts.site_case import case_of
from ml.tracker import CHAMPION, LoggedModel, Tracker

# Each weekday three times; more would be fitted on less, and scored on a season that is over.
BACKTEST_DAYS = 21


class Training(Model):
    """What one training did: every candidate's score on the same steps, the registered one, the decision."""

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
    case = case_of(
        readings, site=site, stream=stream, end_utc=known_until_utc, horizon=MAX_HORIZON_H, as_of_utc=as_of_utc
    )
    series = case.series
    refusal = short_history(series, stream.target)
    if refusal is not None:
        return refusal
    origins = midnights(case.civil, len(series.values), last_days=backtest_days)
    # Fitted before the first origin and asked at all of them: nothing of what it is scored on is known to it.
    fold = Fold("last days", origins[0], tuple(origins))
    runs = run_folds(case, FITTERS, [fold], horizon=series.per_day)
    scale = week_scale(series.values[: fold.start], series.per_day)
    scores, left_out = score_together(runs, scale=scale) if runs else ({}, 0)
    if not scores:
        return finding("not_scorable", "The last weeks hold no hours to score a forecast on.", stream.target)
    # NRMSE and not MAPE, which breaks where a load is near zero (formulas 5.17).
    best = min(scores, key=lambda name: scores[name].nrmse)
    champion = load_champion(tracker, site, target)
    decision = _decide(case, champion, {best: runs[best]}, scores[best], origins=origins, scale=scale)
    # Registered whether it leads or not: what was tried can be looked at later.
    logged = register(site, stream, case, fitter_of(best).fit(case), scores, tracker)
    if decision.is_promoted:
        move_champion(tracker, site, target, logged)
    return Training(
        site_id=site.site_id,
        target=stream.target,
        trained_until_utc=series.end_utc,
        scores=scores,
        registered=logged,
        decision=decision,
        hours=len(series.values),
        gap_hours=int(np.isnan(series.values).sum()),
        left_out_hours=left_out,
        input_digest=case.digest(),
        is_synthetic=series.is_synthetic,
    )


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
    of_champion = forecast_origins(champion.forecaster, case, origins, case.series.per_day)
    runs = {**challenger, CHAMPION: of_champion}
    scores, _ = score_together(runs, scale=scale, from_origin=case.series.index(champion.trained_until_utc))
    if not scores:
        return decide(champion=None, challenger=score, has_champion=True)
    named = scores[CHAMPION].model_copy(update={"model_name": champion.forecaster.algorithm})
    return decide(champion=named, challenger=scores[score.model_name], has_champion=True)
