"""Train, compare and register: where models, trial, promotion and registry meet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from data_quality.contracts.control.forecast import BacktestScore
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from ml.features.forecast_case import Case
from ml.forecasts.backtest import Fold, forecast_origins
from ml.forecasts.forecast_model import Fitter, Forecaster
from ml.forecasts.issue import short_history
from ml.forecasts.lifecycle.forecast_registry import (
    PLAIN_KINDS,
    Champion,
    called,
    fitters_of,
    holders,
    load_champion,
    move_alias,
    register,
)
from ml.forecasts.lifecycle.promotion import MIN_COMMON_DAYS, Decision, decide
from ml.forecasts.lifecycle.trial import (
    Chart,
    Slice,
    Trial,
    answered_by_both,
    daily_losses,
    days_known,
    days_to_lead,
    hold_trial,
    recent_folds,
    straying,
)
from ml.forecasts.lifecycle.tuning import Tuned, tune
from ml.forecasts.model_fallback import finding
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.plausible import MAX_REACH, out_of_reach
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import Target
from ml.tracking import CHALLENGER, CHAMPION, LoggedModel, MlflowTracker

# Each weekday four times in two folds; more would be fitted on less, and scored on a season that is over.
BACKTEST_DAYS, FOLDS = 28, 2
# A challenger issues next to the champion for so long before a newer one takes its place; then it has been judged.
SHADOW_TIME = timedelta(days=MIN_COMMON_DAYS + 1)


class Training(Model):
    """Result of one training: every candidate's score on the same steps, the registered one, the decision.

    best: the kind that was registered. tuning: what a search for its parameters came to; empty where none was asked
    for. slices, charts: the trial by fold, lead and season, and what to draw of it. findings: why a better kind waits.
    """

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
    best: str
    tuning: str = ""
    slices: tuple[Slice, ...] = ()
    charts: tuple[Chart, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Tried:
    """A trial and its best kind fitted on the whole case: all of a training but the registry.

    tuned: how the parameters of that kind were found; tuning: the result of a search, empty where none was asked for.
    """

    trial: Trial
    model: Forecaster
    tuned: Tuned | None
    tuning: str


def try_target(
    readings: pl.DataFrame,
    *,
    site: Site,
    target: Target,
    known_until_utc: datetime,
    weather: Sequence[WeatherIssue] = (),
    backtest_days: int = BACKTEST_DAYS,
    folds: int = FOLDS,
    tune_within_s: float = 0.0,
    seed: int = 0,
) -> Tried | Finding:
    """Backtest every kind of model on the last `backtest_days` days in `folds` folds, and refit the best on all hours.
    No registry is needed: any process can do it; `settle` does the rest.

    readings: LAKE_SCHEMA, unique by key; only hours that end by `known_until_utc` are used. weather: issues of
    forecasts. Returns a Finding under four weeks of hours or where nothing can be scored. tune_within_s: how long
    parameters of gradient boosting are searched on days before the folds, and then the slow kinds of model are tried
    too; 0 takes the usual ones.
    """
    case = target_case(readings, site=site, target=target, end_utc=known_until_utc, weather=weather)
    if isinstance(case, Finding):
        return case
    refusal = short_history(case.series, target.name)
    if refusal is not None:
        return refusal
    return try_case(
        case,
        site=site,
        target=target,
        backtest_days=backtest_days,
        folds=folds,
        tune_within_s=tune_within_s,
        seed=seed,
    )


def try_case(
    case: Case,
    *,
    site: Site,
    target: Target,
    fitters: Sequence[Fitter] | None = None,
    backtest_days: int = BACKTEST_DAYS,
    folds: int = FOLDS,
    tune_within_s: float = 0.0,
    seed: int = 0,
) -> Tried | Finding:
    """`try_target` of a case that is made already. fitters: None for those that suit the target."""
    fitters = fitters_of(site, target, is_patient=tune_within_s > 0) if fitters is None else fitters
    parts = recent_folds(case, count=folds, days=backtest_days)
    fitters, tuned = _tuned(case, fitters, parts, within_s=tune_within_s, seed=seed)
    trial = hold_trial(case, fitters, parts, horizon=target.scored_steps)
    if trial is None:
        return finding("not_scorable", "The last weeks hold no hours to score a forecast on.", target.name)
    trial, model = _soundest(trial, {fitter.algorithm: fitter for fitter in fitters}, target)
    if model is None:
        return finding("implausible_forecast", f"No model may lead: {_refusals(trial)}.", target.name)
    of_best = tuned if trial.best == EnsembleFitter.algorithm else None
    report = _tuning_text(tuned) if tune_within_s else ""
    return Tried(trial, model, of_best, report)


def _soundest(trial: Trial, fitters: Mapping[str, Fitter], target: Target) -> tuple[Trial, Forecaster | None]:
    """The best model that may lead and stays within reach of its history, fitted on it; None where none does.

    The trial comes back with those that were refused before it: a model that would have won on the days of the trial
    and answers three times the highest peak of all must not lead a plan.
    """
    case, refused = trial.case, dict(trial.refused)
    for name in trial.ranking:
        model = fitters[name].fit(case)
        why = straying(trial.runs[name], case) or _strays(model, case, target)
        if why is None:
            return replace(trial, refused=refused), model
        refused[name] = f"answers {why}, beyond {MAX_REACH:g} times"
    return replace(trial, refused=refused), None


def _strays(model: Forecaster, case: Case, target: Target) -> str | None:
    """Answers of a model behind the newest step that lie beyond the reach of the series."""
    end = len(case.series.values)
    return out_of_reach(model.predict(case, end, target.steps), case.series, end)


def _refusals(trial: Trial) -> str:
    return "; ".join(f"{name} {why}" for name, why in trial.refused.items())


def short_trial(trial: Trial, target: Target) -> Finding | None:
    """A finding where the history, or the days that were judged, do not suffice to let a first model lead."""
    days, wanted = days_known(trial.case.series), days_to_lead(target)
    judged = len(daily_losses(trial.runs[trial.best], trial.case.civil))
    if days >= wanted and judged >= MIN_COMMON_DAYS:
        return None
    message = (
        f"{days} days are known and {judged} of them were judged; a first model of {target.name} needs {wanted} and "
        f"{MIN_COMMON_DAYS}"
    )
    facts: dict[str, int] = {"days": days, "days_wanted": wanted, "judged": judged, "judged_wanted": MIN_COMMON_DAYS}
    return finding("short_first_trial", message, target.name, **facts).model_copy(update={"severity": "warning"})


def _plain(tried: Tried, site: Site, target: Target) -> tuple[Tried, Finding | None]:
    """The first leader: the best of the trial, or a plain kind with the finding that names both.

    Where no plain kind may lead, the best leads all the same, and the finding says so.
    """
    trial, why = tried.trial, short_trial(tried.trial, target)
    if why is None or trial.best in PLAIN_KINDS:
        return tried, None
    waiting = {name: "waits for more history" for name in trial.ranking if name not in PLAIN_KINDS}
    fitters = {fitter.algorithm: fitter for fitter in fitters_of(site, target)}
    plain, model = _soundest(replace(trial, refused={**trial.refused, **waiting}), fitters, target)
    if model is None:
        refused = {name: text for name, text in plain.refused.items() if name not in waiting}
        of_them = f" ({_refusals(replace(plain, refused=refused))})" if refused else ""
        text = f"{why.message}: {trial.best} leads all the same, since no plain kind may{of_them}."
        return tried, why.model_copy(update={"message": text})
    text = f"{why.message}: {model.algorithm} leads, {trial.best} waits."
    return replace(tried, trial=plain, model=model, tuned=None), why.model_copy(update={"message": text})


def settle(tried: Tried, *, site: Site, target: Target, tracker: MlflowTracker, seed: int = 0) -> Training:
    """Register what was tried, and let it lead where it gains. Raises Unreachable.

    Where nothing led before, a plain kind leads until the history suffices to tell what is better.
    """
    champion = load_champion(tracker, site, target.name)
    leading = holders(tracker, target.family, CHAMPION)
    tried, short = (tried, None) if champion else _plain(tried, site, target)
    trial, series = tried.trial, tried.trial.case.series
    decision = _decide(trial, target, champion, leading, seed=seed)
    if short is not None:
        decision = decision.model_copy(update={"reason": f"{decision.reason} {short.message}"})
    elif trial.refused:
        reason = f"{decision.reason} Refused: {_refusals(trial)}."
        decision = decision.model_copy(update={"reason": reason})
    # Registered whether it leads or not: what was tried can be looked at later.
    why_plain = short.message.removesuffix(".") if short is not None and trial.best in PLAIN_KINDS else ""
    logged = register(site, target, trial, tried.model, tracker, tuned=tried.tuned, why_plain=why_plain)
    _give_place(tracker, site, target, logged, champion, is_promoted=decision.is_promoted)
    named = {
        "target": target.name,
        "model": called(logged),
        "former": called(champion.logged) if champion else ", ".join(leading),
        "trained_until_utc": series.end_utc,
        "challenger": trial.scores[trial.best],
    }
    return Training(
        site_id=site.site_id,
        target=target.name,
        trained_until_utc=series.end_utc,
        scores=trial.scores,
        registered=logged,
        decision=decision.model_copy(update=named),
        hours=len(series.values),
        gap_hours=int(np.isnan(series.values).sum()),
        left_out_hours=trial.left_out,
        input_digest=trial.case.digest(),
        is_synthetic=series.is_synthetic,
        best=trial.best,
        tuning=tried.tuning,
        slices=trial.slices,
        charts=trial.charts(series.unit),
        findings=() if short is None else (short,),
    )


def _give_place(
    tracker: MlflowTracker,
    site: Site,
    target: Target,
    logged: LoggedModel,
    champion: Champion | None,
    *,
    is_promoted: bool,
) -> None:
    """Let the new version lead, or issue beside the champion: it can then take the lead by its issued forecasts."""
    if is_promoted:
        move_alias(tracker, target.family, CHAMPION, logged)
    elif champion is None or called(logged) != called(champion.logged):
        challenger = load_champion(tracker, site, target.name, CHALLENGER)
        until = datetime.fromisoformat(logged.tags["trained_until_utc"])
        # One that is replaced every week would never have enough issued forecasts to be judged by.
        if challenger is None or until - challenger.trained_until_utc >= SHADOW_TIME:
            move_alias(tracker, target.family, CHALLENGER, logged)


def _tuned(
    case: Case, fitters: Sequence[Fitter], folds: Sequence[Fold], *, within_s: float, seed: int
) -> tuple[Sequence[Fitter], Tuned | None]:
    """The fitters with the parameters that were found for gradient boosting, where time is given to look for some."""
    if not within_s or not folds:
        return fitters, None
    # Before the folds: what it is judged on must not have chosen its parameters.
    tuned = tune(case, EnsembleFitter, judged_from=folds[0].start, within_s=within_s, seed=seed)
    if tuned is None:
        return fitters, None
    chosen = EnsembleFitter(tuned.parameters)
    return [chosen if each.algorithm == chosen.algorithm else each for each in fitters], tuned


def _tuning_text(tuned: Tuned | None) -> str:
    if tuned is None:
        return "Nothing was tuned: the days before the folds, or the time, do not suffice for one try."
    found = f"{tuned.params['tuning']}: loss {tuned.loss:.4g} on days before the folds"
    what = "gave way" if tuned.parameters else "stay"
    return f"{found}, {tuned.default_loss:.4g} with the usual parameters, which {what}."


def _decide(trial: Trial, target: Target, champion: Champion | None, leading: Sequence[str], *, seed: int) -> Decision:
    """The best of the trial against the champion, on the folds' days that the champion was not trained on."""
    own = trial.scores[trial.best]
    text = f"{trial.best} has NRMSE {own.nrmse:.4f} in the backtest"
    if champion is None:
        if leading:
            # Nothing to compare with: this release cannot ask it.
            reason = f"The champion {', '.join(leading)} is of an earlier release and cannot be asked any more; {text}."
        else:
            reason = f"No model led before; {text}."
        return Decision(is_promoted=True, reason=reason)
    case = trial.case
    why = _strays(champion.forecaster, case, target)
    if why is not None:
        reason = f"The champion {called(champion.logged)} answers {why} and leads no longer; {text}."
        return Decision(is_promoted=True, reason=reason)
    horizon = len(trial.runs[trial.best].step) // len(trial.origins)
    answers = forecast_origins(champion.forecaster, case, trial.origins, horizon)
    runs = answered_by_both(answers, trial.runs[trial.best])
    new_from = case.series.index(champion.trained_until_utc)
    of_champion, of_challenger = (daily_losses(run, case.civil, from_origin=new_from) for run in runs)
    return decide(of_champion, of_challenger, seed=seed)
