"""Forecast models in the registry: their names, what is logged with them, and which one leads a target."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from data_quality.contracts.control.forecast import BacktestScore
from data_quality.contracts.site_file.site import Site
from ml.features.forecast_case import Case
from ml.features.series import Stream, stream_of
from ml.forecasts.forecast_model import Fitter, Forecaster, Outdated
from ml.forecasts.models.gradient_boosting import GradientBoostingFitter
from ml.forecasts.models.naive import SameHourLastWeekFitter
from ml.tracker import CHAMPION, LoggedModel, ModelRecord, Tracker

FITTERS: tuple[Fitter, ...] = (GradientBoostingFitter(), SameHourLastWeekFitter())
FLOOR = SameHourLastWeekFitter.algorithm


@dataclass(frozen=True)
class Champion:
    """The leading model of one target, ready to forecast."""

    logged: LoggedModel
    forecaster: Forecaster
    trained_until_utc: datetime


def model_name(site: Site, target: str, algorithm: str) -> str:
    """Registered name: site, stream, task and what the model really is (resolution C1.1). Raises BadInput."""
    return f"{family(site, target)}.{algorithm}"


def family(site: Site, target: str) -> str:
    """What the registered names of all models of a target begin with. Raises BadInput."""
    stream = stream_of(site, target)
    return ".".join([site.site_id, stream.stream_id, stream.register, "day_ahead"])


def fitter_of(algorithm: str) -> Fitter:
    """The fitter of that algorithm."""
    return next(fitter for fitter in FITTERS if fitter.algorithm == algorithm)


def load_champion(tracker: Tracker, site: Site, target: str) -> Champion | None:
    """The leading model of the target; of two (a move that was interrupted) the one with the better score.

    A model of an earlier release that this one cannot ask leads nothing.
    """
    found = []
    for fitter in FITTERS:
        name = model_name(site, target, fitter.algorithm)
        version = tracker.get_alias(name, CHAMPION)
        if version is not None:
            logged = next(known for known in tracker.versions(name) if known.version == version)
            found.append((float(logged.tags["nrmse"]), logged, fitter))
    for _, logged, fitter in sorted(found, key=lambda item: item[0]):
        try:
            forecaster = fitter.load(tracker.load_files(logged.name, logged.version))
        except Outdated:
            continue
        # Up to when it was trained says which days are new to it, and so fit for a comparison.
        return Champion(logged, forecaster, datetime.fromisoformat(logged.tags["trained_until_utc"]))
    return None


def register(
    site: Site, stream: Stream, case: Case, model: Forecaster, scores: Mapping[str, BacktestScore], tracker: Tracker
) -> LoggedModel:
    """Register a model that was fitted on the whole case, with its own score and the floor's."""
    own, floor, series = scores[model.algorithm], scores.get(FLOOR), case.series
    metrics = _metrics(own)
    if floor is not None:
        metrics |= {f"floor_{key}": value for key, value in _metrics(floor).items()}
    span = f"{series.start_utc:%Y-%m-%d} to {series.end_utc:%Y-%m-%d}"
    record = ModelRecord(
        title=f"{site.site_id} · {stream.target} · {model.algorithm} · {span}",
        about=f"{stream.target} of {site.name}, step by step for the next days, by {model.algorithm}.",
        card=forecast_card(own, floor, span),
        params={"algorithm": model.algorithm, "steps": str(len(series.values)), "target": stream.target},
        metrics=metrics,
        tags={
            "kind": "forecast",
            "site_id": site.site_id,
            "target": stream.target,
            "trained_until_utc": series.end_utc.isoformat(),
            # Every digit: of two champions the better is told by it.
            "nrmse": repr(own.nrmse),
            "is_synthetic": str(series.is_synthetic).lower(),
        },
        dataset_name=f"{site.site_id}/{stream.target} steps",
        dataset_digest=case.digest(),
    )
    return tracker.log_model(model_name(site, stream.target, model.algorithm), model.to_files(), record)


def _metrics(score: BacktestScore) -> dict[str, float]:
    found = score.model_dump(exclude={"model_name"}, exclude_none=True)
    return {key: float(value) for key, value in found.items()}


def forecast_card(own: BacktestScore, floor: BacktestScore | None, span: str) -> str:
    """A forecast model in Markdown: its hours, and how far off it was on days that it had not seen."""
    known = [score for score in (own, floor) if score is not None]
    rows = [f"| {one.model_name} | {one.nrmse:.1%} | {one.wape:.1%} | {one.coverage_p10_p90:.0%} |" for one in known]
    head = ["| Model | NRMSE | WAPE | P10 to P90 covers |", "|---|---|---|---|"]
    return "\n".join([f"Trained on the hours of {span}. Backtest, the floor is same hour last week:", "", *head, *rows])


def move_champion(tracker: Tracker, site: Site, target: str, logged: LoggedModel) -> None:
    """Let the alias point to that version, and to no other model of the target.

    The new one is set first: an interruption leaves two leaders, of which load_champion takes the better, never none.
    """
    tracker.set_alias(logged.name, CHAMPION, logged.version)
    # All names of the target, also of kinds that an earlier release knew.
    for other in tracker.names():
        if other.startswith(f"{family(site, target)}.") and other != logged.name:
            tracker.delete_alias(other, CHAMPION)
