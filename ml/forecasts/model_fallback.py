"""Model fallback: the champion where it can forecast, else the next best model, named in the forecast."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import chain, islice

import numpy as np

from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from data_quality.contracts.units import quantise
from ml.features.forecast_case import Case
from ml.features.series import DAY, Series
from ml.forecasts.forecast_model import Fitter, Forecaster, Labelled, Quantiles, TooShort
from ml.forecasts.group_profile import GroupProfile
from ml.forecasts.lifecycle.forecast_change import forecast_change
from ml.forecasts.lifecycle.forecast_registry import PLAIN_TAG, Champion, load_champion, others_of
from ml.forecasts.lifecycle.promotion import MIN_COMMON_DAYS
from ml.forecasts.lifecycle.trial import days_known, days_to_lead
from ml.forecasts.models.climatology import ClimatologyFitter
from ml.forecasts.models.naive import SameHourLastWeekFitter
from ml.forecasts.plausible import MIN_RECENT_SHARE, age_days, implausible, notes, recent_share, stale_note
from ml.forecasts.targets import Target
from ml.forecasts.uncertainty.trajectories import ErrorMemory, stored_courses
from ml.tracking import MlflowTracker

# The version of a model that was fitted for this forecast alone.
UNREGISTERED = "unregistered"
# So many older models are tried before the floor: a fault of one training seldom lasts for three.
OTHERS = 2
GROUP_PROFILE = "group_profile"


@dataclass(frozen=True)
class ForecastRequest:
    """Target of a forecast and its instant."""

    site: Site
    target: Target
    case: Case
    origin: int
    steps: int


@dataclass(frozen=True)
class Answering:
    """A model that may answer: its registered name and version."""

    name: str
    version: str
    forecaster: Forecaster
    memory: ErrorMemory | None = None


def request_of(site: Site, target: Target, case: Case, issued_at_utc: datetime, steps: int) -> ForecastRequest:
    """The forecast request at that instant of issue, from the step on that a forecast of it begins with."""
    origin = target.origin(case.series, issued_at_utc, issued_at_utc.astimezone(zone(site.time_zone)))
    return ForecastRequest(site, target, case, origin, steps)


def by_group(
    query: ForecastRequest, group: GroupProfile, issued_at_utc: datetime, available_at_utc: datetime
) -> Forecast | Finding:
    """Forecast by the profile of the neighbouring meters, by climatology; query: with that profile as its case."""
    name = f"{query.target.family}.{GROUP_PROFILE}"
    model = Answering(name, UNREGISTERED, ClimatologyFitter().fit(query.case))
    answer = model.forecaster.predict(query.case, query.origin, query.steps)
    why = implausible(answer, query.case, query.origin)
    if why is not None:
        return finding("implausible_forecast", f"The profile of its group answers {why}.", query.target.name)
    labels = {GROUP_PROFILE: group.sentence, **notes(query.case, query.origin, query.steps, trained_until_utc=None)}
    return forecast_of(query, model, answer, labels, issued_at_utc, available_at_utc)


def by_best(
    query: ForecastRequest, tracker: MlflowTracker, issued_at_utc: datetime, available_at_utc: datetime
) -> Forecast | Finding:
    """The first model whose answer can be: the champion, those that led before it, the floor, the climatology.

    Where the registry does not answer, the floor: a plan of tomorrow must not wait for a server of experiments.
    """
    champion, refused = None, list[str]()
    try:
        champion = load_champion(tracker, query.site, query.target.name)
    except Unreachable as fault:
        refused.append(str(fault))
    if champion is None and not refused:
        return finding("no_champion", "No model of this target has been registered and leads.", query.target.name)
    series, labels = query.case.series, dict[str, str]()
    is_stale = recent_share(series, query.origin) < MIN_RECENT_SHARE
    if is_stale:
        labels["stale"] = stale_note(age_days(series, query.origin))
    for model in _candidates(query, champion, tracker, is_stale=is_stale):
        answer = model.forecaster.predict(query.case, query.origin, query.steps)
        why = implausible(answer, query.case, query.origin)
        if why is not None:
            refused.append(f"{model.forecaster.algorithm} {model.version} answered {why}")
            continue
        if refused:
            labels["fallback"] = f"{'; '.join(refused)}; {model.forecaster.algorithm} answers instead"
        trained = champion.trained_until_utc if champion else None
        labels |= notes(query.case, query.origin, query.steps, trained_until_utc=trained)
        if champion and model.forecaster is champion.forecaster and _leads_until_more_is_known(champion, query):
            labels["plain_model"] = champion.logged.tags[PLAIN_TAG]
        if isinstance(model.forecaster, Labelled):
            labels |= model.forecaster.labels
        return forecast_of(query, model, answer, labels, issued_at_utc, available_at_utc)
    return finding("implausible_forecast", f"No model has an answer: {'; '.join(refused)}.", query.target.name)


def _candidates(
    query: ForecastRequest, champion: Champion | None, tracker: MlflowTracker, *, is_stale: bool
) -> Iterator[Answering]:
    if champion is not None and not is_stale:
        for one in chain([champion], islice(others_of(tracker, query.site, query.target.name, champion), OTHERS)):
            yield Answering(one.logged.name, str(one.logged.version), one.forecaster, one.memory)
    floor: Fitter = SameHourLastWeekFitter()
    for fitter in (ClimatologyFitter(),) if is_stale else (floor, ClimatologyFitter()):
        try:
            model = fitter.fit(query.case)
        except TooShort:
            continue
        yield Answering(f"{query.target.family}.{fitter.algorithm}", UNREGISTERED, model)


def _leads_until_more_is_known(champion: Champion, query: ForecastRequest) -> bool:
    """True where it leads since too little was known: later it leads since it won, or nothing better was tried."""
    series = query.case.series
    is_new = series.time(query.origin) - champion.trained_until_utc < MIN_COMMON_DAYS * DAY
    return PLAIN_TAG in champion.logged.tags and (is_new or days_known(series) < days_to_lead(query.target))


def forecast_of(
    query: ForecastRequest,
    model: Answering,
    answer: Quantiles,
    labels: dict[str, str],
    issued_at_utc: datetime,
    available_at_utc: datetime,
) -> Forecast:
    """The forecast with an id of what determines it: the same inputs and model give the same id."""
    digest, series = query.case.digest(), query.case.series
    parts = [query.site.site_id, query.target.name, issued_at_utc.isoformat(), str(query.steps)]
    parts += [model.name, model.version, digest]
    forecast_id = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
    moved = forecast_change(query.case, model.forecaster, query.origin, answer)
    return Forecast(
        forecast_id=forecast_id,
        site_id=query.site.site_id,
        target=query.target.name,
        issued_at_utc=issued_at_utc,
        available_at_utc=available_at_utc,
        model_name=model.name,
        model_version=model.version,
        input_digest=digest,
        is_synthetic=series.is_synthetic,
        # In whole quanta, as readings are: a forecast read back from the store is the one that was issued.
        rows=forecast_rows(answer, series, query.origin, rounded=quantise),
        unit=series.unit,
        step_minutes=series.step // timedelta(minutes=1),
        labels=labels,
        trajectories=stored_courses(answer, model.memory, seed=int(forecast_id[:16], 16), floor=series.floor),
        why=moved.sentences() if moved else (),
    )


def forecast_rows(
    answer: Quantiles, series: Series, origin: int, *, rounded: Callable[[float], float] = float
) -> tuple[ForecastRow, ...]:
    """Rows of an answer from the origin on; an end of the 90 % interval that is not known is left out."""
    steps = np.array([getattr(answer, each.name) for each in fields(answer)]).T.tolist()
    names = [each.name for each in fields(answer)]
    return tuple(
        ForecastRow(
            time_utc=series.time(origin + place),
            **{name: rounded(value) for name, value in zip(names, step, strict=True) if not np.isnan(value)},
        )
        for place, step in enumerate(steps)
    )


def finding(code: str, message: str, target: str, **facts: int) -> Finding:
    """A finding that stops a forecast of that target."""
    return Finding(code=code, message=message, severity="blocking", scope=target, facts={**facts})
