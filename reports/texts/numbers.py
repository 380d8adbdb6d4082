"""Numbers as a locale writes them: the only place where a figure is rounded, and only for display."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from assets.kpi.enpi.enpi_result import ARITHMETIC
from reports.texts.locales import marked_number, rules_of

MISSING = "–"
# Currencies with a sign that every built-in PDF font has; others keep their ISO code.
SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥"}


def format_number(value: Decimal | float | None, *, decimals: int, locale: str, signed: bool = False) -> str:
    """Half-up rounded text; a dash where there is no value. A value that rounds to zero carries no sign.

    locale: empty for a terminal, which writes English with ASCII's minus.
    """
    if value is None:
        return MISSING
    # By its repr: the float's exact binary value would round 0.285 down where people expect 0.29.
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    # Half up, as on paper: decimal's own default would make 0.5 a 0 and 1.5 a 2.
    rounded = exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP, context=ARITHMETIC)
    whole, _, part = f"{abs(rounded):f}".partition(".")
    # Thousands separator and decimal mark of a locale such as `de` or `de_DE`.
    rules = rules_of(locale)
    thousands, mark = rules.thousands, rules.mark
    text = f"{int(whole):,}".replace(",", thousands) + (mark + part if part else "")
    # Asked of the rounded value: -0.001 shown with two decimals is 0.00, not -0.00.
    if rounded < 0:
        return f"{rules_of(locale).minus if locale else '-'}{text}"
    return f"+{text}" if signed and rounded > 0 else text


def written(english: str, locale: str) -> str:
    """A text of this program with English numbers in it, and these as the locale writes them. Not for what people wrote
    or for ids: a dot between two digits may be part of a name there.
    """
    return marked_number(english, rules_of(locale))


def in_runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Rising numbers as (first, last) of those that follow each other."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def currency_unit(code: str) -> str:
    """The sign of a currency, or its ISO 4217 code."""
    return SYMBOLS.get(code, code)


UNIT_TEXTS = {
    "kgco2e": "kg CO₂e",
    "tco2e": "t CO₂e",
    "kwh": "kWh",
    "mwh": "MWh",
    "gj": "GJ",
    "kw": "kW",
    "percent": "%",
    "ratio": "",
    "count": "",
    "kwh_per_m2": "kWh/m²",
    "kwh/m2": "kWh/m²",
    "m2": "m²",
    "m3": "m³",
    "m3/m2": "m³/m²",
    "degc": "°C",
    "kelvin": "K",
    "kwh_per_k_day": "kWh/(K·d)",
    "months": "",
    "(degc*d)": "(°C·d)",
    "kwh/day": "kWh/day",
    "kgco2e/kwh": "kg CO₂e/kWh",
}


def unit_text(unit: str) -> str:
    """A unit code as people read it: kgco2e -> kg CO₂e, EUR -> €."""
    if unit in UNIT_TEXTS or "/" not in unit:
        return UNIT_TEXTS.get(unit, currency_unit(unit))
    return "/".join(unit_text(part) for part in unit.split("/"))


def exact_text(value: Decimal | None, unit: str) -> str:
    """Every digit that is stored, without the zeros behind them."""
    if value is None:
        return "unknown"
    # Normalised, a hundred would be 1E+2.
    whole = value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize(ARITHMETIC)
    return f"{whole:,f} {unit_text(unit)}".rstrip()


def energy_decimals(values: Sequence[Decimal | None]) -> int:
    """Decimals that show about five significant digits of the largest value of a table."""
    largest = max((abs(value) for value in values if value is not None), default=Decimal(0))
    if largest >= 10_000:
        return 0
    return 1 if largest >= 100 else 2


def format_alike(
    values: Sequence[Decimal | float | None], unit: str, *, locale: str = "", signed: bool = False
) -> list[str]:
    """Values of one row or column, with equal decimals: shares with three, percent with one, money with two or none.

    unit: as figures spell it. Of others about five significant digits of the largest value, more where all are below
    one, and none where all are whole.
    """
    exact = [None if value is None else Decimal(repr(value) if isinstance(value, float) else value) for value in values]
    largest = max((abs(value) for value in exact if value is not None), default=Decimal(0))
    decimals = {"ratio": 3, "percent": 1}.get(unit, energy_decimals(exact))
    if unit not in {"ratio", "percent"}:
        if all(value is None or value == value.to_integral_value() for value in exact):
            decimals = 0
        elif unit.isupper() and decimals:
            decimals = 2
        elif 0 < largest < 1:
            decimals = min(2 - largest.adjusted(), 6)
    return [format_number(value, decimals=decimals, locale=locale, signed=signed) for value in exact]
