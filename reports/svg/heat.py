"""Load by day and slot as shades: a column a day, a row an hour from midnight at the top."""

from collections.abc import Iterator

from reports.chart_geometry import MAX_LABELS, SHADES, label_places, shade, stretches
from reports.report_content import Chart
from reports.svg.markup import box, element, label, path
from reports.texts.numbers import format_number

_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 952.0, 28.0, 246.0


def heat_svg(chart: Chart) -> list[str]:
    """Everything of a heat map but its frame of words. What was not read stays crossed out, not light."""
    days, slots = max(len(chart.categories), 1), max(len(chart.series), 1)
    wide, high = (_RIGHT - _LEFT) / days, (_BOTTOM - _TOP) / slots
    known = [value for series in chart.series for value in series.values if value is not None]
    low, most = min(known, default=0.0), max(known, default=1.0)
    drawn = [box(_LEFT, _TOP, _RIGHT - _LEFT, _BOTTOM - _TOP, "gap")]
    for at in range(12, int(_RIGHT - _LEFT + _BOTTOM - _TOP), 12):
        start, end = min(_LEFT + at, _RIGHT), max(_LEFT + at - (_BOTTOM - _TOP), _LEFT)
        drawn.append(
            path([(start, _TOP + (_LEFT + at - start)), (end, _BOTTOM - (end - _LEFT - at + _BOTTOM - _TOP))], "cross")
        )
    drawn += _cells(chart, low, most, wide, high)
    for slot in range(0, slots, max(slots // 4, 1)):
        drawn.append(label(_LEFT - 6, _TOP + slot * high + 10, chart.series[slot].name, anchor="end", kind="soft"))
    places = label_places(chart.categories, MAX_LABELS)
    room = wide * (places[1] - places[0]) - 6 if len(places) > 1 else _RIGHT - _LEFT
    for index in places:
        x, name = _LEFT + index * wide, chart.categories[index]
        told = name if room > 66 else name[:7]
        anchor = "end" if x + 70 > _RIGHT else "start"
        drawn.append(label(x, _BOTTOM + 18, told, anchor=anchor, kind="soft", room=max(room, 44.0)))
    return [*drawn, *_scale(chart, low, most)]


def _cells(chart: Chart, low: float, most: float, wide: float, high: float) -> Iterator[str]:
    """Neighbouring slots of one shade are one shape, and all of a shade one path: a year has 8,760 hours."""
    shapes: dict[int, list[str]] = {}
    for day in range(len(chart.categories)):
        x = _LEFT + day * wide
        for first, last, level in stretches([shade(series.values[day], low, most) for series in chart.series]):
            y, down = _TOP + first * high, (last - first + 1) * high
            # A hair wider than a cell: between equal neighbours no paper shines through.
            shapes.setdefault(level, []).append(f"M{x:.1f} {y:.1f}h{wide + 0.2:.1f}v{down + 0.2:.1f}H{x:.1f}Z")
    for level, parts in sorted(shapes.items()):
        yield element("path", d="".join(parts), class_=f"heat-{level}")


def _scale(chart: Chart, low: float, most: float) -> Iterator[str]:
    """The shades from least to most, at the right above the map."""
    decimals = 0 if most >= 20 else 1
    highest, lowest = (format_number(value, decimals=decimals, locale=chart.locale) for value in (most, low))
    yield label(_RIGHT, 17.0, f"{highest} {chart.unit}", anchor="end")
    left = _RIGHT - 8.0 * (len(highest) + len(chart.unit) + 1) - SHADES * 14
    for level in range(SHADES):
        yield box(left + level * 14, 7.0, 14.2, 11.0, f"heat-{level}")
    yield label(left - 6, 17.0, lowest, anchor="end")
