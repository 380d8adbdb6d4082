"""The ensemble: in order, exact in what it explains, blind to the future, and as sure as it says."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.features.civil import civil_on
from ml.features.forecast_case import Case
from ml.features.series import HOUR, QUARTER, Series, Vector
from ml.features.weather_as_of import FixedWeather
from ml.forecasts.models.blend import BlendForecaster
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.models.hour_lines import LinearFitter
from ml.forecasts.uncertainty.conformal import Band

START = datetime(2025, 1, 6, tzinfo=UTC)
WEEKS = 8
LENGTH = WEEKS * 168


def days(first: date, last: date) -> dict[date, str]:
    every = [first + timedelta(days=n) for n in range((last - first).days)]
    return {day: "weekend" if day.weekday() > 4 else "weekday" for day in every}


def of_values(values: Vector, step: timedelta = HOUR, *, asked: int = 24) -> Case:
    length = len(values) + 400
    degc = 10 + 5 * np.sin(np.arange(length) / 40)
    weather = FixedWeather(("temperature_degc",), degc[:, None])
    return Case(Series(START, values, step), civil_on(days, "UTC", START, length, step), weather, horizon_steps=asked)


def net_load(length: int = LENGTH, per_day: int = 24) -> Vector:
    """Load less sun: negative at noon."""
    rng = np.random.default_rng(7)
    turn = 2 * np.pi * np.arange(length) / per_day
    return 3 - 6 * np.maximum(-np.cos(turn), 0) + rng.normal(0, 0.5, length)


@pytest.fixture(scope="module")
def case() -> Case:
    return of_values(net_load())


@pytest.fixture(scope="module")
def model(case: Case) -> BlendForecaster:
    return EnsembleFitter().fit(case.before(LENGTH - 168))


@settings(deadline=None, max_examples=15)
@given(origin=st.integers(LENGTH - 168, LENGTH), poison=st.sampled_from([np.nan, 0.0, 1e9]))
def test_the_future_changes_no_forecast(case: Case, model: BlendForecaster, origin: int, poison: float) -> None:
    values = case.series.values.copy()
    values[origin:] = poison
    one = model.predict(case, origin, 24)
    other = model.predict(replace(case, series=replace(case.series, values=values)), origin, 24)
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("p10", "p50", "p90"))


def test_a_net_load_is_forecast_below_zero_and_in_order(case: Case, model: BlendForecaster) -> None:
    found = model.predict(case, LENGTH, 48)
    assert found.is_known.all()
    assert found.p50.min() < -1
    assert (found.p10 <= found.p50).all()
    assert (found.p50 <= found.p90).all()


def test_corrected_readings_are_not_answered_from_memory(case: Case, model: BlendForecaster) -> None:
    model.predict(case, LENGTH, 24)
    values = case.series.values.copy()
    values[LENGTH - 5 * 24 : LENGTH - 4 * 24] += 30
    corrected = replace(case, series=replace(case.series, values=values))
    fresh = EnsembleFitter().load(model.to_files()).predict(corrected, LENGTH, 24)
    assert np.array_equal(model.predict(corrected, LENGTH, 24).p90, fresh.p90)


def test_days_that_were_missed_widen_the_band(case: Case, model: BlendForecaster) -> None:
    values = case.series.values.copy()
    values[LENGTH - 168 :] += np.random.default_rng(1).normal(0, 5, 168)
    restless = replace(case, series=replace(case.series, values=values))
    calm, wild = (model.predict(each, LENGTH, 24) for each in (case, restless))
    assert np.mean(wild.p90 - wild.p10) > 1.5 * np.mean(calm.p90 - calm.p10)


def test_inputs_and_base_add_up_to_the_forecast(case: Case, model: BlendForecaster) -> None:
    contributions = model.contributions(case, LENGTH, 24)
    assert contributions.base + contributions.parts.sum(axis=0) == pytest.approx(model.predict(case, LENGTH, 24).p50)
    assert sum(model.importance().values()) == pytest.approx(1.0)


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_series_that_never_changes_is_forecast_as_it_is(value: float) -> None:
    still = of_values(np.full(LENGTH, value))
    found = EnsembleFitter().fit(still).predict(still, LENGTH, 24)
    for quantile in (found.p10, found.p50, found.p90):
        assert quantile == pytest.approx(value, abs=1e-6)


def test_quarter_hours_are_forecast_with_the_same_code() -> None:
    quarters = of_values(net_load(35 * 96, 96), QUARTER, asked=96)
    found = LinearFitter().fit(quarters.before(33 * 96)).predict(quarters, 34 * 96, 96)
    assert np.sqrt(np.mean((found.p50 - quarters.series.values[34 * 96 :]) ** 2)) < 0.8


def test_eight_of_ten_new_residuals_lie_in_the_band() -> None:
    rng = np.random.default_rng(3)
    size, hour = 60 * 24, np.arange(60 * 24) % 24
    kind, age = np.zeros(size, dtype=np.int64), 60 - np.arange(size) / 24
    inside = []
    for _ in range(40):
        band = Band.of(rng.normal(0, 1 + hour, size), hour, kind, age_days=age)
        low, high = Band.from_bytes(band.to_bytes()).offsets(hour[:24], kind[:24])
        fresh = rng.normal(0, 1 + hour, size).reshape(-1, 24)
        inside.append(np.mean((fresh >= low) & (fresh <= high)))
    assert np.mean(inside) == pytest.approx(0.8, abs=0.02)
