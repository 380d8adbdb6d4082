"""Widgets 5 and 6: cost and carbon of today and of the month to date, and what the month comes to."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import Given, Shown, bullet, number, tile, value_of
from reports.texts.numbers import format_alike, unit_text

What = Literal["cost", "emission_kgco2e"]
TITLES: Mapping[What, str] = {"cost": "Cost, month to date", "emission_kgco2e": "Carbon, month to date"}


class MonthSoFar(Given):
    """month: sum of the local month so far; parts: what it is made of; projected: of the whole month.

    uncosted_minutes: of which nothing is priced. method: how the month is carried on. basis: of the factor, in words.
    budget: what the month may come to, by the site file.
    """

    what: What
    month: Shown | None = None
    today: Shown | None = None
    parts: tuple[tuple[str, Shown], ...] = ()
    projected: Shown | None = None
    method: str = ""
    uncosted_minutes: int = 0
    basis: str = ""
    budget: Decimal | None = None
    day_label: str = "Today so far"
    day: str = ""


def view(given: MonthSoFar) -> Widget:
    """The tile: the month, today, energy and other parts, and the projection with its method."""
    more: list[Number] = [number(given.day_label, given.today, given.locale, note=given.day)]
    more += [number(label, shown, given.locale) for label, shown in given.parts]
    how = "" if given.method else "no projection yet"
    more.append(number("Projected for the month", given.projected, given.locale, note=how))
    more += _budget(given)
    note = f"{given.uncosted_minutes} minutes are not priced" if given.uncosted_minutes else given.basis
    title, said = TITLES[given.what], "Month to date, and projected for the month"
    target = None if given.budget is None else float(given.budget)
    said = said if target is None else "Month to date, projected for the month, and budget"
    picture = bullet(given.what, title, given, given.month, projected=given.projected, target=target, said=said)
    return tile(
        given.what, title, given, given.month, label="Month to date", note=note, more=more, picture=picture
    )  # fmt: skip


def _budget(given: MonthSoFar) -> list[Number]:
    """The budget, and whether the month is projected above it."""
    if given.budget is None or given.month is None:
        return []
    unit, ahead = given.month.figure.unit, value_of(given.projected)
    [text] = format_alike([given.budget], unit, locale=given.locale)
    is_above = ahead is not None and ahead > given.budget
    return [Number(
        label="Budget", text=text, unit=unit_text(unit), note="projected above budget" if is_above else "",
        tone="caution" if is_above else "plain",
    )]  # fmt: skip
