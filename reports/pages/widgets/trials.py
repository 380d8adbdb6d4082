"""Cards of what was tried or told apart at a site: bars with whiskers, the experiment of control, broken promises."""

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Numeral, Sentence, Text, sentences
from reports.pages.chart import Chart, ChartRow, Role
from reports.pages.numbers import Number
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileInput, nothing
from reports.report_content import table
from reports.texts.locales import format_number, unit_text

Edges = tuple[float, float] | None


class Bar(Model):
    """One bar. value: in the unit of its card, None where it is not told; edges: of its 90 % interval.

    remark: what must be known of it, behind its name.
    """

    name: Text
    value: float | None
    edges: Edges = None
    remark: Text = ""


class Banded(TileInput):
    """A card of bars. label: what the values are; unit: as figures spell it; x_title: what a bar is
    of; note: one sentence below.
    """

    key: str
    title: Text
    label: Text
    unit: str
    x_title: Text
    bars: tuple[Bar, ...] = ()
    role: Role = "measured"
    is_signed: bool = False
    note: Text = ""


def bars(given: Banded) -> Widget:
    """The card, the largest value first; without a bar it is not set up."""
    known = sorted(given.bars, key=lambda each: (each.value is None, -(each.value or 0.0)))
    if not known:
        return nothing(given.key, given.title, given, given.reason or "nothing stored yet", is_set_up=False)
    low, high = (tuple(None if each.edges is None else each.edges[at] for each in known) for at in (0, 1))
    has_band = any(each.edges is not None for each in known)
    row = ChartRow(
        label=given.label, role=given.role, values=tuple(each.value for each in known), is_signed=given.is_signed,
        low=low if has_band else (), high=high if has_band else (),
    )  # fmt: skip
    edges = tuple(
        ChartRow(label=name, style="none", values=values, is_signed=given.is_signed)
        for name, values in (("Low end of 90 %", low), ("High end of 90 %", high))
    )
    chart = Chart(
        kind="ranked", key=given.key, title=given.title, unit=given.unit,
        x=tuple(sentences((each.name, each.remark), " · ") for each in known),
        x_title=given.x_title, rows=(row, *(edges if has_band else ())), note=given.note, locale=given.locale,
    )  # fmt: skip
    return Widget(key=given.key, title=given.title, state="value", chart=chart, is_synthetic=given.is_synthetic)


KEY, TITLE = "experiment", "Experiment of control"
VERDICTS: dict[str, Text] = {
    "saves": "Control saves money", "costs": "Control costs money", "undecided": "No significant difference",
}  # fmt: skip


class Trial(TileInput):
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


def experiment(given: Trial) -> Widget:
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


class BrokenPromise(Model):
    """One hour that cost more than its plan promised. when: local, as it is shown; costs in the site's currency."""

    when: Text
    promised: float
    paid: float


class PromisesKept(TileInput):
    """hours: of the last days that were promised and are over; may_share, most_share: of them that may be broken, and
    up to which chance alone would leave it 95 % of the time. has_promises: whether any plan makes them.
    """

    hours: int = 0
    days: int = 0
    may_share: float = 0.0
    most_share: float = 0.0
    currency: str = ""
    broken: tuple[BrokenPromise, ...] = ()
    has_promises: bool = True


def promises(given: PromisesKept) -> Widget:
    """The tile."""
    key, title = "promises", "Broken promises"
    if not given.hours:
        why = given.reason or "no promised hour is over and read"
        return nothing(key, title, given, why, is_set_up=given.has_promises)
    share = len(given.broken) / given.hours
    note = Sentence(
        "of {0} promised hours of {1} days; {2} may be broken, by chance up to {3}",
        given.hours, given.days, Numeral(f"{given.may_share:.0%}"), Numeral(f"{given.most_share:.0%}"),
    )  # fmt: skip
    columns = ("Hour", ("Promised at most", given.currency), ("Paid", given.currency))
    rows = [
        (each.when, *(format_number(value, decimals=2, locale=given.locale) for value in (each.promised, each.paid)))
        for each in given.broken
    ]
    return Widget(
        key=key, title=title, state="finding" if share > given.most_share or given.findings else "value",
        value=Number(label="Broken promises", text=str(len(given.broken)), note=note), age=given.age, link=given.link,
        findings=given.findings, is_synthetic=given.is_synthetic,
        table=table(key, "Broken promises", columns, rows) if rows else None,
    )  # fmt: skip
