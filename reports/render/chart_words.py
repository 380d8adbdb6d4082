"""A chart in words, for whoever has it read aloud: figures of a few points, ends and extremes of many."""

import math
from collections.abc import Sequence

from reports.report_content import Chart, Series
from reports.texts.locales import word
from reports.texts.numbers import format_number

_MOST_TOLD, _MOST_SERIES = 60, 4


def chart_words(chart: Chart, language: str) -> str:
    """The chart's figures in words: each of a few, else where each series ends and what its extremes are."""
    head = f"{chart.title}, {chart.unit}" if chart.unit else chart.title
    points = [(each.name, _points(chart, each)) for each in chart.series]
    known = [(value, name) for _, each in points for value, name in each if value is not None]
    if not known:
        return f"{head}: {word('no data for this period', language)}"
    most = max(abs(value) for value, _ in known)
    # Three digits: what the scale of the chart lets an eye read.
    decimals = max(0, 2 - math.floor(math.log10(most))) if most else 0

    def told(points: Sequence[tuple[float | None, str]]) -> str:
        numbers = ((name, format_number(value, decimals=decimals, locale=chart.locale)) for value, name in points)
        return "; ".join(f"{name} {number}" for name, number in numbers)

    if len(known) <= _MOST_TOLD:
        return ". ".join([head, *(f"{name}: {told(each)}" for name, each in points)])
    parts = [f"{head}, {chart.categories[0]} – {chart.categories[-1]}"]
    for name, each in [("", known)] if len(chart.series) > _MOST_SERIES else points:
        values = [(value, at) for value, at in each if value is not None]
        if values:
            ends = f"{name}: {told([values[0], values[-1]])}. " if name else ""
            low, high = (told([pick(values)]) for pick in (min, max))
            parts.append(f"{ends}{word('Lowest', language)}: {low}. {word('Highest', language)}: {high}")
    return ". ".join(parts)


def _points(chart: Chart, series: Series) -> list[tuple[float | None, str]]:
    is_map = chart.shape == "heat"
    names = [f"{name} {series.name}" if is_map else name for name in chart.categories]
    return list(zip(series.values, names, strict=True))
