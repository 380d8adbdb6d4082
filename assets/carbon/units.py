"""Units of activities and factors: the same unit, or a conversion that contracts/units.py declares; CV bases never mix.

A calorific basis is part of the unit: a kWh gross CV of gas is not a kWh net CV, and neither is a plain kWh.
"""

import re
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from data_quality.contracts.units import UNITS, Behaviour, Unit

# Words that published tables write for the units that we know by code; nothing is converted by this.
_SPELLINGS = {
    "cubic metre": "m3",
    "cubic metres": "m3",
    "cubic meter": "m3",
    "cubic meters": "m3",
    "m^3": "m3",
    "litre": "l",
    "litres": "l",
    "liter": "l",
    "liters": "l",
    "kwhs": "kwh",
    "therms": "therm",
    "tonne": "tonnes",
    "t": "tonnes",
    "kilogram": "kg",
    "kilograms": "kg",
}
_CV = re.compile(r"\b(gross|net)\s*(?:cv|calorific value)?\b|\b(gcv|hhv|ncv|lhv)\b")
_CV_WORDS = {"gcv": "gross", "hhv": "gross", "ncv": "net", "lhv": "net"}
SIMPLE_DENOMINATOR = 10_000
# Products of quantities and factors have at most some forty digits: within this nothing is rounded.
EXACT = Context(prec=60)


class MatchUnit(NamedTuple):
    """A unit as it is compared: base in one spelling, calorific basis (gross, net or empty)."""

    base: str
    calorific_basis: str


@cache
def parse_unit(text: str) -> MatchUnit:
    """`kWh (Gross CV)` -> (kwh, gross); a unit that the closed list lacks keeps its own spelling, lower case."""
    words = " ".join(re.sub(r"[()\[\],]", " ", text.casefold().replace("³", "3")).split())
    found = _CV.search(words)
    basis = "" if found is None else found[1] or _CV_WORDS[found[2]]
    base = " ".join(_CV.sub(" ", words).split())
    return MatchUnit(_SPELLINGS.get(base, base), basis)


@cache
def ratio(source: str, target: str) -> Fraction | None:
    """How many `target` one `source` is, exact; None where the two do not compare."""
    one, other = parse_unit(source), parse_unit(target)
    if one.calorific_basis != other.calorific_basis:
        return None
    if one.base == other.base:
        return Fraction(1)
    mine, theirs = _amount(one.base), _amount(other.base)
    if mine is None or theirs is None or mine.canonical != theirs.canonical:
        return None
    return _exact(mine.factor) / _exact(theirs.factor)


def converted(quantity: Decimal, by: Fraction) -> Decimal:
    """The quantity times the ratio: exact where it has a finite decimal, else to 60 digits."""
    return scaled(quantity, by.numerator, by.denominator)


def scaled(quantity: Decimal, numerator: int, denominator: int) -> Decimal:
    """The quantity * numerator / denominator in the account's context."""
    return EXACT.divide(EXACT.multiply(quantity, Decimal(numerator)), Decimal(denominator))


def _amount(base: str) -> Unit | None:
    found = UNITS.get(base)
    return None if found is None or found.is_power or found.behaviour is not Behaviour.AMOUNT else found


def _exact(factor: float) -> Fraction:
    """The number that the list means: 1 / 3.6 is five eighteenths, 29.3071 is what it says."""
    simple = Fraction(factor).limit_denominator(SIMPLE_DENOMINATOR)
    return simple if float(simple) == factor else Fraction(repr(factor))
