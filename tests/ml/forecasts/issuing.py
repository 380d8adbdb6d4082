"""A small site, its readings and its champions, for tests of what is issued."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from ml.forecasts.forecast_model import Fitter, Forecaster
from ml.forecasts.issue import run_forecast
from ml.forecasts.lifecycle.forecast_registry import model_name
from ml.forecasts.models.naive import SameHourLastWeek, SameHourLastWeekFitter
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import target_of
from ml.forecasts.train import Training
from ml.tracking import CHAMPION, LoggedModel, MlflowTracker, ModelRecord
from tests.ml.cases import ZONE, stream
from tests.ml.whole_training import train_case

START = datetime(2025, 2, 2, 23, tzinfo=UTC)
DAYS = 56
NOW = START + timedelta(days=DAYS)
FLOOR = SameHourLastWeekFitter.algorithm


def works(name: str, **more: object) -> Site:
    """A site under a name of its own, so that tests share no models: three meters under one, two of them sized."""
    meters = (
        Meter(meter_id="main", connected_load_kw=100),
        Meter(meter_id="a", parent="main", connected_load_kw=20),
        Meter(meter_id="b", parent="main", connected_load_kw=40),
        Meter(meter_id="c", parent="main", connected_load_kw=10),
    )
    facts: dict[str, object] = {"site_id": name, "name": "Works", "time_zone": ZONE, "currency": "EUR"}
    return Site.model_validate(facts | {"country": "DE", "meters": meters, "forecast_targets": ("a",)} | more)


def load(days: int = DAYS, *, level: float = 10.0, seed: int = 1, per_hour: int = 1) -> np.ndarray:
    """A daily shape with a little noise, kWh by steps of which an hour has `per_hour`."""
    steps = np.arange(24 * days * per_hour)
    shape = 1 + 0.5 * np.sin(2 * np.pi * steps / 24 / per_hour)
    return (level * shape + np.random.default_rng(seed).normal(0, 0.05 * level, len(steps))) / per_hour


def readings(site: Site, values: np.ndarray, meter: str = "a", **more: Any) -> pl.DataFrame:
    """Hours from START on as quarter hours of a meter; a NaN is not there."""
    start = more.pop("start", START)
    rows = stream(meter, start, np.round(np.repeat(values / 4, 4), 9).tolist(), **more)
    return rows.filter(pl.col("value").is_not_nan()).with_columns(site_id=pl.lit(site.site_id))


def trained(tracker: MlflowTracker, site: Site, rows: pl.DataFrame, *, target: str = "a", **more: Any) -> Training:
    """The floor as champion, trained on everything given; it takes no time."""
    fitters: tuple[Fitter, ...] = more.get("fitters", (SameHourLastWeekFitter(),))
    wanted = target_of(site, target)
    case = target_case(rows, site=site, target=wanted, end_utc=more.get("until", NOW))
    assert not isinstance(case, Finding), case
    found = train_case(case, site=site, target=wanted, tracker=tracker, fitters=fitters)
    assert isinstance(found, Training), found
    return found


def lead(
    tracker: MlflowTracker, site: Site, model: Forecaster, *, target: str = "a", trained_until_utc: datetime = NOW
) -> LoggedModel:
    """Register a model as it is and let it lead its target."""
    name = model_name(site, target, model.algorithm)
    tags = {"nrmse": "0.01", "trained_until_utc": trained_until_utc.isoformat()}
    logged = tracker.log_model(
        name, model.to_files(), ModelRecord(dataset_name="x", dataset_digest="f" * 64, tags=tags)
    )
    tracker.set_alias(name, CHAMPION, logged.version)
    return logged


def naive(*, low: float = -1.0, high: float = 1.0, floor: float | None = 0.0) -> SameHourLastWeek:
    """The floor with a band of our choosing: also one that cannot be."""
    return SameHourLastWeek(low=low, high=high, floor=floor)


def issued(
    tracker: MlflowTracker, site: Site, rows: pl.DataFrame, at: datetime = NOW, *, target: str = "a", **more: Any
) -> Forecast | Finding:
    """The forecast of a day, unless `horizon_h` says otherwise."""
    settings = {"horizon_h": 24, "tracker": tracker, **more}
    return run_forecast(rows, site=site, target=target, issued_at_utc=at, **settings)


def sound(found: Forecast | Finding) -> Forecast:
    """The forecast, once it is seen that it has a number for every step and bands that do not cross."""
    assert isinstance(found, Forecast), found
    assert all(np.isfinite([row.p10, row.p50, row.p90]).all() and row.p10 <= row.p50 <= row.p90 for row in found.rows)
    return found
