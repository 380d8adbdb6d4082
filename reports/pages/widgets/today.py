"""Widget 2: energy of the day so far against what was expected of the same hours; the days before against baselines."""

from data_quality.contracts.sentence import Sentence, Text
from reports.pages.chart import Chart, ChartRow
from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import Given, Shown, number, tile, value_of
from reports.texts.numbers import MISSING, format_alike

Band = tuple[float, float, float]


class Today(Given):
    """so_far: energy of the day's whole hours that are read, up to the local time `to`. expected: P10, P50 and P90 of
    the same hours together, as forecast before the day began; no_forecast: why there is none, empty where none is set
    up. hours: local time, energy and P10, P50, P90 of each, those to come without energy. days: label, difference to
    the baseline in percent of each of the days before.
    """

    day: str = ""
    to: str = ""
    so_far: Shown | None = None
    expected: Band | None = None
    no_forecast: Text = "no forecast was issued before the day began"
    hours: tuple[tuple[str, Shown | None, Band | None], ...] = ()
    days: tuple[tuple[Text, Shown], ...] = ()


def view(given: Today) -> Widget:
    """The tile with a chart of the hours."""
    more = [_expected(given)] if given.expected or given.no_forecast else []
    more += [number(label, shown, given.locale, signed=True) for label, shown in given.days]
    until = Sentence("until {0}", given.to) if given.to else ""
    title, note = ("Energy today", until) if given.day == "Today" else ("Last complete day", given.day)
    return tile("today", title, given, given.so_far, label="Energy so far", note=note,
                more=more, chart=_chart(given) if given.hours else None)  # fmt: skip


def _expected(given: Today) -> Number:
    if given.expected is None:
        return Number(label="Expected of the same hours", text=MISSING, note=given.no_forecast)
    low, middle, high = format_alike(given.expected, "kwh", locale=given.locale)
    note = f"P10 {low} to P90 {high}, forecast from readings before the day"
    return Number(label="Expected of the same hours", text=middle, unit="kWh", note=note)


def _chart(given: Today) -> Chart:
    """Energy by the hour over the band that was expected; its edges stand in the table."""
    measured = ChartRow(
        label="Measured", values=tuple(value_of(shown) for _, shown, _ in given.hours),
        figures=tuple("" if shown is None else shown.figure.figure_id for _, shown, _ in given.hours),
    )  # fmt: skip
    rows = [measured]
    if any(band for *_, band in given.hours):
        low, middle, high = (tuple(None if band is None else band[at] for *_, band in given.hours) for at in range(3))
        rows.append(ChartRow(label="Expected", role="expected", values=middle, low=low, high=high))
        rows += [ChartRow(label=label, values=edge, style="none") for label, edge in (("P10", low), ("P90", high))]
    return Chart(
        kind="band", key="hours", title="Hours of the day", unit="kwh", x=tuple(hour for hour, *_ in given.hours),
        x_title="Hour", rows=tuple(rows), locale=given.locale,
    )  # fmt: skip
