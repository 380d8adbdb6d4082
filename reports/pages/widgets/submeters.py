"""Widget 11: the parts of a site by its tree of meters, and what no meter below sees; negative is a finding."""

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.page import Picture, Widget
from reports.pages.widgets.tile import Given, Shown, cell, nothing, table, tile
from reports.report_content import Cell
from reports.svg.treemap import Tile, treemap_svg
from reports.texts.locales import named

MOST_TILES = 60


class Submeter(Model):
    """One part: an energy use, or a meter below the main one. before: of as many days before; change: in percent."""

    name: str
    energy: Shown
    before: Shown | None = None
    change: Shown | None = None
    is_use: bool = False


class Submeters(Given):
    """whole: what the main meters took in. rest: whole less parts, as a figure of its own; none where
    own generation or a battery feeds the parts too (is_fed).
    """

    whole: Shown | None = None
    parts: tuple[Submeter, ...] = ()
    rest: Shown | None = None
    is_fed: bool = False
    span: Text = ""


def view(given: Submeters) -> Widget:
    """The tile: whole, parts by size, and the rest by its name."""
    key, title = "submeters", "Where it goes"
    if not given.parts:
        why = given.reason or "the site has no meter below its main one"
        return nothing(key, title, given, why, is_set_up=bool(given.reason))
    parts = sorted(given.parts, key=lambda each: (not each.is_use, -(each.energy.figure.value or 0)))
    rows = [
        [Cell(text=Sentence("Use: {0}", named(each.name)) if each.is_use else named(each.name)),
         cell(each.energy, given.locale), cell(each.before, given.locale), cell(each.change, given.locale, signed=True)]
        for each in parts[:MOST_TILES]
    ]  # fmt: skip
    findings = []
    if given.rest is not None:
        rest = cell(given.rest, given.locale, signed=True)
        rows.append([Cell(text="Not metered separately"), rest, Cell(text=""), Cell(text="")])
        if given.rest.figure.value is not None and given.rest.figure.value < 0:
            message = "the meters below the main one add up to more than it took in"
            findings.append(Finding(code="negative_rest", message=message))
    if given.is_fed:
        message = "the unmetered share cannot be calculated: solar and battery feed the same meters"
        findings.append(Finding(code="own_generation", message=message, severity="info"))
    tiles = [
        Tile(each.name, float(value), cell(each.energy, given.locale).text)
        for each in parts
        if not each.is_use and (value := each.energy.figure.value)
    ]
    picture = None
    if len(tiles) > 1:
        svg = treemap_svg(f"{title}, {given.span}", tiles)
        picture = Picture(key="submeters-map", title=title, svg=svg, caption="Meters below the main one, by energy")
    columns = [("Use or meter", ""), ("Energy", "kWh"), ("Before", "kWh"), ("Change", "%")]
    content = table("submeters", "Meters by energy", columns, rows)
    return tile(key, title, given, given.whole, label="Main meters", note=given.span, findings=findings,
                content=content, picture=picture)  # fmt: skip
