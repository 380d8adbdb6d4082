"""Charts of the PDF as native vectors: title, legend, axes; bars, lines with their bands, steps. Gaps stay gaps."""

from collections.abc import Sequence
from typing import Any

from reports.chart_geometry import (
    MAX_LABELS,
    bounds,
    label_places,
    runs,
    span_ticks,
    step_levels,
    step_ticks,
    tick_decimals,
)
from reports.render import render_pdf_ops as ops
from reports.render.render_pdf_maps import draw_flows, draw_heat
from reports.render.render_pdf_picture import BOTTOM, LEFT, RIGHT, TOP, Picture
from reports.render.render_pdf_style import ACCENT, HATCHES, LESS, MORE, MUTED, RULE, SERIES, TINTS
from reports.render.render_pdf_text import FONT, fitted, text_width
from reports.report_content import Chart, Series

_DASHES = {"expected": (3, 2), "third": (1, 1.5), "fourth": (6, 2, 1, 2)}


def draw_chart(chart: Chart, *, width: float, height: float) -> Any:
    """A flowable of the chart, in points."""
    picture = Picture(chart, width, height)
    picture.title()
    if chart.shape == "heat":
        draw_heat(picture)
    elif chart.shape == "flows":
        draw_flows(picture)
    elif chart.shape == "waterfall":
        _steps(picture)
    else:
        frame = _Frame(width, height, span_ticks(*bounds(chart)))
        _legend(picture, frame)
        _axis(picture, frame)
        if chart.shape == "bars":
            _bars(picture, frame)
        else:
            # The expectation lies underneath, so that what was metered stays readable where both agree.
            for series in sorted(chart.series, key=lambda each: each.role != "expected"):
                _line(picture, series, frame)
    return picture.flowable()


class _Frame:
    """The plot area, and where a value or a category stands in it."""

    def __init__(self, width: float, height: float, ticks: Sequence[float]) -> None:
        self.left, self.right = LEFT, width - RIGHT
        self.bottom, self.top = BOTTOM, height - TOP
        self.ticks = ticks

    def y(self, value: float) -> float:
        """Height of a value."""
        low, high = self.ticks[0], self.ticks[-1]
        return self.bottom + (self.top - self.bottom) * (value - low) / (high - low)

    def x(self, index: float, count: int) -> float:
        """Middle of a category's slot."""
        return self.left + (self.right - self.left) * (index + 0.5) / max(count, 1)


def _legend(picture: Picture, frame: _Frame) -> None:
    """Names of the series, at the right, each behind what it looks like."""
    chart, y = picture.chart, picture.drawing.height - 20
    right, room = frame.right, (frame.right - 90) / max(len(chart.series), 1) - 30
    for series in reversed(chart.series):
        name = fitted(series.name, FONT, 7.5, room)
        right -= text_width(name, FONT, 7.5)
        picture.text(right, y, name, size=7.5)
        right -= 16
        if chart.shape == "bars":
            picture.over.append(_face((right, y - 0.5, 12, 7), series.role))
        else:
            if series.low:
                picture.under.append(ops.boxes([(right, y - 0.5, 12, 7)], TINTS[series.role]))
            picture.over.append(_stroke([(right, y + 2.5), (right + 12, y + 2.5)], series.role))
        right -= 12


def _face(box: ops.Box, role: str) -> str:
    """A bar: full for what was metered, tinted and hatched for everything else."""
    face = SERIES[role] if role == "actual" else TINTS[role]
    return ops.outlined(box, face, SERIES[role], HATCHES[role])


def _stroke(points: Sequence[ops.Point], role: str) -> str:
    # Dashes tell the series apart in grey prints too.
    dash = _DASHES.get(role, ())
    return ops.line(points, SERIES[role], width=1.3 if dash else 1.1, dash=dash)


def _axis(picture: Picture, frame: _Frame) -> None:
    chart = picture.chart
    decimals = tick_decimals(frame.ticks)
    for tick in frame.ticks:
        y = frame.y(tick)
        picture.rule(frame.left, y, frame.right, y, MUTED if tick == 0 else RULE)
        label = picture.number(tick, decimals)
        picture.text(frame.left - 4, y - 2.5, label, colour=MUTED, anchor="end")
    count = len(chart.categories)
    slot = (frame.right - frame.left) / max(count, 1)
    places = label_places(chart.categories, MAX_LABELS)
    room = slot * (places[1] - places[0] if len(places) > 1 else 1) - 3
    is_slotted = chart.shape != "lines"
    # A chart of an earlier version has no sheet, and its pack shows whole days.
    is_monthly = bool(chart.sheet) and room < 40 and all(chart.categories[each].endswith("-01") for each in places)
    for index in places:
        x = frame.x(index, count)
        if not is_slotted:
            picture.rule(x, frame.bottom, x, frame.bottom - 3, MUTED)
        # Smaller where days stand close; a name is cut, a date never, but for the day where all of them begin a month.
        name = chart.categories[index][:7] if is_monthly else chart.categories[index]
        wide = text_width(name, FONT, 7) if not is_slotted else 0.0
        size = max(5.2, min(7.0, 7.0 * room / wide)) if wide else 7.0
        label = fitted(name, FONT, size, room if is_slotted else max(room, 60.0))
        # Many days: each name begins at its own, or the first would reach under the second.
        anchor = "middle" if is_slotted or (0 < index < count - 1 and count <= MAX_LABELS) else "start"
        if anchor == "start" and x + text_width(label, FONT, size) > frame.right:
            anchor = "end"
        picture.text(x, frame.bottom - 11, label, size=size, anchor=anchor)


def _bars(picture: Picture, frame: _Frame) -> None:
    chart = picture.chart
    count, groups = len(chart.series), len(chart.categories)
    slot = (frame.right - frame.left) / max(groups, 1)
    width = min(slot * 0.7 / max(count, 1), 46.0)
    for place, series in enumerate(chart.series):
        for index, value in enumerate(series.values):
            if value is None:
                continue
            x = frame.x(index, groups) + (place - count / 2) * width
            zero, end = frame.y(0.0), frame.y(value)
            picture.over.append(_face((x, min(zero, end), width * 0.94, abs(end - zero)), series.role))


def _line(picture: Picture, series: Series, frame: _Frame) -> None:
    """The band, and over it the stretches of the values; a value by itself is a dot."""
    count = len(series.values)
    if series.low:
        lows, highs = runs(series.low), runs(series.high)
        for under, over in zip(lows, highs, strict=True):
            edge = [(frame.x(index, count), frame.y(value)) for index, value in (*over, *reversed(under))]
            picture.under.append(ops.area(edge, TINTS[series.role]))
    for run in runs(series.values):
        points = [(frame.x(index, count), frame.y(value)) for index, value in run]
        if len(points) == 1:
            (x, y) = points[0]
            picture.over.append(ops.boxes([(x - 1, y - 1, 2, 2)], SERIES[series.role]))
        else:
            picture.over.append(_stroke(points, series.role))


def _steps(picture: Picture) -> None:
    """From the first value to the last: what each step between them adds or takes, with its sign in words."""
    chart = picture.chart
    values = [value or 0.0 for value in chart.series[0].values]
    levels = step_levels(values)
    ticks = step_ticks(min(*levels, values[-1]), max(*levels, values[-1]))
    frame = _Frame(picture.drawing.width, picture.drawing.height, ticks)
    _axis(picture, frame)
    count, base = len(values), frame.y(ticks[0])
    width = (frame.right - frame.left) / count * 0.72
    decimals = 0 if max(abs(value) for value in values) >= 100 else 1
    for index, value in enumerate(values):
        x, is_end = frame.x(index, count) - width / 2, index in {0, count - 1}
        if is_end:
            top = frame.y(value)
            picture.over.append(ops.outlined((x, base, width, top - base), ACCENT, ACCENT))
            if ticks[0] != 0:
                # Torn: the bar is longer than the paper shows.
                tear = [(x - 2 + (width + 4) * n / 6, base + 8 + (2 if n % 2 else -2)) for n in range(7)]
                picture.over.append(ops.line(tear, "#FFFFFF", width=2))
        else:
            start, end = frame.y(levels[index - 1]), frame.y(levels[index])
            face, hatch = (MORE, "/") if value > 0 else (LESS, "")
            box = (x, min(start, end), width, max(abs(end - start), 0.6))
            picture.over.append(
                ops.outlined(box, "#F6C9AC" if hatch else face, MORE if hatch else SERIES["third"], hatch)
            )
            top = max(start, end)
            picture.over.append(ops.line([(x - width * 0.39, start), (x, start)], MUTED, width=0.5))
        label = picture.number(value, decimals, signed=not is_end)
        size = min(6.4, 6.4 * (width * 1.36) / max(text_width(label, FONT, 6.4), 1.0))
        picture.text(x + width / 2, top + 2.5, label, size=size, anchor="middle")
