"""The band around a saving: golden numbers of formulas 5.5, exact algebra against brute force, and the rule between."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.kpi.enpi.savings_band import (
    caltrack_fsu,
    correction,
    portfolio_fsu,
    portfolio_uncertainty_kwh,
    savings_uncertainty_kwh,
)
from data_quality.contracts.finding import Finding
from ml.baselines.models import savings_uncertainty as uncertainty
from ml.baselines.models.fit import Fit, fit_usage
from ml.baselines.models.savings_uncertainty import (
    autocorrelation,
    correlated_gram,
    exact_standard_error,
    n_searched,
    stated_band,
)
from tests.ml.savings.simulated import SPLIT, START, building, monthly_usage, noise

GOLDEN = {"cvrmse": 0.10, "n": 365, "m": 365, "months": 12, "n_params": 2}


def fit_of(made, *, billing: bool = False) -> Fit:
    usage = monthly_usage(made.usage) if billing else made.usage
    found = fit_usage(usage, start=START, end=SPLIT)
    assert not isinstance(found, Finding)
    return found


@pytest.mark.parametrize(("rho1", "confidence", "printed"), [(0.5, 0.9, "21.0"), (0.5, 0.68, "12.7"), (0, 0.9, "12.1")])
def test_the_golden_fractions_hold_to_the_printed_digit(rho1: float, confidence: float, printed: str) -> None:
    share = savings_uncertainty_kwh(expected_kwh=1.0, rho1=rho1, confidence=confidence, **GOLDEN)
    assert f"{100 * share / 0.10:.1f}" == printed
    assert f"{100 * caltrack_fsu(savings_fraction=0.10, rho1=rho1, confidence=confidence, **GOLDEN):.1f}" == printed


def test_the_correction_knows_three_frequencies_and_no_cap_of_months() -> None:
    assert correction("hourly", 12) == 1.26
    assert correction("daily", 12) == pytest.approx(1.3925, abs=5e-5)
    assert correction("billing", 12) == pytest.approx(1.30558, abs=5e-6)
    assert correction("daily", 24) > correction("daily", 12)


def test_no_fraction_is_given_of_nothing() -> None:
    with pytest.raises(ValueError, match="above zero"):
        caltrack_fsu(savings_fraction=0.0, rho1=0.0, confidence=0.9, **GOLDEN)


def test_a_portfolio_of_four_equal_meters_is_twice_as_sure_in_share() -> None:
    assert portfolio_uncertainty_kwh([3.0, 4.0]) == 5.0
    assert portfolio_fsu([10.0] * 4, [100.0] * 4) == pytest.approx(0.05)
    assert portfolio_fsu([10.0], [-1.0]) is None


@settings(max_examples=25, deadline=None)
@given(st.floats(0.0, 0.95), st.integers(3, 40), st.integers(1, 3))
def test_the_correlated_gram_is_that_of_the_whole_matrix(rho: float, n: int, p: int) -> None:
    design = np.random.default_rng(n * 10 + p).normal(size=(n, p))
    whole = rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    assert np.allclose(correlated_gram(design, rho), design.T @ whole @ design)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_the_expected_ratio_is_that_of_the_whole_matrices(rho: float) -> None:
    n = 60
    design = np.column_stack([np.ones(n), np.sin(np.arange(n) / 10)])
    inverse = np.linalg.inv(design.T @ design)
    maker = np.eye(n) - design @ inverse @ design.T
    whole = rho ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    shift = 0.5 * (np.eye(n, k=1) + np.eye(n, k=-1))
    brute = np.trace(maker @ shift @ maker @ whole) / np.trace(maker @ whole)
    assert uncertainty._expected_ratio(design, inverse, rho) == pytest.approx(brute, rel=1e-9)


def test_the_autocorrelation_of_the_noise_is_found_behind_that_of_the_residuals() -> None:
    n, found, plain = 200, [], []
    design = np.column_stack([np.ones(n), np.cos(2 * np.pi * np.arange(n) / n), np.sin(2 * np.pi * np.arange(n) / n)])
    inverse = np.linalg.inv(design.T @ design)
    for seed in range(60):
        drawn = noise(np.random.default_rng(seed), n, 0.7)
        residuals = drawn - design @ (inverse @ (design.T @ drawn))
        found.append(autocorrelation(design, residuals, inverse, is_few=False, is_long=False))
        plain.append(float(residuals[1:] @ residuals[:-1] / (residuals @ residuals)))
    assert abs(np.mean(found) - 0.7) < 0.02
    assert np.mean(plain) < 0.68


def test_a_dozen_points_do_not_show_a_correlation_and_nothing_alternating_is_credited() -> None:
    design = np.ones((12, 1))
    inverse = np.array([[1 / 12]])
    assert autocorrelation(design, np.array([1.0, -1.0] * 6), inverse, is_few=True, is_long=False) == 0.0
    assert autocorrelation(design, np.zeros(12), inverse, is_few=False, is_long=False) == 0.0
    long = np.repeat([1.0, -1.0], 6)
    assert autocorrelation(design, long, inverse, is_few=True, is_long=False) > 0.6


def test_without_correlation_exact_algebra_is_the_textbook_prediction_error() -> None:
    made = building(0, rho=0.0)
    fit = fit_of(made)
    period = made.usage.between(SPLIT, made.report_end)
    error, rho = exact_standard_error(fit, period)
    assert rho < 0.15
    s2 = float(fit.residuals @ fit.residuals) / (fit.n - fit.n_params)
    total = fit.form.design(period).sum(axis=0)
    textbook = math.sqrt(total @ fit.covariance @ total + s2 * period.frame.height)
    inflation = math.sqrt((1 + rho) / (1 - rho))
    assert error == pytest.approx(textbook * inflation, rel=0.02)


def test_a_season_is_less_sure_than_the_form_believes() -> None:
    made = building(1, rho=0.0, report_days=60)
    fit = fit_of(made)
    period = made.usage.between(SPLIT, made.report_end)
    expected = float(fit.predict(period).sum())
    found = stated_band(fit, period, expected=expected, confidence=0.9)
    assert found.exact > 0
    assert found.m == 60
    assert found.months == pytest.approx(60 / 30.4375)


@pytest.mark.parametrize(
    ("exact", "delta", "half", "method", "findings"),
    [(100.0, 100.0, 100.0, "exact", 0), (115.0, 100.0, 110.0, "exact_limited", 0), (150.0, 100.0, 150.0, "exact", 1)],
)
def test_the_rule_between_form_and_algebra(exact: float, delta: float, half: float, method: str, findings: int) -> None:
    found = uncertainty._stated(exact, delta, 1.2)
    assert found[0] == pytest.approx(half)
    assert found[1] == method
    assert len(found[2]) == findings


def test_the_form_never_credits_more_points_than_there_are() -> None:
    made = building(3, rho=0.0)
    fit = fit_of(made, billing=True)
    period = monthly_usage(made.usage).between(SPLIT, made.report_end)
    found = stated_band(fit, period, expected=1000.0, confidence=0.9)
    assert found.n == 12
    assert found.n_effective <= 12
    assert found.k == correction("billing", found.months)
    assert n_searched(fit) == len(fit.balance_points_degc)


def test_a_higher_confidence_is_a_wider_band() -> None:
    made = building(2)
    fit = fit_of(made)
    period = made.usage.between(SPLIT, made.report_end)
    widths = [stated_band(fit, period, expected=1e4, confidence=each).exact for each in (0.68, 0.9, 0.99)]
    assert widths == sorted(widths)


def test_noise_with_a_memory_of_weeks_widens_the_band() -> None:
    made = building(0, rho=0.0)
    fit = fit_of(made)
    rng = np.random.default_rng(5)
    slow = np.repeat(rng.normal(size=80), 5)[: fit.n] + 0.8 * rng.normal(size=fit.n)
    spread = float(slow @ slow) / fit.n
    assert uncertainty.longer_memory(fit.frequency, slow, spread, 0.0) > 1.5
    assert uncertainty.longer_memory(fit.frequency, rng.normal(size=fit.n), 1.0, 0.0) == 1.0
