"""Two further families, an additive model and a small neural network: what they say of courses that are known."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from data_quality.contracts.control.forecast import Forecast
from ml.features.civil import Civil
from ml.features.matrix import feature_matrix
from ml.features.series import DAY, Vector
from ml.forecasts.issue import run_forecast
from ml.forecasts.lifecycle.forecast_registry import FITTERS, KINDS, fitter_of, fitters_of
from ml.forecasts.models.blend import BlendFitter
from ml.forecasts.models.naive import SameHourLastWeekFitter, week_before
from ml.forecasts.models.small_network import Nets, NeuralNetworkFitter
from ml.forecasts.models.statistical import Additive, HourSpread, PipelineFitter
from ml.forecasts.targets import target_of
from ml.tracking import MlflowTracker
from tests.ml.cases import plant
from tests.ml.forecasts import issuing
from tests.ml.forecasts.known_cases import case_like, factory

NO_SPREAD = HourSpread(np.zeros(24), np.zeros(24))


@pytest.mark.parametrize("fitter", [PipelineFitter(Additive), NeuralNetworkFitter()], ids=lambda each: each.algorithm)
def test_it_is_nearer_than_last_week_its_interval_covers_and_its_files_say_the_same(
    fitter: PipelineFitter | BlendFitter,
) -> None:
    case = case_like(factory(1, sigma=2.0), days=110)
    model = fitter.fit(case.before(90 * 24))
    read = fitter.load(model.to_files())
    wrong, floor, inside = [], [], []
    for origin in range(90 * 24, 109 * 24, 24):
        forecast = model.predict(case.before(origin), origin, 24)
        actual = case.series.values[origin : origin + 24]
        wrong.append(np.abs(forecast.p50 - actual).mean())
        floor.append(np.abs(week_before(case, origin, 24) - actual).mean())
        inside.append(((actual >= forecast.p5) & (actual <= forecast.p95)).mean())
    assert np.mean(wrong) < 0.85 * np.mean(floor)
    assert 0.86 <= np.mean(inside) <= 0.96
    second = read.predict(case.before(origin), origin, 24)
    assert np.array_equal([forecast.p5, forecast.p50, forecast.p95], [second.p5, second.p50, second.p95])


def test_the_same_hours_give_the_same_network_and_its_parts_add_up() -> None:
    case = case_like(factory(2, sigma=1.0), days=60)
    model, twin = (NeuralNetworkFitter().fit(case) for _ in range(2))
    assert model.to_files() == twin.to_files()
    forecast = model.predict(case, 60 * 24, 24)
    parts = model.contributions(case, 60 * 24, 24)
    assert parts.base + parts.parts.sum(axis=0) == pytest.approx(forecast.p50, abs=1e-9)
    assert sum(model.importance().values()) == pytest.approx(1.0)


def test_a_part_is_what_its_input_is_worth_there_by_the_slope_of_the_answer() -> None:
    case = case_like(factory(2, sigma=1.0), days=60)
    model = NeuralNetworkFitter().fit(case)
    (nets,) = model.near.parts
    assert isinstance(nets, Nets)
    matrix = feature_matrix(case, np.array([59 * 24]), 24, model.names)
    hour = case.civil.hour[matrix.step]
    parts, _ = nets.contributions(matrix, hour)
    forecast, little = nets.predict(matrix, hour), 1e-7
    # An input that never moved has no spread, and no part.
    assert not parts[:, np.isinf(nets.spread)].any()
    for at in np.flatnonzero(np.isfinite(nets.spread)):
        scaled = (matrix.inputs[:, at] - nets.centre[at]) / nets.spread[at]
        moved = matrix.inputs.copy()
        moved[:, at] += little * nets.spread[at]
        slope = (nets.predict(replace(matrix, inputs=moved), hour) - forecast) / little
        inside = np.abs(scaled) < 3.9
        assert parts[inside, at] == pytest.approx((slope * scaled)[inside], abs=1e-4), model.names[at]


def test_a_network_does_not_go_on_for_ever_where_it_has_learnt_nothing() -> None:
    case = case_like(factory(2, sigma=1.0), days=60)
    model = NeuralNetworkFitter().fit(case)
    values = case.series.values.copy()
    values[-24:] *= 1000
    wild = replace(case, series=replace(case.series, values=values))
    level = values[-7 * 24 :].mean()
    assert model.predict(wild, 60 * 24, 24).p50.max() < 20 * level


def test_a_trend_and_a_week_go_on_and_a_bend_is_followed() -> None:
    def course(civil: Civil) -> Vector:
        at = np.arange(len(civil))
        week = np.where(civil.day_type == 0, 3.0, 1.0) * (2 + np.sin(2 * np.pi * at / 24))
        grown: Vector = 10 + 0.01 * np.maximum(at - 30 * 24, 0) + week
        return grown

    case = case_like(course, days=80)
    origin = 70 * 24
    forecast = Additive((63, 0.3), NO_SPREAD, floor=0.0).predict(case.before(origin), origin, 48)
    actual = case.series.values[origin : origin + 48]
    assert np.abs(forecast.p50 - actual).mean() < 0.1 * np.abs(actual).mean()
    daily = case_like(factory(3), days=120, step=DAY)
    assert Additive((21, 0.02), NO_SPREAD, floor=None).predict(daily, 120, 14).is_known.all()


def test_they_are_tried_where_a_training_is_given_time_and_load_nothing_before() -> None:
    works = plant()
    names = [each.algorithm for each in fitters_of(works, target_of(works, "m1"), is_patient=True)]
    assert {"additive", "neural_network"} <= set(names)
    assert not {"additive", "neural_network"} & {each.algorithm for each in FITTERS}
    assert {fitter_of(name).algorithm for name in ("additive", "neural_network")} <= {each.algorithm for each in KINDS}
    loads = (
        "import ml.forecasts.lifecycle.forecast_registry, sys; sys.exit(bool({'sklearn', 'sktime'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", loads], check=False).returncode == 0


def test_a_network_that_leads_is_kept_opened_and_issues_with_what_moved_it(tracker: MlflowTracker) -> None:
    works = issuing.works("net1")
    rows = issuing.readings(works, issuing.load() * np.repeat(1 + np.arange(issuing.DAYS) / issuing.DAYS, 24))
    found = issuing.trained(tracker, works, rows, fitters=(NeuralNetworkFitter(), SameHourLastWeekFitter()))
    assert (found.best, found.findings) == ("neural_network", ())
    forecast = run_forecast(rows, site=works, target="a", issued_at_utc=issuing.NOW, horizon_h=48, tracker=tracker)
    assert isinstance(forecast, Forecast)
    assert forecast.model_name.endswith(".neural_network")
    assert forecast.why
    assert all(row.p5 is not None and row.p5 <= row.p10 for row in forecast.rows)
