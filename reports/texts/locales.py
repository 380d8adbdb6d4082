"""Languages: numbers, dates, and words of reports and pages. One file of `languages/` each; others read as English.

A figure is rounded here alone, and only for display.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, lru_cache
from pathlib import Path

from pydantic import Field

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.quick_yaml import read_model
from data_quality.contracts.sentence import Days, Numeral, Sentence, Stored, sentences
from data_quality.contracts.time import clock_of, parse_period
from data_quality.contracts.units import ARITHMETIC

_FOLDER = Path(__file__).with_name("languages")
# What a stored sentence's pattern says itself: less would fit any text.
_LEAST_LETTERS = 12
_OPEN, _SHUT = "\u2068", "\u2069"
# What no line breaks at: between the parts of a day, and behind the dash of two days of a month.
_FAST, _JOINER = "\u00a0", "\u2060"


class Language(Model):
    """Words and number style of a language. What a file leaves out is as in English.

    name: its own; months: twelve, weekdays: seven, ordinals: four, separated by blanks; day: a pattern with d, m, y;
    quarter: one with the ordinal n and y. list_mark: between parts of a list; minus: before a number;
    percent: behind one.
    reports, pages: English -> the language's word; {0} in a sentence of pages is a place for what its `Sentence` is
    given.
    """

    name: str = ""
    thousands: str = ","
    mark: str = "."
    minus: str = "−"
    percent: str = "%"
    months: str = "January February March April May June July August September October November December"
    short_months: str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
    weekdays: str = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
    ordinals: str = "first second third fourth"
    day: str = "{d} {m} {y}"
    quarter: str = "the {n} quarter of {y}"
    list_mark: str = ", "
    is_right_to_left: bool = False
    reports: Mapping[str, str] = Field(default_factory=dict)
    pages: Mapping[str, str] = Field(default_factory=dict)

    def long_day(self, day: date) -> str:
        """A day in words: 5 March 2025, 5. März 2025."""
        return self.day.format(d=day.day, m=self.months.split()[day.month - 1], y=day.year)

    def short_day(self, day: date) -> str:
        """A day in few letters: 5 Mar 2025, 5. März 2025."""
        return self.day.format(d=day.day, m=self.short_months.split()[day.month - 1], y=day.year)

    def month_year(self, day: date, *, is_short: bool = False) -> str:
        """The month of a day: March 2025, März 2025."""
        return f"{(self.short_months if is_short else self.months).split()[day.month - 1]} {day.year}"


_ENGLISH_MONTHS, _ENGLISH_WEEKDAYS = Language().months, Language().weekdays.split()
# Monday 30 November 2026; 1,234.5 kWh.
_WRITTEN_DAY = re.compile(rf"({'|'.join(_ENGLISH_WEEKDAYS)}) (\d+) ({'|'.join(_ENGLISH_MONTHS.split())}) (\d{{4}})")
_AMOUNT = re.compile(r"[-+]?\d[\d.,]* \S+(?: kWh)?")


@cache
def languages() -> tuple[str, ...]:
    """Codes of the languages that there are, English first: a file of `languages/` each."""
    return tuple(sorted((path.stem for path in _FOLDER.glob("*.yaml")), key=lambda each: (each != "en", each)))


@lru_cache(maxsize=64)
def _language(code: str) -> Language:
    return read_model(_FOLDER / f"{code}.yaml", Language)


def language_of(locale: str) -> str:
    """The language part of a locale such as de_DE."""
    return locale.replace("-", "_").split("_")[0].lower()


def rules_of(locale: str) -> Language:
    """Style of the locale's language; English where there is no file of it."""
    code = language_of(locale)
    return _language(code if code in languages() else "en")


def word(text: str, locale: str) -> str:
    """One of the report's own words in the locale's language; else the word of pages, else as it is."""
    rules = rules_of(locale)
    return rules.reports.get(text) or rules.pages.get(text, text)


def named(text: str) -> str:
    """Names or words of people (a meter, a tariff's block, a reason), marked so that pages show it as it is.

    A name may be a word of ours. The marks are Unicode's for a text set in by itself; page_word takes them away.
    """
    return f"{_OPEN}{text}{_SHUT}"


def page_word(text: str, locale: str) -> str:
    """A word or sentence of pages in the locale's language; else the word of reports, else as it is."""
    return _worded(text, rules_of(locale)).replace(_OPEN, "").replace(_SHUT, "")


def _worded(text: str, rules: Language) -> str:
    if isinstance(text, Stored):
        return _read_back(text, rules)
    if not isinstance(text, Sentence) or not text.given:
        return rules.pages.get(text) or rules.reports.get(text) or _begun(text, rules) or text
    pattern = (
        rules.pages.get(text.pattern) or _begun(text.pattern, rules) or text.pattern.replace(", ", rules.list_mark)
    )
    return pattern.format(*(_given(each, rules) for each in text.given))


def _begun(pattern: str, rules: Language) -> str:
    """The words of a part of a sentence, where it stands as one of its own, with a capital letter; empty for others."""
    part = rules.pages.get(pattern[:1].lower() + pattern[1:], "") if pattern[:1].isupper() else ""
    return part[:1].upper() + part[1:]


def _given(value: object, rules: Language) -> object:
    """Value in a place of a sentence: a sentence in words, a number or a day as the language writes them."""
    if isinstance(value, Sentence | Stored):
        return _worded(value, rules)
    if isinstance(value, Days):
        return _days_said(value.start, value.end, rules)
    # Whole numbers without a mark may be a year or part of a name.
    if isinstance(value, Numeral | float | Decimal):
        return marked_number(str(value), rules)
    # English sentences have their days as the store has them.
    return rules.long_day(value) if type(value) is date and rules.months != _ENGLISH_MONTHS else value


def _read_back(text: str, rules: Language) -> str:
    """A stored sentence by the pattern with most letters that it fits; what stands in its places is no name of people's
    but a number, a day, a word of ours or an id.
    """
    count, _, noun = text.partition(" ")
    if count.isdecimal() and (counted := rules.pages.get(f"{{0}} {noun}")):
        return counted.format(count)
    found: tuple[int, str, re.Match[str]] | None = None
    for pattern, worded in rules.pages.items():
        pieces = re.split(r"\{\d\}", pattern)
        size = sum(map(len, pieces))
        if len(pieces) == 1 or size < _LEAST_LETTERS or not all(each in text for each in pieces):
            continue
        form, known = re.escape(pieces[0]), set[str]()
        for place, piece in zip(re.findall(r"\{(\d)\}", pattern), pieces[1:], strict=True):
            # A place that comes again holds the same.
            form += (f"(?P=p{place})" if place in known else f"(?P<p{place}>.+?)") + re.escape(piece)
            known.add(place)
        match = re.fullmatch(form, text)
        if match and (found is None or size > found[0]):
            found = (size, worded, match)
    if found is None:
        # Parts of a sentence have patterns of their own.
        mark = re.search("[;:] ", text)
        if mark and text not in rules.pages:
            return mark[0].join(_read_part(each, rules) for each in (text[: mark.start()], text[mark.end() :]))
        return rules.pages.get(text) or rules.reports.get(text, text)
    given = {int(name[1:]): _read_part(part, rules) for name, part in found[2].groupdict().items()}
    return found[1].format(*(given[at] for at in sorted(given)))


def _read_part(text: str, rules: Language) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return str(_given(date.fromisoformat(text), rules))
    if re.fullmatch(r"[-+\d.,]+%?", text):
        return marked_number(text, rules)
    if (whole := _read_back(text, rules)) != text:
        return whole
    if text in _ENGLISH_WEEKDAYS:
        return rules.weekdays.split()[_ENGLISH_WEEKDAYS.index(text)]
    if day := _WRITTEN_DAY.fullmatch(text):
        at = date(int(day[4]), _ENGLISH_MONTHS.split().index(day[3]) + 1, int(day[2]))
        return rules.list_mark.join((_read_part(day[1], rules), rules.long_day(at)))
    if _AMOUNT.fullmatch(text):
        return marked_number(text, rules)
    words = (rules.pages.get(each) or rules.reports.get(each, each) for each in text.split(" and "))
    return _worded(sentences([*words], " and "), rules)


def marked_number(english: str, rules: Language) -> str:
    """English text with numbers in it, and these with the language's marks: 1,234.5% -> 1.234,5 %."""
    marks = {",": rules.thousands, ".": rules.mark, "-": rules.minus, "%": rules.percent}
    # Between two digits a hyphen is of a date, behind a letter of a power of ten.
    return re.sub(r"(?<=\d)[,.](?=\d)|(?<![\w-])-(?=\d)|(?<=\d)%", lambda found: marks[found[0]], english)


def chosen(texts: Mapping[str, str], locale: str) -> str:
    """The text of the locale, of its language, the language's own word for it, or the English one."""
    whole = locale.replace("-", "_")
    return texts.get(whole) or texts.get(language_of(locale)) or word(texts["en"], locale)


def month_year(day: date, locale: str, *, is_short: bool = False) -> str:
    """The month of a day: March 2025, März 2025."""
    return rules_of(locale).month_year(day, is_short=is_short)


def long_date(day: date, locale: str) -> str:
    """A day in words: 5 March 2025, 5. März 2025."""
    return rules_of(locale).long_day(day)


def short_date(day: date, locale: str) -> str:
    """A day in few letters: 5 Mar 2025, 5. März 2025."""
    return rules_of(locale).short_day(day)


def place_text(name: str, locale: str) -> str:
    """A place of an axis: an ISO month, day or day with its clock in few letters, any other name as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d)(-\d\d)?( .+)?", name)
    if found is None:
        return name
    day = date.fromisoformat(f"{found[1]}{found[2] or '-01'}")
    return f"{short_date(day, locale) if found[2] else month_year(day, locale, is_short=True)}{found[3] or ''}"


def day_of_month(day: date, locale: str) -> str:
    """A day within a year that is known: 5 Mar, 5. März."""
    rules = rules_of(locale)
    return rules.day.format(d=day.day, m=rules.short_months.split()[day.month - 1], y="").strip()


def moment(at: datetime, locale: str) -> str:
    """An instant in words, by its own clock: 5 March 2025, 14:00."""
    return rules_of(locale).list_mark.join((long_date(at.date(), locale), clock_of(at)))


def weekday_date(at: datetime, locale: str) -> str:
    """A day with its weekday, and the time where it is not midnight: Sunday, 7 December 2025, 18:00."""
    rules = rules_of(locale)
    parts = [rules.weekdays.split()[at.weekday()], long_date(at.date(), locale)]
    return rules.list_mark.join(parts if at.hour == at.minute == 0 else [*parts, clock_of(at)])


def until(at: datetime, locale: str) -> str:
    """Up to when something goes, in words; of midnight the day that ends there."""
    is_midnight = at.hour == at.minute == 0
    return long_date(at.date() - timedelta(days=1), locale) if is_midnight else moment(at, locale)


def days_of(start: date, end: date) -> Days:
    """The span [start, end) for a sentence, worded in the language in which the sentence is read."""
    return Days(_days_said(start, end, rules_of("en")), start, end)


def _days_said(start: date, end: date, rules: Language) -> str:
    return rules.long_day(start) if end - start == timedelta(days=1) else _period_text(start, end, rules)


def period_text(start: date, end: date, locale: str, *, is_short: bool = False) -> str:
    """A span by its shortest name: 2025, Q1 2025, March 2025, 5 March 2025, or first to last day."""
    return _period_text(start, end, rules_of(locale), is_short=is_short)


def span_text(period: str, time_zone: str, locale: str) -> str:
    """The period of a report in words; as it is written where it is none of a calendar."""
    try:
        span = parse_period(period.replace("_", "/"), time_zone)
    except BadInput:
        return period
    return period_text(span.start, span.end, locale)


def _period_text(start: date, end: date, rules: Language, *, is_short: bool = False) -> str:
    months = end.year * 12 + end.month - start.year * 12 - start.month
    if start.day == 1 and end.day == 1:
        if months == 12 and start.month == 1:
            return str(start.year)
        if months == 3 and start.month % 3 == 1:
            return f"Q{(start.month + 2) // 3} {start.year}"
        if months == 1:
            return rules.month_year(start, is_short=is_short)
    return _days_text(start, date.fromordinal(end.toordinal() - 1), rules, is_short=is_short)


def quarter_text(start: date, end: date, locale: str) -> str:
    """A quarter as a sentence has it, the third quarter of 2026; another span by its shortest name."""
    name = period_text(start, end, locale)
    rules = rules_of(locale)
    at = int(name[1]) if name.startswith("Q") else 0
    return rules.quarter.format(n=rules.ordinals.split()[at - 1], y=start.year) if at else name


def _days_text(first: date, last: date, rules: Language, *, is_short: bool) -> str:
    """1–31 March 2026, 28 February – 3 March 2026, 28 December 2025 – 3 January 2026; a line breaks behind the dash."""
    begin, end = ((rules.short_day if is_short else rules.long_day)(day).replace(" ", _FAST) for day in (first, last))
    if first >= last:
        return begin
    # What the first has in common with the last stands once, at the end of both.
    if first.year == last.year and rules.day.endswith(" {m} {y}"):
        day, month, _ = begin.split(_FAST)
        return f"{day}–{_JOINER}{end}" if first.month == last.month else f"{day}{_FAST}{month} – {end}"
    return f"{begin} – {end}"


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
