"""Each fault does to a series what it is called, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.simulator.physics import faults
from controls.simulator.physics.noise import Series

DAY = np.round(5.0 + 3.0 * np.sin(np.arange(96) / 10.0), 4)
CHANGES = {
    "spike": lambda values: faults.spike(values, 20, factor=30.0),
    "stuck": lambda values: faults.stuck(values, 20, 40),
    "dead": lambda values: faults.dead(values, 20, 40),
    "negative": lambda values: faults.negative(values, 20, 40),
    "unit_scale": lambda values: faults.unit_scale(values, 20, 40, factor=0.001),
    "missing": lambda values: faults.missing(values, 20, 40),
    "clock_shift": lambda values: faults.clock_shift(values, 20, 40, slots=4),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_fault_leaves_its_input_and_everything_around_it_alone(name: str) -> None:
    before = DAY.copy()
    found = CHANGES[name](before)
    assert np.array_equal(before, DAY)
    assert np.array_equal(found[:20], DAY[:20])
    assert np.array_equal(found[40:], DAY[40:])
    assert not np.array_equal(found, DAY)


def test_a_spike_is_one_interval() -> None:
    found = CHANGES["spike"](DAY)
    assert found[20] == pytest.approx(30 * DAY[20])
    assert np.array_equal(found[21:], DAY[21:])


def test_a_stuck_meter_repeats_what_it_last_said() -> None:
    assert set(CHANGES["stuck"](DAY)[19:40].tolist()) == {DAY[19]}


def test_a_dead_meter_says_zero_and_a_missing_one_nothing() -> None:
    assert (CHANGES["dead"](DAY)[20:40] == 0).all()
    assert np.isnan(CHANGES["missing"](DAY)[20:40]).all()


def test_signs_and_units_change_by_their_factor() -> None:
    assert np.array_equal(CHANGES["negative"](DAY)[20:40], -DAY[20:40])
    assert CHANGES["unit_scale"](DAY)[20:40] == pytest.approx(DAY[20:40] / 1000, abs=1e-4)


def test_a_clock_an_hour_ahead_leaves_a_hole_and_loses_the_last_hour() -> None:
    found = CHANGES["clock_shift"](DAY)
    assert np.isnan(found[20:24]).all()
    assert np.array_equal(found[24:40], DAY[20:36])


series = st.lists(st.integers(0, 10**7), min_size=1, max_size=60).map(lambda amounts: np.asarray(amounts, np.int64))


@given(amounts=series, initial=st.integers(0, 10**9), digits=st.integers(8, 12))
def test_a_register_that_rolls_over_still_counts_every_amount(amounts: np.ndarray, initial: int, digits: int) -> None:
    modulus = 10**digits
    states = faults.register_states(amounts, initial=initial % modulus, modulus=modulus, restarts={})
    assert ((states >= 0) & (states < modulus)).all()
    assert np.array_equal(np.diff(states) % modulus, amounts)


@given(amounts=series, data=st.data())
def test_a_register_that_starts_anew_counts_from_there(amounts: np.ndarray, data: st.DataObject) -> None:
    at, state = data.draw(st.integers(0, len(amounts) - 1)), data.draw(st.integers(0, 10**6))
    states = faults.register_states(amounts, initial=7, modulus=10**15, restarts={at: state})
    assert states[at] == 7 + amounts[:at].sum()
    assert states[-1] == state + amounts[at:].sum()


def test_two_restarts_follow_each_other() -> None:
    amounts = np.asarray([1, 2, 3, 4, 5], np.int64)
    states = faults.register_states(amounts, initial=10, modulus=1000, restarts={1: 0, 3: 100})
    assert states.tolist() == [10, 11, 2, 5, 104, 109]


def flat(values: Series) -> Series:
    """A stream whose faults would not show: what the tests above rely on is that DAY is none."""
    return np.full_like(values, 5.0)


def test_a_flat_day_would_hide_a_stuck_meter() -> None:
    assert np.array_equal(CHANGES["stuck"](flat(DAY)), flat(DAY))
