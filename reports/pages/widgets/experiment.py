"""The experiment of control: days by their arm, what each cost, and what a day by plan saves against one by habit."""

from data_quality.contracts.sentence import Sentence, Text
from reports.pages.chart import Chart, ChartRow
from reports.pages.numbers import Number
from reports.pages.page import Widget
from reports.pages.widgets.tile import Given, nothing
from reports.texts.locales import format_number, unit_text

KEY, TITLE = "experiment", "Experiment of control"
VERDICTS: dict[str, Text] = {
    "saves": "Control saves money", "costs": "Control costs money", "undecided": "No significant difference",
}  # fmt: skip


class Trial(Given):
    """Days of an experiment, one by one. plan, habit: cost of each day of that arm in the site's currency; None where
    the day is of the other arm or does not count. saving, interval: a day, None before the first look; until then
    reason says why. verdict: a key of VERDICTS.
    """

    days: tuple[Text, ...] = ()
    plan: tuple[float | None, ...] = ()
    habit: tuple[float | None, ...] = ()
    currency: str = ""
    saving: float | None = None
    interval: tuple[float, float] | None = None
    verdict: str = ""


def view(given: Trial) -> Widget:
    """The card; without an experiment it is not set up."""
    if not given.days:
        return nothing(KEY, TITLE, given, "no experiment was started", is_set_up=False)
    numbers = tuple(
        Number(label=label, text=str(sum(each is not None for each in days)), unit="")
        for label, days in (("Days by plan that count", given.plan), ("Days by habit that count", given.habit))
    )
    rows = tuple(
        ChartRow(label=label, role=role, values=values)
        for label, role, values in (("By plan", "measured", given.plan), ("By habit", "third", given.habit))
    )
    chart = Chart(
        kind="stack", key=KEY, title=TITLE, unit=given.currency, x=given.days, x_title="Day", rows=rows,
        locale=given.locale,
    )  # fmt: skip
    return Widget(
        key=KEY, title=TITLE, state="value", hint="cost of each day", numbers=numbers, chart=chart,
        value=_saved(given), reason="" if given.interval else given.reason, is_synthetic=given.is_synthetic,
    )  # fmt: skip


def _saved(given: Trial) -> Number | None:
    if given.saving is None or given.interval is None:
        return None
    saved, low, high = (
        format_number(each, decimals=2, locale=given.locale, signed=True) for each in (given.saving, *given.interval)
    )
    note = Sentence("{0} to {1} at 90 % · {2}", low, high, Sentence(VERDICTS[given.verdict]))
    return Number(label="Saved a day by plan", text=saved, unit=unit_text(given.currency), note=note)
