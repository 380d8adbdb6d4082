"""Charts of the PDF without a value axis: load by day and hour as shades, flows from carriers to what they become."""

import math
from collections import defaultdict

from reports.chart_geometry import MAX_LABELS, flow_ends, label_places, shade, stretches
from reports.render import render_pdf_ops as ops
from reports.render.render_pdf_picture import BOTTOM, LEFT, RIGHT, TOP, Picture
from reports.render.render_pdf_style import HATCHES, HEAT, INK, MUTED, RULE, SERIES, TINTS
from reports.render.render_pdf_text import FONT, FONT_BOLD, fitted, text_width

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
        label = chart.categories[index] if room > 36 else chart.categories[index][:7]
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
        name = chart.categories[index] if is_left else chart.series[index].name
        number = f"{picture.number(total, 0 if total >= 100 else 1)} {chart.unit}"
        at, anchor = (x - 5, "end") if is_left else (x + _NODE + 5, "start")
        middle = y - high / 2
        picture.text(at, middle + 0.5, fitted(name, FONT_BOLD, 7.5, 140), font=FONT_BOLD, size=7.5, anchor=anchor)
        picture.text(at, middle - 8, number, colour=MUTED, anchor=anchor)
        tops[index] = y
        y -= high + _GAP
    return tops
