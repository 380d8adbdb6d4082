"""Charts of the PDF as native vectors: grouped bars by category, lines by day. Gaps stay gaps."""

import math
from collections.abc import Sequence
from typing import Any

from reports.content.model import Chart, Series
from reports.render_pdf_style import ACTUAL, EXPECTED, FONT, FONT_BOLD, INK, MUTED, RULE, printable
from reports.texts.numbers import format_number

COLOURS = {"actual": ACTUAL, "expected": EXPECTED}
_LEFT, _RIGHT, _BOTTOM, _TOP = 52.0, 8.0, 20.0, 30.0
_MAX_LABELS = 14


def draw_chart(chart: Chart, *, width: float, height: float) -> Any:
    """A reportlab drawing of the chart, in points, with title, legend, value axis from zero and category labels."""
    from reportlab.graphics.shapes import Drawing

    drawing = Drawing(width, height)
    frame = _Frame(width, height, _highest(chart))
    _titles(drawing, chart, frame)
    _axis(drawing, chart, frame)
    if chart.shape == "bars":
        _bars(drawing, chart, frame)
    else:
        # The expectation lies underneath, so that what was metered stays readable where both agree.
        for series in sorted(chart.series, key=lambda each: each.role != "expected"):
            _line(drawing, series, frame)
    return drawing


class _Frame:
    """The plot area, and where a value or a category stands in it."""

    def __init__(self, width: float, height: float, highest: float) -> None:
        self.left, self.right = _LEFT, width - _RIGHT
        self.bottom, self.top = _BOTTOM, height - _TOP
        self.ticks = nice_ticks(highest)

    def y(self, value: float) -> float:
        """Height of a value."""
        return self.bottom + (self.top - self.bottom) * value / self.ticks[-1]

    def x(self, index: float, count: int) -> float:
        """Middle of a category's slot."""
        return self.left + (self.right - self.left) * (index + 0.5) / max(count, 1)


def nice_ticks(highest: float) -> list[float]:
    """Four to six round values from zero to at least `highest`."""
    if highest <= 0:
        return [0.0, 1.0]
    step = 10 ** math.floor(math.log10(highest / 4))
    step = next(step * factor for factor in (1, 2, 2.5, 5, 10) if highest / (step * factor) <= 5)
    return [step * index for index in range(math.ceil(round(highest / step, 9)) + 1)]


def _highest(chart: Chart) -> float:
    return max((value for series in chart.series for value in series.values if value is not None), default=0.0)


def _titles(drawing: Any, chart: Chart, frame: _Frame) -> None:
    from reportlab.graphics.shapes import Line, Rect, String
    from reportlab.lib.colors import HexColor
    from reportlab.pdfbase.pdfmetrics import stringWidth

    height = drawing.height
    drawing.add(
        String(0, height - 9, printable(chart.title), fontName=FONT_BOLD, fontSize=8.5, fillColor=HexColor(INK))
    )
    drawing.add(String(0, height - 20, printable(chart.unit), fontName=FONT, fontSize=7, fillColor=HexColor(MUTED)))
    right = frame.right
    for series in reversed(chart.series):
        width = stringWidth(printable(series.name), FONT, 7.5)
        right -= width
        drawing.add(
            String(right, height - 20, printable(series.name), fontName=FONT, fontSize=7.5, fillColor=HexColor(INK))
        )
        right -= 16
        colour = HexColor(COLOURS[series.role])
        if chart.shape == "bars":
            drawing.add(Rect(right, height - 20.5, 12, 7, fillColor=colour, strokeColor=None))
        else:
            drawing.add(
                Line(right, height - 17.5, right + 12, height - 17.5, strokeColor=colour, **_stroke(series.role))
            )
        right -= 12


def _stroke(role: str) -> dict[str, Any]:
    # Dashes tell the series apart in grey prints too.
    return {"strokeWidth": 1.3, "strokeDashArray": (3, 2)} if role == "expected" else {"strokeWidth": 1.1}


def _axis(drawing: Any, chart: Chart, frame: _Frame) -> None:
    from reportlab.graphics.shapes import Line, String
    from reportlab.lib.colors import HexColor

    decimals = 0 if frame.ticks[-1] >= 10 else 2
    for tick in frame.ticks:
        y = frame.y(tick)
        colour = HexColor(MUTED if tick == 0 else RULE)
        drawing.add(Line(frame.left, y, frame.right, y, strokeColor=colour, strokeWidth=0.5))
        label = format_number(tick, decimals=decimals, locale=chart.locale)
        drawing.add(
            String(
                frame.left - 4, y - 2.5, label, fontName=FONT, fontSize=7, textAnchor="end", fillColor=HexColor(MUTED)
            )
        )
    count = len(chart.categories)
    for index in label_places(chart.categories, _MAX_LABELS):
        x = frame.x(index, count)
        if chart.shape == "lines":
            drawing.add(Line(x, frame.bottom, x, frame.bottom - 3, strokeColor=HexColor(MUTED), strokeWidth=0.5))
        drawing.add(
            String(
                x,
                frame.bottom - 11,
                printable(chart.categories[index]),
                fontName=FONT,
                fontSize=7,
                textAnchor="middle" if 0 < index < count - 1 or chart.shape == "bars" else "start",
                fillColor=HexColor(INK),
            )
        )


def label_places(categories: Sequence[str], most: int) -> list[int]:
    """Which categories get a label: all, or the first of each month and its 15th, as many as fit."""
    if len(categories) <= most:
        return list(range(len(categories)))
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
            drawing.add(
                Rect(
                    x,
                    frame.bottom,
                    width * 0.94,
                    frame.y(max(value, 0.0)) - frame.bottom,
                    fillColor=HexColor(COLOURS[series.role]),
                    strokeColor=None,
                )
            )


def _line(drawing: Any, series: Series, frame: _Frame) -> None:
    from reportlab.graphics.shapes import Circle, PolyLine
    from reportlab.lib.colors import HexColor

    colour = HexColor(COLOURS[series.role])
    for run in runs(series.values):
        points = [(frame.x(index, len(series.values)), frame.y(max(value, 0.0))) for index, value in run]
        if len(points) == 1:
            drawing.add(Circle(*points[0], 1.2, fillColor=colour, strokeColor=None))
            continue
        flat = [number for point in points for number in point]
        drawing.add(PolyLine(flat, strokeColor=colour, strokeLineJoin=1, **_stroke(series.role)))


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
