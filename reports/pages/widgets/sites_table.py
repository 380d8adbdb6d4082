"""All sites that a person sees, a row each: energy, cost, carbon, energy by area, and how the site stands."""

from data_quality.contracts.model import Model
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileFigure, TileInput, cell, nothing, priced_cell
from reports.report_content import Cell, Tone, table
from reports.svg.markup import spark_svg
from reports.texts.locales import MISSING, format_alike, named


class SiteRow(Model):
    """One site over the period; None where its marts hold nothing of it. status: of its uses, the gravest. months:
    energy of each month of the period, None where it is not known.
    """

    name: str
    energy: TileFigure | None = None
    cost: TileFigure | None = None
    carbon: TileFigure | None = None
    eui: TileFigure | None = None
    status: str = ""
    tone: Tone = "plain"
    href: str = ""
    months: tuple[float | None, ...] = ()


class SitesTable(TileInput):
    """rows: sites by name. span: the period, in words."""

    rows: tuple[SiteRow, ...] = ()
    span: str = ""


def view(given: SitesTable) -> Widget:
    """The tile; sites of different currencies are never added up."""
    if not given.rows:
        return nothing("sites", "Sites", given, given.reason or "there is no site that you may see")
    columns = [
        ("Site", ""), ("Energy by month", ""), ("Energy", "kWh"), ("Cost", ""), ("Carbon", "kg CO₂e"),
        ("EUI", "kWh/m²"), ("Status", ""),
    ]  # fmt: skip
    rows = [
        [Cell(text=named(each.name), href=each.href), _months(each, given.locale), cell(each.energy, given.locale),
         priced_cell(each.cost, given.locale), cell(each.carbon, given.locale), cell(each.eui, given.locale),
         Cell(text=each.status, tone=each.tone)]
        for each in given.rows
    ]  # fmt: skip
    return Widget(
        key="sites", title="Sites", state="finding" if given.findings else "value", age=given.age, hint=given.span,
        findings=given.findings, table=table("sites", "Sites", columns, rows), chips=len(columns) - 1,
        is_synthetic=given.is_synthetic,
        link=given.link, sparks={_key(each): _spark(each, given.locale) for each in given.rows if _known(each)},
    )  # fmt: skip


def _known(row: SiteRow) -> list[float]:
    return [value for value in row.months if value is not None]


def _key(row: SiteRow) -> str:
    return f"months of {row.name}"


def _months(row: SiteRow, locale: str) -> Cell:
    """The least and the greatest month, in whose place the page draws them all."""
    if not (known := _known(row)):
        return Cell(text=MISSING)
    ends = format_alike([min(known), max(known)], "kwh", locale=locale)
    return Cell(text="–".join(dict.fromkeys(ends)), figure_id=_key(row))


def _spark(row: SiteRow, locale: str) -> str:
    return spark_svg(row.name, row.months, text=f"{_months(row, locale).text} kWh")
