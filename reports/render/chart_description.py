"""A chart in words, for whoever has it read aloud: figures of a few points, ends and extremes of many, bands, gaps."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from data_quality.contracts.sentence import Sentence
from reports.report_content import Chart, Series
from reports.texts.locales import format_number, page_word, unit_text, word

_MOST_TOLD, _MOST_SERIES = 60, 4


class _Point(NamedTuple):
    """A value at a place of the chart, with the edges of its band where it has one."""

    value: float | None
    name: str
    low: float | None
    high: float | None


def chart_description(chart: Chart, language: str) -> str:
    """The chart's figures in words: each of a few, else where each series ends, its extremes and how much is unknown.

    language: of the words; numbers are as the chart's locale writes them.
    """
    head = ", ".join(filter(None, (chart.title, unit_text(chart.unit))))
    lines = [(each.name, _points(chart, each)) for each in chart.series]
    every = [point for _, each in lines for point in each]
    known = [point.value for point in every if point.value is not None]
    if not known:
        return f"{head}: {word('no data for this period', language)}"
    is_map = chart.shape == "heat"
    is_long = is_map or len(known) > _MOST_TOLD
    if is_map or (is_long and len(lines) > _MOST_SERIES):
        lines = [("", every)]
    most = max(map(abs, known))
    # Three digits: what the scale of the chart lets an eye read.
    decimals = min(max(0, 2 - math.floor(math.log10(most))), 9) if most else 0

    def values_text(points: Sequence[_Point]) -> str:
        return "; ".join(_point_texts(points, chart, decimals, language))

    if not is_long:
        return ". ".join([head, *(f"{name}: {values_text(each)}" for name, each in lines)])
    parts = [f"{head}, {chart.places[0]} – {chart.places[-1]}"]
    for name, each in lines:
        given = [point for point in each if point.value is not None]
        facts = [values_text([given[0], given[-1]])] if name and given else []
        for title, pick in (("Lowest", min), ("Highest", max)) if given else ():
            facts.append(f"{word(title, language)}: {values_text([pick(given, key=attrgetter('value'))])}")
        if gaps := len(each) - len(given):
            share = page_word(Sentence("{0} of {1}", gaps, len(each)), language)
            facts.append(f"{word('not known', language)}: {share}")
        parts.append(f"{name}: {'. '.join(facts)}" if name else ". ".join(facts))
    return ". ".join(parts)


def _points(chart: Chart, series: Series) -> list[_Point]:
    is_map = chart.shape == "heat"
    names = [f"{name} {series.name}" if is_map else name for name in chart.places]
    nothing = (None,) * len(names)
    return list(map(_Point, series.values, names, series.low or nothing, series.high or nothing))


def _point_texts(points: Sequence[_Point], chart: Chart, decimals: int, language: str) -> Iterator[str]:
    """Each point with its value and band. A gap is said in words, since a dash is not read aloud: of a line once."""
    for is_gap, run in groupby(points, key=lambda each: each.value is None):
        several = list(run)
        if is_gap and chart.shape == "lines" and len(several) > 1:
            yield f"{_span(several[0].name, several[-1].name, language)} {word('not known', language)}"
        elif is_gap:
            yield from (f"{each.name} {word('not known', language)}" for each in several)
        else:
            yield from (_valued(each, decimals, chart.locale, language) for each in several)


def _valued(point: _Point, decimals: int, locale: str, language: str) -> str:
    value, low, high = (
        format_number(each, decimals=decimals, locale=locale) for each in (point.value, point.low, point.high)
    )
    band = "" if point.low is None or point.high is None else f" ({_span(low, high, language)})"
    return f"{point.name} {value}{band}"


def _span(first: str, last: str, language: str) -> str:
    return page_word(Sentence("{0} to {1}", first, last), language)
