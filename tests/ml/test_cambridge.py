"""A real building: the daily baseline of b25 on 2018, and what it says of 2019, when nothing was changed."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.kpi.enpi.daily import expected_days, seu_days
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Driver, Seu, SeuDriver, Site
from ml.baselines.models.ols import fit_daily
from tests.ml.cases import stream

SEU = Seu(
    seu_id="whole",
    name="Whole building",
    meters=("m1",),
    drivers=(SeuDriver(driver_id="outdoor_degc", justification="heating and cooling"),),
    day_types=True,
)
SITE = Site(
    site_id="plant",
    name="Cambridge b25",
    time_zone="Europe/London",
    currency="GBP",
    country="GB",
    subdivision="ENG",
    meters=(Meter(meter_id="m1"),),
    drivers=(Driver(driver_id="outdoor_degc", unit="degc", aggregation="mean"),),
    seus=(SEU,),
)


def quarter_hours(frame: pl.DataFrame, value: str, *, share: float) -> pl.DataFrame:
    """Each hour as four quarter hours."""
    return (
        frame.select(pl.col("timestamp_utc").dt.cast_time_unit("us"), (pl.col(value) * share).round(9))
        .with_columns(step=pl.lit([0, 15, 30, 45]))
        .explode("step")
        .select(interval_start_utc=pl.col("timestamp_utc") + pl.duration(minutes="step"), value=pl.col(value))
    )


@pytest.fixture(scope="module")
def days(shared_data: Path) -> pl.DataFrame:
    folder = shared_data / "sites_cambridge"
    is_wanted = pl.col("timestamp_utc").is_between(datetime(2018, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC))
    meters = pl.read_parquet(folder / "meters_hourly.parquet").filter(is_wanted)
    load = meters.filter((pl.col("building_id") == "b25") & (pl.col("meter") == "electricity") & (pl.col("value") != 0))
    weather = pl.read_parquet(folder / "weather_bedford_hourly.parquet").filter(is_wanted)
    template = stream("m1", datetime(2018, 1, 1, tzinfo=UTC), [0.0]).drop("interval_start_utc", "value")
    energy = quarter_hours(load, "value", share=0.25).join(template, how="cross")
    degc = quarter_hours(weather.drop_nulls(), "air_temperature_c", share=1.0).join(
        template.with_columns(meter_id=pl.lit("outdoor_degc"), register=pl.lit("value"), unit=pl.lit("degc")),
        how="cross",
    )
    return seu_days(pl.concat([energy, degc]), site=SITE, seu=SEU, start=date(2018, 1, 1), end=date(2020, 1, 1))


def test_the_daily_baseline_reaches_what_simple_methods_reach(days: pl.DataFrame) -> None:
    found = fit_daily(
        days, site=SITE, seu=SEU, start=date(2018, 1, 1), end=date(2019, 1, 1), today=date(2020, 1, 1), lake_digest=""
    )
    assert isinstance(found, Baseline)
    assert not found.is_blocked
    assert "is_weekend" in found.feature_order
    assert found.statistics.cvrmse_g14 < 0.05
    placebo = days.with_columns(expected_days(found, days)["expected_kwh"]).filter(
        (pl.col("local_date") >= date(2019, 1, 1)) & (pl.col("coverage") >= 0.9)
    )
    error = (placebo["energy_kwh"] / placebo["coverage"] - placebo["expected_kwh"]).to_numpy()
    mean = float(placebo["expected_kwh"].mean())  # type: ignore[arg-type]
    assert np.sqrt(np.mean(error**2)) / mean < 0.06
    assert abs(error.mean()) / mean < 0.05
