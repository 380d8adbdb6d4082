"""All sites that a person sees, a row each: energy, cost, carbon, energy by area, and how the site stands."""

from data_quality.contracts.model import Model
from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import Given, Shown, cell, nothing, table
from reports.report_content import Cell, Tone
from reports.texts.locales import named
from reports.texts.numbers import currency_unit


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
    columns = [("Site", ""), ("Energy", "kWh"), ("Cost", ""), ("", ""), ("Carbon", "kg CO₂e"), ("EUI", "kWh/m²"),
               ("Status", "")]  # fmt: skip
    rows = [
        [Cell(text=named(each.name)), cell(each.energy, given.locale), cell(each.cost, given.locale),
         Cell(text=currency_unit(each.currency)), cell(each.carbon, given.locale), cell(each.eui, given.locale),
         Cell(text=each.status, tone=each.tone)]
        for each in given.rows
    ]  # fmt: skip
    return Widget(
        key="sites", title="Sites", state="finding" if given.findings else "value", age=given.age,
        value=Number(label="Sites", text=str(len(given.rows)), note=given.span), findings=given.findings,
        table=table("sites", "Sites", columns, rows), is_synthetic=given.is_synthetic, link=given.link,
    )  # fmt: skip
