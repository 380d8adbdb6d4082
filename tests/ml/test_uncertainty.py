"""Savings uncertainty: the golden numbers of formulas 5.5."""

import pytest

from assets.kpi.enpi.savings_band import (
    correction,
    effective_observations,
    fractional_savings_uncertainty,
    savings_uncertainty_kwh,
    two_sided_t,
)


def fsu(*, rho1: float, confidence: float, m: int = 365, expected_kwh: float = 365_000.0) -> float:
    uncertainty = savings_uncertainty_kwh(
        expected_kwh=expected_kwh, cvrmse=0.10, rho1=rho1, n=365, m=m, months=12, confidence=confidence, n_params=2
    )
    found = fractional_savings_uncertainty(uncertainty, 0.10 * expected_kwh)
    assert found is not None
    return found


def test_the_parts_have_their_golden_values() -> None:
    assert effective_observations(365, 0.5) == pytest.approx(121.67, abs=0.005)
    assert correction("daily", 12) == pytest.approx(1.3925, abs=5e-5)
    assert two_sided_t(0.90, 363) == pytest.approx(1.649, abs=5e-4)
    assert two_sided_t(0.68, 363) == pytest.approx(0.996, abs=5e-4)


@pytest.mark.parametrize(("rho1", "confidence", "golden"), [(0.5, 0.90, 0.210), (0.5, 0.68, 0.127), (0.0, 0.90, 0.121)])
def test_the_fractional_uncertainty_has_its_golden_values(rho1: float, confidence: float, golden: float) -> None:
    assert fsu(rho1=rho1, confidence=confidence) == pytest.approx(golden, abs=5e-4)


def test_a_larger_plant_has_the_same_fraction_and_a_longer_period_a_smaller_one() -> None:
    assert fsu(rho1=0.5, confidence=0.9, expected_kwh=1e9) == pytest.approx(fsu(rho1=0.5, confidence=0.9))
    assert fsu(rho1=0.5, confidence=0.9, m=730) < fsu(rho1=0.5, confidence=0.9)


def test_months_are_not_capped_at_twelve() -> None:
    assert correction("daily", 24) > correction("daily", 12)


@pytest.mark.parametrize("savings", [0.0, -5.0])
def test_no_fraction_is_given_without_a_saving(savings: float) -> None:
    assert fractional_savings_uncertainty(10.0, savings) is None


def test_impossible_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        effective_observations(365, 1.0)
    with pytest.raises(ValueError, match="m = 0"):
        fsu(rho1=0.0, confidence=0.9, m=0)
