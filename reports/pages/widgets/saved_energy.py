"""What was used less than expected over the uses of sites that share no meter, with its band and what it is worth."""

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, sentences
from reports.pages.page import Widget
from reports.pages.widgets.tile import Given, Shown, cell, number, table, tile
from reports.report_content import Cell
from reports.texts.locales import named
from reports.texts.numbers import unit_text


class Use(Model):
    """One use: what it saved, the model's band, the deviation from expected in percent, what the saving is worth."""

    name: str
    saving: Shown | None = None
    band: Shown | None = None
    off: Shown | None = None
    worth: Shown | None = None


class Savings(Given):
    """total: sum over the uses that add up; band: its half-width; worth: in money, or no_worth why not.

    left_out: uses that no sum may hold.
    """

    total: Shown | None = None
    band: Shown | None = None
    worth: Shown | None = None
    no_worth: str = ""
    uses: tuple[Use, ...] = ()
    left_out: tuple[str, ...] = ()
    span: str = ""

    @property
    def verdict(self) -> str:
        """Whether the sum exceeds what the models cannot tell."""
        saved, band = (None if each is None else each.figure.value for each in (self.total, self.band))
        if saved is None or band is None:
            return ""
        # Strictly above: a saving as large as its own band is not significant.
        return "significant" if abs(saved) > band else "not significant: within the band"


def view(given: Savings) -> Widget:
    """The tile; a saving below zero is more use than expected and says so."""
    columns = [("Use", ""), ("Saved", "kWh"), ("±", "kWh"), ("Deviation from expected", "%"), ("Worth", ""), ("", "")]
    rows = [
        [
            Cell(text=named(each.name)),
            cell(each.saving, given.locale, signed=True),
            cell(each.band, given.locale),
            cell(each.off, given.locale, signed=True),
            cell(each.worth, given.locale, signed=True),
            # Sites differ in currency.
            Cell(text="" if each.worth is None else unit_text(each.worth.figure.unit)),
        ]
        for each in given.uses
    ]
    content = table("savings", "Energy uses", columns, rows) if rows else None
    more = []
    if given.total is not None:
        band = number("Band, ±", given.band, given.locale, note="" if given.band else "no model says how sure it is")
        worth = number("Worth", given.worth, given.locale, signed=True, note=given.no_worth or "at daily prices")
        more = [band, worth]
    left_out = Sentence("not in the sum: {0}", ", ".join(given.left_out)) if given.left_out else ""
    note = sentences((given.span, Sentence(given.verdict)))
    if content is not None:
        content = content.model_copy(update={"note": left_out})
    return tile("savings", "Savings against baseline", given, given.total, label="Saved", note=note,
                more=more, content=content, signed=True)  # fmt: skip
