"""What was used less than expected over the uses of a site that share no meter, with its band."""

from reports.pages.page import Widget
from reports.pages.widgets.tile import Given, Shown, cell, number, table, tile
from reports.report_content import Cell


class Savings(Given):
    """total: sum over the uses; uses: name, saving, deviation of each. left_out: uses that no sum may hold, and why."""

    total: Shown | None = None
    worth: Shown | None = None
    uses: tuple[tuple[str, Shown | None, Shown | None], ...] = ()
    left_out: tuple[str, ...] = ()
    span: str = ""
    verdict: str = ""


def view(given: Savings) -> Widget:
    """The tile; a saving below zero is more use than expected and says so."""
    columns = [("Use", ""), ("Saved", "kWh"), ("Against expected", "%")]
    rows = [
        [Cell(text=name), cell(saved, given.locale, signed=True), cell(off, given.locale, signed=True)]
        for name, saved, off in given.uses
    ]
    content = table("savings", "Energy uses", columns, rows) if rows else None
    more = [number("Worth", given.worth, given.locale)] if given.worth is not None else []
    notes = [each for each in (given.span, given.verdict) if each]
    notes += [f"not in the sum: {', '.join(given.left_out)}"] if given.left_out else []
    return tile("savings", "Saved against baselines", given, given.total, label="Saved", note="; ".join(notes),
                more=more, content=content, signed=True)  # fmt: skip
