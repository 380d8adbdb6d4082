"""All sites that a person sees, a row each: energy, cost, carbon, energy by area, and how the site stands."""

from data_quality.contracts.model import Model
from reports.pages.page import Widget
from reports.pages.widgets.tile import Given, Shown, cell, nothing, table
from reports.report_content import Cell, Tone
from reports.texts.locales import named
from reports.texts.numbers import MISSING, currency_unit


class SiteRow(Model):
    """One site over the period; None where its marts hold nothing of it. status: of its uses, the gravest."""

    name: str
    currency: str
    energy: Shown | None = None
    cost: Shown | None = None
    carbon: Shown | None = None
    eui: Shown | None = None
    status: str = ""
    tone: Tone = "plain"
    href: str = ""


class SitesTable(Given):
    """rows: sites by name. span: the period, in words."""

    rows: tuple[SiteRow, ...] = ()
    span: str = ""


def view(given: SitesTable) -> Widget:
    """The tile; sites of different currencies are never added up."""
    if not given.rows:
        return nothing("sites", "Sites", given, given.reason or "there is no site that you may see")
    columns = [("Site", ""), ("Energy", "kWh"), ("Cost", ""), ("Carbon", "kg CO₂e"), ("EUI", "kWh/m²"), ("Status", "")]
    rows = [
        [Cell(text=named(each.name), figure_id=each.href), cell(each.energy, given.locale), _money(each, given.locale),
         cell(each.carbon, given.locale), cell(each.eui, given.locale), Cell(text=each.status, tone=each.tone)]
        for each in given.rows
    ]  # fmt: skip
    return Widget(
        key="sites", title="Sites", state="finding" if given.findings else "value", age=given.age, hint=given.span,
        findings=given.findings, table=table("sites", "Sites", columns, rows), chips=len(columns) - 1,
        leads={each.href: each.href for each in given.rows if each.href}, is_synthetic=given.is_synthetic,
        link=given.link,
    )  # fmt: skip


def _money(row: SiteRow, locale: str) -> Cell:
    """The cost with its own currency beside it: no head of a column holds for all sites."""
    made = cell(row.cost, locale)
    if made.text == MISSING:
        return made
    return made.model_copy(update={"text": f"{made.text}\N{NO-BREAK SPACE}{currency_unit(row.currency)}"})
