"""All forecast targets of a site: train each, issue each, keep what was refused beside what was made."""

from datetime import UTC, datetime, time, timedelta

from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Clock
from ml.forecasts.issue import MAX_HORIZON_H, run_forecast
from ml.forecasts.train import Training, train_and_register
from ml.tracker import Tracker

# Half a year holds every weekday 26 times and fits in seconds.
TRAIN_DAYS = 180


class SiteTraining(Model):
    """What became of each target: trained, or refused with a finding."""

    trained: tuple[Training, ...] = ()
    refused: dict[str, Finding] = {}


class SiteForecasts(Model):
    """What became of each target: issued, or refused with a finding."""

    forecasts: tuple[Forecast, ...] = ()
    refused: dict[str, Finding] = {}


def train_site(site: Site, *, lake: Lake, store: ForecastStore, tracker: Tracker, clock: Clock) -> SiteTraining:
    """Backtest, register and promote a model of every forecast target; the decisions are kept. Raises Unreachable."""
    trained, refused = [], {}
    # Imported history may end months ago: hours of gaps behind it would leave nothing to score on.
    until = min(clock.now_utc(), _end_of_readings(site, lake, clock))
    readings = site_readings(lake, site, start_utc=until - timedelta(days=TRAIN_DAYS), end_utc=until)
    for target in site.forecast_targets:
        answer = train_and_register(readings, site=site, target=target, known_until_utc=until, tracker=tracker)
        if isinstance(answer, Finding):
            refused[target] = answer
            continue
        trained.append(answer)
        store.add_promotion(answer.registered.name, answer.decision.model_dump(mode="json"), clock)
    return SiteTraining(trained=tuple(trained), refused=refused)


def forecast_site(
    site: Site, *, lake: Lake, store: ForecastStore, tracker: Tracker, clock: Clock, horizon_h: int = MAX_HORIZON_H
) -> SiteForecasts:
    """Issue and keep the champion's forecast of every target.

    A site with live readings is forecast from now; one whose readings end earlier, from where they end.
    Raises Unreachable.
    """
    issued, refused = [], {}
    now = clock.now_utc()
    # On the hour before: the plan asks for the quarter hour in progress, and forecasts are whole hours.
    at = min(now, _end_of_readings(site, lake, clock)).replace(minute=0, second=0, microsecond=0)
    readings = site_readings(lake, site, start_utc=at - timedelta(days=TRAIN_DAYS), end_utc=at)
    for target in site.forecast_targets:
        answer = run_forecast(
            readings,
            site=site,
            target=target,
            issued_at_utc=at,
            available_at_utc=now,
            horizon_h=horizon_h,
            tracker=tracker,
        )
        if isinstance(answer, Finding):
            refused[target] = answer
            continue
        store.add(answer, clock)
        issued.append(answer)
    return SiteForecasts(forecasts=tuple(issued), refused=refused)


def _end_of_readings(site: Site, lake: Lake, clock: Clock) -> datetime:
    """Where the readings of the forecast targets end: prices of tomorrow are no readings of today."""
    span = lake.span(site.site_id)
    if span is None:
        return clock.now_utc()
    end = datetime.combine(span[1], time.min, tzinfo=UTC) + timedelta(days=1)
    recent = site_readings(
        lake, site, start_utc=end - timedelta(days=31), end_utc=end, meters=list(site.forecast_targets)
    )
    last = recent["interval_start_utc"].max()
    return last + timedelta(minutes=CANONICAL_MINUTES) if isinstance(last, datetime) else clock.now_utc()
