"""Forecast models: quantiles in order, stored and read back, honest about what they cannot say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.features.forecast_case import Case
from ml.features.series import Series
from ml.forecasts.forecast_model import Forecaster, Outdated, TooShort, ordered
from ml.forecasts.models.blend import MODEL_FILE, BlendForecaster
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.models.naive import SameHourLastWeekFitter
from ml.forecasts.models.statistical import HourSpread
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import target_of
from tests.ml.cases import hourly_load, plant

# Twelve weeks without a change of clocks.
START = datetime(2024, 12, 2, tzinfo=UTC)
WEEK = 168
LENGTH = 12 * WEEK
SITE = plant()


@pytest.fixture(scope="module")
def load() -> Case:
    end = START + timedelta(hours=LENGTH)
    found = target_case(hourly_load(LENGTH, START), site=SITE, target=target_of(SITE, "m1"), end_utc=end)
    assert isinstance(found, Case), found
    return found


@pytest.fixture(scope="module")
def boosted(load: Case) -> BlendForecaster:
    return EnsembleFitter().fit(load)


def test_stored_files_predict_the_same_and_the_same_fit_stores_the_same(load: Case, boosted: BlendForecaster) -> None:
    files = boosted.to_files()
    assert EnsembleFitter().fit(load).to_files() == files
    naive = SameHourLastWeekFitter().fit(load)
    pairs: list[tuple[Forecaster, Forecaster]] = [
        (boosted, EnsembleFitter().load(files)),
        (naive, SameHourLastWeekFitter().load(naive.to_files())),
    ]
    for made, read in pairs:
        one, other = (model.predict(load, LENGTH, 48) for model in (made, read))
        assert np.array_equal(one.p10, other.p10)
        assert np.array_equal(one.p50, other.p50)
        assert np.array_equal(one.p90, other.p90)


def test_a_model_of_other_features_is_outdated(boosted: BlendForecaster) -> None:
    files = boosted.to_files()
    with pytest.raises(Outdated, match="does not compute"):
        EnsembleFitter().load({**files, MODEL_FILE: files[MODEL_FILE].replace(b'"weekday"', b'"weekdax"')})


def test_the_model_is_better_than_last_week_on_days_it_has_not_seen(load: Case) -> None:
    cut = LENGTH - 2 * WEEK
    before = load.before(cut)
    errors = {}
    for fitter in (EnsembleFitter(), SameHourLastWeekFitter()):
        model: Forecaster = fitter.fit(before)
        found = [model.predict(load.before(cut + 24 * day), cut + 24 * day, 24) for day in range(14)]
        p50 = np.concatenate([one.p50 for one in found])
        errors[model.algorithm] = float(np.sqrt(np.mean((load.series.values[cut : cut + 14 * 24] - p50) ** 2)))
    assert errors["ensemble"] < 0.85 * errors["same_hour_last_week"]


def test_last_week_is_last_week(load: Case) -> None:
    found = SameHourLastWeekFitter().fit(load).predict(load, LENGTH, 48)
    assert found.p50.tolist() == load.series.values[LENGTH - WEEK : LENGTH - WEEK + 48].tolist()


def test_an_hour_that_is_still_running_does_not_shift_last_week(load: Case) -> None:
    model = SameHourLastWeekFitter().fit(load)
    running = model.predict(load.before(LENGTH - 1), LENGTH, 24)
    assert running.p50.tolist() == load.series.values[LENGTH - WEEK : LENGTH - WEEK + 24].tolist()


def test_a_gap_last_week_is_never_a_zero(load: Case) -> None:
    model = SameHourLastWeekFitter().fit(load)
    values = load.series.values.copy()
    values[LENGTH - WEEK + 5] = np.nan
    found = model.predict(replace(load, series=Series(START, values)), LENGTH, 24)
    assert found.p50[5] != 0.0
    assert found.p50[4] == values[LENGTH - WEEK + 4]


def test_a_week_without_readings_gives_no_forecast(load: Case, boosted: BlendForecaster) -> None:
    values = load.series.values.copy()
    values[LENGTH - WEEK :] = np.nan
    assert not boosted.predict(replace(load, series=Series(START, values)), LENGTH, 24).is_known.any()


@pytest.mark.parametrize("fitter", [EnsembleFitter(), SameHourLastWeekFitter()], ids=lambda one: one.algorithm)
def test_a_short_history_is_said_to_be_short(load: Case, fitter: SameHourLastWeekFitter) -> None:
    with pytest.raises(TooShort, match="needed"):
        fitter.fit(load.before(WEEK + 24))


finite = st.floats(-1e6, 1e6)


@settings(deadline=None)
@given(st.lists(st.tuples(finite, finite, finite), min_size=1, max_size=20), st.sampled_from([None, 0.0]))
def test_quantiles_never_cross(rows: list[tuple[float, float, float]], floor: float | None) -> None:
    p50, low, high = (np.array(column) for column in zip(*rows, strict=True))
    found = ordered(p50, low, high, floor=floor)
    assert (found.p10 <= found.p50).all()
    assert (found.p50 <= found.p90).all()
    assert floor is None or (found.p10 >= floor).all()


def test_the_spread_of_an_hour_is_its_own_where_it_is_known_well_enough() -> None:
    residuals = np.concatenate([np.linspace(-1, 1, 99), np.linspace(-10, 10, 9)])
    local_hour = np.array([0] * 99 + [1] * 9)
    spread = HourSpread.of(residuals, local_hour)
    assert (spread.low[0], spread.high[0]) == pytest.approx((np.linspace(-1, 1, 99)[9], np.linspace(-1, 1, 99)[89]))
    assert (spread.low[1], spread.high[1]) == (spread.low[7], spread.high[7])


def test_the_calibrated_spread_holds_its_promise() -> None:
    """80 % of new values between P10 and P90, whatever the size of the sample."""
    rng = np.random.default_rng(0)
    for size in (60, 400):
        inside = []
        for _ in range(200):
            spread = HourSpread.of(rng.normal(size=size), np.zeros(size, dtype=np.int64))
            fresh = rng.normal(size=100)
            inside.append(np.mean((fresh >= spread.low[0]) & (fresh <= spread.high[0])))
        assert 0.78 <= np.mean(inside) <= 0.84
