"""Widget: why the cost of a period is another than that of a year before, in steps from one to the other."""

from collections.abc import Sequence
from decimal import Decimal

from data_quality.contracts.sentence import Sentence, Text, sentences
from reports.chart_geometry import step_levels, step_ticks
from reports.pages.chart import Chart, ChartRow, Limit
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileFigure, TileInput, nothing, tile, value_of

KEY, TITLE = "cost_bridge", "Why the cost changed"
REMARKS = {
    "Price": "change of the mean price of a kWh, all charges in it, times the energy of {1}",
    "Production and weather": "energy that the baselines expect more or less, at the mean price of {0}",
    "Energy performance": "change of the savings against the baselines, at the mean price of {0}",
    "Other use": "energy of no use with a baseline, at the mean price of {0}",
    "Quantity": "all energy used more or less, at the mean price of {0}: no baseline splits it",
}


class CostBridge(TileInput):
    """before, now: cost of both spans and what they are called; change: now less before. steps: key of REMARKS, and
    what it brought; together they are the change. budget: what the
    period may come to, by the site file.
    """

    spans: tuple[str, str] = ("", "")
    before: TileFigure | None = None
    now: TileFigure | None = None
    change: TileFigure | None = None
    steps: tuple[tuple[str, TileFigure], ...] = ()
    budget: Decimal | None = None


def view(given: CostBridge) -> Widget:
    """The tile: from the cost before in steps to the cost now."""
    values = [value_of(given.before), *(value_of(step) for _, step in given.steps), value_of(given.now)]
    known = [each for each in values if each is not None]
    if not given.steps or len(known) < len(values):
        reason = given.reason or "cost and energy of both periods are not known as a whole"
        return nothing(KEY, TITLE, given, reason, is_set_up=False)
    years = Sentence("{1} against {0}", *given.spans)
    note = sentences((years, Sentence("axis does not start at zero") if _is_broken(known, given.budget) else ""), ", ")
    return tile(
        KEY, TITLE, given, given.change, label="Change", note=note, chart=_chart(given, known), signed=True
    )  # fmt: skip


def _is_broken(values: Sequence[float], budget: Decimal | None) -> bool:
    levels = [*step_levels(values), values[-1], *([] if budget is None else [float(budget)])]
    return step_ticks(min(levels), max(levels))[0] > 0


def _chart(given: CostBridge, values: Sequence[float]) -> Chart:
    ends = [each for each in (given.before, given.now) if each is not None]
    shown = (ends[0], *(step for _, step in given.steps), ends[-1])
    names: tuple[Text, ...] = (given.spans[0], *(name for name, _ in given.steps), given.spans[1])
    row = ChartRow(label="Cost", values=tuple(values), figures=tuple(each.figure.figure_id for each in shown))
    remarks = ("", *(Sentence(REMARKS[name], *given.spans) for name, _ in given.steps), "")
    limit = (
        None if given.budget is None else Limit(label=Sentence("Budget {0}", given.spans[1]), value=float(given.budget))
    )
    return Chart(
        kind="bridge", key=KEY, title=TITLE, unit=ends[0].figure.unit, x=names, x_title="Step", rows=(row,),
        limit=limit, remarks=remarks, locale=given.locale,
    )  # fmt: skip
