"""Widget: cost of each day of the month that is read."""

from datetime import date

from reports.pages.chart import Chart, ChartRow
from reports.pages.page import Widget
from reports.pages.widgets.tile import Given, Shown, nothing, tile, value_of

KEY, TITLE = "cost_days", "Cost by day"


class CostDays(Given):
    """month: cost of the month so far, or of the period (is_period), where every day of it is known. days: each local
    day that is read, and its cost.
    """

    month: Shown | None = None
    days: tuple[tuple[date, Shown | None], ...] = ()
    unit: str = ""
    is_period: bool = False


def view(given: CostDays) -> Widget:
    """A bar a day; the month beside it."""
    key = "scope_days" if given.is_period else KEY
    if not given.days:
        return nothing(key, TITLE, given, given.reason or "no complete day of this month yet", is_set_up=False)
    names = tuple(str(day) for day, _ in given.days)
    row = ChartRow(
        label="Cost", values=tuple(value_of(shown) for _, shown in given.days),
        figures=tuple("" if shown is None else shown.figure.figure_id for _, shown in given.days),
    )  # fmt: skip
    chart = Chart(
        # The 1st, 5th, 9th … are written.
        ticks=tuple((at, str(day.day)) for at, (day, _) in enumerate(given.days) if day.day % 4 == 1),
        kind="bars", key=key, title=TITLE, unit=given.unit, x=names, x_title="Day", rows=(row,), locale=given.locale,
    )  # fmt: skip
    if given.is_period and given.month is None:
        return Widget(key=key, title=TITLE, state="value", chart=chart, is_synthetic=given.is_synthetic)
    note = "sum of the days" if given.is_period else "month to date"
    return tile(key, TITLE, given, given.month, label="Cost", note=note, chart=chart)
