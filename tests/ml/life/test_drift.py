"""Drift of data and of errors: seen where it is, silent where nothing moved."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from ml.features.series import Series
from ml.forecasts.lifecycle.drift import data_drift, error_drift, psi
from tests.ml.life.training import START, load

DAYS, TRAINED = 120, 100 * 24
LAST = slice(-14 * 24, None)


def codes(values: np.ndarray) -> list[str]:
    return [each.code for each in data_drift(Series(START, values), TRAINED, scope="meter:m1")]


def seasonal() -> np.ndarray:
    """Half a wave of a year on the level."""
    return load(DAYS) * (1 + 0.3 * np.sin(np.arange(24 * DAYS) / (24 * DAYS) * 2 * np.pi))


def test_a_load_that_goes_on_as_before_drifts_nowhere() -> None:
    assert codes(load(DAYS)) == []
    assert codes(seasonal()) == []


def test_a_level_that_training_never_knew_is_seen_with_its_numbers() -> None:
    values = load(DAYS)
    values[LAST] *= 1.5
    found = data_drift(Series(START, values), TRAINED, scope="meter:m1")
    assert [each.code for each in found] == ["level_shift"]
    assert found[0].facts["level"] == pytest.approx(15, rel=0.02)
    assert "training knew two weeks of" in found[0].message


def test_the_same_level_in_another_shape_is_seen() -> None:
    values = load(DAYS)
    # A second shift fills the night: the mean stays, the hours lie closer to it.
    values[LAST] = 10 + np.random.default_rng(3).normal(0, 1, 14 * 24)
    assert codes(values) == ["shape_shift"]


def test_what_is_missing_or_hangs_is_said_and_has_no_level() -> None:
    missing, hanging = load(DAYS), load(DAYS)
    missing[-3 * 24 :] = np.nan
    hanging[-2 * 24 :] = 30.0
    assert (codes(missing), codes(hanging)) == (["inputs_missing"], ["inputs_constant"])


def test_a_load_that_stood_still_in_training_too_is_as_it_was() -> None:
    values = load(DAYS)
    values[24 * 10 : 24 * 16] = 4.0
    values[-2 * 24 :] = 4.0
    assert "inputs_constant" not in codes(values)


def test_too_little_to_compare_says_nothing() -> None:
    assert data_drift(Series(START, load(20)), 6 * 24, scope="x") == []
    assert data_drift(replace(Series(START, load(20)), values=np.full(480, np.nan)), 480, scope="x") == []


def test_the_stability_index_is_zero_for_the_same_and_large_for_another_sample() -> None:
    sample = np.random.default_rng(1).normal(0, 1, 2000)
    assert psi(sample, sample) == pytest.approx(0)
    assert psi(sample[:400], sample) < 0.1
    assert psi(sample[:400] + 1, sample) > 0.5


def errors(days: int, *, rise: float = 0.0, after: int = 0, seed: int = 1) -> dict[date, float]:
    losses = 1.0 + 0.2 * np.random.default_rng(seed).standard_normal(days)
    losses[after:] += rise
    return {date(2025, 3, 1) + timedelta(days=day): float(loss) for day, loss in enumerate(losses)}


def test_errors_that_rise_by_a_standard_deviation_are_seen_within_weeks() -> None:
    for seed in range(20):
        found = error_drift(errors(65, rise=0.2, after=25, seed=seed), mean=1.0, std=0.2, scope="x")
        assert [each.code for each in found] == ["error_drift"]
    assert "the backtest had 1 ± 0.2" in found[0].message


def test_errors_as_the_backtest_had_them_raise_an_alarm_seldom() -> None:
    alarms = sum(bool(error_drift(errors(60, seed=seed), mean=1.0, std=0.2, scope="x")) for seed in range(60))
    assert alarms <= 6


def test_without_a_spread_nothing_can_be_said() -> None:
    assert error_drift(errors(30), mean=1.0, std=0.0, scope="x") == []
