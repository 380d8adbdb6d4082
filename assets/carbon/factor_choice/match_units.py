"""Units of activities and factors: the same, or converted as here or in contracts/units.py; CV bases never mix.

A calorific basis is part of the unit: a kWh gross CV of gas is not a kWh net CV, and neither is a plain kWh.
"""

import re
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from data_quality.contracts.units import EXACT, UNITS, Behaviour

# International Table: 1055.05585262 J.
_BTU_KWH = Fraction("1055.05585262") / 3_600_000
# What activities are counted in and meters are not, or what a binary fraction cannot hold, as (canonical unit, amount
# of it). A plain "ton" or "gallon" is missing: it has several sizes. Pound, US gallon and mile: as defined in 1959.
_COUNTED = {
    "g": ("kg", Fraction(1, 1000)),
    "kg": ("kg", Fraction(1)),
    "tonnes": ("kg", Fraction(1000)),
    "lb": ("kg", Fraction("0.45359237")),
    "short tons": ("kg", Fraction("907.18474")),
    "million litres": ("m3", Fraction(1000)),
    "us gallons": ("m3", Fraction("0.003785411784")),
    "ccf": ("m3", Fraction("2.8316846592")),
    "mcf": ("m3", Fraction("28.316846592")),
    "tj": ("kwh", Fraction(10**6) / Fraction("3.6")),
    "btu": ("kwh", _BTU_KWH),
    "kbtu": ("kwh", _BTU_KWH * 1000),
    "mmbtu": ("kwh", _BTU_KWH * 10**6),
    "dekatherm": ("kwh", _BTU_KWH * 10**6),
    "km": ("km", Fraction(1)),
    "miles": ("km", Fraction("1.609344")),
}
# Words that published tables write for the units that we know by code; nothing is converted by this.
_SPELLINGS = {
    word: unit
    for unit, words in {
        "m3": ("cubic metre", "cubic metres", "cubic meter", "cubic meters", "m^3"),
        "l": ("litre", "litres", "liter", "liters"),
        "kwh": ("kwhs",),
        "therm": ("therms",),
        "dekatherm": ("dth", "dekatherms"),
        "mmbtu": ("million btu",),
        "ft3": ("cubic feet", "cubic foot"),
        "tonnes": ("tonne", "t"),
        "kg": ("kilogram", "kilograms"),
        "g": ("gram", "grams"),
        "lb": ("lbs", "pound", "pounds"),
        "short tons": ("short ton", "us short ton", "us short tons"),
        "us gallons": ("us gallon", "us gal", "gal us", "gallon us", "gallons us"),
        "million litres": ("million liters", "megalitres"),
        "miles": ("mile",),
        "km": ("kilometre", "kilometres"),
    }.items()
    for word in words
}
_CV = re.compile(r"\b(gross|net)\s*(?:cv|calorific value)?\b|\b(gcv|hhv|ncv|lhv)\b")
# American tables say higher and lower heating value.
_CV_WORDS = {"gcv": "gross", "hhv": "gross", "ncv": "net", "lhv": "net"}
# Holds 1 / 3600 and 29.3071 as they are meant; much more would find a fraction for any float.
SIMPLE_DENOMINATOR = 10_000


class MatchUnit(NamedTuple):
    """A unit as it is compared: base in one spelling, calorific basis (gross, net or empty)."""

    base: str
    calorific_basis: str


@cache
def parse_unit(text: str) -> MatchUnit:
    """`kWh (Gross CV)` -> (kwh, gross); a unit that the closed list lacks keeps its own spelling, lower case."""
    # Brackets and commas vary between editions, the words within do not.
    words = " ".join(re.sub(r"[()\[\],]", " ", text.casefold().replace("³", "3")).split())
    found = _CV.search(words)
    basis = "" if found is None else found[1] or _CV_WORDS[found[2]]
    base = " ".join(_CV.sub(" ", words).split())
    return MatchUnit(_SPELLINGS.get(base, base), basis)


@cache
def ratio(source: str, target: str) -> Fraction | None:
    """Number of `target` in one `source`, exact; None where the two do not compare."""
    one, other = parse_unit(source), parse_unit(target)
    if one.calorific_basis != other.calorific_basis:
        # Gross and net differ by a tenth for gas: no factor is better than one for the other basis.
        return None
    if one.base == other.base:
        return Fraction(1)
    mine, theirs = _amount(one.base), _amount(other.base)
    if mine is None or theirs is None or mine[0] != theirs[0]:
        return None
    return mine[1] / theirs[1]


def converted(quantity: Decimal, by: Fraction) -> Decimal:
    """The quantity times the ratio: exact where it has a finite decimal, else to 60 digits."""
    return EXACT.divide(EXACT.multiply(quantity, Decimal(by.numerator)), Decimal(by.denominator))


def _amount(base: str) -> tuple[str, Fraction] | None:
    """The canonical unit, and how much of it one is; None for what is no amount, or has a spelling of its own."""
    if base in _COUNTED:
        return _COUNTED[base]
    found = UNITS.get(base)
    # A power is no amount: kW in a list of activities is a slip for kWh.
    if found is None or found.is_power or found.behaviour is not Behaviour.AMOUNT:
        return None
    # The number that the list means: 1 / 3.6 is five eighteenths, 29.3071 is what it says.
    factor = found.factor
    simple = Fraction(factor).limit_denominator(SIMPLE_DENOMINATOR)
    return found.canonical, (simple if float(simple) == factor else Fraction(repr(factor)))
