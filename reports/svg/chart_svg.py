"""A chart as an SVG picture of its own: bars, lines and heat maps, for documents without the pages' style."""

from collections.abc import Iterator
from typing import NamedTuple

from reports.chart_geometry import (
    MAX_LABELS,
    bounds,
    label_places,
    runs,
    shade,
    span_ticks,
    step_ticks,
    stretches,
    tick_decimals,
)
from reports.render.chart_description import chart_description
from reports.render.render_pdf_style import HEAT, INK, MUTED, RULE, SERIES
from reports.report_content import Chart
from reports.svg.markup import element, fitted, picture
from reports.texts.locales import unit_text

_WIDE, _HIGH, _LEFT, _RIGHT, _TOP, _BOTTOM = 720.0, 260.0, 64.0, 12.0, 46.0, 26.0
_ACROSS, _UP = _WIDE - _LEFT - _RIGHT, _HIGH - _TOP - _BOTTOM
# Dashes and paler faces tell the series apart without their colours.
_DASHES = {"expected": "6 3", "third": "2 2", "fourth": "8 3 2 3"}
_OPACITY = {"actual": 1.0, "expected": 0.45, "third": 0.7, "fourth": 0.3}


class _Scale(NamedTuple):
    """Places of values and categories: ticks of the axis, and how many slots of categories there are."""

    ticks: list[float]
    slots: int

    def y(self, value: float) -> float:
        return _TOP + _UP * (self.ticks[-1] - value) / (self.ticks[-1] - self.ticks[0])

    def x(self, index: float) -> float:
        return _LEFT + _ACROSS * (index + 0.5) / max(self.slots, 1)


def chart_svg(chart: Chart) -> str:
    """The picture, with its colours in itself; its description is the chart in words.

    Raises ValueError for waterfalls and flows, which only paper has.
    """
    if chart.shape not in ("bars", "lines", "heat"):
        raise ValueError(f"no SVG of a chart of the shape {chart.shape!r}")
    # White paper of its own: the page around it may be dark.
    paper = element("rect", width=_WIDE, height=_HIGH, fill="#FFFFFF")
    inside = [_text(4, 18, chart.title, size=14.0, fill=INK, font_weight="bold"), *_legend(chart)]
    inside += _heat(chart) if chart.shape == "heat" else _plot(chart)
    body = element("g", *inside, font_family="sans-serif")
    description = chart_description(chart, chart.locale)
    return picture(_WIDE, _HIGH, title=chart.title, description=description, kind="chart", inside=(paper, body))


def _text(x: float, y: float, text: str, *, size: float = 11.0, fill: str = MUTED, **more: str | float) -> str:
    return element("text", text=text, x=x, y=y, font_size=size, fill=fill, **more)


def _legend(chart: Chart) -> Iterator[str]:
    yield _text(4, _TOP - 10, unit_text(chart.unit))
    if chart.shape == "heat":
        return
    x = _LEFT
    for series in chart.series:
        if chart.shape == "bars":
            yield _face(x, _TOP - 19, 18.0, 9.0, series.role)
        else:
            yield _stroke(f"M{x:.1f} {_TOP - 14:.1f}h18", series.role)
        yield _text(x + 24, _TOP - 10, series.name, fill=INK)
        x += 48 + 6.4 * len(series.name)


def _plot(chart: Chart) -> Iterator[str]:
    # The length of a bar is its amount: it begins at zero. A line need not.
    ticks = (span_ticks if chart.shape == "bars" else step_ticks)(*bounds(chart))
    scale, decimals = _Scale(ticks, len(chart.categories)), tick_decimals(ticks)
    for tick in ticks:
        y = scale.y(tick)
        yield element("path", d=f"M{_LEFT} {y:.1f}H{_WIDE - _RIGHT}", stroke=RULE, stroke_width=0.7)
        yield _text(_LEFT - 6, y + 4, f"{tick:,.{decimals}f}", text_anchor="end")
    places = label_places(chart.categories, MAX_LABELS)
    room = scale.x(places[1]) - scale.x(places[0]) if len(places) > 1 else _ACROSS
    for index in places:
        name = fitted(chart.places[index], room, 10.0)
        yield _text(scale.x(index), _HIGH - 10, name, size=10.0, text_anchor="middle")
    yield from (_bars if chart.shape == "bars" else _lines)(chart, scale)


def _bars(chart: Chart, scale: _Scale) -> Iterator[str]:
    many = len(chart.series)
    wide = _ACROSS / max(scale.slots, 1) * 0.8 / max(many, 1)
    for place, series in enumerate(chart.series):
        for index, value in enumerate(series.values):
            if value is not None:
                ends = sorted((scale.y(value), scale.y(0.0)))
                left = scale.x(index) + wide * (place - many / 2)
                yield _face(left, ends[0], wide * 0.94, ends[1] - ends[0], series.role)


def _lines(chart: Chart, scale: _Scale) -> Iterator[str]:
    for series in chart.series:
        for run in runs(series.values):
            points = " ".join(f"{scale.x(index):.1f} {scale.y(value):.1f}" for index, value in run)
            # A value between two gaps is a dot: a path of one point draws its round end.
            yield _stroke(f"M{points}" + ("h0.1" if len(run) == 1 else ""), series.role)


def _heat(chart: Chart) -> Iterator[str]:
    """A column a day, a row an hour from midnight at the top; what was not read stays white."""
    low, most = bounds(chart)
    wide, high = _ACROSS / max(len(chart.categories), 1), _UP / max(len(chart.series), 1)
    for day in range(len(chart.categories)):
        for first, last, level in stretches([shade(series.values[day], low, most) for series in chart.series]):
            x, y = _LEFT + day * wide, _TOP + first * high
            yield element("rect", x=x, y=y, width=wide + 0.15, height=(last - first + 1) * high, fill=HEAT[level])
    for hour in range(0, len(chart.series), 6):
        yield _text(_LEFT - 6, _TOP + hour * high + 9, chart.series[hour].name, text_anchor="end")
    for index in label_places(chart.categories, MAX_LABELS):
        yield _text(_LEFT + index * wide, _HIGH - 10, chart.places[index], size=10.0)


def _face(x: float, y: float, width: float, height: float, role: str) -> str:
    return element(
        "rect", x=x, y=y, width=width, height=height, fill=SERIES[role], fill_opacity=_OPACITY[role],
        stroke=SERIES[role], stroke_width=0.6,
    )  # fmt: skip


def _stroke(way: str, role: str) -> str:
    return element(
        "path", d=way, fill="none", stroke=SERIES[role], stroke_width=1.6, stroke_linecap="round",
        stroke_dasharray=_DASHES.get(role, ""),
    )  # fmt: skip
