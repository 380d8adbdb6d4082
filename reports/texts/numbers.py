"""Numbers as a locale writes them: the only place where a figure is rounded, and only for display."""

from decimal import ROUND_HALF_UP, Decimal

from assets.kpi.enpi import ARITHMETIC

MISSING = "–"
# Locale language -> (thousands separator, decimal mark). Unlisted languages read as English.
SEPARATORS = {"en": (",", "."), "de": (".", ",")}
# Currencies with a sign that every built-in PDF font has; others keep their ISO code.
SYMBOLS = {"EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥"}


def separators(locale: str) -> tuple[str, str]:
    """Thousands separator and decimal mark of a locale such as `de` or `de_DE`."""
    return SEPARATORS.get(locale.replace("-", "_").split("_")[0].lower(), SEPARATORS["en"])


def format_number(value: Decimal | float | None, *, decimals: int, locale: str, signed: bool = False) -> str:
    """Half-up rounded text; a dash where there is no value. A value that rounds to zero carries no sign."""
    if value is None:
        return MISSING
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    rounded = exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP, context=ARITHMETIC)
    whole, _, part = f"{abs(rounded):f}".partition(".")
    thousands, mark = separators(locale)
    text = f"{int(whole):,}".replace(",", thousands) + (mark + part if part else "")
    if rounded < 0:
        return f"-{text}"
    return f"+{text}" if signed and rounded > 0 else text


def currency_unit(code: str) -> str:
    """The sign of a currency, or its ISO 4217 code."""
    return SYMBOLS.get(code, code)


UNIT_TEXTS = {"kgco2e": "kg CO2e", "kwh": "kWh", "kw": "kW", "percent": "%", "ratio": "", "kwh_per_m2": "kWh/m²"}


def unit_text(unit: str) -> str:
    """A unit code as people read it: kgco2e -> kg CO2e, EUR -> €."""
    return UNIT_TEXTS.get(unit, currency_unit(unit))
