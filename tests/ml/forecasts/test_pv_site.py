"""A site with a roof: its PV meter gets the models that know the sun, and its forecasts say what they rest on."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Asset
from ml.features.series import QUARTER
from ml.features.sun import Array, array_kw, sky_over
from ml.forecasts.issue import run_forecast
from ml.forecasts.lifecycle.forecast_registry import FITTERS, fitters_of
from ml.forecasts.targets import target_of
from ml.forecasts.train import Training
from ml.tracking import MlflowTracker
from tests.ml.cases import plant, stream
from tests.ml.whole_training import train_and_register

START, DAYS = datetime(2024, 3, 1, tzinfo=UTC), 60
END = START + timedelta(days=DAYS)
SITE = plant().model_copy(
    update={
        "site_id": "roof",
        "latitude_deg": 50.0,
        "longitude_deg": 14.0,
        "assets": (Asset(asset_id="pv", kind="pv", meter="pv", params={"peak_kw": 8}),),
        "forecast_targets": ("pv",),
    }
)


def roof_kwh() -> list[float]:
    """Spells of fine and of dull weather that last for days."""
    rng, index = np.random.default_rng(0), [0.6]
    for step in rng.normal(0, 0.15, DAYS - 1):
        index.append(0.6 + 0.85 * (index[-1] - 0.6) + step)
    sky = sky_over(50.0, 14.0, START, QUARTER, DAYS * 96)
    array = Array(tilt_deg=20, azimuth_deg=200, peak_kw=7, limit_kw=8)
    kw = array_kw(array, sky, np.repeat(np.clip(index, 0.1, 1.0), 96), 10.0)
    return np.round(kw / 4, 6).tolist()


def test_the_models_that_know_the_sun_are_tried_for_pv_meters_and_for_no_other() -> None:
    kinds = {fitter.algorithm for fitter in fitters_of(SITE, target_of(SITE, "pv"))}
    assert {"pv_physics_residual", "pv_physics", "clear_sky_persistence"} < kinds
    assert fitters_of(SITE, target_of(SITE, "m1")) == FITTERS
    assert fitters_of(SITE, target_of(SITE, "pv@daily_energy")) == FITTERS
    # Of what the sun gives every season is needed.
    assert target_of(SITE, "pv").history >= timedelta(days=365)


def test_a_model_that_knows_the_sun_leads_a_roof_and_its_forecast_says_what_it_rests_on(
    tracker: MlflowTracker,
) -> None:
    readings = stream("pv", START, roof_kwh(), register="value").with_columns(site_id=pl.lit("roof"))
    trained = train_and_register(
        readings, site=SITE, target="pv", known_until_utc=END, tracker=tracker, backtest_days=14, folds=1
    )
    assert isinstance(trained, Training)
    assert trained.registered.name.startswith("roof.pv.value.day_ahead.")
    best = trained.registered.name.rpartition(".")[2]
    assert best in {"pv_physics_residual", "pv_physics", "clear_sky_persistence"}
    assert trained.scores[best].nrmse < trained.scores["same_hour_last_week"].nrmse
    forecast = run_forecast(readings, site=SITE, target="pv", issued_at_utc=END, horizon_h=24, tracker=tracker)
    assert isinstance(forecast, Forecast)
    assert {"pv_array", "clouds_unknown", "snow_unknown"} <= set(forecast.labels)
    assert "fitted from the history: tilt_deg, azimuth_deg" in forecast.labels["pv_array"]
    assert forecast.rows[0].p90 == 0
    assert forecast.rows[12].p50 > 0.5


@pytest.mark.parametrize(
    ("params", "message"),
    [({"tilt_deg": 120}, "tilt_deg is 120, expected"), ({"azimuth_deg": "south"}, "azimuth_deg is 'south', expected")],
)
def test_an_angle_that_is_none_is_refused_with_its_asset(params: dict[str, object], message: str) -> None:
    roof = SITE.assets[0].model_copy(update={"params": params})
    with pytest.raises(BadInput, match=f"site roof, asset 'pv': {message} a number from 0 to"):
        fitters_of(SITE.model_copy(update={"assets": (roof,)}), target_of(SITE, "pv"))
