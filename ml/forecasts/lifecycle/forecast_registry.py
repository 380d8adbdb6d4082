"""Forecast models in the registry: their names, what is logged with them, and which one leads a target."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from data_quality.contracts.control.forecast import BacktestScore
from data_quality.contracts.site_file.site import Site
from ml.forecasts.forecast_model import Fitter, Forecaster, Outdated
from ml.forecasts.lifecycle.cards import feature_table, forecast_card
from ml.forecasts.lifecycle.trial import FLOOR, Trial, daily_losses
from ml.forecasts.lifecycle.tuning import Tuned
from ml.forecasts.models.climatology import ClimatologyFitter
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.models.gradient_boosting import GradientBoostingFitter
from ml.forecasts.models.hour_lines import LinearFitter
from ml.forecasts.models.naive import SameHourLastWeekFitter
from ml.forecasts.models.pv_floors import ClearSkyPersistence, PvPhysics
from ml.forecasts.models.pv_residual import PV_KINDS, pv_fitters_of
from ml.forecasts.models.small_network import NeuralNetworkFitter
from ml.forecasts.models.statistical import Additive, ExponentialSmoothing, PipelineFitter
from ml.forecasts.targets import Target, target_of
from ml.forecasts.uncertainty.course_scores import course_scores
from ml.forecasts.uncertainty.trajectories import ERRORS_FILE, ErrorMemory
from ml.tracking import CHALLENGER, CHAMPION, LoggedModel, MlflowTracker, ModelRecord

FITTERS: tuple[Fitter, ...] = (EnsembleFitter(), SameHourLastWeekFitter(), ClimatologyFitter())
# Seconds more: tried where a training is given time.
PATIENT_FITTERS: tuple[Fitter, ...] = (
    GradientBoostingFitter(), LinearFitter(), PipelineFitter(ExponentialSmoothing), EnsembleFitter(by="day_type"),
    PipelineFitter(Additive), NeuralNetworkFitter(),
)  # fmt: skip
# What a series is forecast with until its history tells what is better: habits and the sun, hardly anything is learnt.
PLAIN_KINDS = frozenset({FLOOR, ClimatologyFitter.algorithm, PvPhysics.algorithm, ClearSkyPersistence.algorithm})
PLAIN_TAG = "why_plain"
# Every kind that a stored model may be of.
KINDS: tuple[Fitter, ...] = (*FITTERS, *PATIENT_FITTERS, *PV_KINDS)


@dataclass(frozen=True)
class Champion:
    """A registered model of one target, ready to forecast: the leading one, or the one that runs in its shadow."""

    logged: LoggedModel
    forecaster: Forecaster
    trained_until_utc: datetime
    memory: ErrorMemory | None = None


def model_name(site: Site, target: str, algorithm: str) -> str:
    """Registered name: site, stream, task and what the model really is (resolution C1.1). Raises BadInput."""
    return f"{family(site, target)}.{algorithm}"


def family(site: Site, target: str) -> str:
    """Prefix of the registered names of all models of a target. Raises BadInput."""
    return target_of(site, target).family


def fitter_of(algorithm: str) -> Fitter:
    """The fitter of that algorithm."""
    return next(fitter for fitter in KINDS if fitter.algorithm == algorithm)


def fitters_of(site: Site, target: Target, *, is_patient: bool = False) -> tuple[Fitter, ...]:
    """The kinds of model that are tried for a target: of PV also those that know the sun and the plant.

    is_patient: also those that take seconds a fit.
    """
    usual = (*FITTERS, *PATIENT_FITTERS) if is_patient else FITTERS
    if target.stream is None or target.is_daily:
        return usual
    return (*usual, *pv_fitters_of(site, target.stream.stream_id))


def load_champion(tracker: MlflowTracker, site: Site, target: str, alias: str = CHAMPION) -> Champion | None:
    """The leading model of the target; of two (a move that was interrupted) the one with the better score.

    A model of an earlier release that this one cannot ask leads nothing. alias: CHALLENGER for the one in its shadow.
    """
    found = []
    for fitter in KINDS:
        name = model_name(site, target, fitter.algorithm)
        version = tracker.get_alias(name, alias)
        if version is not None:
            logged = next(known for known in tracker.versions(name) if known.version == version)
            found.append((float(logged.tags["nrmse"]), logged, fitter))
    for _, logged, fitter in sorted(found, key=lambda item: item[0]):
        try:
            return opened(tracker, logged, fitter)
        except Outdated:
            continue
    return None


def others_of(tracker: MlflowTracker, site: Site, target: str, champion: Champion) -> Iterator[Champion]:
    """The newest models of the target beside its champion, those that led before it among them, that can be asked."""
    names = {model_name(site, target, fitter.algorithm): fitter for fitter in KINDS}
    known = [(logged, fitter) for name, fitter in names.items() for logged in tracker.versions(name)]
    for logged, fitter in sorted(known, key=lambda one: one[0].tags["trained_until_utc"], reverse=True):
        if logged != champion.logged:
            try:
                yield opened(tracker, logged, fitter)
            except Outdated:
                continue


def opened(tracker: MlflowTracker, logged: LoggedModel, fitter: Fitter) -> Champion:
    """That version, ready to forecast. Raises Outdated where this release cannot ask it."""
    files = tracker.load_files(logged.name, logged.version)
    # Up to when it was trained says which days are new to it, and so fit for a comparison.
    trained_until = datetime.fromisoformat(logged.tags["trained_until_utc"])
    try:
        forecaster = fitter.load(files)
    except KeyError as missing:
        # The checksum is right, so nothing was lost: another release wrote them.
        raise Outdated(f"its files have no {missing}, which this release reads") from missing
    return Champion(logged, forecaster, trained_until, ErrorMemory.in_files(files))


def called(logged: LoggedModel) -> str:
    """Name of a version in decisions: NAME@VERSION."""
    return f"{logged.name}@{logged.version}"


def holders(tracker: MlflowTracker, family_name: str, alias: str) -> list[str]:
    """NAME@VERSION of every model of a target that bears the alias, also of kinds that an earlier release knew."""
    versions = {name: tracker.get_alias(name, alias) for name in tracker.names(f"{family_name}.")}
    return [f"{name}@{version}" for name, version in versions.items() if version is not None]


def register(
    site: Site,
    target: Target,
    trial: Trial,
    model: Forecaster,
    tracker: MlflowTracker,
    *,
    tuned: Tuned | None = None,
    why_plain: str = "",
) -> LoggedModel:
    """Register a model that was fitted on the whole case of a trial, with all that the trial said of its kind.

    tuned: how its parameters were found, kept beside its own files. why_plain: why no better kind leads yet.
    """
    params = tuned.params if tuned else {}
    own, series = trial.scores[model.algorithm], trial.case.series
    together = course_scores(trial.runs[model.algorithm], floor=series.floor)
    metrics = _trial_metrics(trial, model.algorithm) | (together.metrics if together else {})
    losses = list(daily_losses(trial.runs[model.algorithm], trial.case.civil).values())
    span = f"{series.start_utc:%Y-%m-%d} to {series.end_utc:%Y-%m-%d}"
    record = ModelRecord(
        title=f"{site.site_id} · {target.name} · {model.algorithm} · {span}",
        about=f"{target.title} of {site.name}, by {model.algorithm}.",
        card=forecast_card(trial, model, title=f"{target.title} of {site.name}", params=params, together=together),
        params={
            "algorithm": model.algorithm,
            "steps": str(len(series.values)),
            "target": target.name,
            "folds": ", ".join(fold.name for fold in trial.folds),
            **params,
        },
        metrics=metrics,
        tags={
            "kind": "forecast",
            "site_id": site.site_id,
            "target": target.name,
            "trained_until_utc": series.end_utc.isoformat(),
            # Every digit: it decides between two champions.
            "nrmse": repr(own.nrmse),
            # What its days' errors are held against, once they are real ones.
            "daily_loss_mean": repr(float(np.mean(losses))),
            "daily_loss_std": repr(float(np.std(losses))),
            "is_synthetic": str(series.is_synthetic).lower(),
            **({PLAIN_TAG: why_plain} if why_plain else {}),
        },
        dataset_name=f"{site.site_id}/{target.name} steps",
        dataset_digest=trial.case.digest(),
    )
    memory = ErrorMemory.of(trial.runs[model.algorithm])
    files = {**model.to_files(), **(tuned.to_file() if tuned else {})}
    if memory is not None:
        files[ERRORS_FILE] = memory.to_file()
    logged = tracker.log_model(model_name(site, target.name, model.algorithm), files, record)
    features = feature_table(model)
    if features is not None:
        tracker.add_files(logged.run_id, "card", {"features.csv": features})
    return logged


def _trial_metrics(trial: Trial, algorithm: str) -> dict[str, float]:
    """Scores of one kind of model, of the floor beside it, and by fold, lead and season."""
    floor, metrics = trial.scores.get(FLOOR), _metrics(trial.scores[algorithm])
    if floor is not None:
        metrics |= {f"floor_{key}": value for key, value in _metrics(floor).items()}
    for part in trial.slices:
        if part.model_name == algorithm:
            shown = {"nrmse": part.score.nrmse, "crps": part.score.crps, "skill": part.skill, "n": part.score.n}
            # A slash makes a group of them in the registry's pages.
            metrics |= {
                f"{part.kind}/{part.name}/{key}": float(each) for key, each in shown.items() if each is not None
            }
    return metrics


def _metrics(score: BacktestScore) -> dict[str, float]:
    found = score.model_dump(exclude={"model_name"}, exclude_none=True)
    return {key: float(value) for key, value in found.items()}


def move_alias(tracker: MlflowTracker, family_name: str, alias: str, logged: LoggedModel) -> None:
    """Let the alias point to that version, and to no other model of the target. A champion is no challenger.

    The new one is set first: an interruption leaves two leaders, of which load_champion takes the better, never none.
    """
    tracker.set_alias(logged.name, alias, logged.version)
    # All names of the target, also of kinds that an earlier release knew.
    others = [name for name in tracker.names(f"{family_name}.") if name != logged.name]
    for other in others:
        tracker.delete_alias(other, alias)
    if alias == CHAMPION:
        for name in (*others, logged.name):
            tracker.delete_alias(name, CHALLENGER)
