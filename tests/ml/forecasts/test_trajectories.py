"""Courses that belong together: each step as forecast, and the sum of a day as uncertain as it really is."""

import numpy as np
import pytest

from ml.features.series import Vector
from ml.forecasts.backtest import Forecasts
from ml.forecasts.forecast_model import Quantiles
from ml.forecasts.uncertainty.course_scores import course_scores
from ml.forecasts.uncertainty.scores import crps, crps_of_courses, energy_score, variogram_score
from ml.forecasts.uncertainty.trajectories import ERRORS_FILE, ErrorMemory, courses, quantile_function

TENTH = 1.2815515655446004
SIZE = 1.0 + np.sin(np.pi * np.arange(24) / 24)


def days_of_errors(days: int, seed: int, rho: float = 0.9, steps: int = 24) -> Vector:
    """Days × steps: normal errors of a known size an hour, each correlated with the one before."""
    rng = np.random.default_rng(seed)
    found = np.empty((days, steps))
    found[:, 0] = rng.standard_normal(days)
    for step in range(1, steps):
        found[:, step] = rho * found[:, step - 1] + np.sqrt(1 - rho**2) * rng.standard_normal(days)
    return found * SIZE[np.arange(steps) % 24]


def run_of(errors: Vector) -> Forecasts:
    days, steps = errors.shape
    p50 = np.full(errors.size, 10.0)
    width = TENTH * np.tile(SIZE[np.arange(steps) % 24], days)
    origin = np.repeat(np.arange(days) * steps, steps)
    forecast = Quantiles(p50 - width, p50, p50 + width)
    return Forecasts(origin, np.arange(errors.size), p50 + errors.ravel(), forecast, np.ones(errors.size, dtype=bool))


def memory_of(errors: Vector) -> ErrorMemory:
    memory = ErrorMemory.of(run_of(errors))
    assert memory is not None
    return memory


FORECAST = Quantiles(10.0 - TENTH * SIZE, np.full(24, 10.0), 10.0 + TENTH * SIZE)
MEMORY = memory_of(days_of_errors(60, 1))


def covered(memory: ErrorMemory) -> float:
    """Share of 400 new days whose sum lies between P10 and P90 of the courses' sums."""
    sums = courses(FORECAST, memory, seed=7, count=400).sum(axis=1)
    low, high = np.quantile(sums, [0.1, 0.9])
    actual = (10.0 + days_of_errors(400, 99)).sum(axis=1)
    return float(np.mean((actual >= low) & (actual <= high)))


def test_the_sum_of_a_day_is_covered_four_times_in_five_and_by_independent_hours_far_less() -> None:
    assert covered(MEMORY) == pytest.approx(0.80, abs=0.05)
    alone = ErrorMemory(np.random.default_rng(2).standard_normal((60, 24)))
    assert covered(alone) < 0.5


def test_three_weeks_of_days_suffice_for_an_honest_sum() -> None:
    found = [covered(memory_of(days_of_errors(21, seed))) for seed in range(8)]
    assert np.mean(found) == pytest.approx(0.80, abs=0.06)


def test_every_step_has_the_quantiles_of_the_forecast_also_in_twenty_courses() -> None:
    for count, tolerance in ((20, 0.1), (2000, 0.005)):
        drawn = courses(FORECAST, MEMORY, seed=3, count=count)
        width = FORECAST.p90 - FORECAST.p10
        for level, reported in ((0.1, FORECAST.p10), (0.5, FORECAST.p50), (0.9, FORECAST.p90)):
            assert np.abs(np.quantile(drawn, level, axis=0) - reported).max() <= tolerance * width.max()


def test_neighbouring_steps_move_together_as_they_did() -> None:
    drawn = courses(FORECAST, MEMORY, seed=4, count=2000)
    together = np.corrcoef(drawn.T)
    assert np.diagonal(together, 1).mean() == pytest.approx(0.9, abs=0.04)
    assert np.diagonal(together, 12).mean() == pytest.approx(0.9**12, abs=0.15)


def test_a_horizon_longer_than_the_memory_goes_on_and_a_shorter_one_is_cut() -> None:
    two_days = Quantiles(*(np.tile(each, 2) for each in (FORECAST.p10, FORECAST.p50, FORECAST.p90)))
    drawn = courses(two_days, MEMORY, seed=5, count=1000)
    assert np.corrcoef(drawn.T)[23, 24] == pytest.approx(0.9, abs=0.06)
    short = Quantiles(FORECAST.p10[:7], FORECAST.p50[:7], FORECAST.p90[:7])
    assert courses(short, MEMORY, seed=5).shape == (20, 7)


def test_the_same_seed_draws_the_same_and_files_remember() -> None:
    read = ErrorMemory.in_files({ERRORS_FILE: MEMORY.to_file()})
    assert read is not None
    assert len(MEMORY.to_file()) < 16_000
    assert np.array_equal(courses(FORECAST, read, seed=6), courses(FORECAST, MEMORY, seed=6))
    assert not np.array_equal(courses(FORECAST, MEMORY, seed=6), courses(FORECAST, MEMORY, seed=8))
    assert ErrorMemory.in_files({}) is None


def test_gaps_nights_without_width_and_a_floor_break_nothing() -> None:
    errors = days_of_errors(30, 9)
    errors[3, 5:9] = np.nan
    errors[:, 0] = 0.0
    run = run_of(errors)
    for bound in (run.quantiles.p10, run.quantiles.p90):
        bound[::24] = 10.0
    memory = ErrorMemory.of(run)
    assert memory is not None
    drawn = courses(FORECAST, ErrorMemory(memory.scores), seed=1, floor=9.5)
    assert np.isfinite(drawn).all()
    assert drawn.min() == 9.5
    assert ErrorMemory.of(run_of(days_of_errors(4, 1))) is None


def test_the_quantile_function_passes_through_what_was_forecast_and_ends() -> None:
    lopsided = Quantiles(np.array([8.0]), np.array([10.0]), np.array([16.0]))
    found = quantile_function(lopsided, np.array([[-TENTH], [0.0], [TENTH], [99.0]]))
    assert found[:, 0] == pytest.approx([8.0, 10.0, 16.0, 10.0 + 6.0 * 3.0 / TENTH])


def test_scores_of_courses_agree_with_the_quantiles_and_tell_a_false_correlation() -> None:
    actual = 10.0 + days_of_errors(60, 11)
    alone = ErrorMemory(np.random.default_rng(2).standard_normal((60, 24)))
    true, false = (courses(FORECAST, memory, seed=1, count=100) for memory in (MEMORY, alone))
    by_courses = np.mean([crps_of_courses(day, true) for day in actual])
    # Twice the mean of three pinball losses against the whole integral: near, not the same.
    assert by_courses == pytest.approx(np.mean([crps(day, FORECAST) for day in actual]), rel=0.25)
    assert by_courses == pytest.approx(np.mean([crps_of_courses(day, false) for day in actual]), rel=0.02)
    for score in (energy_score, variogram_score):
        assert np.mean([score(day, true) for day in actual]) < np.mean([score(day, false) for day in actual])


def test_days_are_judged_by_courses_of_all_other_days() -> None:
    errors = days_of_errors(40, 12)
    errors[3, 4] = np.nan
    found = course_scores(run_of(errors))
    assert found is not None
    assert found.days == 39
    assert found.sum_coverage == pytest.approx(0.8, abs=0.12)
    assert found.apart_coverage < found.sum_coverage - 0.2
    assert found.variogram < found.apart_variogram
    assert found.metrics["courses/days"] == 39
    assert course_scores(run_of(errors[:4])) is None
