"""Widget 2: energy of the day so far against what was expected of the same hours; the days before against baselines."""

from data_quality.contracts.sentence import Sentence, Text
from reports.pages.page import Number, Picture, Widget
from reports.pages.widgets.tile import Given, Shown, cell, number, table, tile
from reports.report_content import Cell
from reports.svg.spark import spark_svg
from reports.texts.numbers import MISSING
from reports.writer import format_alike


class Today(Given):
    """so_far: energy of the day's hours that are read. expected: P10, P50 and P90 of the same hours together, as
    forecast before the day began. hours: local time, energy and P10, P50, P90 of each. days: label, difference to the
    baseline in percent of each of the days before.
    """

    day: str = ""
    so_far: Shown | None = None
    expected: tuple[float, float, float] | None = None
    no_forecast: Text = "no forecast was issued before the day began"
    hours: tuple[tuple[str, Shown | None, tuple[float, float, float] | None], ...] = ()
    days: tuple[tuple[Text, Shown], ...] = ()


def view(given: Today) -> Widget:
    """The tile with a table of the hours."""
    more: list[Number] = [_expected(given)]
    more += [number(label, shown, given.locale, signed=True) for label, shown in given.days]
    content = picture = None
    if given.hours:
        picture = _drawn(given)
        columns = [("Hour", ""), ("Used", "kWh"), ("P10", "kWh"), ("P50", "kWh"), ("P90", "kWh")]
        rows = [
            [Cell(text=hour), cell(used, given.locale), *_cells(band, given.locale)] for hour, used, band in given.hours
        ]
        content = table("hours", "Hours of the day", columns, rows)
    title, note = ("Energy today", "") if given.day == "Today" else ("Last complete day", given.day)
    return tile("today", title, given, given.so_far, label="Energy so far", note=note,
                more=more, content=content, picture=picture)  # fmt: skip


def _expected(given: Today) -> Number:
    if given.expected is None:
        return Number(label="Expected of the same hours", text=MISSING, note=given.no_forecast)
    low, middle, high = format_alike(given.expected, "kwh", locale=given.locale)
    note = f"P10 {low} to P90 {high}, as forecast before the day"
    return Number(label="Expected of the same hours", text=middle, unit="kWh", note=note)


def _drawn(given: Today) -> Picture:
    values = [None if shown is None or shown.figure.value is None else float(shown.figure.value)
              for _, shown, _ in given.hours]  # fmt: skip
    low, high = ([None if band is None else band[edge] for _, _, band in given.hours] for edge in (0, 2))
    ends = (given.hours[0][0], given.hours[-1][0])
    caption = Sentence("Energy by the hour, {0} to {1}; the same in the table", *ends)
    svg = spark_svg(f"Hours of {given.day}", values, text=caption, low=low, high=high)
    return Picture(key="hours-line", title=f"Hours of {given.day}", svg=svg, caption=caption)


def _cells(band: tuple[float, float, float] | None, locale: str) -> list[Cell]:
    texts = [MISSING] * 3 if band is None else format_alike(band, "kwh", locale=locale)
    return [Cell(text=text) for text in texts]
