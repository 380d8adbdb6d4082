"""Statistics of a fit against numbers that a person can work out."""

from datetime import date, timedelta

import numpy as np
import pytest

from data_quality.contracts.baselines.baseline import FitStatistics
from ml.baselines.models.statistics import (
    durbin_watson,
    fit_statistics,
    held_out_predictions,
    lag1_autocorrelation,
    month_folds,
    variance_inflation,
)

DAYS = [date(2025, 1, 1) + timedelta(days=index) for index in range(5)]
# y = 2, 4, 5, 4, 5 on x = 1…5: slope 0.6, intercept 2.2; ŷ = 2.8, 3.4, 4, 4.6, 5.2; e = −0.8, 0.6, 1, −0.6, −0.2.
Y = np.array([2.0, 4.0, 5.0, 4.0, 5.0])
PREDICTED = np.array([2.8, 3.4, 4.0, 4.6, 5.2])


def fit(*, p: int = 2, shift: float = 0.5) -> FitStatistics:
    return fit_statistics(y=Y, predicted=PREDICTED, held_out=Y - shift, p=p, days=DAYS)


def assert_golden(found: FitStatistics) -> None:
    """Σe² = 2.4, Σ(y − ȳ)² = 6, ȳ = 4, IQR = 1."""
    assert found.r2 == pytest.approx(0.6)
    assert found.r2_adj == pytest.approx(1 - 0.4 * 4 / 3)
    assert (found.rmse_n, found.rmse_dof) == pytest.approx((np.sqrt(2.4 / 5), np.sqrt(2.4 / 3)))
    assert found.cvrmse_n == pytest.approx(np.sqrt(2.4 / 5) / 4)
    assert found.cvrmse_g14 == pytest.approx(np.sqrt(2.4 / 3) / 4)
    assert found.cvrmse_caltrack == pytest.approx(np.sqrt(2.4 / 4) / 4)
    assert found.nmbe_in_sample == pytest.approx(0.0, abs=1e-12)
    assert found.nmbe_out_of_sample == pytest.approx(0.125)
    assert found.cvrmse_out_of_sample == pytest.approx(0.125)
    assert found.pnrmse == pytest.approx(np.sqrt(2.4 / 5))
    # F = (3.6 / 1) / (2.4 / 3) = 4.5 with 1 and 3 degrees of freedom.
    assert found.f_p_value == pytest.approx(0.1240, abs=5e-5)
    # Σ e_t e_{t−1} = −0.48 + 0.6 − 0.6 + 0.12 = −0.36; Σ(Δe)² = 1.96 + 0.16 + 2.56 + 0.16 = 4.84.
    assert found.rho1 == pytest.approx(-0.15)
    assert found.durbin_watson == pytest.approx(4.84 / 2.4)


def test_the_textbook_line_has_its_golden_statistics() -> None:
    assert_golden(fit())


@pytest.mark.parametrize("change", [{"p": 1}, {"p": 3}, {"shift": -0.5}], ids=["p - 1", "p + 1", "sign of the bias"])
def test_the_golden_statistics_notice(change: dict[str, float]) -> None:
    with pytest.raises(AssertionError):
        assert_golden(fit(**change))  # type: ignore[arg-type]


def test_a_gap_between_days_forms_no_pair() -> None:
    residuals = np.array([1.0, 1.0, 1.0])
    gap = [date(2025, 1, 1), date(2025, 1, 2), date(2025, 1, 9)]
    assert lag1_autocorrelation(residuals, gap) == pytest.approx(1 / 3)
    assert durbin_watson(residuals, gap) == 0.0


def test_a_perfect_fit_has_statistics_too() -> None:
    found = fit_statistics(y=Y, predicted=Y, held_out=Y, p=2, days=DAYS)
    assert (found.r2, found.f_p_value, found.rho1, found.durbin_watson) == (1.0, 0.0, 0.0, 2.0)


def test_a_model_without_slopes_tests_nothing() -> None:
    found = fit_statistics(y=Y, predicted=np.full(5, 4.0), held_out=Y, p=1, days=DAYS)
    assert (found.r2, found.f_p_value) == (0.0, 1.0)


def test_folds_are_calendar_months_and_short_data_are_cut_into_blocks() -> None:
    year = [date(2024, 1, 1) + timedelta(days=index) for index in range(366)]
    folds = month_folds(year)
    assert [int(fold.sum()) for fold in folds] == [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    short = month_folds(year[:40])
    assert [int(fold.sum()) for fold in short] == [8] * 5
    for some in (folds, short):
        assert (np.sum(some, axis=0) == 1).all()


def test_a_held_out_day_does_not_influence_its_own_prediction() -> None:
    design = np.column_stack([np.ones(6), np.arange(6.0)])
    y = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 50.0])
    folds = [np.arange(6) == 5, np.arange(6) < 5]
    assert held_out_predictions(design, y, folds)[5] == pytest.approx(5.0)


def test_variance_inflation_is_one_for_unrelated_columns_and_large_for_copies() -> None:
    ones, a, b = np.ones(4), np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    assert variance_inflation(np.column_stack([ones, a, b]), ones) == [None, *[pytest.approx(1.0)] * 2]
    for weights in (ones, 1 + ones * np.arange(4)):
        assert min(each or 0 for each in variance_inflation(np.column_stack([ones, a, 2 * a]), weights)[1:]) > 1e9
    assert variance_inflation(np.column_stack([a, b]), ones) == [None, None]
