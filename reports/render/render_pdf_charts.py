"""Charts of the PDF as native vectors: grouped bars by category, lines by day. Gaps stay gaps."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from reports.render.render_pdf_style import INK, MUTED, RULE, SERIES
from reports.render.render_pdf_text import FONT, FONT_BOLD, fitted, runs_of, text_width
from reports.report_content import Chart, Series
from reports.texts.numbers import format_number

_LEFT, _RIGHT, _BOTTOM, _TOP = 52.0, 8.0, 20.0, 30.0
_MAX_LABELS = 14


Curve = tuple[str, str, list[tuple[float, float]]]


def draw_chart(chart: Chart, *, width: float, height: float) -> Any:
    """A flowable of the chart, in points: title, legend, value axis with zero in it, category labels."""
    from reportlab.graphics.shapes import Drawing

    drawing = Drawing(width, height)
    frame = _Frame(width, height, *_bounds(chart))
    _titles(drawing, chart, frame)
    _axis(drawing, chart, frame)
    curves: list[Curve] = []
    if chart.shape == "bars":
        _bars(drawing, chart, frame)
    else:
        # The expectation lies underneath, so that what was metered stays readable where both agree.
        for series in sorted(chart.series, key=lambda each: each.role != "expected"):
            curves += _line(drawing, series, frame)
    return _chart_class()(drawing, curves)


@lru_cache
def _chart_class() -> Any:
    from reportlab.graphics import renderPDF
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Flowable

    class ChartFlowable(Flowable):  # type: ignore[misc]
        """A drawing, and its curves as path operators: years of days have too many points for a shape each."""

        def __init__(self, drawing: Any, curves: list[Curve]) -> None:
            super().__init__()
            self.drawing, self.curves = drawing, curves

        def wrap(self, _width: float, _height: float) -> tuple[float, float]:
            """Its size in points."""
            return self.drawing.width, self.drawing.height

        def draw(self) -> None:
            """Axes and words first, curves over them."""
            renderPDF.draw(self.drawing, self.canv, 0, 0)
            for colour, role, points in self.curves:
                stroke = _stroke(role)
                self.canv.saveState()
                self.canv.setStrokeColor(HexColor(colour))
                self.canv.setLineWidth(stroke["strokeWidth"])
                # Round joins: mitred ones let a sharp peak stick out far above its value.
                self.canv.setLineJoin(1)
                self.canv.setDash(list(stroke.get("strokeDashArray", ())))
                (x, y), *rest = points
                path = [f"{x:.2f} {y:.2f} m", *(f"{x:.2f} {y:.2f} l" for x, y in rest), "S"]
                self.canv.addLiteral("\n".join(path))
                self.canv.restoreState()

    return ChartFlowable


class _Frame:
    """The plot area, and where a value or a category stands in it."""

    def __init__(self, width: float, height: float, lowest: float, highest: float) -> None:
        self.left, self.right = _LEFT, width - _RIGHT
        self.bottom, self.top = _BOTTOM, height - _TOP
        self.ticks = span_ticks(lowest, highest)

    def y(self, value: float) -> float:
        """Height of a value."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.bottom + (self.top - self.bottom) * (value - low) / (high - low)

    def x(self, index: float, count: int) -> float:
        """Middle of a category's slot."""
        return self.left + (self.right - self.left) * (index + 0.5) / max(count, 1)


def nice_ticks(highest: float) -> list[float]:
    """Four to six round values from zero to at least `highest`."""
    if highest <= 0:
        return [0.0, 1.0]
    step = 10 ** math.floor(math.log10(highest / 4))
    step = next(step * factor for factor in (1, 2, 2.5, 5, 10) if highest / (step * factor) <= 5)
    # Rounded: 5.000000001 steps are float noise, not a sixth tick.
    return [step * index for index in range(math.ceil(round(highest / step, 9)) + 1)]


def span_ticks(lowest: float, highest: float) -> list[float]:
    """Round values that reach from below zero, where anything is, to above it; zero is one of them."""
    if lowest >= 0:
        return nice_ticks(highest)
    above, below = nice_ticks(max(highest, 0.0)), nice_ticks(-lowest)
    # One step for both sides, the wider one, so that zero falls on a tick.
    step = max(above[1] if highest > 0 else 0.0, below[1])
    down = math.ceil(round(-lowest / step, 9))
    up = math.ceil(round(max(highest, 0.0) / step, 9))
    return [step * index for index in range(-down, up + 1)]


def _bounds(chart: Chart) -> tuple[float, float]:
    values = [value for series in chart.series for value in series.values if value is not None]
    return min(values, default=0.0), max(values, default=0.0)


def _strings(x: float, y: float, text: str, *, font: str, size: float, colour: str, anchor: str = "start") -> list[Any]:
    """Printable text as drawing shapes, each part in the font that has it."""
    from reportlab.graphics.shapes import String
    from reportlab.lib.colors import HexColor
    from reportlab.pdfbase.pdfmetrics import stringWidth

    width = 0.0 if anchor == "start" else text_width(text, font, size)
    at, made = x - (width if anchor == "end" else width / 2 if anchor == "middle" else 0.0), []
    for used, part in runs_of(text, font):
        made.append(String(at, y, part, fontName=used, fontSize=size, fillColor=HexColor(colour)))
        at += stringWidth(part, used, size)
    return made


def _titles(drawing: Any, chart: Chart, frame: _Frame) -> None:
    from reportlab.graphics.shapes import Line, Rect
    from reportlab.lib.colors import HexColor

    height = drawing.height
    title = fitted(chart.title, FONT_BOLD, 8.5, drawing.width)
    for shape in _strings(0, height - 9, title, font=FONT_BOLD, size=8.5, colour=INK):
        drawing.add(shape)
    unit = fitted(chart.unit, FONT, 7, 90)
    for shape in _strings(0, height - 20, unit, font=FONT, size=7, colour=MUTED):
        drawing.add(shape)
    right, room = frame.right, (frame.right - 90) / len(chart.series) - 30
    for series in reversed(chart.series):
        name = fitted(series.name, FONT, 7.5, room)
        right -= text_width(name, FONT, 7.5)
        for shape in _strings(right, height - 20, name, font=FONT, size=7.5, colour=INK):
            drawing.add(shape)
        right -= 16
        colour = HexColor(SERIES[series.role])
        if chart.shape == "bars":
            drawing.add(Rect(right, height - 20.5, 12, 7, fillColor=colour, strokeColor=None))
        else:
            drawing.add(
                Line(right, height - 17.5, right + 12, height - 17.5, strokeColor=colour, **_stroke(series.role))
            )
        right -= 12


def _stroke(role: str) -> dict[str, Any]:
    # Dashes tell the series apart in grey prints too.
    dashes = {"expected": (3, 2), "third": (1, 1.5), "fourth": (6, 2, 1, 2)}
    return {"strokeWidth": 1.3, "strokeDashArray": dashes[role]} if role in dashes else {"strokeWidth": 1.1}


def _axis(drawing: Any, chart: Chart, frame: _Frame) -> None:
    from reportlab.graphics.shapes import Line
    from reportlab.lib.colors import HexColor

    step = frame.ticks[1] - frame.ticks[0]
    decimals = 0 if step >= 1 and step == int(step) else max(1, -math.floor(math.log10(step)))
    for tick in frame.ticks:
        y = frame.y(tick)
        colour = HexColor(MUTED if tick == 0 else RULE)
        drawing.add(Line(frame.left, y, frame.right, y, strokeColor=colour, strokeWidth=0.5))
        label = format_number(tick, decimals=min(decimals, 6), locale=chart.locale)
        for shape in _strings(frame.left - 4, y - 2.5, label, font=FONT, size=7, colour=MUTED, anchor="end"):
            drawing.add(shape)
    count = len(chart.categories)
    slot = (frame.right - frame.left) / max(count, 1)
    places = label_places(chart.categories, _MAX_LABELS)
    room = slot * (places[1] - places[0] if len(places) > 1 else 1) - 3
    for index in places:
        x = frame.x(index, count)
        is_bars = chart.shape == "bars"
        if not is_bars:
            drawing.add(Line(x, frame.bottom, x, frame.bottom - 3, strokeColor=HexColor(MUTED), strokeWidth=0.5))
        label = fitted(chart.categories[index], FONT, 7, room if is_bars else max(room, 60.0))
        anchor = "middle" if 0 < index < count - 1 or is_bars else "start"
        if anchor == "start" and x + text_width(label, FONT, 7) > frame.right:
            anchor = "end"
        for shape in _strings(x, frame.bottom - 11, label, font=FONT, size=7, colour=INK, anchor=anchor):
            drawing.add(shape)


def label_places(categories: Sequence[str], most: int) -> list[int]:
    """Which categories get a label: all, or the first of each month and its 15th, as many as fit."""
    if len(categories) <= most:
        return list(range(len(categories)))
    # Days are named by ISO dates: months and their middles read better than every tenth day.
    firsts = [index for index, name in enumerate(categories) if name.endswith("-01")]
    halves = [index for index, name in enumerate(categories) if name.endswith(("-01", "-15"))]
    for found in (halves, firsts):
        if 0 < len(found) <= most:
            return found
    step = math.ceil(len(categories) / most)
    return list(range(0, len(categories), step))


def _bars(drawing: Any, chart: Chart, frame: _Frame) -> None:
    from reportlab.graphics.shapes import Rect
    from reportlab.lib.colors import HexColor

    count, groups = len(chart.series), len(chart.categories)
    slot = (frame.right - frame.left) / max(groups, 1)
    width = min(slot * 0.7 / count, 46.0)
    for place, series in enumerate(chart.series):
        for index, value in enumerate(series.values):
            if value is None:
                continue
            x = frame.x(index, groups) + (place - count / 2) * width
            zero, end = frame.y(0.0), frame.y(value)
            drawing.add(
                Rect(
                    x,
                    min(zero, end),
                    width * 0.94,
                    abs(end - zero),
                    fillColor=HexColor(SERIES[series.role]),
                    strokeColor=None,
                )
            )


def _line(drawing: Any, series: Series, frame: _Frame) -> list[Curve]:
    """The stretches of a series; a value by itself is a dot of the drawing."""
    from reportlab.graphics.shapes import Circle
    from reportlab.lib.colors import HexColor

    colour, curves = SERIES[series.role], list[Curve]()
    for run in runs(series.values):
        points = [(frame.x(index, len(series.values)), frame.y(value)) for index, value in run]
        if len(points) == 1:
            drawing.add(Circle(*points[0], 1.2, fillColor=HexColor(colour), strokeColor=None))
        else:
            curves.append((colour, series.role, points))
    return curves


def runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Stretches without a gap, as (index, value)."""
    found: list[list[tuple[int, float]]] = []
    is_open = False
    for index, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        if not is_open:
            found.append([])
            is_open = True
        found[-1].append((index, value))
    return found
