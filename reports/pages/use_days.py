"""Days of an energy use as charts: metered against expected, running savings, and energy by its first driver."""

from collections.abc import Sequence
from typing import NamedTuple

from data_quality.contracts.sentence import Text
from reports.datasets.base import DayPoint
from reports.pages.chart import Chart, ChartRow, Role, ticks_of
from reports.texts.locales import named

UNIT = "kwh"


class Driver(NamedTuple):
    """A driver of the use: its name and unit, and its value on each of the days."""

    name: str
    unit: str
    values: tuple[float | None, ...]


class UseDays(NamedTuple):
    """Days of a span, in order. saved: the running sum of savings; empty where none may be claimed."""

    actual: Sequence[DayPoint] = ()
    expected: Sequence[DayPoint] = ()
    saved: Sequence[DayPoint] = ()
    driver: Driver | None = None


def day_charts(days: UseDays, events: Sequence[tuple[str, Text]], locale: str) -> tuple[Chart, ...]:
    """The charts that the days can feed. events: ISO day and name."""
    names = tuple(str(each.day) for each in days.actual)
    if not any(each.value is not None for each in days.actual):
        return ()
    marks = tuple((names.index(day), text) for day, text in events if day in names)

    def chart(kind: str, key: str, title: str, *rows: ChartRow, hint: str = "", note: str = "") -> Chart:
        return Chart.model_validate({
            "kind": kind, "key": key, "title": title, "unit": UNIT, "hint": hint, "note": note, "x": names,
            "rows": rows, "x_title": "day", "ticks": ticks_of(names), "locale": locale,
            "events": () if kind == "scatter" else marks,
        })  # fmt: skip

    actual, expected = _row("Actual", "measured", days.actual), _row("Expected", "expected", days.expected)
    made = [chart("band", "days", "Energy by day", actual, expected, hint="with the band of the model")]
    if days.saved:
        note = (
            "It rises while less energy is used than expected. Where all of the band is above zero, energy was saved."
        )
        made.append(
            chart("cumulative", "savings", "Cumulative sum of savings", _row("Saved", "saved", days.saved), note=note)
        )
    if days.driver is not None:
        driver = ChartRow(
            label=named(days.driver.name), unit=days.driver.unit, values=days.driver.values, role="compared"
        )
        plain = expected.model_copy(update={"low": (), "high": ()})
        made.append(chart("scatter", "driver", "Energy by driver", driver, plain, actual, hint="a point a day"))
    return tuple(made)


def _row(label: str, role: Role, points: Sequence[DayPoint]) -> ChartRow:
    has_band = any(each.low is not None for each in points)
    return ChartRow(
        label=label,
        role=role,
        values=tuple(each.value for each in points),
        low=tuple(each.low for each in points) if has_band else (),
        high=tuple(each.high for each in points) if has_band else (),
    )
