"""Charts of the PDF as native vectors: title, legend, axes; bars, lines with their bands, steps. Gaps stay gaps."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from reports.chart_geometry import (
    MAX_LABELS,
    bounds,
    flow_ends,
    label_places,
    runs,
    shade,
    span_ticks,
    step_levels,
    step_ticks,
    stretches,
    tick_decimals,
)
from reports.render import render_pdf_ops as ops
from reports.render.render_pdf_fonts import FONT, FONT_BOLD
from reports.render.render_pdf_picture import BOTTOM, LEFT, RIGHT, TOP, Picture, chart_flowable
from reports.render.render_pdf_style import ACCENT, HATCHES, HEAT, INK, LESS, MORE, MUTED, RULE, SERIES, TINTS
from reports.render.render_pdf_tags import Element
from reports.render.render_pdf_text import fitted, folded_distinctly, text_width
from reports.report_content import Chart, Series
from reports.texts.locales import place_text

_DASHES = {"expected": (3, 2), "third": (1, 1.5), "fourth": (6, 2, 1, 2)}
_NODE, _GAP = 9.0, 9.0


def draw_heat(picture: Picture) -> None:
    """A column a day, a row an hour from midnight at the top; hours that were not read stay hatched."""
    chart, drawing = picture.chart, picture.drawing
    left, right, bottom, top = LEFT - 22, drawing.width - RIGHT, BOTTOM, drawing.height - TOP
    days, hours = len(chart.categories), len(chart.series)
    wide, high = (right - left) / max(days, 1), (top - bottom) / max(hours, 1)
    known = [value for series in chart.series for value in series.values if value is not None]
    low, most = min(known, default=0.0), max(known, default=1.0)
    picture.under.append(ops.outlined((left, bottom, right - left, top - bottom), "#FFFFFF", RULE, "/"))
    cells: defaultdict[int, list[ops.Box]] = defaultdict(list)
    for day in range(days):
        for first, last, level in stretches([shade(series.values[day], low, most) for series in chart.series]):
            # A hair wider than a cell: between equal neighbours no paper shines through.
            box = (left + day * wide, top - (last + 1) * high, wide + 0.15, (last - first + 1) * high + 0.15)
            cells[level].append(box)
    picture.under += [ops.boxes(each, HEAT[level]) for level, each in sorted(cells.items())]
    for hour in range(0, hours, 6):
        y = top - hour * high
        picture.text(left - 4, y - high / 2 - 2.5, chart.series[hour].name, colour=MUTED, anchor="end")
    places = label_places(chart.categories, MAX_LABELS)
    room = wide * (places[1] - places[0]) - 4 if len(places) > 1 else 60.0
    for index in places:
        x = left + index * wide
        picture.rule(x, bottom, x, bottom - 3, MUTED)
        # Where months stand close the day is left out: all of them begin one.
        label = place_text(chart.categories[index] if room > 36 else chart.categories[index][:7], chart.locale)
        anchor = "end" if x + text_width(label, FONT, 7) > right else "start"
        picture.text(x, bottom - 11, label, anchor=anchor)
    _scale(picture, right, low, most)


def _scale(picture: Picture, right: float, low: float, most: float) -> None:
    """The shades from least to most, at the right above the map."""
    y, decimals = picture.drawing.height - 21, 0 if most >= 20 else 1
    highest, lowest = (picture.number(value, decimals) for value in (most, low))
    right -= text_width(highest, FONT, 7)
    picture.text(right, y + 1, highest)
    for face in reversed(HEAT):
        right -= 9
        picture.over.append(ops.boxes([(right - 3, y, 9.1, 7)], face))
    picture.text(right - 7, y + 1, lowest, anchor="end")


def draw_flows(picture: Picture) -> None:
    """Left what there is, right what it becomes: as wide as the amounts, each named with its number."""
    chart, drawing = picture.chart, picture.drawing
    sources, targets, amounts = flow_ends([each.values for each in chart.series])
    room, top = drawing.height - TOP - 4, drawing.height - TOP
    gaps = _GAP * (max(len(sources), len(targets)) - 1)
    scale = (room - gaps) / math.fsum(amounts.values())
    left_x, right_x = 150.0, drawing.width - 160.0
    starts = _nodes(picture, sources, left_x, scale, top, is_left=True)
    ends = _nodes(picture, targets, right_x, scale, top, is_left=False)
    roles = list(SERIES)
    for (source, target), value in amounts.items():
        high = value * scale
        picture.under.append(
            ops.ribbon(
                (left_x + _NODE, starts[source] - high, starts[source]),
                (right_x, ends[target] - high, ends[target]),
                TINTS[roles[source % len(roles)]],
            )
        )
        starts[source] -= high
        ends[target] -= high


def _nodes(
    picture: Picture, totals: dict[int, float], x: float, scale: float, top: float, *, is_left: bool
) -> dict[int, float]:
    """Draws the bars of one side from the top down; returns the upper end of each."""
    chart, tops, y, roles = picture.chart, dict[int, float](), top, list(SERIES)
    for index, total in totals.items():
        high, role = total * scale, roles[index % len(roles)]
        box = (x, y - high, _NODE, high)
        picture.over.append(
            ops.outlined(box, TINTS[role], SERIES[role], HATCHES[role]) if is_left else ops.boxes([box], INK)
        )
        name = chart.places[index] if is_left else chart.series[index].name
        number = f"{picture.number(total, 0 if total >= 100 else 1)} {chart.unit}"
        at, anchor = (x - 5, "end") if is_left else (x + _NODE + 5, "start")
        middle = y - high / 2
        picture.text(at, middle + 0.5, fitted(name, FONT_BOLD, 7.5, 140), font=FONT_BOLD, size=7.5, anchor=anchor)
        picture.text(at, middle - 8, number, colour=MUTED, anchor=anchor)
        tops[index] = y
        y -= high + _GAP
    return tops


def draw_chart(chart: Chart, element: Element, *, width: float, height: float, spare: Mapping[str, float]) -> Any:
    """A flowable of the chart, in points. spare: what charts take beyond their height, asked when each is drawn."""
    return chart_flowable(chart.key, width, height, spare, lambda high: _picture(Picture(chart, width, high, element)))


def _picture(picture: Picture) -> Picture:
    """The picture, drawn."""
    chart, width, height = picture.chart, picture.drawing.width, picture.drawing.height
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
    return picture


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
    if is_slotted:
        _names(picture, frame, places, room)
        return
    for index in places:
        x = frame.x(index, count)
        picture.rule(x, frame.bottom, x, frame.bottom - 3, MUTED)
        # Smaller where days stand close; a name is cut, a date never, but for the day where all of them begin a month.
        name = place_text(chart.categories[index][:7] if is_monthly else chart.categories[index], chart.locale)
        wide = text_width(name, FONT, 7)
        size = max(5.2, min(7.0, 7.0 * room / wide)) if wide else 7.0
        label = fitted(name, FONT, size, max(room, 60.0))
        # Many days: each name begins at its own, or the first would reach under the second.
        anchor = "middle" if 0 < index < count - 1 and count <= MAX_LABELS else "start"
        if anchor == "start" and x + text_width(label, FONT, size) > frame.right:
            anchor = "end"
        picture.text(x, frame.bottom - 11, label, size=size, anchor=anchor)


def _names(picture: Picture, frame: _Frame, places: Sequence[int], room: float) -> None:
    """Names below their bars, in one line where each has room, else smaller and in two."""
    chart = picture.chart
    names = [chart.places[index] for index in places]
    is_narrow = any(text_width(name, FONT, 7) > room for name in names)
    size = 5.6 if is_narrow else 7.0
    for index, lines in zip(places, folded_distinctly(names, FONT, size, room), strict=True):
        for row, line in enumerate(lines):
            y = frame.bottom - (8.0 + 7.0 * row if is_narrow else 11.0)
            picture.text(frame.x(index, len(chart.categories)), y, line, size=size, anchor="middle")


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
