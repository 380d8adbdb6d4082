"""Widget 11: the parts of a site by its tree of meters, and what no meter below sees; negative is a finding."""

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from reports.pages.page import Picture, Widget
from reports.pages.widgets.tile import Given, Shown, cell, nothing, table, tile
from reports.report_content import Cell

MOST_TILES = 60


class Submeter(Model):
    """One part: a meter below the main one, with its energy of the period."""

    name: str
    energy: Shown


class Submeters(Given):
    """whole: what the main meters took in. rest: whole less parts, as a figure of its own. picture: the same, drawn."""

    whole: Shown | None = None
    parts: tuple[Submeter, ...] = ()
    rest: Shown | None = None
    span: str = ""
    picture: Picture | None = None


def view(given: Submeters) -> Widget:
    """The tile: whole, parts by size, and the rest by its name."""
    key, title = "submeters", "Where it goes"
    if not given.parts:
        return nothing(key, title, given, given.reason or "the site has no meter below its main one")
    parts = sorted(given.parts, key=lambda each: each.energy.figure.value or 0, reverse=True)
    rows = [[Cell(text=each.name), cell(each.energy, given.locale)] for each in parts[:MOST_TILES]]
    findings = []
    if given.rest is not None:
        rows.append([Cell(text="Not metered below"), cell(given.rest, given.locale, signed=True)])
        if given.rest.figure.value is not None and given.rest.figure.value < 0:
            message = "the meters below the main one add up to more than it took in"
            findings.append(Finding(code="negative_rest", message=message))
    content = table("submeters", "Meters by energy", [("Meter", ""), ("Energy", "kWh")], rows)
    return tile(key, title, given, given.whole, label="Main meters", note=given.span, findings=findings,
                content=content, picture=given.picture)  # fmt: skip
