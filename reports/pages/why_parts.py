"""Parts of a sum over a span: its months, days or hours as a chart, whose table has of a cost the energy and the
mean price too. Each number leads to its own reason. Of an hour, its quarter hours.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal

from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import clock_of, parse_instant, zone
from reports.figures.query import Combined, Query
from reports.pages.address import Address, why_address, why_of
from reports.pages.chart import Chart, ChartRow, day_ticks, ticks_of
from reports.pages.page import Widget
from reports.recompute.computations import COMBINATIONS
from reports.texts.locales import unit_text

ENERGY = "consumption_kwh"
# KPI that adds up over time -> what it is called by the kWh; of energy itself nothing is.
BY_KWH: Mapping[str, str] = {ENERGY: "", "cost": "Mean price", "emission_kgco2e": "Mean factor"}
_MONTH_DAYS = 31


def grain_of(figure: Figure) -> Literal["", "month", "day", "hour"]:
    """Of which rows of the marts the number is the sum: month, day, hour, or empty where it is of none."""
    days = (figure.end - figure.start).days
    if figure.kpi not in BY_KWH or figure.trace.computation != "scope_kpi" or is_hour(figure):
        return ""
    return "month" if days > _MONTH_DAYS else "day" if days > 1 else "hour"


def is_hour(figure: Figure) -> bool:
    """True for the number of one hour."""
    return "hour_start_utc" in figure.trace.parameters


def parts_of(
    figure: Figure,
    parts: Sequence[Figure],
    address: Address,
    titles: Mapping[str, tuple[str, str, str]],
    time_zone: str,
) -> tuple[Widget | None, dict[str, str]]:
    """The card of the parts and where its numbers lead; None where nothing is known of them.

    parts: figures of months, days or hours, of the number's own KPI and of energy. titles: KPI -> its name, and more.
    """
    by_start: dict[str, dict[str, Figure]] = {}
    for each in parts:
        by_start.setdefault((each.trace.parameters.get("hour_start_utc") or str(each.start)), {})[each.kpi] = each
    by_start = {start: found for start, found in sorted(by_start.items()) if figure.kpi in found}
    if not by_start:
        return None, {}
    grain = grain_of(figure)
    labels = _labels(list(by_start), grain, time_zone)
    found = list(by_start.values())
    whys = {each.figure_id: why_of(each, address) for each in parts}
    rows = [_row(figure.kpi, found, titles)]
    if figure.kpi != ENERGY and all(ENERGY in each for each in found):
        rows.append(_row(ENERGY, found, titles).model_copy(update={"style": "none"}))
        if grain != "hour":
            rows.append(_by_kwh(figure, found, list(by_start), grain, whys, address))
    ticks = ticks_of(labels) if grain == "hour" else day_ticks(labels, address.locale)
    chart = Chart(
        kind="bars", key="parts", title=f"By {grain}", unit=figure.unit, x=tuple(labels), x_title=grain.capitalize(),
        rows=tuple(rows), ticks=ticks, locale=address.locale,
    )  # fmt: skip
    return _card(chart), whys


def quarters_of(
    figure: Figure, quarters: Sequence[tuple[datetime, Decimal | None]], time_zone: str, locale: str
) -> Widget | None:
    """The card of the quarter hours of an hour; None where there are none."""
    if not quarters:
        return None
    labels = tuple(clock_of(at.astimezone(zone(time_zone))) for at, _ in quarters)
    values = tuple(None if value is None else float(value) for _, value in quarters)
    row = ChartRow(label="Energy", values=values)
    return _card(
        Chart(
            kind="bars", key="parts", title="By quarter hour", unit=figure.unit, x=labels, x_title="Quarter hour",
            rows=(row,), locale=locale,
        )
    )  # fmt: skip


def _card(chart: Chart) -> Widget:
    return Widget(key="parts", title=chart.title, hint=unit_text(chart.unit), state="value", chart=chart)


def _labels(starts: Sequence[str], grain: str, time_zone: str) -> list[str]:
    if grain == "hour":
        return [clock_of(parse_instant(each).astimezone(zone(time_zone))) for each in starts]
    return [each[:7] if grain == "month" else each for each in starts]


def _row(kpi: str, found: Sequence[Mapping[str, Figure]], titles: Mapping[str, tuple[str, str, str]]) -> ChartRow:
    known = [each[kpi] for each in found]
    return ChartRow(
        label=titles.get(kpi, (kpi,))[0], unit=known[0].unit, figures=tuple(each.figure_id for each in known),
        values=tuple(None if each.value is None else float(each.value) for each in known),
    )  # fmt: skip


def _by_kwh(
    figure: Figure,
    found: Sequence[Mapping[str, Figure]],
    starts: Sequence[str],
    grain: str,
    whys: dict[str, str],
    address: Address,
) -> ChartRow:
    """A cost or an emission by the kWh: of each span the one divided by the other."""
    values: list[Decimal | None] = []
    spans = [each[:7] if grain == "month" else each for each in starts]
    for span, each in zip(spans, found, strict=True):
        operands = [(name, each[kpi].value) for name, kpi in (("first", figure.kpi), ("second", ENERGY))]
        values.append(COMBINATIONS["ratio"](operands))
        parts = tuple(Query(measure=kpi, scopes=(figure.scope,), span=span) for kpi in (figure.kpi, ENERGY))
        whys[f"ratio@{span}"] = why_address(Combined(of="ratio", parts=parts), address)
    return ChartRow(
        label=BY_KWH[figure.kpi], unit=f"{figure.unit}/kwh", style="none",
        values=tuple(None if each is None else float(each) for each in values),
        figures=tuple(f"ratio@{span}" for span in spans),
    )  # fmt: skip
