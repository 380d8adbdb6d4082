"""The formulas of virtual meters: a closed little language, exact, and nothing of it is ever executed."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.contracts.site_file.formula import MAX_DEPTH, MAX_LENGTH, parse_formula


def weights(text: str) -> dict[str, Fraction]:
    return {f"{name}.{register}" if register else name: weight for name, register, weight in parse_formula(text)}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("main - lights - hvac", {"main": 1, "lights": -1, "hvac": -1}),
        ("0.5 * a", {"a": Fraction(1, 2)}),
        ("a / 3 + 2 * (b - a / 3)", {"a": Fraction(-1, 3), "b": 2}),
        ("-a * -2", {"a": 2}),
        ("grid.import - grid.export", {"grid.import": 1, "grid.export": -1}),
        ("2nd-floor + 'hall_3'", {"2nd-floor": 1, "hall_3": 1}),
        ("a + b - a", {"b": 1}),
        ("0.1*a + 0.2*a", {"a": Fraction(3, 10)}),
    ],
)
def test_a_formula_is_a_weighted_sum(text: str, meant: dict[str, Fraction]) -> None:
    assert weights(text) == meant


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("abs(main)", "column 4: expected"),
        ("main.__class__", "column 1: cannot read"),
        ("__import__('os').system('x')", "column 1: cannot read"),
        ("main if a else b", "expected + - * / or the end, got 'if'"),
        ("main ** 2", "column 7: expected a meter or a number"),
        ("a * b", "two meters cannot be multiplied"),
        ("1 / a", "a meter cannot be divided by"),
        ("a / (1 - 1)", "division by zero"),
        ("a + 5", "a number alone is no energy"),
        ("a - a", "names no meter"),
        ("", "expected a meter or a number, got 'the end'"),
        ("(a", "expected ')'"),
        ("a b", "expected + - * / or the end, got 'b'"),
        ("Main", "column 1: cannot read"),
        ("1e6 * a", "two meters cannot be multiplied"),
        ("a * 1234567890123", "more than 12 digits"),
        ("(" * (MAX_DEPTH + 2) + "a", "nested deeper"),
        ("-" * (MAX_DEPTH + 2) + "a", "nested deeper"),
        ("a+" * MAX_LENGTH + "a", "characters"),
        ("a; b", "column 2: cannot read"),
        ("a[0]", "column 2: cannot read"),
    ],
)
def test_what_is_not_of_the_language_is_refused_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as fault:
        parse_formula(text)
    assert sentence in str(fault.value)


@given(st.text(alphabet="ab0123.+-*/() '_;=[]\n", max_size=60))
def test_any_text_is_a_weighted_sum_or_a_value_error(text: str) -> None:
    try:
        found = parse_formula(text)
    except ValueError:
        return
    assert found
    assert all(term.coefficient != 0 for term in found)


numbers = st.decimals(min_value="0.001", max_value="999", places=3)


@given(st.lists(st.tuples(st.sampled_from("abc"), numbers, st.booleans()), min_size=1, max_size=8))
def test_coefficients_are_exact(parts: list[tuple[str, object, bool]]) -> None:
    wanted: dict[str, Fraction] = {}
    text = "0 * a"
    for name, number, is_minus in parts:
        text += f" {'-' if is_minus else '+'} {number} * {name}"
        wanted[name] = wanted.get(name, Fraction(0)) + Fraction(str(number)) * (-1 if is_minus else 1)
    wanted = {name: weight for name, weight in wanted.items() if weight}
    if wanted:
        assert weights(text) == wanted
