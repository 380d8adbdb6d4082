"""Real meters: the figures that simple methods reach are reached, and every sample of the M&V set is fitted."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.site_file.site import ColumnMap
from ml.baselines.models.fit import Fit, fit_portfolio, fit_usage
from ml.baselines.usage_tables.calendar_of import holidays_of
from ml.baselines.usage_tables.read_usage import Source, read_usage
from ml.baselines.usage_tables.usage_table import Frequency, Usage, usage_of

LONDON, CHICAGO = "Europe/London", "America/Chicago"
TRAIN, PLACEBO = (date(2018, 1, 1), date(2019, 1, 1)), (date(2019, 1, 1), date(2020, 1, 1))
SITES = {"il-electricity-cdd-hdd": "kwh", "il-gas-hdd-only": "therm", "il-gas-intercept-only": "therm"}
FILES: dict[str, Frequency] = {
    "hourly": "hourly", "daily": "daily", "billing_monthly": "billing", "billing_bimonthly": "billing",
}  # fmt: skip


def cambridge(folder: Path, kind: str, frequency: Frequency) -> list[Usage]:
    """Two years of every meter of one kind; the gas meter whose unit changes left out."""
    is_wanted = pl.col("timestamp_utc").is_between(
        datetime(2018, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC), closed="left"
    )
    start = pl.col("timestamp_utc").dt.cast_time_unit("us").alias("start_utc")
    minutes = pl.lit(60, pl.Int64).alias("minutes")
    meters = pl.read_parquet(folder / "sites_cambridge" / "meters_hourly.parquet").filter(
        is_wanted, pl.col("meter") == kind, ~((pl.col("building_id") == "b40") & (pl.col("meter") == "gas"))
    )
    weather = pl.read_parquet(folder / "sites_cambridge" / "weather_bedford_hourly.parquet").filter(is_wanted)
    holidays = holidays_of("GB", None, TRAIN[0], PLACEBO[1])
    return [
        usage_of(
            rows.sort("start_utc").select("start_utc", "minutes", energy_kwh="value"),
            temperatures=weather.select(start, minutes, temp_degc="air_temperature_c"),
            frequency=frequency,
            zone=LONDON,
            holidays=holidays,
        )
        for _, rows in meters.with_columns(start, minutes).group_by("building_id", maintain_order=True)
    ]


def medians(usages: list[Usage]) -> tuple[float, float]:
    """Median CV(RMSE) in training, with degrees of freedom, and in the placebo year."""
    found = []
    for usage, fit in zip(usages, fit_portfolio(usages, start=TRAIN[0], end=TRAIN[1]), strict=True):
        assert isinstance(fit, Fit)
        placebo = usage.between(*PLACEBO)
        actual = placebo.frame["energy_kwh"].to_numpy()
        missed = actual - fit.predict(placebo)
        known = np.isfinite(missed)
        placebo_cv = float(np.sqrt(np.mean(missed[known] ** 2)) / actual[known].mean())
        found.append((fit.statistics.cvrmse_g14, placebo_cv))
    training, unseen = np.median(np.array(found), axis=0)
    return float(training), float(unseen)


def test_daily_electricity_reaches_the_figures(shared_data: Path) -> None:
    training, placebo = medians(cambridge(shared_data, "electricity", "daily"))
    assert training <= 0.074
    assert placebo <= 0.108


def test_daily_gas_reaches_the_figure(shared_data: Path) -> None:
    assert medians(cambridge(shared_data, "gas", "daily"))[1] <= 0.190


def test_hourly_electricity_reaches_the_figure(shared_data: Path) -> None:
    assert medians(cambridge(shared_data, "electricity", "hourly"))[1] <= 0.127


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("site", SITES)
def test_every_sample_is_fitted_and_its_saving_is_about_ten_percent(shared_data: Path, site: str, kind: str) -> None:
    folder = shared_data / "mv_samples" / "eemeter"
    mapping = ColumnMap(timestamp="start", value="value", unit=SITES[site], meters={"load": "load"})
    weather = ColumnMap(timestamp="dt", values={"tempF": "outdoor_degc"}, unit="degf")
    usage = read_usage(
        Source(folder / f"{site}-{kind}.csv.gz", mapping),
        Source(folder / "il-tempF.csv.gz", weather),
        frequency=FILES[kind],
        zone=CHICAGO,
    )
    fit = fit_usage(usage, start=date(2015, 12, 26), end=date(2016, 12, 26))
    assert isinstance(fit, Fit)
    after = usage.between(date(2017, 1, 4), date(2018, 1, 4))
    actual, expected = after.frame["energy_kwh"].to_numpy(), fit.predict(after)
    known = np.isfinite(actual) & np.isfinite(expected)
    assert 1 - actual[known].sum() / expected[known].sum() == pytest.approx(0.10, abs=0.03)
