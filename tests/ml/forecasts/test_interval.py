"""The 90 % interval beside P10 to P90: of every kind of model, in order, kept, and unknown of what is older than it."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from pydantic import ValidationError

from data_quality.contracts.control.forecast import Forecast, ForecastRow
from ml.features.series import Series
from ml.forecasts.backtest import score, with_actual
from ml.forecasts.forecast_model import LEVELS, Fitter, Quantiles
from ml.forecasts.model_fallback import forecast_rows
from ml.forecasts.models.climatology import ClimatologyFitter
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.models.naive import SameHourLastWeekFitter
from ml.forecasts.models.pv_floors import SkySpread
from ml.forecasts.models.statistical import HourSpread
from ml.forecasts.uncertainty.conformal import Residuals
from tests.ml.forecasts.known_cases import case_like, factory

NOW = datetime(2025, 3, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "fitter", [EnsembleFitter(), SameHourLastWeekFitter(), ClimatologyFitter()], ids=lambda each: each.algorithm
)
def test_it_holds_nine_of_ten_hours_that_come_and_lies_around_p10_to_p90(fitter: Fitter) -> None:
    case = case_like(factory(7, sigma=2.0), days=130)
    read = fitter.load(fitter.fit(case.before(90 * 24)).to_files())
    origins = list(range(90 * 24, 129 * 24, 24))
    forecast = [read.predict(case.before(origin), origin, 24) for origin in origins]
    q = Quantiles.joined(forecast)
    assert np.all(np.diff([q.p5, q.p10, q.p50, q.p90, q.p95], axis=0) >= 0)
    found = score(fitter.algorithm, with_actual(case, origins, 24, forecast), scale=1.0)
    assert found.coverage_p5_p95 is not None
    assert 0.87 <= found.coverage_p5_p95 <= 0.94


def test_weighted_residuals_give_the_quantiles_of_their_levels() -> None:
    sizes = Residuals(np.arange(1000.0), np.ones(1000))
    assert sizes.quantiles(LEVELS) == pytest.approx((99.4, 899.6, 49.0, 949.9), abs=1.0)
    # Of three residuals nobody knows a twentieth: the outermost stand for it.
    assert Residuals(np.array([-1.0, 0.0, 1.0]), np.ones(3)).quantiles(LEVELS) == (-1.0, 1.0, -1.0, 1.0)


def test_a_rest_day_of_six_weeks_borrows_its_twentieths_from_the_season() -> None:
    case = case_like(factory(3, sigma=2.0), days=80)
    saturday = 75 * 24
    forecast = ClimatologyFitter().fit(case).predict(case.before(saturday), saturday, 24)
    assert case.civil.day_type[saturday] == 1
    assert not np.isnan([forecast.p5, forecast.p95]).any()
    young = case_like(factory(3, sigma=2.0), days=20)
    # Twenty days: fourteen values of any local time have a tenth and no twentieth.
    short = ClimatologyFitter().fit(young.before(14 * 24)).predict(young.before(14 * 24), 14 * 24, 24)
    assert short.is_known.all()
    assert np.isnan([short.p5, short.p95]).all()


def test_files_of_models_from_before_it_open_and_say_three_quantiles() -> None:
    old = {"model.json": json.dumps({"low": -2.0, "high": 3.0, "floor": 0.0}).encode()}
    case = case_like(factory(1), days=20)
    forecast = SameHourLastWeekFitter().load(old).predict(case, 19 * 24, 24)
    assert forecast.is_known.all()
    assert np.isnan([forecast.p5, forecast.p95]).all()
    rows = forecast_rows(forecast, case.series, 19 * 24)
    assert (rows[0].p5, rows[0].p95) == (None, None)
    spread = HourSpread.from_document({"low": [-1.0] * 24, "high": [1.0] * 24})
    assert spread.to_document() == {"low": [-1.0] * 24, "high": [1.0] * 24}
    sky = SkySpread.from_document({"edges": [0.5], "low": [-0.2, -0.1], "high": [0.2, 0.1]})
    assert sky.to_document() == {"edges": [0.5], "low": [-0.2, -0.1], "high": [0.2, 0.1]}
    assert score("old", with_actual(case, [19 * 24 - 24], 24, [forecast]), scale=1.0).coverage_p5_p95 is None


def test_a_stored_forecast_from_before_it_opens_and_a_new_one_keeps_it() -> None:
    row = {"time_utc": NOW, "p10": 1.0, "p50": 2.0, "p90": 3.0}
    facts = {"forecast_id": "f", "site_id": "s", "target": "meter:m", "issued_at_utc": NOW, "available_at_utc": NOW}
    facts |= {"model_name": "m", "model_version": "1", "input_digest": "d", "is_synthetic": False}
    old = Forecast.model_validate({**facts, "rows": [row]})
    assert (old.rows[0].p5, old.rows[0].p95) == (None, None)
    new = Forecast.model_validate({**facts, "rows": [{**row, "p5": 0.5, "p95": 3.5}]})
    assert Forecast.model_validate_json(new.model_dump_json()) == new
    for crossed in ({"p5": 1.5}, {"p95": 2.5}):
        with pytest.raises(ValidationError, match="quantiles cross"):
            ForecastRow.model_validate(row | crossed)


def test_an_answer_becomes_rows_with_what_is_known_of_it() -> None:
    one, nan = np.array([1.0]), np.array([np.nan])
    (row,) = forecast_rows(Quantiles(one, one + 1, one + 2, one - 1, nan), Series(NOW, one), 0, rounded=round)
    assert (row.p5, row.p10, row.p50, row.p90, row.p95) == (0, 1, 2, 3, None)
