"""Widgets 5 and 6: cost and carbon of today and of the month to date, and what the month comes to."""

from collections.abc import Mapping
from typing import Literal

from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import Given, Shown, bullet, number, tile

What = Literal["cost", "emission_kgco2e"]
TITLES: Mapping[What, str] = {"cost": "Cost, month to date", "emission_kgco2e": "Carbon, month to date"}


class MonthSoFar(Given):
    """month: sum of the local month so far; parts: what it is made of; projected: of the whole month.

    uncosted_minutes: of which nothing is priced. method: how the month is carried on. basis: of the factor, in words.
    """

    what: What
    month: Shown | None = None
    today: Shown | None = None
    parts: tuple[tuple[str, Shown], ...] = ()
    projected: Shown | None = None
    method: str = ""
    uncosted_minutes: int = 0
    basis: str = ""
    day_label: str = "Today so far"
    day: str = ""


def view(given: MonthSoFar) -> Widget:
    """The tile: the month, today, energy and other parts, and the projection with its method."""
    more: list[Number] = [number(given.day_label, given.today, given.locale, note=given.day)]
    more += [number(label, shown, given.locale) for label, shown in given.parts]
    how = "" if given.method else "no projection yet"
    more.append(number("Projected for the month", given.projected, given.locale, note=how))
    note = f"{given.uncosted_minutes} minutes are not priced" if given.uncosted_minutes else given.basis
    title, said = TITLES[given.what], "Month to date, and projected for the month"
    picture = bullet(given.what, title, given, given.month, projected=given.projected, said=said)
    return tile(
        given.what, title, given, given.month, label="Month to date", note=note, more=more, picture=picture
    )  # fmt: skip
