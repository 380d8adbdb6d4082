"""Header of a page: site, scope, period, what to compare with, as known when. Links and one form.

Every page may use it: it makes the same address in another state, and no other.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import Period, local_day, months_after
from reports.pages.address import Address
from reports.pages.page import Choice, Form, Input, Option, PageBlock
from reports.texts.locales import named, period_text

COMPARED = {"none": "nothing", "previous": "the time before", "year": "the year before"}
GRAINS = {"quarter": "15 min", "hour": "hour", "day": "day", "month": "month", "year": "year"}
RELATIVE = {"today": "today", "yesterday": "yesterday", "7d": Sentence("{0} days", 7), "30d": Sentence("{0} days", 30)}


def header_blocks(
    address: Address,
    *,
    site_id: str,
    scopes: Mapping[str, str],
    scope: str,
    period: Period,
    newest: date | None,
    now_utc: datetime,
    grains: Sequence[str] = (),
    grain: str = "",
) -> tuple[PageBlock, ...]:
    """The pickers of a page. scopes: id -> name, of those that the person sees. newest: last local day with
    readings. grains: those that the page has; none: it has no such picker.
    """
    blocks: list[PageBlock] = []
    here = address.href(site=site_id, scope=scope)
    at = address.model_copy(update={"site": site_id, "scope": scope})
    blocks.append(_periods(at, period, newest, now_utc))
    if grains:
        blocks.append(_choice("By", {at.href(grain=each): GRAINS[each] for each in grains}, at.href(grain=grain)))
    compared = {at.href(compare=None if key == "none" else key): name for key, name in COMPARED.items()}
    blocks.append(_choice("Compared with", compared, here))
    blocks.append(_form(at, scopes, scope, period))
    return tuple(blocks)


def year_choice(address: Address, years: Sequence[int], period: Period) -> Choice:
    """The picker of a page that is of one year."""
    names = {address.href(period=str(year)): str(year) for year in years}
    return _choice("Year", names, address.href(period=period.label))


def beside(period: Period, *, is_after: bool) -> str:
    """The period just before or after, as the address says it: as many whole months, or else as many days."""
    if period.start.day == 1 and period.end.day == 1:
        months = period.end.year * 12 + period.end.month - period.start.year * 12 - period.start.month
        start = period.end if is_after else months_after(period.start, -months)
        end = months_after(start, months)
        return _named(start, end, months)
    move = timedelta(days=period.days if is_after else -period.days)
    return _named(period.start + move, period.end + move, 0)


def _named(start: date, end: date, months: int) -> str:
    if months == 1:
        return f"{start:%Y-%m}"
    if months == 12 and start.month == 1:
        return f"{start:%Y}"
    return f"{start}" if (end - start).days == 1 else f"{start}/{end}"


def _periods(at: Address, period: Period, newest: date | None, now_utc: datetime) -> Choice:
    today = local_day(now_utc, period.time_zone)
    known: dict[str, str] = {beside(period, is_after=False): "← before"}
    # What is behind the last reading has nothing to show, and what is to come has not happened.
    if newest is None or period.end <= newest:
        known[beside(period, is_after=True)] = "after →"
    if newest is not None and newest < today - timedelta(days=7):
        first = newest.replace(day=1)
        known[_named(newest - timedelta(days=6), newest + timedelta(days=1), 0)] = Sentence("newest {0} days", 7)
        known[f"{first:%Y-%m}"] = period_text(first, months_after(first, 1), at.locale, is_short=True)
        known[f"{newest:%Y}"] = f"{newest:%Y}"
    else:
        known |= RELATIVE
        known |= {f"{today:%Y-%m}": "this month", f"{months_after(today.replace(day=1), -1):%Y-%m}": "last month"}
        known[f"{today:%Y}"] = "this year"
    options = [Option(text=name, href=at.href(period=text), is_chosen=text == period.label)
               for text, name in known.items()]  # fmt: skip
    if not any(each.is_chosen for each in options):
        text = period_text(period.start, period.end, at.locale, is_short=True)
        options.insert(1, Option(text=text, href=at.href(period=period.label), is_chosen=True))
    return Choice(label="Period", options=tuple(options))


def _choice(label: str, names: Mapping[str, str], chosen: str) -> Choice:
    options = [Option(text=name, href=href, is_chosen=href == chosen) for href, name in names.items()]
    return Choice(label=label, options=tuple(options))


def _form(at: Address, scopes: Mapping[str, str], scope: str, period: Period) -> Form:
    kept = {"site": at.site, "grain": at.grain or "", "compare": at.compare if at.compare != "none" else ""}
    hidden = [
        Input(name=name, label=name, kind="hidden", value=value)
        for name, value in {**kept, "locale": at.locale if at.locale != "en" else ""}.items()
        if value
    ]
    as_of = "" if at.as_of_utc is None else f"{at.as_of_utc:%Y-%m-%dT%H:%M:%SZ}"
    fields = (
        Input(name="scope", label="Scope", kind="select", value=scope,
              options=tuple((key, named(name)) for key, name in scopes.items())),
        Input(name="period", label="Period", value=period.label,
              hint="2025-03, 2025-Q1, 2025-03-30, first day/day after the last, 7d, today"),
        Input(name="as_of", label="As known at", value=as_of, hint="a time with offset; empty: now"),
        *hidden,
    )  # fmt: skip
    return Form(key="asked", title="Scope and period", action=at.path, method="get", fields=fields, submit="Show")
