"""Backtest scores that a person can add up, and the rule by which a model takes the lead."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from data_quality.contracts.control.forecast import BacktestScore
from ml.features.civil import civil_of
from ml.features.forecast_case import Case
from ml.features.series import Series
from ml.forecasts.backtest import (
    Forecasts,
    by_lead,
    by_season,
    day_wape,
    midnights,
    month_folds,
    run_folds,
    score_together,
    week_scale,
)
from ml.forecasts.forecast_model import Quantiles
from ml.forecasts.models.naive import SameHourLastWeekFitter
from ml.forecasts.uncertainty.scores import pinball
from tests.ml.cases import plant


def run(actual: list[float], p50: list[float], *, width: float = 1.0, origin: list[int] | None = None) -> Forecasts:
    middle = np.array(p50)
    begins = np.array(origin or [0] * len(p50), dtype=np.int64)
    return Forecasts(
        origin=begins,
        step=begins + np.arange(len(p50)),
        actual=np.array(actual, dtype=float),
        is_fair=np.ones(len(p50), dtype=bool),
        quantiles=Quantiles(p10=middle - width, p50=middle, p90=middle + width),
    )


def score(nrmse: float, *, folds: int = 21, n: int = 504, name: str = "a") -> BacktestScore:
    return BacktestScore(
        model_name=name, nrmse=nrmse, wape=0.1, mase=0.9, pinball=1.0, coverage_p10_p90=0.8, folds=folds, n=n
    )


def assert_golden(forecasts: Forecasts) -> None:
    """Actual 10, 20, 30; errors −2, 0, +4 → RMSE √(20/3), mean 20, Σ|e| 6, MAE 2, scale 4."""
    found = score_together({"a": forecasts}, scale=4.0)[0]["a"]
    assert found.nrmse == pytest.approx(np.sqrt(20 / 3) / 20)
    assert found.wape == pytest.approx(6 / 60)
    assert found.mase == pytest.approx(0.5)
    assert found.coverage_p10_p90 == pytest.approx(1 / 3)
    # P10 11, 19, 25 and P90 13, 21, 27: errors −1, 1, 5 and −3, −1, 3.
    assert found.pinball == pytest.approx((1.5 / 3 + 3.0 / 3 + 3.1 / 3) / 3)
    assert (found.folds, found.n) == (1, 3)


def test_errors_of_a_day_that_cancel_leave_its_sum_alone_and_a_day_in_part_counts_nowhere() -> None:
    """Days of two steps: 10 + 30 for 14 + 28, then 20 + 20 for 18 + 26; the third begins a day that is not whole."""
    known = run([10, 30, 20, 20, 50], [14, 28, 18, 26, 90], origin=[0, 0, 2, 2, 4])
    known = replace(known, step=np.arange(5))
    assert day_wape(known, 2) == pytest.approx((2 + 4) / 80)
    assert day_wape(replace(known, origin=np.zeros(5, dtype=np.int64)), 2) == pytest.approx((2 + 4) / 80)
    assert day_wape(known.where(np.array([True, False, False, False, True])), 2) is None


def test_three_hours_have_their_golden_scores() -> None:
    assert_golden(run([10, 20, 30], [12, 20, 26]))


@pytest.mark.parametrize(
    "change",
    [run([10, 20, 30], [13, 20, 26]), run([10, 20, 30], [12, 20, 26], width=5.0), run([10, 20], [12, 20])],
    ids=["a larger error", "wider quantiles", "an hour less"],
)
def test_the_golden_scores_notice(change: Forecasts) -> None:
    with pytest.raises(AssertionError):
        assert_golden(change)


def test_pinball_punishes_the_side_that_a_quantile_promises_to_avoid() -> None:
    actual = np.array([10.0])
    assert pinball(actual, np.array([12.0]), 0.1) == pytest.approx(1.8)
    assert pinball(actual, np.array([8.0]), 0.1) == pytest.approx(0.2)


def test_gaps_are_left_out_for_every_model_and_counted() -> None:
    runs = {"a": run([10, np.nan, 30, 40], [12, 20, 26, 40]), "b": run([10, np.nan, 30, 40], [np.nan, 20, 26, 40])}
    scores, left_out = score_together(runs, scale=1.0)
    assert (scores["a"].n, scores["b"].n, left_out) == (2, 2, 2)


def test_origins_that_a_model_was_trained_on_do_not_count() -> None:
    forecasts = run([10, 20, 30], [12, 20, 26], origin=[0, 24, 48])
    scores, _ = score_together({"a": forecasts}, scale=1.0, from_origin=24)
    assert (scores["a"].folds, scores["a"].n) == (2, 2)
    assert score_together({"a": forecasts}, scale=1.0, from_origin=49) == ({}, 0)


def test_nothing_is_scored_without_a_scale_or_a_load() -> None:
    assert score_together({"a": run([10], [10])}, scale=float("nan"))[0] == {}
    assert score_together({"a": run([0.0], [0.0])}, scale=1.0)[0] == {}


def test_the_week_scale_passes_over_gaps() -> None:
    values = np.concatenate([np.zeros(168), np.full(168, 3.0)])
    values[200] = np.nan
    assert week_scale(values, 24) == 3.0
    assert np.isnan(week_scale(values[:168], 24))


def test_origins_are_local_midnights_with_a_whole_day_behind_them() -> None:
    start, length = datetime(2025, 3, 28, tzinfo=UTC), 4 * 24
    found = midnights(civil_of(plant(), start, length), length, last_days=3)
    # Berlin's midnights are 23:00 UTC until 30 March 2025 and 22:00 UTC afterwards.
    assert found == [23, 47, 70]


def year_case(days: int = 120) -> Case:
    """Value of step i is i, from a local midnight of Berlin in winter on, over the change of clocks in spring."""
    start = datetime(2024, 12, 31, 23, tzinfo=UTC)
    series = Series(start, np.arange(days * 24, dtype=float) + 1)
    return Case(series, civil_of(plant(), start, days * 24 + 49))


def test_folds_are_the_last_local_months_and_begin_on_their_first_midnight() -> None:
    case = year_case()
    folds = month_folds(case, 2)
    assert [fold.name for fold in folds] == ["2025-03", "2025-04"]
    assert [fold.start for fold in folds] == [(31 + 28) * 24, (31 + 28 + 31) * 24 - 1]
    assert [len(fold.origins) for fold in folds] == [31, 30]
    # Of a month with fewer than half its days nothing is said.
    assert [fold.name for fold in month_folds(year_case(31 + 28 + 14), 9)] == ["2025-01", "2025-02"]


def test_a_fold_is_forecast_by_what_was_known_before_it_and_scored_where_the_floor_can_answer() -> None:
    case = year_case()
    runs = run_folds(case, [SameHourLastWeekFitter()], month_folds(case, 2), horizon=24)
    found = runs["same_hour_last_week"]
    # A week before by local clock: 168 steps, but 167 over the night on which summer time begins.
    assert set((found.actual - found.quantiles.p50)[found.counts].tolist()) == {167.0, 168.0}
    # 24 hours an origin: of the day of 23 hours the next day's first comes along.
    assert found.counts.sum() == 61 * 24
    assert list(by_lead(found, 24)) == ["h00", "h06", "h12", "h18"]
    assert list(by_season(found, case.civil)) == ["spring"]
