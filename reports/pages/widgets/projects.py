"""Widget 12: measures whose savings are verified, each with its band and the least that could be told."""

from collections.abc import Mapping, Sequence

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.chart import Chart, ChartRow
from reports.pages.numbers import Number
from reports.pages.page import Item, Widget
from reports.pages.widgets.saved_energy import of_one_site
from reports.pages.widgets.tile import TileFigure, TileInput, nothing, number, value_of
from reports.texts.locales import named


class Project(Model):
    """A measure: what was avoided so far, its band, the days compared. verdict: whether it is claimed, in words."""

    name: str
    saving: TileFigure | None = None
    band: TileFigure | None = None
    days: TileFigure | None = None
    detectable: TileFigure | None = None
    verdict: Text = ""


class Projects(TileInput):
    """projects: of the sites that the page shows."""

    projects: tuple[Project, ...] = ()


def view(given: Projects) -> Widget:
    """A bar a measure with its band; of those without a saving, why there is none."""
    key, title = "projects", "Verified measures"
    if not given.projects:
        return nothing(key, title, given, given.reason or "no project", is_set_up=bool(given.reason))
    known = [each for each in given.projects if value_of(each.saving) is not None]
    note = Sentence("{0} with a significant saving", len(known))
    hint, names = of_one_site([each.name for each in given.projects])
    named_so = dict(zip((each.name for each in given.projects), map(named, names), strict=True))
    return Widget(
        key=key, title=title, hint=hint,
        state="finding" if len(known) < len(given.projects) or given.findings else "value",
        value=Number(label="Measures", text=str(len(given.projects)), note=note), age=given.age, link=given.link,
        findings=given.findings, is_synthetic=given.is_synthetic,
        chart=_chart(known, named_so, given.locale) if known else None,
        items=tuple(_item(each, named_so[each.name], given.locale) for each in given.projects),
    )  # fmt: skip


def _item(project: Project, name: str, locale: str) -> Item:
    """The measure with what it saved, or why that is not known."""
    is_known = value_of(project.saving) is not None
    return Item(
        text=name, detail=project.verdict, icon="shield-check" if is_known else "info",
        tone="good" if is_known else "caution", worth=number("Avoided", project.saving, locale) if is_known else None,
    )  # fmt: skip


def _chart(known: Sequence[Project], names: Mapping[str, str], locale: str) -> Chart:
    columns: Mapping[str, Sequence[TileFigure | None]] = {
        "Avoided": [each.saving for each in known], "±": [each.band for each in known],
        "Smallest detectable saving": [each.detectable for each in known], "Days": [each.days for each in known],
    }  # fmt: skip
    values = {label: tuple(map(value_of, shown)) for label, shown in columns.items()}
    low, high = (
        tuple(
            None if saved is None or band is None else saved + sign * band
            for saved, band in zip(values["Avoided"], values["±"], strict=True)
        )
        for sign in (-1, 1)
    )
    rows = tuple(
        ChartRow(
            label=label, role="saved", values=values[label], style="" if label == "Avoided" else "none",
            low=low if label == "Avoided" else (), high=high if label == "Avoided" else (),
            unit="days" if label == "Days" else "",
            figures=tuple("" if each is None else each.figure.figure_id for each in shown),
        )
        for label, shown in columns.items()
    )  # fmt: skip
    return Chart(
        kind="ranked", key="projects", title="Avoided energy", unit="kwh", x=tuple(names[each.name] for each in known),
        x_title="Measure", rows=rows, locale=locale,
    )  # fmt: skip
