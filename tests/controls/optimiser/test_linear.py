"""Arithmetic on linear expressions gives what the same arithmetic on numbers gives, whatever the columns are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.optimiser.backends.expressions import Linear
from controls.optimiser.backends.program import Program, Row

STEPS = 4
STEPS_OF_ARITHMETIC = ["plus", "minus", "times", "array", "from", "one", "sum", "again", "slice", "over"]
numbers = st.lists(st.integers(-3, 3).map(float), min_size=STEPS, max_size=STEPS).map(np.array)


def value_of(linear: Linear, x: np.ndarray) -> np.ndarray:
    found = linear.constant.copy()
    np.add.at(found, linear.row, linear.value * x[linear.column])
    return found


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Linear, np.ndarray, np.ndarray]:
    """An expression, the point at which it is read, and its value there by numbers alone."""
    x = np.concatenate([draw(numbers), draw(numbers)])
    made, same = Linear.of(np.arange(STEPS)), x[:STEPS].copy()
    other, numbers_of_other = Linear.of(np.arange(STEPS, 2 * STEPS)), x[STEPS:]
    for _ in range(draw(st.integers(1, 5))):
        factor, shift, place = draw(numbers), draw(numbers), draw(st.integers(0, STEPS - 1))
        step = draw(
            st.sampled_from(["plus", "minus", "times", "array", "from", "one", "sum", "again", "slice", "over"])
        )
        if step == "plus":
            made, same = made + other, same + numbers_of_other
        elif step == "minus":
            made, same = made - other, same - numbers_of_other
        elif step == "times":
            made, same = factor * made, factor * same
        elif step == "array":
            made, same = made + shift, same + shift
        elif step == "from":
            made, same = shift - made, shift - same
        elif step == "one":
            # One expression beside many is that of each.
            made, same = made + other[place], same + numbers_of_other[place]
        elif step == "sum":
            made, same = made - made.sum(), same - same.sum()
        elif step == "again":
            order = [place, 0, 0, STEPS - 1]
            made, same = made[order], same[order]
        elif step == "slice":
            made, same = made[place] * factor, same[place] * factor
        else:
            made, same = made / 2.0, same / 2.0
    return made, x, same


@given(pairs())
def test_expressions_are_worth_what_the_numbers_are(pair: tuple[Linear, np.ndarray, np.ndarray]) -> None:
    made, x, same = pair
    np.testing.assert_allclose(value_of(made, x), same)


@given(pairs(), numbers)
def test_rows_say_what_the_comparison_says(pair: tuple[Linear, np.ndarray, np.ndarray], limit: np.ndarray) -> None:
    made, x, same = pair
    program = Program()
    program.new("x", 2 * STEPS, lower=-np.inf)
    for constraint in (made <= limit, made >= limit, made == limit):
        program.add("toy", "toy", Row("toy", "toy", constraint), steps=STEPS)
    arrays = program.arrays()
    dense = np.zeros((arrays.row_lower.size, 2 * STEPS))
    for row in range(len(dense)):
        for column, value in arrays.row(row):
            dense[row, column] = value
    within = (dense @ x >= arrays.row_lower - 1e-9) & (dense @ x <= arrays.row_upper + 1e-9)
    expected = np.concatenate([same <= limit + 1e-9, same >= limit - 1e-9, np.isclose(same, limit)])
    assert within.tolist() == expected.tolist()


def test_a_column_that_stands_twice_in_a_row_is_one_entry_and_one_that_cancels_out_none() -> None:
    program = Program()
    x = program.new("x", STEPS)
    program.add("toy", "toy", Row("toy", "toy", x + x - 2 * x[0] <= 1.0), steps=STEPS)
    arrays = program.arrays()
    assert [list(arrays.row(row)) for row in range(STEPS)] == [[], *([(0, -2.0), (k, 2.0)] for k in range(1, STEPS))]


def test_rows_that_are_neither_one_a_step_nor_one_must_say_their_steps() -> None:
    program = Program()
    x = program.new("x", STEPS)
    with pytest.raises(ValueError, match="say which"):
        program.add("toy", "toy", Row("toy", "some", x[1:] <= 1.0), steps=STEPS)
    program.add("toy", "toy", Row("toy", "some", x[1:] <= 1.0, np.arange(1, STEPS)), steps=STEPS)
    assert program.row_names() == ["toy_some_001", "toy_some_002", "toy_some_003"]


def test_expressions_of_different_lengths_do_not_go_together() -> None:
    program = Program()
    with pytest.raises(ValueError, match="do not go with"):
        program.new("x", STEPS) + program.new("y", STEPS - 1)
