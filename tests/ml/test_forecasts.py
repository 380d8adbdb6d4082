"""Forecast models: quantiles in order, stored and read back, honest about what they cannot say."""

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_quality.contracts.errors import OurFault
from ml.features.day_ahead import WEEK
from ml.features.hourly import Calendar, Hours, Stream, calendar_of, hours_of
from ml.forecasts.forecast_model import Forecaster, TooShort, ordered
from ml.forecasts.gradient_boosting import MODEL_FILE, TREES_FILE, GradientBoosting, GradientBoostingFitter
from ml.forecasts.intervals import HourSpread
from ml.forecasts.naive import SameHourLastWeekFitter
from ml.forecasts.trees import NODE, Trees
from tests.ml.cases import hourly_load, plant

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2025, 1, 6, tzinfo=UTC)
LENGTH = 12 * WEEK
SITE = plant()


@pytest.fixture(scope="module")
def load() -> tuple[Hours, Calendar]:
    readings = hourly_load(LENGTH, START)
    end = START + timedelta(hours=LENGTH)
    hours = hours_of(readings, site=SITE, stream=Stream("m1", "import"), end_utc=end)
    return hours, calendar_of(SITE, START, LENGTH + 48)


@pytest.fixture(scope="module")
def boosted(load: tuple[Hours, Calendar]) -> GradientBoosting:
    return GradientBoostingFitter().fit(*load)


def test_stored_files_predict_the_same_and_the_same_fit_stores_the_same(
    load: tuple[Hours, Calendar], boosted: GradientBoosting
) -> None:
    files = boosted.to_files()
    assert GradientBoostingFitter().fit(*load).to_files() == files
    naive = SameHourLastWeekFitter().fit(*load)
    pairs: list[tuple[Forecaster, Forecaster]] = [
        (boosted, GradientBoostingFitter().load(files)),
        (naive, SameHourLastWeekFitter().load(naive.to_files())),
    ]
    for made, read in pairs:
        one, other = (model.predict(*load, LENGTH, 48) for model in (made, read))
        assert np.array_equal(one.p10, other.p10)
        assert np.array_equal(one.p50, other.p50)
        assert np.array_equal(one.p90, other.p90)


def test_plain_trees_say_what_scikit_learn_says() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(500, 4))
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    target = np.nan_to_num(matrix[:, 0]) ** 2 + np.isnan(matrix[:, 1])
    estimator = HistGradientBoostingRegressor(max_iter=30, random_state=0).fit(matrix, target)
    trees = Trees.of(estimator)
    # Values that equal a threshold show on which side of it they belong.
    edges = np.repeat(trees.nodes["threshold"][:200, None], 4, axis=1)
    unseen = np.vstack([rng.normal(size=(200, 4)) * 3, np.full((1, 4), np.nan), edges])
    assert trees.predict(unseen) == pytest.approx(estimator.predict(unseen), rel=1e-12)
    again = Trees.from_bytes(trees.to_bytes(), roots=trees.roots.tolist(), constant=trees.constant)
    assert np.array_equal(again.predict(unseen), trees.predict(unseen))


def test_categorical_trees_and_strange_files_are_refused(boosted: GradientBoosting) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    matrix = np.repeat(np.arange(5.0), 40)[:, None]
    estimator = HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]).fit(matrix, matrix[:, 0] % 2)
    with pytest.raises(OurFault, match="categorical"):
        Trees.of(estimator)
    files = boosted.to_files()
    with pytest.raises(OurFault, match="other features"):
        GradientBoostingFitter().load({**files, MODEL_FILE: files[MODEL_FILE].replace(b"lead_h", b"lead_x")})
    with pytest.raises(OurFault, match="other columns"):
        GradientBoostingFitter().load({**files, TREES_FILE: _npy(np.zeros(3))})


def _npy(array: np.ndarray) -> bytes:
    import io

    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


def test_the_model_is_better_than_last_week_on_days_it_has_not_seen(load: tuple[Hours, Calendar]) -> None:
    hours, calendar = load
    cut = LENGTH - 2 * WEEK
    before = hours.until(START + timedelta(hours=cut))
    errors = {}
    for fitter in (GradientBoostingFitter(), SameHourLastWeekFitter()):
        model: Forecaster = fitter.fit(before, calendar)
        found = [model.predict(hours, calendar, cut + 24 * day, 24) for day in range(14)]
        p50 = np.concatenate([one.p50 for one in found])
        errors[model.algorithm] = float(np.sqrt(np.mean((hours.values[cut : cut + 14 * 24] - p50) ** 2)))
    assert errors["hist_gradient_boosting"] < 0.85 * errors["same_hour_last_week"]


def test_last_week_is_last_week(load: tuple[Hours, Calendar]) -> None:
    hours, calendar = load
    found = SameHourLastWeekFitter().fit(hours, calendar).predict(hours, calendar, LENGTH, 48)
    assert found.p50.tolist() == hours.values[LENGTH - WEEK : LENGTH - WEEK + 48].tolist()


def test_an_hour_that_is_still_running_does_not_shift_last_week(load: tuple[Hours, Calendar]) -> None:
    hours, calendar = load
    model = SameHourLastWeekFitter().fit(hours, calendar)
    running = model.predict(hours.until(START + timedelta(hours=LENGTH - 1)), calendar, LENGTH, 24)
    assert running.p50.tolist() == hours.values[LENGTH - WEEK : LENGTH - WEEK + 24].tolist()


def test_a_gap_last_week_is_never_a_zero(load: tuple[Hours, Calendar]) -> None:
    hours, calendar = load
    model = SameHourLastWeekFitter().fit(hours, calendar)
    values = hours.values.copy()
    values[LENGTH - WEEK + 5] = np.nan
    found = model.predict(Hours(START, values, hours.temperature_degc), calendar, LENGTH, 24)
    assert found.p50[5] != 0.0
    assert found.p50[4] == values[LENGTH - WEEK + 4]


def test_a_week_without_readings_gives_no_forecast(load: tuple[Hours, Calendar], boosted: GradientBoosting) -> None:
    hours, calendar = load
    values = hours.values.copy()
    values[LENGTH - WEEK :] = np.nan
    assert not boosted.predict(Hours(START, values, hours.temperature_degc), calendar, LENGTH, 24).is_known.any()


@pytest.mark.parametrize("fitter", [GradientBoostingFitter(), SameHourLastWeekFitter()], ids=lambda one: one.algorithm)
def test_a_short_history_is_said_to_be_short(load: tuple[Hours, Calendar], fitter: SameHourLastWeekFitter) -> None:
    hours, calendar = load
    with pytest.raises(TooShort, match="needed"):
        fitter.fit(hours.until(START + timedelta(hours=WEEK + 24)), calendar)


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


def test_the_node_layout_is_fixed() -> None:
    columns: Mapping[str, object] = NODE.fields or {}
    assert list(columns) == ["feature", "threshold", "missing_goes_left", "left", "right", "value"]


def test_the_first_model_of_a_process_is_fitted_by_one_thread() -> None:
    code = (
        "from threadpoolctl import threadpool_info; from ml.forecasts.gradient_boosting import _one_thread\n"
        "with _one_thread(): print({each['num_threads'] for each in threadpool_info() if each['user_api'] == 'openmp'})"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == "{1}"
