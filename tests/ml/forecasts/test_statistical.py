"""Exponential smoothing through sktime: on clock time, over gaps, with a band from its own errors."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from ml.features.forecast_case import Case
from ml.features.series import DAY, Series
from ml.forecasts.forecast_model import TooShort
from ml.forecasts.lifecycle.forecast_registry import fitter_of, fitters_of
from ml.forecasts.models.naive import week_before
from ml.forecasts.models.statistical import ExponentialSmoothing, HourSpread, PipelineFitter
from ml.forecasts.targets import target_of
from tests.ml.cases import plant
from tests.ml.forecasts.known_cases import case_like, factory

NO_SPREAD = HourSpread(np.zeros(24), np.zeros(24))


def test_it_is_nearer_than_last_week_its_band_covers_and_its_files_say_the_same() -> None:
    case = case_like(factory(1, sigma=2.0), days=100)
    begun = datetime.now(UTC)
    model = PipelineFitter(ExponentialSmoothing).fit(case.before(80 * 24))
    # About one on an idle machine, and three to import sktime.
    assert datetime.now(UTC) - begun < timedelta(seconds=30)
    read = PipelineFitter(ExponentialSmoothing).load(model.to_files())
    wrong, floor, inside = [], [], []
    for origin in range(80 * 24, 99 * 24, 24):
        forecast = model.predict(case.before(origin), origin, 24)
        actual = case.series.values[origin : origin + 24]
        wrong.append(np.abs(forecast.p50 - actual).mean())
        floor.append(np.abs(week_before(case, origin, 24) - actual).mean())
        inside.append(((actual >= forecast.p10) & (actual <= forecast.p90)).mean())
    assert np.mean(wrong) < 0.9 * np.mean(floor)
    assert np.array_equal(forecast.p90, read.predict(case.before(origin), origin, 24).p90)
    # One rank further out than the sample, of 56 errors an hour.
    assert 0.76 <= np.mean(inside) <= 0.88


def test_gaps_days_of_23_hours_and_a_holiday_leave_no_hole() -> None:
    # Clocks go forward on 30 March; Easter Monday is 21 April.
    holiday = frozenset({date(2025, 4, 21)})
    start = datetime(2025, 3, 2, 23, tzinfo=UTC)
    case = case_like(factory(2, sigma=0.0), days=49, start=start, holidays=holiday)
    values = case.series.values.copy()
    values[1000:1050] = np.nan
    gaps = Case(Series(start, values), case.civil)
    model = ExponentialSmoothing((0.05, 0.2), NO_SPREAD, floor=0.0)
    origin = len(values) - 1
    assert case.civil.weekday[origin] == 1
    forecast = model.predict(gaps, origin, 48)
    actual = case_like(factory(2, sigma=0.0), days=51, start=start, holidays=holiday).series.values
    assert forecast.p50 == pytest.approx(actual[origin : origin + 48], abs=0.5)


def test_a_daily_series_has_a_week_and_no_day() -> None:
    case = case_like(factory(3), days=120, step=DAY)
    forecast = ExponentialSmoothing((0.05, 0.2), NO_SPREAD, floor=None).predict(case, 120, 14)
    assert forecast.is_known.all()
    assert forecast.p50[5:7] == pytest.approx(forecast.p50[12:14])


def test_where_most_is_missing_it_says_nothing_and_is_not_fitted() -> None:
    case = case_like(factory(4), days=60)
    values = case.series.values.copy()
    values[30 * 24 :] = np.nan
    gone = Case(Series(case.series.start_utc, values), case.civil)
    model = ExponentialSmoothing((0.05, 0.2), NO_SPREAD, floor=None)
    assert not model.predict(gone, len(values), 24).is_known.any()
    with pytest.raises(TooShort, match="28 are needed"):
        PipelineFitter(ExponentialSmoothing).fit(gone)


def test_only_a_training_that_is_given_time_tries_further_kinds() -> None:
    site = plant()
    kinds = [{each.algorithm for each in fitters_of(site, target_of(site, "m1"), is_patient=p)} for p in (False, True)]
    patient = {"additive", "ensemble_by_day_type", "exponential_smoothing", "gradient_boosting", "linear"}
    assert kinds[1] - kinds[0] == patient | {"neural_network"}
    # A stored one is read by every release that can fit it.
    assert fitter_of("exponential_smoothing").algorithm == "exponential_smoothing"
