"""Flows as SVG: left what there is, right what it becomes, as wide as the amounts, each named with its number."""

import math
from collections.abc import Iterator, Mapping

from reports.chart_geometry import flow_ends
from reports.report_content import Chart
from reports.svg.markup import box, element, label
from reports.texts.numbers import format_number

ROLES = ("actual", "expected", "third", "fourth")
_LEFT, _RIGHT, _NODE, _GAP, _TOP, _ROOM = 230.0, 720.0, 12.0, 16.0, 12.0, 246.0


class Side:
    """The nodes of one side from the top down: their upper ends and heights."""

    def __init__(self, totals: Mapping[int, float], scale: float) -> None:
        self.top, self.high, y = dict[int, float](), dict[int, float](), _TOP
        for index, total in totals.items():
            self.top[index], self.high[index] = y, total * scale
            y += total * scale + _GAP

    def take(self, index: int, high: float) -> float:
        """The next band of that height at a node begins here."""
        y = self.top[index]
        self.top[index] = y + high
        return y


def flow_svg(chart: Chart) -> list[str]:
    """Everything of a chart of flows but its frame of words."""
    ends = flow_ends(chart)
    if not ends.flows:
        return [label(_LEFT, 40.0, "–")]
    gaps = _GAP * (max(len(ends.sources), len(ends.targets)) - 1)
    scale = max(_ROOM - gaps, 40.0) / math.fsum(ends.flows.values())
    starts, stops = Side(ends.sources, scale), Side(ends.targets, scale)
    drawn = [*_nodes(chart, ends.sources, starts, is_left=True), *_nodes(chart, ends.targets, stops, is_left=False)]
    for (source, target), value in ends.flows.items():
        high, middle = value * scale, (_LEFT + _RIGHT) / 2
        left, right = starts.take(source, high), stops.take(target, high)
        near, far = f"{_LEFT + _NODE:.2f}", f"{middle:.2f}"
        shape = (
            f"M{near} {left:.2f}C{far} {left:.2f} {far} {right:.2f} {_RIGHT:.2f} {right:.2f}v{high:.2f}"
            f"C{far} {right + high:.2f} {far} {left + high:.2f} {near} {left + high:.2f}Z"
        )
        told = f"{chart.categories[source]} → {chart.series[target].name}: {_amount(value, chart)}"
        kind = f"band-{ROLES[source % len(ROLES)]}"
        drawn.append(element("path", element("title", text=told), d=shape, class_=kind))
    return drawn


def _nodes(chart: Chart, totals: Mapping[int, float], side: Side, *, is_left: bool) -> Iterator[str]:
    for index, total in totals.items():
        y, high = side.top[index], side.high[index]
        kind = f"face-{ROLES[index % len(ROLES)]}" if is_left else "end"
        yield box(_LEFT if is_left else _RIGHT, y, _NODE, high, kind)
        name = chart.categories[index] if is_left else chart.series[index].name
        at, anchor = (_LEFT - 8, "end") if is_left else (_RIGHT + _NODE + 8, "start")
        yield label(at, y + high / 2 - 1, name, anchor=anchor, kind="strong", room=_LEFT - 12)
        yield label(at, y + high / 2 + 13, _amount(total, chart), anchor=anchor, kind="soft")


def _amount(value: float, chart: Chart) -> str:
    return f"{format_number(value, decimals=0 if value >= 100 else 1, locale=chart.locale)} {chart.unit}"
