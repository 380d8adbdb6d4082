"""Days of an energy use as charts: metered against expected, running savings, and energy by its first driver."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from data_quality.contracts.sentence import Text
from reports.datasets.base import DayPoint
from reports.pages.chart import Chart, ChartRow, Role, day_ticks
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


def day_charts(
    days: UseDays, events: Sequence[tuple[str, Text]], locale: str, *, training: UseDays | None = None
) -> tuple[Chart, ...]:
    """The charts that the days can feed. events: ISO day and name. training: the days that the model was fitted on."""
    names = tuple(str(each.day) for each in days.actual)
    if not any(each.value is not None for each in days.actual):
        return ()
    marks = tuple((names.index(day), text) for day, text in events if day in names)

    def chart(kind: str, key: str, title: str, *rows: ChartRow, hint: str = "", note: str = "") -> Chart:
        return Chart.model_validate({
            "kind": kind, "key": key, "title": title, "unit": UNIT, "hint": hint, "note": note, "x": names,
            "rows": rows, "x_title": "day", "ticks": day_ticks(names, locale), "locale": locale, "events": marks,
        })  # fmt: skip

    actual, expected = _row("Actual", "measured", days.actual), _row("Expected", "expected", days.expected)
    title = "Actual against expected"
    made = [chart("band", "days", title, actual, expected, hint="kWh by day, with the band of the model")]
    if days.saved:
        note = (
            "It rises while less energy is used than expected. Where all of the band is above zero, energy was saved."
        )
        saved = _row("Saved", "saved", days.saved)
        made.append(chart("cumulative", "savings", "Cumulative sum of savings", saved, hint="CUSUM, kWh", note=note))
    if days.driver is not None:
        made.append(_by_driver(days, days.driver, training or UseDays(), locale))
    return tuple(made)


def _by_driver(days: UseDays, driver: Driver, training: UseDays, locale: str) -> Chart:
    """A point a day over the driver: what the model was fitted on, what it expects, and what was metered."""
    is_trained = training.driver is not None and training.driver.name == driver.name
    before = training if is_trained and not _days(training) & _days(days) else UseDays()
    count = len(before.actual)
    gap = (None,) * count
    along = (*(before.driver.values if before.driver is not None else ()), *driver.values)
    rows = [ChartRow(label=named(driver.name), unit=driver.unit, values=along, role="compared")]
    if count:
        trained = (*_values(before.actual), *((None,) * len(days.actual)))
        rows.append(ChartRow(label="Training", role="third", values=trained))
    rows.append(ChartRow(label="Expected", role="compared", values=(*gap, *_values(days.expected))))
    rows.append(ChartRow(label="Actual", values=(*gap, *_values(days.actual))))
    return Chart(
        kind="scatter", key="driver", title="Energy by driver", unit=UNIT, hint="kWh, a point a day", x_title="day",
        x=tuple(str(each.day) for each in (*before.actual, *days.actual)), rows=tuple(rows), locale=locale,
    )  # fmt: skip


def _days(days: UseDays) -> set[date]:
    return {each.day for each in days.actual}


def _values(points: Sequence[DayPoint]) -> tuple[float | None, ...]:
    return tuple(each.value for each in points)


def _row(label: str, role: Role, points: Sequence[DayPoint]) -> ChartRow:
    has_band = any(each.low is not None for each in points)
    return ChartRow(
        label=label,
        role=role,
        values=_values(points),
        low=tuple(each.low for each in points) if has_band else (),
        high=tuple(each.high for each in points) if has_band else (),
    )
