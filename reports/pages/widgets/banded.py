"""Bars with whiskers of what was tried or told apart at a site: variants of a what-if, or classes of a circuit."""

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Text, sentences
from reports.pages.chart import Chart, ChartRow, Role
from reports.pages.page import Widget
from reports.pages.widgets.tile import Given, nothing

Edges = tuple[float, float] | None


class Bar(Model):
    """One bar. value: in the unit of its card, None where it is not told; edges: of its 90 % interval.

    remark: what must be known of it, behind its name.
    """

    name: Text
    value: float | None
    edges: Edges = None
    remark: Text = ""


class Banded(Given):
    """A card of bars. label: what the values are; unit: as figures spell it; x_title: what a bar is
    of; note: one sentence below.
    """

    key: str
    title: Text
    label: Text
    unit: str
    x_title: Text
    bars: tuple[Bar, ...] = ()
    role: Role = "measured"
    is_signed: bool = False
    note: Text = ""


def view(given: Banded) -> Widget:
    """The card, the largest value first; without a bar it is not set up."""
    known = sorted(given.bars, key=lambda each: (each.value is None, -(each.value or 0.0)))
    if not known:
        return nothing(given.key, given.title, given, given.reason or "nothing stored yet", is_set_up=False)
    low, high = (tuple(None if each.edges is None else each.edges[at] for each in known) for at in (0, 1))
    has_band = any(each.edges is not None for each in known)
    row = ChartRow(
        label=given.label, role=given.role, values=tuple(each.value for each in known), is_signed=given.is_signed,
        low=low if has_band else (), high=high if has_band else (),
    )  # fmt: skip
    edges = tuple(
        ChartRow(label=name, style="none", values=values, is_signed=given.is_signed)
        for name, values in (("Low end of 90 %", low), ("High end of 90 %", high))
    )
    chart = Chart(
        kind="ranked", key=given.key, title=given.title, unit=given.unit,
        x=tuple(sentences((each.name, each.remark), " · ") for each in known),
        x_title=given.x_title, rows=(row, *(edges if has_band else ())), note=given.note, locale=given.locale,
    )  # fmt: skip
    return Widget(key=given.key, title=given.title, state="value", chart=chart, is_synthetic=given.is_synthetic)
