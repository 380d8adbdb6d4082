"""Climatology: always there, by local clock and type of day."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from ml.features.forecast_case import Case
from ml.features.series import DAY, HOUR, QUARTER
from ml.forecasts.forecast_model import TooShort
from ml.forecasts.models.climatology import ClimatologyFitter
from tests.ml.forecasts.known_cases import case_like, factory


@pytest.mark.parametrize("step", [QUARTER, HOUR, DAY])
def test_a_month_ahead_is_answered_by_quarter_hour_hour_and_day(step: timedelta) -> None:
    case = case_like(factory(1), days=60, step=step)
    origin, horizon = len(case.series.values), 31 * case.series.per_day
    found = ClimatologyFitter().fit(case).predict(case, origin, horizon)
    assert found.is_known.all()
    assert (found.p10 <= found.p50).all()
    assert (found.p50 <= found.p90).all()


def test_its_band_covers_four_days_in_five() -> None:
    case = case_like(factory(2, sigma=2.0), days=120)
    day = case.series.per_day
    model = ClimatologyFitter().fit(case.before(90 * day))
    found = model.predict(case.before(90 * day), 90 * day, 30 * day)
    actual = case.series.values[90 * day :]
    assert np.mean((actual >= found.p10) & (actual <= found.p90)) == pytest.approx(0.8, abs=0.05)


def test_a_missing_last_week_is_no_hole() -> None:
    case = case_like(factory(3), days=60)
    values = case.series.values.copy()
    values[-9 * 24 :] = np.nan
    gap = Case(type(case.series)(case.series.start_utc, values), case.civil)
    assert ClimatologyFitter().fit(gap).predict(gap, len(values), 24).is_known.all()


def test_days_of_23_and_25_hours_keep_the_working_hours_by_the_local_clock() -> None:
    for start in (datetime(2025, 2, 16, 23, tzinfo=UTC), datetime(2025, 9, 14, 22, tzinfo=UTC)):
        case = case_like(factory(4, sigma=0.0), days=42, start=start)
        origin = len(case.series.values)
        found = ClimatologyFitter().fit(case).predict(case, origin, 72)
        actual = case_like(factory(4, sigma=0.0), days=45, start=start).series.values[origin:]
        assert found.p50 == pytest.approx(actual)


def test_a_public_holiday_is_like_a_day_of_rest() -> None:
    eve = date(2025, 3, 3)
    case = case_like(factory(5, sigma=0.0), days=56, holidays=frozenset({eve}))
    found = ClimatologyFitter().fit(case).predict(case, 56 * 24, 24)
    assert case.civil.day_type[56 * 24] == 2
    assert found.p50.max() == pytest.approx(14.0)


def test_what_comes_after_the_origin_is_not_looked_at() -> None:
    case = case_like(factory(6), days=60)
    model = ClimatologyFitter().fit(case)
    poisoned = case.series.values.copy()
    poisoned[50 * 24 :] = 1e9
    other = Case(type(case.series)(case.series.start_utc, poisoned), case.civil)
    assert np.array_equal(model.predict(case, 50 * 24, 48).p50, model.predict(other, 50 * 24, 48).p50)


def test_files_give_the_same_model_and_thirteen_days_are_too_short() -> None:
    case = case_like(factory(7), days=30)
    model = ClimatologyFitter().fit(case)
    read = ClimatologyFitter().load(model.to_files())
    assert np.array_equal(read.predict(case, 720, 24).p90, model.predict(case, 720, 24).p90)
    with pytest.raises(TooShort, match="336 are needed"):
        ClimatologyFitter().fit(case.before(13 * 24))
