"""How languages write numbers, dates and the report's own words. A language that is not here reads as English."""

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from data_quality.contracts.yaml_file import load_yaml
from reports.texts.report_words import WORDS

# French prefers a narrow one (U+202F), which the built-in fonts of PDF lack.
_NO_BREAK = "\u00a0"
_OPEN, _SHUT = "\u2068", "\u2069"
# Between the parts of a list; a comma within a name is none.
_LIST, _NOTES = (re.compile(f"{mark} (?![^{_OPEN}]*{_SHUT})") for mark in ",;")


class Language(NamedTuple):
    """Thousands separator, decimal mark, month names (twelve, separated by blanks), day pattern with d, m, y."""

    thousands: str
    mark: str
    months: str
    short_months: str
    day: str
    is_right_to_left: bool = False


_EN = Language(
    ",",
    ".",
    "January February March April May June July August September October November December",
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "{d} {m} {y}",
)
LANGUAGES: Mapping[str, Language] = {
    "en": _EN,
    "de": Language(
        ".",
        ",",
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Jan. Feb. März Apr. Mai Juni Juli Aug. Sep. Okt. Nov. Dez.",
        "{d}. {m} {y}",
    ),
    "fr": Language(
        _NO_BREAK,
        ",",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        "{d} {m} {y}",
    ),
    "es": Language(
        ".",
        ",",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene. feb. mar. abr. may. jun. jul. ago. sept. oct. nov. dic.",
        "{d} de {m} de {y}",
    ),
    "it": Language(
        ".",
        ",",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "gen. feb. mar. apr. mag. giu. lug. ago. set. ott. nov. dic.",
        "{d} {m} {y}",
    ),
    "nl": Language(
        ".",
        ",",
        "januari februari maart april mei juni juli augustus september oktober november december",
        "jan. feb. mrt. apr. mei juni juli aug. sep. okt. nov. dec.",
        "{d} {m} {y}",
    ),
    # No words of these two yet: what people named in them is drawn from the right all the same.
    "ar": _EN._replace(is_right_to_left=True),
    "he": _EN._replace(is_right_to_left=True),
}


def language_of(locale: str) -> str:
    """The language part of a locale such as de_DE."""
    return locale.replace("-", "_").split("_")[0].lower()


def rules_of(locale: str) -> Language:
    """How the locale's language writes."""
    return LANGUAGES.get(language_of(locale), _EN)


def word(text: str, locale: str) -> str:
    """One of the report's own words in the locale's language, else as it is."""
    return WORDS.get(language_of(locale), {}).get(text, text)


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
    if found := _page_words().get(text, {}).get(language) or WORDS.get(language, {}).get(text):
        return found
    if text.startswith(_OPEN) and text.find(_SHUT) == len(text) - 1:
        return text
    for part, pattern, told in _sentences().get(language, ()):
        if part in text and (given := pattern.fullmatch(text)):
            said = (
                # A place of words may hold a list.
                ", ".join(_page_word(part, language) for part in _LIST.split(each)) if name.startswith("said") else each
                for name, each in given.groupdict().items()
            )
            return told.format(*said)
    # Notes stand one behind the other.
    return "; ".join(_page_word(part, language) for part in _NOTES.split(text)) if "; " in text else text


@lru_cache
def _sentences() -> Mapping[str, list[tuple[str, re.Pattern[str], str]]]:
    """Sentences with places for what differs, by language; before each the longest part that none of them is without:
    a page has a thousand texts that are none of these. What says most comes first: many end in `days`.
    """
    found: dict[str, list[tuple[str, re.Pattern[str], str]]] = {}
    for english, languages in sorted(_page_words().items(), key=lambda each: -len(re.sub(r"{.*?}", "", each[0]))):
        if "{0" in english:
            places = re.sub(r"\\{(\d)(:said)?\\}", _place, re.escape(english))
            part = max(re.split(r"\{\d(?::said)?\}", english), key=len)
            for language, told in languages.items():
                found.setdefault(language, []).append((part, re.compile(places), told))
    return found


def _place(found: re.Match[str]) -> str:
    number, is_said = found.groups()
    return f"(?P<{'said' if is_said else 'given'}{number}>.+?)"


@lru_cache
def _page_words() -> Mapping[str, Mapping[str, str]]:
    found: Mapping[str, Mapping[str, str]] = load_yaml(Path(__file__).with_name("page_words.yaml"))
    return found


def chosen(texts: Mapping[str, str], locale: str) -> str:
    """The text of the locale, of its language, or the English one."""
    whole = locale.replace("-", "_")
    return texts.get(whole) or texts.get(language_of(locale)) or texts["en"]


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
