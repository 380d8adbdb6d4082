"""Event baselines of a load scaled, shifted by a week, with gaps, or of two loads together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.event_baselines.day_steps import DaySteps, Matrix, mean_of
from ml.event_baselines.event_days import EventDays
from ml.event_baselines.settle import METHODS, Event, settle
from tests.ml.event_baselines.test_settle import WINDOW, office

DAY = 150
few = settings(max_examples=12, deadline=None)


def estimates(grid: DaySteps, day: int = DAY) -> dict[str, Matrix]:
    return {
        each.method: np.array([*each.baseline_kw, each.half_width_kw, *each.step_widths_kw])
        for each in settle(grid, [Event(day, WINDOW)]).estimates
    }


@few
@given(factor=st.floats(0.001, 1e5), seed=st.integers(0, 50))
def test_a_load_k_times_as_large_has_k_times_the_baseline_and_the_interval(factor: float, seed: int) -> None:
    grid = office(160, seed)
    scaled = estimates(replace(grid, load_kw=grid.load_kw * factor))
    for name, found in estimates(grid).items():
        np.testing.assert_allclose(scaled[name], factor * found, rtol=1e-7, err_msg=name)


@few
@given(weeks=st.integers(1, 5), seed=st.integers(0, 50))
def test_a_load_some_weeks_later_has_its_baseline_as_much_later(weeks: int, seed: int) -> None:
    grid, days = office(160, seed), 7 * weeks
    later = DaySteps(
        load_kw=np.vstack([np.full((days, 24), np.nan), grid.load_kw]),
        temperature_degc=None,
        is_off=np.concatenate([grid.is_off[:days], grid.is_off]),
        weekday=np.concatenate([grid.weekday[:days], grid.weekday]),
        month=np.concatenate([np.full(days, -1), grid.month]),
        is_excluded=np.zeros(160 + days, dtype=bool),
    )
    shifted = estimates(later, DAY + days)
    for name, found in estimates(grid).items():
        np.testing.assert_allclose(shifted[name], found, rtol=1e-7, err_msg=name)


@pytest.mark.parametrize("name", ["10-in-10", "last-week", "before-after"])
@few
@given(seed=st.integers(0, 50))
def test_the_baseline_of_two_loads_together_is_the_sum_of_theirs(name: str, seed: int) -> None:
    one, other = office(60, seed), office(60, seed + 1)
    both = replace(one, load_kw=one.load_kw + other.load_kw)
    found = [METHODS[name](EventDays(grid, np.array([50]), WINDOW)) for grid in (one, other, both)]
    np.testing.assert_allclose(found[0] + found[1], found[2])


@few
@given(seed=st.integers(0, 50), share=st.floats(0, 1), axis=st.integers(0, 2))
def test_a_mean_is_of_what_is_known_along_any_axis(seed: int, share: float, axis: int) -> None:
    draw = np.random.default_rng(seed)
    values = np.where(draw.random((4, 5, 6)) < share, np.nan, draw.standard_normal((4, 5, 6)))
    known = np.isfinite(values)
    expected = np.where(
        known.any(axis=axis), np.where(known, values, 0).sum(axis) / np.maximum(known.sum(axis), 1), np.nan
    )
    np.testing.assert_allclose(np.asarray(mean_of(values, axis=axis)), expected, rtol=1e-9, atol=1e-12)
