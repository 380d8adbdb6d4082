"""What a sum over a span comes from: its months or days as a picture and a table, a cost beside the energy and the mean
price that it is of. Each number leads to its own reason.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from data_quality.contracts.reporting.figure import Figure
from reports.figures.query import Combined, Query
from reports.pages.address import Address
from reports.pages.chart import Chart, ChartRow, ticks_of
from reports.pages.page import PageBlock, Part
from reports.pages.why_links import why_asked, why_of
from reports.recompute.computations import COMBINATIONS
from reports.report_content import Cell, Column, Row, Table
from reports.texts.numbers import unit_text
from reports.writer import format_alike

ENERGY = "consumption_kwh"
# KPI that adds up over time -> what it is called by the kWh; of energy itself nothing is.
BY_KWH: Mapping[str, str] = {ENERGY: "", "cost": "Mean price", "emission_kgco2e": "Mean factor"}
_MONTH_DAYS = 31


def grain_of(figure: Figure) -> str:
    """Of which rows of the marts the number is the sum: month, day, or empty where it is of neither."""
    days = (figure.end - figure.start).days
    if figure.kpi not in BY_KWH or figure.trace.computation != "scope_kpi" or days == 1:
        return ""
    return "" if "hour_start_utc" in figure.trace.parameters else "month" if days > _MONTH_DAYS else "day"


def parts_of(
    figure: Figure, parts: Sequence[Figure], address: Address, titles: Mapping[str, tuple[str, str, str]]
) -> tuple[Part | None, dict[str, str]]:
    """The part of the page and where its numbers lead; None where nothing is known of months or days.

    parts: the months' or days' figures of the number's own KPI and of energy. titles: KPI -> its name, and more.
    """
    by_start: dict[date, dict[str, Figure]] = {}
    for each in parts:
        by_start.setdefault(each.start, {})[each.kpi] = each
    by_start = {start: found for start, found in sorted(by_start.items()) if figure.kpi in found}
    if not by_start:
        return None, {}
    grain, kpis = grain_of(figure), dict.fromkeys((figure.kpi, ENERGY))
    labels = [f"{start:%Y-%m}" if grain == "month" else str(start) for start in by_start]
    whys: dict[str, str] = {}
    columns, cells = [Column(title=grain.capitalize(), weight=2)], [[Cell(text=label)] for label in labels]
    for kpi in kpis:
        found = [each.get(kpi) for each in by_start.values()]
        if kpi != figure.kpi and None in found:
            continue
        columns.append(Column(title=titles.get(kpi, (kpi,))[0], unit=unit_text(_unit(found)), is_number=True))
        whys |= {each.figure_id: why_of(each, address) for each in found if each is not None}
        _add(cells, [None if each is None else each.value for each in found], _unit(found), found, address)
        if kpi != figure.kpi:
            columns.append(_by_kwh(figure, list(by_start.values()), labels, cells, whys, address))
    known = [each[figure.kpi] for each in by_start.values()]
    title = titles.get(figure.kpi, (figure.kpi,))[0]
    chart = Chart(
        kind="bars",
        key="parts",
        title=title,
        unit=figure.unit,
        x=tuple(labels),
        x_title=grain,
        rows=(
            ChartRow(
                label=title,
                values=tuple(None if each.value is None else float(each.value) for each in known),
                figures=tuple(each.figure_id for each in known),
            ),
        ),
        ticks=ticks_of(labels),
        locale=address.locale,
    )
    rows = tuple(Row(cells=tuple(each)) for each in cells)
    table = Table(key="parts_table", title=f"By {grain}", sheet="parts", columns=tuple(columns), rows=rows)
    blocks: tuple[PageBlock, ...] = (chart, table)
    return Part(key="parts", title="Over time", blocks=blocks), whys


def _unit(figures: Sequence[Figure | None]) -> str:
    return next((each.unit for each in figures if each is not None), "")


def _by_kwh(
    figure: Figure,
    by_start: Sequence[Mapping[str, Figure]],
    labels: Sequence[str],
    cells: list[list[Cell]],
    whys: dict[str, str],
    address: Address,
) -> Column:
    """The column of a cost or an emission by the kWh: of each span the one divided by the other."""
    values: list[Decimal | None] = []
    for label, found in zip(labels, by_start, strict=True):
        operands = [(name, found[kpi].value) for name, kpi in (("first", figure.kpi), ("second", ENERGY))]
        values.append(COMBINATIONS["ratio"](operands))
        parts = tuple(Query(measure=kpi, scopes=(figure.scope,), span=label) for kpi in (figure.kpi, ENERGY))
        whys[f"ratio@{label}"] = why_asked(Combined(of="ratio", parts=parts), address)
    _add(cells, values, "ratio", [f"ratio@{label}" for label in labels], address)
    return Column(title=BY_KWH[figure.kpi], unit=f"{unit_text(figure.unit)}/kWh", is_number=True)


def _add(
    cells: list[list[Cell]],
    values: Sequence[Decimal | None],
    unit: str,
    of: Sequence[Figure | str | None],
    address: Address,
) -> None:
    for row, text, each in zip(cells, format_alike(values, unit, locale=address.locale), of, strict=True):
        row.append(Cell(text=text, figure_id=each.figure_id if isinstance(each, Figure) else each or ""))
