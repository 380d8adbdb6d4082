"""Bars, lines with their bands, and waterfalls as SVG, over a value axis from the same ticks as on paper."""

from collections.abc import Iterator, Sequence

from reports.chart_geometry import MAX_LABELS, bounds, label_places, runs, span_ticks, step_levels, step_ticks
from reports.chart_geometry import tick_decimals as decimals_of
from reports.report_content import Chart, Series
from reports.svg.markup import box, label, path, rule
from reports.texts.numbers import format_number

WIDTH, HEIGHT = 960.0, 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 952.0, 28.0, 246.0
# With more bars than this a tip on each is more than the picture itself.
_MOST_TIPS = 400


class Frame:
    """Where a value or a category stands."""

    def __init__(self, ticks: Sequence[float], count: int) -> None:
        self.ticks, self.count = ticks, max(count, 1)
        self.slot = (_RIGHT - _LEFT) / self.count

    def y(self, value: float) -> float:
        """Height of a value."""
        low, high = self.ticks[0], self.ticks[-1]
        return _BOTTOM - (_BOTTOM - _TOP) * (value - low) / (high - low)

    def x(self, index: float) -> float:
        """Middle of a category's slot."""
        return _LEFT + self.slot * (index + 0.5)


def axes_svg(chart: Chart) -> list[str]:
    """Everything of a chart of bars, lines or steps but its frame of words."""
    if chart.shape == "waterfall":
        return list(_waterfall(chart))
    frame = Frame(span_ticks(*bounds(chart)), len(chart.categories))
    drawn = [*_legend(chart), *_axis(chart, frame)]
    if chart.shape == "bars":
        return [*drawn, *_bars(chart, frame)]
    # The expectation lies underneath, so that what was metered stays readable where both agree.
    for series in sorted(chart.series, key=lambda each: each.role != "expected"):
        drawn += _line(series, frame)
    return drawn


def _legend(chart: Chart) -> Iterator[str]:
    x, room = _LEFT, (_RIGHT - _LEFT) / max(len(chart.series), 1)
    for series in chart.series:
        kind = f"face-{series.role}" if chart.shape == "bars" else f"swatch-{series.role}"
        yield box(x, 6.0, 16.0, 10.0 if chart.shape == "bars" else 3.0, kind)
        yield label(x + 21, 16.0, series.name, room=room - 26)
        x += min(room, 30.0 + 7.2 * len(series.name))


def _axis(chart: Chart, frame: Frame) -> Iterator[str]:
    decimals = decimals_of(frame.ticks)
    for tick in frame.ticks:
        y = frame.y(tick)
        yield rule(_LEFT, y, _RIGHT, y, "zero" if tick == 0 else "rule")
        yield label(_LEFT - 6, y + 4, _number(tick, decimals, chart), anchor="end", kind="soft")
    places = label_places(chart.categories, MAX_LABELS)
    room = frame.slot * (places[1] - places[0] if len(places) > 1 else frame.count) - 6
    for index in places:
        # Where days stand close all of them begin a month: the day says nothing.
        name = chart.categories[index]
        is_first = room < 70 and all(chart.categories[each].endswith("-01") for each in places)
        at = frame.x(index)
        anchor = "middle" if frame.slot > 24 else "start" if at + 60 < _RIGHT else "end"
        yield label(at, _BOTTOM + 18, name[:7] if is_first else name, anchor=anchor, kind="soft", room=max(room, 44.0))


def _bars(chart: Chart, frame: Frame) -> Iterator[str]:
    count = max(len(chart.series), 1)
    width = min(frame.slot * 0.72 / count, 60.0)
    has_tips = count * frame.count <= _MOST_TIPS
    decimals = 0 if max(map(abs, bounds(chart))) >= 100 else 2
    for place, series in enumerate(chart.series):
        for index, value in enumerate(series.values):
            if value is None:
                continue
            zero, end = frame.y(0.0), frame.y(value)
            told = f"{chart.categories[index]}, {series.name}: {_number(value, decimals, chart)} {chart.unit}"
            x = frame.x(index) + (place - count / 2) * width
            shape = (x, min(zero, end), width * 0.94, abs(end - zero))
            yield box(*shape, f"face-{series.role}", told if has_tips else "")


def _line(series: Series, frame: Frame) -> Iterator[str]:
    """The band, and over it the stretches of the values; a value by itself is a dot, a gap stays one."""
    if series.low:
        for under, over in zip(runs(series.low), runs(series.high), strict=True):
            edge = [(frame.x(index), frame.y(value)) for index, value in (*over, *reversed(under))]
            yield path(edge, f"band-{series.role}", is_closed=True)
    for run in runs(series.values):
        points = [(frame.x(index), frame.y(value)) for index, value in run]
        if len(points) == 1:
            yield box(points[0][0] - 2, points[0][1] - 2, 4.0, 4.0, f"swatch-{series.role}")
        else:
            yield path(points, f"line line-{series.role}")


def _waterfall(chart: Chart) -> Iterator[str]:
    """From the first value to the last; what each step between adds or takes stands over it with its sign."""
    values = [value or 0.0 for value in chart.series[0].values]
    levels = step_levels(values)
    frame = Frame(step_ticks(min(*levels, values[-1]), max(*levels, values[-1])), len(values))
    yield from _axis(chart, frame)
    width, last = frame.slot * 0.72, len(values) - 1
    decimals = 0 if max(abs(value) for value in values) >= 100 else 1
    for index, value in enumerate(values):
        is_end, x = index in {0, last}, frame.x(index) - width / 2
        start = frame.y(frame.ticks[0]) if is_end else frame.y(levels[index - 1])
        end = frame.y(value) if is_end else frame.y(levels[index])
        top = min(start, end)
        yield box(x, top, width, max(abs(end - start), 1.0), "end" if is_end else "more" if value > 0 else "less")
        if not is_end:
            yield rule(x - frame.slot + width, start, x, start, "zero")
        said = format_number(value, decimals=decimals, locale=chart.locale, signed=not is_end)
        yield label(x + width / 2, top - 4, said, anchor="middle")


def _number(value: float, decimals: int, chart: Chart) -> str:
    return format_number(value, decimals=decimals, locale=chart.locale)
