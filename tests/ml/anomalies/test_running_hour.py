"""The hour that runs: three minutes of five open it, one below does not close it, and whole hours are the batch's."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.anomalies.day_grid import day_grid
from ml.anomalies.events import events_of
from ml.anomalies.levels import LevelLimits, level_marks
from ml.anomalies.params import DetectorParams
from ml.anomalies.running_hour import FEWEST_MINUTES, FINE, hour_value, is_held, live_events
from ml.anomalies.stuck import runs_of, stuck_marks
from ml.features.civil import civil_on
from ml.features.series import Series
from tests.ml.anomalies.office import types

START = datetime(2025, 6, 2, tzinfo=UTC)
LIMITS = LevelLimits(np.full(24, 100.0), np.full(24, 5.0), 10.0)
USUAL = {False: np.full(24, 50.0), True: np.full(24, 20.0)}
CIVIL = civil_on(types, "UTC", START, 80)


@pytest.mark.parametrize(
    ("minutes_kw", "golden"),
    [
        ([], None),
        ([50] * 30, None),
        ([50] * 10 + [300], None),
        ([50] * 10 + [300] * 2, None),
        ([50] * 10 + [300] * 3, 300),
        # One minute below in between, and two, are what the hold is for.
        ([50] * 10 + [300, 50, 300, 300], 300),
        ([50] * 10 + [300] * 3 + [50] * 2, 300),
        ([50] * 10 + [300] * 3 + [50] * 3, 300),
        ([50] * 10 + [300] * 3 + [50] * 4, None),
        # The energy so far is above the limit of the hour, whatever follows.
        ([50] * 10 + [300] * 25 + [50] * 10, (50 * 20 + 300 * 25) / 60),
    ],
)
def test_golden_minutes_of_an_hour_that_runs(minutes_kw: list[float], golden: float | None) -> None:
    found = hour_value(minutes_kw, 100.0, is_over=False)
    assert found == pytest.approx(golden) if golden is not None else np.isnan(found)


def test_an_hour_that_is_over_is_the_mean_of_its_minutes_and_none_where_too_few_are_known() -> None:
    assert hour_value([60.0] * 30 + [120.0] * 30, 100.0, is_over=True) == 90
    assert np.isnan(hour_value([60.0] * (FEWEST_MINUTES - 1), 100.0, is_over=True))


def test_power_of_a_counter_that_steps_opens_nothing_before_its_energy_does() -> None:
    steps = [0.0, 600.0, 600.0, 600.0, 0.0]
    assert not np.isnan(hour_value(steps, 100.0, is_over=False))
    assert np.isnan(hour_value(steps, 100.0, is_over=False, holds=False))
    assert hour_value([600.0] * 11, 100.0, is_over=False, holds=False) == 110


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(0, 400), max_size=60))
def test_minutes_within_the_limit_hold_nothing_and_a_hold_had_three_of_five(minutes_kw: list[float]) -> None:
    limit = max(minutes_kw, default=0.0)
    assert not is_held(minutes_kw, limit)
    assert np.isnan(hour_value(minutes_kw, limit + 1, is_over=False))
    above = np.asarray(minutes_kw) > 200
    windows = [above[max(0, n - 4) : n + 1].sum() for n in range(len(above))]
    if is_held(minutes_kw, 200):
        assert max(windows) >= 3
    elif windows:
        assert windows[-1] < 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 3.0, 50.0, 99.0, 101.0, 180.0, 500.0, float("nan")]), min_size=1, max_size=72))
def test_hours_that_are_over_give_the_events_of_the_batch(hours: list[float]) -> None:
    series, params = Series(START, np.array(hours)), DetectorParams()
    grid = day_grid(series, CIVIL)
    marks = [mark for day, values in enumerate(grid.values) for mark in level_marks(values, day, LIMITS)]
    expected = np.array([USUAL[bool(each)] for each in grid.is_off])
    assert live_events(series, CIVIL, LIMITS, USUAL, params) == events_of(marks, grid, expected, params)


def test_an_event_begins_with_its_hour_and_grows_with_the_hour_that_runs() -> None:
    assert types(date(2025, 6, 2), date(2025, 6, 3)) == {date(2025, 6, 2): "weekday"}
    hours = np.array([50.0, 50.0, 300.0])
    [first] = live_events(Series(START, hours), CIVIL, LIMITS, USUAL, DetectorParams())
    [grown] = live_events(Series(START, np.append(hours, 280.0)), CIVIL, LIMITS, USUAL, DetectorParams())
    assert (first.kind, first.start_utc, first.end_utc) == (
        "spike", START + timedelta(hours=2), START + timedelta(hours=3),
    )  # fmt: skip
    assert (grown.start_utc, grown.end_utc) == (first.start_utc, START + timedelta(hours=4))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([20.0, 30.5, float("nan")]), st.integers(1, 20)), min_size=1, max_size=8))
def test_equal_hours_give_the_events_of_the_batch_where_their_begin_was_seen(spans: list[tuple[float, int]]) -> None:
    hours = np.array([49.0, *(each for each, count in spans for _ in range(count))])[:72]
    grid, limit = day_grid(Series(START, hours), CIVIL), 8.0
    run = runs_of(grid.values.ravel()).reshape(grid.values.shape)
    marks = [mark for day, each in enumerate(run) for mark in stuck_marks(each, grid.values[day], day, limit)]
    after_gap = set(np.flatnonzero(np.isnan(hours)).tolist())
    seen = [each for each in marks if each.first - 2 not in after_gap]
    expected = np.array([USUAL[bool(each)] for each in grid.is_off])
    found = live_events(Series(START, hours), CIVIL, LIMITS, USUAL, DetectorParams(), limit)
    assert found == events_of(seen, grid, expected, DetectorParams())


def test_equal_hours_of_a_coarse_step_and_of_a_begin_that_nobody_saw_are_left_to_the_night() -> None:
    hours = np.array([21.0, *[20.0] * 9])

    def kinds(values: np.ndarray, step: float, limit: float | None = 8.0) -> list[str]:
        found = live_events(Series(START, values), CIVIL, LIMITS, USUAL, DetectorParams(), limit, step)
        return [each.kind for each in found]

    assert kinds(hours, 0.0) == kinds(hours, 20.0 / FINE) == ["stuck"]
    assert kinds(hours, 1.0) == kinds(hours, float("inf")) == kinds(hours[1:], 0.0) == kinds(hours, 0.0, None) == []
    # Means of more or fewer equal minutes differ in their last digits.
    assert kinds(hours * (1 + 1e-12 * np.arange(10)), 0.0) == ["stuck"]
