"""Languages: numbers, dates, and words of reports and pages. One file of `languages/` each; others read as English."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from functools import cache, lru_cache
from pathlib import Path

from pydantic import Field, ValidationError

from assets.sites.load_sites import NotEveryday, quick_yaml
from data_quality.contracts.model import Model
from data_quality.contracts.yaml_file import load_model

_FOLDER = Path(__file__).with_name("languages")
_OPEN, _SHUT = "\u2068", "\u2069"
# Between the parts of a list; a comma within a name is none.
_LIST, _NOTES = (re.compile(f"{mark} (?![^{_OPEN}]*{_SHUT})") for mark in ",;")


class Language(Model):
    """How a language writes, and its words. What a file leaves out is as in English.

    months: twelve, separated by blanks; day: a pattern with d, m, y. reports, pages: English -> the language's word;
    {0} in a sentence of pages is a place for a name, a number or a day, {0:said} one for words that stand here too.
    """

    thousands: str = ","
    mark: str = "."
    months: str = "January February March April May June July August September October November December"
    short_months: str = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
    day: str = "{d} {m} {y}"
    is_right_to_left: bool = False
    reports: Mapping[str, str] = Field(default_factory=dict)
    pages: Mapping[str, str] = Field(default_factory=dict)


@cache
def languages() -> tuple[str, ...]:
    """Codes of the languages that there are, English first: a file of `languages/` each."""
    return tuple(sorted((path.stem for path in _FOLDER.glob("*.yaml")), key=lambda each: (each != "en", each)))


@lru_cache(maxsize=64)
def _language(code: str) -> Language:
    path = _FOLDER / f"{code}.yaml"
    with suppress(NotEveryday, ValidationError):
        return Language.model_validate(quick_yaml(path.read_text(encoding="utf-8")))
    # What is wrong, and where.
    return load_model(path, Language)


def language_of(locale: str) -> str:
    """The language part of a locale such as de_DE."""
    return locale.replace("-", "_").split("_")[0].lower()


def rules_of(locale: str) -> Language:
    """How the locale's language writes; English where there is no file of it."""
    code = language_of(locale)
    return _language(code if code in languages() else "en")


def word(text: str, locale: str) -> str:
    """One of the report's own words in the locale's language, else as it is."""
    return rules_of(locale).reports.get(text, text)


def named(text: str) -> str:
    """What people named or wrote (a meter, a tariff's block, a reason), marked so that pages show it as it is.

    A name may be a word of ours. The marks are Unicode's for a text set in by itself; page_word takes them away.
    """
    return f"{_OPEN}{text}{_SHUT}"


def page_word(text: str, locale: str) -> str:
    """A word or sentence of pages in the locale's language; else the word of reports, else as it is."""
    return _page_word(text, language_of(locale)).replace(_OPEN, "").replace(_SHUT, "")


# A page has hundreds of cells, and most of them many times.
@lru_cache(maxsize=4096)
def _page_word(text: str, language: str) -> str:
    rules = rules_of(language)
    if found := rules.pages.get(text) or rules.reports.get(text):
        return found
    if text.startswith(_OPEN) and text.find(_SHUT) == len(text) - 1:
        return text
    for part, pattern, told in _sentences(language):
        if part in text and (given := pattern.fullmatch(text)):
            said = (
                # A place of words may hold a list.
                ", ".join(_page_word(part, language) for part in _LIST.split(each)) if name.startswith("said") else each
                for name, each in given.groupdict().items()
            )
            return told.format(*said)
    # Notes stand one behind the other.
    return "; ".join(_page_word(part, language) for part in _NOTES.split(text)) if "; " in text else text


@lru_cache(maxsize=64)
def _sentences(language: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Sentences with places for what differs; before each the longest part that none of them is without: a page has a
    thousand texts that are none of these. What says most comes first: many end in `days`.
    """
    found = []
    words = rules_of(language).pages
    for english, told in sorted(words.items(), key=lambda each: -len(re.sub(r"{.*?}", "", each[0]))):
        if "{0" in english:
            places = re.sub(r"\\{(\d)(:said)?\\}", _place, re.escape(english))
            found.append((max(re.split(r"\{\d(?::said)?\}", english), key=len), re.compile(places), told))
    return found


def _place(found: re.Match[str]) -> str:
    number, is_said = found.groups()
    return f"(?P<{'said' if is_said else 'given'}{number}>.+?)"


def chosen(texts: Mapping[str, str], locale: str) -> str:
    """The text of the locale, of its language, the language's own word for it, or the English one."""
    whole = locale.replace("-", "_")
    return texts.get(whole) or texts.get(language_of(locale)) or word(texts["en"], locale)


def month_year(day: date, locale: str, *, is_short: bool = False) -> str:
    """The month of a day: March 2025, März 2025."""
    rules = rules_of(locale)
    names = (rules.short_months if is_short else rules.months).split()
    return f"{names[day.month - 1]} {day.year}"


def long_date(day: date, locale: str) -> str:
    """A day in words: 5 March 2025, 5. März 2025."""
    rules = rules_of(locale)
    return rules.day.format(d=day.day, m=rules.months.split()[day.month - 1], y=day.year)


def period_text(start: date, end: date, locale: str, *, is_short: bool = False) -> str:
    """A span by its shortest name: 2025, Q1 2025, March 2025, or first to last day."""
    months = end.year * 12 + end.month - start.year * 12 - start.month
    if start.day == 1 and end.day == 1:
        if months == 12 and start.month == 1:
            return str(start.year)
        if months == 3 and start.month % 3 == 1:
            return f"Q{(start.month + 2) // 3} {start.year}"
        if months == 1:
            return month_year(start, locale, is_short=is_short)
    return f"{start} – {date.fromordinal(end.toordinal() - 1)}"
