"""Numbers and dates as bills print them. What has two meanings is not read: None, and the caller says so."""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

Mark = Literal[".", ",", ""]

# Minus sign, spaces that do not break, typographic apostrophe: what PDF and spreadsheets put into numbers.
_SIGNS = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"})
_CODES = "AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|RON|SEK|SGD|USD|ZAR"
_SYMBOLS = re.compile(rf"^(?:(?:{_CODES})\s*|[£€$¥]\s?)|(?:\s*(?:{_CODES})|\s?[£€$¥])$")
_PLAIN = re.compile(r"^[+-]?\d+$")
_POINTED = re.compile(r"^[+-]?(?:\d+|\d{1,3}(?:[, ']\d{3})+)\.\d+$")
_COMMAED = re.compile(r"^[+-]?(?:\d+|\d{1,3}(?:[. ']\d{3})+),\d+$")
# Not from zero on: 0.123 is a fraction in every country.
_GROUPED = re.compile(r"^[+-]?[1-9]\d{0,2}(?:[., ']\d{3})+$")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
        start=1,
    )
}
_NAMED_DATE = re.compile(r"^(\d{1,2})(?:st|nd|rd|th)?[ -]([A-Za-z]{3,9})[ ,-]+(\d{4})$")
_NUMBERED_DATE = re.compile(r"^(\d{1,2})([./-])(\d{1,2})\2(\d{4})$")


def looks_like_number(text: str) -> bool:
    """True for digits with signs, grouping, a currency or a per cent sign."""
    bare = _bare(text)
    return bool(_PLAIN.match(bare) or _POINTED.match(bare) or _COMMAED.match(bare) or _GROUPED.match(bare))


def decimal_mark(texts: Iterable[str]) -> Mark:
    """The decimal mark that the document's numbers show; empty where none or both do."""
    points = commas = False
    for text in texts:
        bare = _bare(text)
        # 1.234 and 1,234 have two meanings: they show nothing.
        is_both = bool(re.match(r"^[+-]?[1-9]\d{0,2}[.,]\d{3}$", bare))
        points |= bool(_POINTED.match(bare)) and not is_both
        commas |= bool(_COMMAED.match(bare)) and not is_both
    if points == commas:
        return ""
    return "." if points else ","


def read_number(text: str, mark: Mark) -> Decimal | None:
    """The number, exact; None for no number, or one that two readings of the decimal mark make two numbers."""
    bare = _bare(text)
    if _PLAIN.match(bare):
        return Decimal(bare)
    as_pointed = re.sub(r"[, ']", "", bare) if _POINTED.match(bare) else None
    as_commaed = re.sub(r"[. ']", "", bare).replace(",", ".") if _COMMAED.match(bare) else None
    if _GROUPED.match(bare):
        group = {character for character in bare if character in "., '"}
        whole = re.sub(r"[., ']", "", bare)
        # Spaces and apostrophes group and are nowhere a decimal mark.
        if group <= {" ", "'"}:
            return Decimal(whole)
        if len(group) > 1 or not mark:
            # A mark that appears twice can only group: 1.234.567 is read, 1.234 is not.
            return Decimal(whole) if len(re.findall(r"[.,]", bare)) > 1 and len(group) == 1 else None
        if mark not in group:
            return Decimal(whole)
    found = as_pointed if mark == "." else as_commaed if mark == "," else as_pointed or as_commaed
    return Decimal(found) if found is not None else None


def read_date(text: str) -> date | None:
    """A date: 2024-04-01, 1 April 2024, or 25/04/2024 where day and month cannot be confused; else None."""
    bare = text.strip()
    try:
        # fromisoformat takes 20240401 as well, which on a bill may be an invoice number.
        return datetime.fromisoformat(bare).date() if len(bare) >= 10 and bare[4] == "-" else _other_date(bare)
    except ValueError:
        return None


def _other_date(text: str) -> date | None:
    if named := _NAMED_DATE.match(text):
        month = _MONTHS.get(named[2][:3].lower())
        return date(int(named[3]), month, int(named[1])) if month else None
    if numbered := _NUMBERED_DATE.match(text):
        first, second, year = int(numbered[1]), int(numbered[3]), int(numbered[4])
        # Where points divide a date, the day comes first; a slash says so only beyond the twelfth.
        if numbered[2] == "." or first > 12 or first == second:
            return date(year, second, first)
        if second > 12:
            return date(year, first, second)
    return None


def _bare(text: str) -> str:
    """Without currency and spaces around; a minus behind the number comes to the front."""
    bare = text.translate(_SIGNS).strip()
    # Twice: a code before the number and a sign behind it both occur on one bill.
    for _ in range(2):
        bare = _SYMBOLS.sub("", bare).strip()
    bare = bare.removesuffix("%").strip()
    # A sign may stand before the currency: -£5.00.
    for sign in ("-", "+"):
        if bare.startswith(sign):
            bare = sign + _SYMBOLS.sub("", bare[1:].strip()).strip()
    return "-" + bare[:-1] if bare.endswith("-") else bare
