"""Every night of a site's forecasts: scores of what came true, drift, and whether a challenger has earned the lead."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore, WeatherStore
from data_quality.contracts.control.forecast_score import ForecastDrift, ForecastScore
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, local_day
from ml.features.forecast_case import Case
from ml.features.series import DAY
from ml.forecasts.lifecycle.drift import data_drift, error_drift
from ml.forecasts.lifecycle.forecast_registry import Champion, called, load_champion, move_alias
from ml.forecasts.lifecycle.issued_scores import FIRST_DAY, day_losses, days_of, paired_losses, score_issued
from ml.forecasts.lifecycle.promotion import MIN_COMMON_DAYS, Decision, decide
from ml.forecasts.lifecycle.trial import Chart
from ml.forecasts.site_case import target_case
from ml.forecasts.site_forecast import SiteInputs
from ml.forecasts.targets import Target
from ml.tracking import CHALLENGER, CHAMPION, MlflowTracker

# Days of which a corrected reading makes the score anew; what was missed longer ago is caught up from where it ended.
LOOK_BACK_DAYS = 14
# Asked every night, chance would win sooner or later.
DAYS_BETWEEN_TESTS = 7
# A quarter of a year can be looked at.
TREND_DAYS = 92


class Watched(Model):
    """Result of one night for a target. written: new or changed scores. trend: loss by day; None before the first."""

    target: str
    written: int = 0
    scores: tuple[ForecastScore, ...] = ()
    trend: Chart | None = None
    drift: ForecastDrift | None = None
    decision: Decision | None = None


class SiteWatch(Model):
    """Outcome of each target: watched, or refused with a finding."""

    watched: tuple[Watched, ...] = ()
    refused: dict[str, Finding] = {}


def watch_site(
    site: Site,
    *,
    lake: Lake,
    store: ForecastStore,
    tracker: MlflowTracker,
    clock: Clock,
    weather: WeatherStore | None = None,
) -> SiteWatch:
    """Score the issued forecasts of every target, look for drift, compare a challenger. Raises Unreachable.

    The same readings and forecasts twice write nothing the second time.
    """
    watched, refused = [], {}
    inputs = SiteInputs(site, lake, weather, clock.now_utc())
    for target in inputs.targets:
        case = target_case(
            inputs.readings(target), site=site, target=target, end_utc=inputs.end_utc, weather=inputs.weather
        )
        if isinstance(case, Finding):
            refused[target.name] = case
            continue
        written = _score(site, target, case, store, clock)
        champion = load_champion(tracker, site, target.name)
        scores = store.scores(site.site_id, target.name)
        found = Watched(target=target.name, written=written, scores=tuple(scores), trend=_trend(target, scores))
        if champion is not None:
            decision = _compare(site, target, champion, scores, store, tracker, clock)
            drift = _drift(site, target, champion, case, scores, store, clock)
            found = found.model_copy(update={"decision": decision, "drift": drift})
        watched.append(found)
    return SiteWatch(watched=tuple(watched), refused=refused)


def _trend(target: Target, scores: list[ForecastScore]) -> Chart | None:
    """CRPS of the first day ahead by local day: of what led, of what ran in its shadow, of same hour last week."""
    of_day: dict[date, dict[str, list[tuple[float, int]]]] = {}
    for each in scores:
        if each.lead in FIRST_DAY:
            lines = of_day.setdefault(each.local_day, {})
            lines.setdefault("challenger" if each.is_shadow else "champion", []).append((each.crps, each.n))
            if each.floor_crps is not None and not each.is_shadow:
                lines.setdefault("same hour last week", []).append((each.floor_crps, each.n))
    if not of_day:
        return None
    days = sorted(of_day)[-TREND_DAYS:]
    names = sorted({name for day in days for name in of_day[day]})
    means = {
        name: tuple(
            sum(crps * n for crps, n in parts) / sum(n for _, n in parts) if (parts := of_day[day].get(name)) else None
            for day in days
        )
        for name in names
    }
    moments = tuple(datetime(day.year, day.month, day.day) for day in days)  # noqa: DTZ001  # local dates
    title = f"{target.name}: CRPS of issued forecasts by day, first day ahead"
    return Chart(name="trend", title=title, unit="in the target's unit", at=moments, series=means)


def _score(site: Site, target: Target, case: Case, store: ForecastStore, clock: Clock) -> int:
    now = clock.now_utc()
    known = store.scores(site.site_id, target.name)
    since = now - target.history
    if known:
        ended = max(each.local_day for each in known)
        since = now - max(timedelta(days=LOOK_BACK_DAYS), now.date() - ended)
    # A forecast tells of days well behind its issue.
    issued = store.issued(site.site_id, target.name, since_utc=since - target.horizon)
    return store.add_scores(score_issued(issued, case, now_utc=now), clock)


def _compare(
    site: Site,
    target: Target,
    champion: Champion,
    scores: list[ForecastScore],
    store: ForecastStore,
    tracker: MlflowTracker,
    clock: Clock,
) -> Decision | None:
    """Champion against the one in its shadow, by what both said of the same days; kept whichever way it went."""
    challenger = load_champion(tracker, site, target.name, CHALLENGER)
    if challenger is None:
        return None
    names = called(champion.logged), called(challenger.logged)
    losses = paired_losses(*(days_of(scores, name) for name in names))
    tested = [_tested_days(row["decision"], names) for row in store.promotions(challenger.logged.name)]
    if len(losses[0]) < max(MIN_COMMON_DAYS, max(tested, default=0) + DAYS_BETWEEN_TESTS * any(tested)):
        return None
    found = decide(*losses).model_copy(
        update={"basis": "shadow", "target": target.name, "model": names[1], "former": names[0]}
    )
    with store.store.together():
        store.add_promotion(challenger.logged.name, found.model_dump(mode="json"), clock)
        if found.is_promoted:
            move_alias(tracker, target.family, CHAMPION, challenger.logged)
    return found


def _tested_days(decision: Mapping[str, Any], names: tuple[str, str]) -> int:
    """Of how many days in shadow these two were compared already; 0 where they never were."""
    is_same = decision.get("basis") == "shadow" and (decision["former"], decision["model"]) == names
    return int(decision["test"]["days"]) if is_same and decision["test"] else 0


def _drift(
    site: Site,
    target: Target,
    champion: Champion,
    case: Case,
    scores: list[ForecastScore],
    store: ForecastStore,
    clock: Clock,
) -> ForecastDrift | None:
    """Drift since the newest training; None where there is none."""
    decisions = [row["decision"] for row in store.promotions() if row["decision"].get("target") == target.name]
    ends = [champion.trained_until_utc.isoformat(), *(each.get("trained_until_utc") or "" for each in decisions)]
    # A challenger has learnt what the champion has not: what it knows need not be asked for again.
    until = champion.trained_until_utc.fromisoformat(max(ends))
    findings = [] if target.step == DAY else data_drift(case.series, case.series.index(until), scope=target.name)
    leads = FIRST_DAY[:1] if target.is_daily else FIRST_DAY
    first_day = local_day(until, site.time_zone)
    losses = day_losses(days_of(scores, called(champion.logged)), leads)
    tags = champion.logged.tags
    findings += error_drift(
        {day: loss for day, loss in losses.items() if day > first_day},
        # Models of earlier releases do not tell how good their days were.
        mean=float(tags.get("daily_loss_mean", 0)),
        std=float(tags.get("daily_loss_std", 0)),
        scope=target.name,
    )
    if not findings:
        return None
    found = ForecastDrift(
        site_id=site.site_id,
        target=target.name,
        local_day=local_day(clock.now_utc(), site.time_zone),
        seen_at_utc=clock.now_utc(),
        model_name=champion.logged.name,
        model_version=str(champion.logged.version),
        findings=tuple(findings),
    )
    store.add_drift(found, clock)
    return found
