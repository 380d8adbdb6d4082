"""Widget 11: the parts of a site by its tree of meters, and what no meter below sees; negative is a finding."""

from collections.abc import Sequence

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text
from reports.pages.chart import Chart, ChartRow, Role, Style
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileFigure, TileInput, nothing, tile, value_of
from reports.texts.locales import named

MOST_ROWS = 60


class Submeter(Model):
    """One part: an energy use, or a meter below the main one. before: of as many days before; change: in percent. of:
    the use whose energy it and others make up. place: among the site's uses, which says its colour.
    """

    name: str
    energy: TileFigure
    before: TileFigure | None = None
    change: TileFigure | None = None
    is_use: bool = False
    of: str = ""
    place: int = 0


class Submeters(TileInput):
    """whole: what the main meters took in; before, change: as of a part. rest: whole less parts, as a figure of its
    own; none where own generation or a battery feeds the parts too (is_fed). is_tree: each use is made up of meters of
    its own, so that what comes in goes out.
    """

    whole: TileFigure | None = None
    parts: tuple[Submeter, ...] = ()
    rest: TileFigure | None = None
    before: TileFigure | None = None
    change: TileFigure | None = None
    is_fed: bool = False
    is_tree: bool = False
    span: Text = ""


def view(given: Submeters) -> Widget:
    """The tile: whole, parts by size, and the rest by its name."""
    key, title = "submeters", "Where it goes"
    if not given.parts:
        why = given.reason or "the site has no meter below its main one"
        return nothing(key, title, given, why, is_set_up=bool(given.reason))
    parts = sorted(given.parts, key=lambda each: (not each.is_use, -(each.energy.figure.value or 0)))
    names = [Sentence("Use: {0}", named(each.name)) if each.is_use else named(each.name) for each in parts[:MOST_ROWS]]
    rows = [(each.energy, each.before, each.change) for each in parts[:MOST_ROWS]]
    findings = []
    if given.rest is not None:
        names.append("Not metered separately")
        rows.append((given.rest, None, None))
        if given.rest.figure.value is not None and given.rest.figure.value < 0:
            message = "the meters below the main one add up to more than it took in"
            findings.append(Finding(code="negative_rest", message=message))
    if given.is_fed:
        message = "the unmetered share cannot be calculated: solar and battery feed the same meters"
        findings.append(Finding(code="own_generation", message=message, severity="info"))
    is_tree = given.is_tree and not findings and len(names) <= MOST_ROWS
    chart = _tree(given) if is_tree else _chart(names, rows, given.locale)
    return tile(
        key, title, given, given.whole, label="Main meters", note=given.span, findings=findings, chart=chart
    )  # fmt: skip


def _tree(given: Submeters) -> Chart:
    """The main meters, the uses and meters that their energy goes to, and what is left."""
    uses = sorted((each for each in given.parts if each.is_use), key=_size)
    loose = sorted((each for each in given.parts if not each.is_use and not each.of), key=_size)
    names: list[Text] = ["Main meters"]
    rows: list[tuple[TileFigure | None, ...]] = [(given.whole, given.before, given.change)]
    # A use has one colour on all pages: that of its place in the site file.
    above, parts = [-1], [0]
    for part in (*uses, *loose):
        top = len(names)
        own = sorted((each for each in given.parts if part.is_use and each.of == part.name), key=_size)
        names += [named(each.name) for each in (part, *own)]
        rows += [(each.energy, each.before, each.change) for each in (part, *own)]
        above += [0, *(top for _ in own)]
        parts += [part.place, *(0 for _ in own)]
    if given.rest is not None:
        names.append("Not metered separately")
        rows.append((given.rest, None, None))
        above.append(0)
        parts.append(0)
    update = {"kind": "tree", "above": tuple(above), "parts": tuple(parts)}
    return _chart(names, rows, given.locale).model_copy(update=update)


def _size(part: Submeter) -> float:
    return -float(part.energy.figure.value or 0)


def _chart(names: Sequence[Text], rows: Sequence[tuple[TileFigure | None, ...]], locale: str) -> Chart:
    """A bar a use or meter with what it used before under it; the change stands in the table."""
    kinds: tuple[tuple[Text, Role, Style], ...] = (
        ("Energy", "measured", ""), ("Before", "third", ""), ("Change", "compared", "none"),
    )  # fmt: skip
    return Chart(
        kind="ranked",
        key="submeters",
        title="Meters by energy",
        unit="kwh",
        x=tuple(names),
        x_title="Use or meter",
        rows=tuple(
            ChartRow(
                label=label, role=role, style=style, unit="percent" if style else "kwh", is_signed=bool(style),
                values=tuple(value_of(row[at]) for row in rows),
                figures=tuple("" if (each := row[at]) is None else each.figure.figure_id for row in rows),
            )
            for at, (label, role, style) in enumerate(kinds)
        ),
        locale=locale,
    )  # fmt: skip
