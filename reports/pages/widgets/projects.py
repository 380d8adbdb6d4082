"""Widget 12: measures whose savings are verified, each with its band and the least that could be told."""

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import Given, Shown, cell, nothing, table
from reports.report_content import Cell
from reports.texts.locales import named


class Project(Model):
    """A measure: what was avoided so far, its band, the days compared. verdict: whether it is claimed, in words."""

    name: str
    saving: Shown | None = None
    band: Shown | None = None
    days: Shown | None = None
    detectable: Shown | None = None
    verdict: Text = ""


class Projects(Given):
    """projects: of the sites that the page shows."""

    projects: tuple[Project, ...] = ()


def view(given: Projects) -> Widget:
    """The tile."""
    key, title = "projects", "Verified measures"
    if not given.projects:
        return nothing(key, title, given, given.reason or "no project", is_set_up=bool(given.reason))
    columns = [
        ("Measure", ""),
        ("Avoided", "kWh"),
        ("±", "kWh"),
        ("Days", ""),
        ("Smallest detectable saving", "kWh"),
        ("Status", ""),
    ]
    rows = [
        [Cell(text=named(each.name)), cell(each.saving, given.locale), cell(each.band, given.locale),
         cell(each.days, given.locale), cell(each.detectable, given.locale), Cell(text=each.verdict)]
        for each in given.projects
    ]  # fmt: skip
    known = sum(1 for each in given.projects if each.saving is not None and each.saving.figure.value is not None)
    note = Sentence("{0} with a significant saving", known)
    return Widget(
        key=key, title=title, state="finding" if known < len(given.projects) or given.findings else "value",
        value=Number(label="Measures", text=str(len(given.projects)), note=note), age=given.age, link=given.link,
        findings=given.findings, table=table(key, "Measures", columns, rows), is_synthetic=given.is_synthetic,
    )  # fmt: skip
