"""Reconciliation and on-states: what holds for any numbers."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.disaggregation.campaign import WeekBand, reconciled, week_band
from ml.disaggregation.class_model import f1_of, hysteresis

STEPS, CLASSES = 7, 3
AMOUNT = st.floats(0, 1e4)
MANY = arrays.arrays(np.float64, (CLASSES, STEPS), elements=AMOUNT)


@given(MANY, MANY, arrays.arrays(np.float64, STEPS, elements=AMOUNT), st.booleans())
def test_classes_and_the_rest_add_up_to_the_circuit_and_none_is_negative(
    estimates: np.ndarray, variances: np.ndarray, circuit: np.ndarray, is_whole: bool
) -> None:
    found = reconciled(list(estimates), list(variances), circuit, is_whole=is_whole)
    rest = circuit - sum(found)
    assert all((each >= 0).all() for each in found)
    assert (rest >= -1e-9 * np.maximum(circuit, 1)).all()


@given(MANY, MANY)
def test_estimates_that_fit_are_left_alone_where_something_else_is_fed(
    estimates: np.ndarray, variances: np.ndarray
) -> None:
    found = reconciled(list(estimates), list(variances), estimates.sum(axis=0) + 1, is_whole=False)
    assert np.allclose(np.array(found), estimates)


def test_a_surplus_is_taken_from_the_class_that_errs_most() -> None:
    sure, unsure = reconciled(
        [np.array([10.0]), np.array([10.0])], [np.array([0.0]), np.array([4.0])], np.array([17.0]), is_whole=False
    )
    assert (sure[0], unsure[0]) == pytest.approx((10, 7))


def test_a_step_without_a_reading_has_no_estimate() -> None:
    (found,) = reconciled([np.ones(2)], [np.ones(2)], np.array([2.0, np.nan]), is_whole=True)
    assert found[0] == pytest.approx(2)
    assert np.isnan(found[1])


def test_an_on_state_lasts_while_it_is_likely_and_begins_nowhere_without_a_sure_step() -> None:
    probability = np.array([0.1, 0.4, 0.9, 0.4, 0.1, 0.4, 0.4, 0.1])
    assert hysteresis(probability, 0.8, 0.3).tolist() == [False, True, True, True, False, False, False, False]


@given(arrays.arrays(np.float64, 20, elements=st.floats(0, 1)), st.floats(0.05, 0.95))
def test_equal_thresholds_are_one_threshold(probability: np.ndarray, level: float) -> None:
    assert (hysteresis(probability, level, level) == (probability >= level)).all()


def test_f1_of_states_that_are_never_on_is_zero() -> None:
    assert f1_of(np.zeros(3, dtype=bool), np.zeros(3, dtype=bool)) == 0


def test_a_band_needs_three_weeks_and_grows_with_the_span() -> None:
    error = np.concatenate([np.full(10, -1.0), np.full(10, 0.0), np.full(10, 1.0)])
    week = np.repeat([4, 5, 6], 10)
    band = week_band(error, week, 10)
    assert band == WeekBand(0.0, 10.0, 3)
    assert band.half_width_kwh(1) == pytest.approx(2.919986 * np.sqrt(100 + 100 / 3), rel=1e-5)
    assert band.half_width_kwh(4) > 2 * band.half_width_kwh(1)
    assert week_band(error[:20], week[:20], 10) is None
