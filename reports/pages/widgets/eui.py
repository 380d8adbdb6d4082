"""Widget 3: energy by floor area over twelve whole months; which area it is stands beside it."""

from reports.pages.page import Widget
from reports.pages.widgets.tile import Given, Shown, tile


class Eui(Given):
    """rolling: over the twelve months that end with the newest whole one. area: its definition, in words."""

    rolling: Shown | None = None
    span: str = ""
    area: str = ""


def view(given: Eui) -> Widget:
    """The tile."""
    note = ", ".join(each for each in (given.span, given.area) if each)
    return tile("eui", "Energy by floor area, 12 months", given, given.rolling, label="Rolling 12 months", note=note)
