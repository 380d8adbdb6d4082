"""Formulas of virtual meters: sums, differences and scalings of meters, and nothing else.

    expression = term {("+" | "-") term}
    term       = factor {("*" | "/") factor}
    factor     = ["-" | "+"] (number | meter | meter.register | 'quoted meter' | "(" expression ")")

A name may hold hyphens, so a minus sign between two names stands alone: `main - lights`. The result is a weighted sum
of meters: a product of two meters, or a constant beside them, is no energy and is refused. Nothing is ever executed.
"""

import re
from fractions import Fraction
from typing import NamedTuple

MAX_LENGTH = 1000
# Three calls a level: far below Python's recursion, far above any formula that a person writes.
MAX_DEPTH = 40
# Nano-units of any meter times such a coefficient stay within 128 bits.
MAX_COEFFICIENT_DIGITS = 12
_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
# A number that runs on into letters is a name: 2nd-floor is a meter.
_TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<number>\d+(?:\.\d+)?(?![A-Za-z0-9_.-]))"
    rf"|(?P<name>{_NAME}(?:\.{_NAME})?(?![A-Za-z0-9_.]))|'(?P<quoted>{_NAME})'|(?P<mark>[-+*/()])"
)

Weights = dict[tuple[str, str | None], Fraction]


class Term(NamedTuple):
    """One meter of a formula: `register_id` is None where the formula names none; the coefficient is exact."""

    meter_id: str
    register_id: str | None
    coefficient: Fraction


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


class _Linear(NamedTuple):
    """A constant plus a weighted sum of meters."""

    constant: Fraction
    weights: Weights


def parse_formula(text: str) -> tuple[Term, ...]:
    """The weighted meters of a formula, in the order in which they first stand there.

    Raises ValueError with the column (from 1) for anything that is not of the language above.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a formula may have {MAX_LENGTH} characters, this one has {len(text)}")
    parser = _Parser(_tokens(text))
    found = parser.expression(0)
    parser.expect_end()
    if found.constant != 0:
        raise ValueError("a number alone is no energy: a formula adds, subtracts and scales meters")
    terms = tuple(Term(*ref, weight) for ref, weight in found.weights.items() if weight != 0)
    if not terms:
        raise ValueError("the formula names no meter, or its meters cancel out")
    limit = 10**MAX_COEFFICIENT_DIGITS
    for term in terms:
        if abs(term.coefficient.numerator) >= limit or term.coefficient.denominator >= limit:
            raise ValueError(f"the coefficient of {term.meter_id!r} has more than {MAX_COEFFICIENT_DIGITS} digits")
    return terms


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(
                f"column {at + 1}: cannot read {text[at : at + 20]!r}; allowed are meters, meter.register, numbers, "
                "+ - * / and parentheses"
            )
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(_Token(kind, match[kind], at + 1))
        at = match.end()
    found.append(_Token("end", "", len(text) + 1))
    return found


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens, self._at = tokens, 0

    def expression(self, depth: int) -> _Linear:
        found = self._term(depth)
        while (sign := self._take("+", "-")) is not None:
            found = _add(found, self._term(depth), 1 if sign.text == "+" else -1)
        return found

    def expect_end(self) -> None:
        token = self._tokens[self._at]
        if token.kind != "end":
            raise ValueError(f"column {token.column}: expected + - * / or the end, got {token.text!r}")

    def _term(self, depth: int) -> _Linear:
        found = self._factor(depth)
        while (mark := self._take("*", "/")) is not None:
            found = _multiply(found, self._factor(depth), mark)
        return found

    def _factor(self, depth: int) -> _Linear:
        if depth > MAX_DEPTH:
            raise ValueError(f"parentheses and signs are nested deeper than {MAX_DEPTH}")
        if (sign := self._take("+", "-")) is not None:
            return _scale(self._factor(depth + 1), Fraction(1 if sign.text == "+" else -1))
        if self._take("(") is not None:
            inside = self.expression(depth + 1)
            if self._take(")") is None:
                token = self._tokens[self._at]
                raise ValueError(f"column {token.column}: expected ')', got {token.text or 'the end'!r}")
            return inside
        token = self._tokens[self._at]
        if token.kind not in {"number", "name", "quoted"}:
            raise ValueError(f"column {token.column}: expected a meter or a number, got {token.text or 'the end'!r}")
        self._at += 1
        if token.kind == "number":
            # Fractions: a third has no decimal, and 3 * (main / 3) must be main to the last quantum.
            return _Linear(Fraction(token.text), {})
        meter_id, _, register_id = token.text.partition(".")
        return _Linear(Fraction(0), {(meter_id, register_id or None): Fraction(1)})

    def _take(self, *marks: str) -> _Token | None:
        token = self._tokens[self._at]
        if token.kind != "mark" or token.text not in marks:
            return None
        self._at += 1
        return token


def _add(left: _Linear, right: _Linear, sign: int) -> _Linear:
    weights = dict(left.weights)
    for ref, weight in right.weights.items():
        weights[ref] = weights.get(ref, Fraction(0)) + sign * weight
    return _Linear(left.constant + sign * right.constant, weights)


def _scale(value: _Linear, factor: Fraction) -> _Linear:
    return _Linear(value.constant * factor, {ref: weight * factor for ref, weight in value.weights.items()})


def _multiply(left: _Linear, right: _Linear, mark: _Token) -> _Linear:
    if mark.text == "/":
        if right.weights:
            raise ValueError(f"column {mark.column}: a meter cannot be divided by")
        if right.constant == 0:
            raise ValueError(f"column {mark.column}: division by zero")
        return _scale(left, 1 / right.constant)
    if left.weights and right.weights:
        raise ValueError(f"column {mark.column}: two meters cannot be multiplied")
    return _scale(left, right.constant) if left.weights else _scale(right, left.constant)
