"""Widget of promises: hours of plans over scenarios that cost more than promised, beside the share that may."""

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Numeral, Sentence, Text
from reports.pages.numbers import Number
from reports.pages.page import Widget
from reports.pages.widgets.tile import Given, nothing, table
from reports.report_content import Cell
from reports.texts.locales import format_number


class BrokenPromise(Model):
    """One hour that cost more than its plan promised. when: local, as it is shown; costs in the site's currency."""

    when: Text
    promised: float
    paid: float


class PromisesKept(Given):
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


def view(given: PromisesKept) -> Widget:
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
    columns = [("Hour", ""), ("Promised at most", given.currency), ("Paid", given.currency)]
    rows = [
        [Cell(text=each.when), *(Cell(text=_money(value, given.locale)) for value in (each.promised, each.paid))]
        for each in given.broken
    ]
    return Widget(
        key=key, title=title, state="finding" if share > given.most_share or given.findings else "value",
        value=Number(label="Broken promises", text=str(len(given.broken)), note=note), age=given.age, link=given.link,
        findings=given.findings, is_synthetic=given.is_synthetic,
        table=table(key, "Broken promises", columns, rows) if rows else None,
    )  # fmt: skip


def _money(value: float, locale: str) -> str:
    return format_number(value, decimals=2, locale=locale)
