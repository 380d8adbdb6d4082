"""Tiles of the board of operations for the day and month so far: energy, cost, carbon, peak demand, tariff block."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text, sentences
from reports.pages.chart import Chart, ChartRow, Energy, Kind, Limit
from reports.pages.numbers import Number
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileFigure, TileInput, bullet, nothing, number, tile, value_of
from reports.texts.locales import MISSING, currency_unit, format_alike, named, unit_text
from reports.writer import words

Band = tuple[float, float, float]


class Source(Model):
    """Energy of the hours of a day that one source gave, or, below zero, took; kWh, None where it is not known."""

    label: Text
    energy: Energy
    values: tuple[float | None, ...]


class DayEnergy(TileInput):
    """so_far: energy of the day's whole hours that are read, up to the local time `to`. expected: P10, P50 and P90 of
    the same hours together, as forecast before the day began; no_forecast: why there is none, empty where none is set
    up. hours: local time, energy and P10, P50, P90 of each, those to come without energy. days: label, difference to
    the baseline in percent of each of the days before. sources: what the hours are made of, where modules or a battery
    stand beside the grid. limit: of demand, kW, and what sets it.
    """

    day: str = ""
    to: str = ""
    so_far: TileFigure | None = None
    expected: Band | None = None
    no_forecast: Text = "no forecast was issued before the day began"
    hours: tuple[tuple[str, TileFigure | None, Band | None], ...] = ()
    days: tuple[tuple[Text, TileFigure], ...] = ()
    sources: tuple[Source, ...] = ()
    limit: tuple[float, Text] | None = None


def today(given: DayEnergy) -> Widget:
    """The tile with a chart of the hours."""
    more = [_expected(given)] if given.expected or given.no_forecast else []
    more += [number(label, shown, given.locale, signed=True) for label, shown in given.days]
    until = Sentence("until {0}", given.to) if given.to else ""
    if given.sources and given.to:
        until = Sentence("from the grid until {0}", given.to)
    title, note = ("Energy today", until) if given.day == "Today" else ("Last complete day", given.day)
    return tile("today", title, given, given.so_far, label="Energy so far", note=note,
                more=more, chart=_chart(given) if given.hours else None)  # fmt: skip


# A limit further away would press the day flat: the tile of the peak has the share of it.
_NEAR = 0.5


def _expected(given: DayEnergy) -> Number:
    if given.expected is None:
        return Number(label="Expected of the same hours", text=MISSING, note=given.no_forecast)
    low, middle, high = format_alike(given.expected, "kwh", locale=given.locale)
    note = Sentence("P10 {0} to P90 {1}, forecast from readings before the day", low, high)
    return Number(label="Expected of the same hours", text=middle, unit="kWh", note=note)


def _chart(given: DayEnergy) -> Chart:
    """Energy by the hour: bars, by source where there are several, or where a band was expected or demand has a limit
    a line beside it; the band's edges stand in the table.
    """
    measured = ChartRow(
        label="Measured", values=tuple(value_of(shown) for _, shown, _ in given.hours),
        figures=tuple("" if shown is None else shown.figure.figure_id for _, shown, _ in given.hours),
    )  # fmt: skip
    rows = [measured]
    is_banded = any(band for *_, band in given.hours)
    if is_banded:
        low, middle, high = (tuple(None if band is None else band[at] for *_, band in given.hours) for at in range(3))
        rows.append(ChartRow(label="Expected", role="expected", values=middle, low=low, high=high))
        rows += [ChartRow(label=label, values=edge, style="none") for label, edge in (("P10", low), ("P90", high))]
    elif given.sources:
        rows = [measured.model_copy(update={"style": "none", "label": "Used"})]
        rows += [ChartRow(label=each.label, energy=each.energy, values=each.values) for each in given.sources]
    limit, known = None, [value for row in rows for value in (*row.values, *row.high) if value is not None]
    if given.limit is not None and max(known, default=0.0) >= given.limit[0] * _NEAR:
        # The energy of an hour at that power.
        [text] = format_alike([given.limit[0]], "kw", locale=given.locale)
        limit = Limit(label=Sentence("limit {0} kW", text), value=given.limit[0])
    shape: Kind = "band" if is_banded or limit else "stack" if given.sources else "bars"
    return Chart(
        kind=shape, key="hours", title="Hours of the day", unit="kwh",
        x=tuple(hour for hour, *_ in given.hours), x_title="Hour", rows=tuple(rows), limit=limit,
        locale=given.locale,
    )  # fmt: skip


What = Literal["cost", "emission_kgco2e"]
TITLES: Mapping[What, str] = {"cost": "Cost, month to date", "emission_kgco2e": "Carbon, month to date"}


class MonthSoFar(TileInput):
    """month: sum of the local month so far; parts: what it is made of; projected: of the whole month.

    uncosted_minutes: of which nothing is priced. method: how the month is carried on. basis: of the factor, in words.
    budget: what the month may come to, by the site file.
    """

    what: What
    month: TileFigure | None = None
    today: TileFigure | None = None
    parts: tuple[tuple[str, TileFigure], ...] = ()
    projected: TileFigure | None = None
    method: str = ""
    uncosted_minutes: int = 0
    basis: str = ""
    budget: Decimal | None = None
    day_label: str = "Today so far"
    day: str = ""


def month_so_far(given: MonthSoFar) -> Widget:
    """The tile: the month, today, energy and other parts, and the projection with its method."""
    more: list[Number] = [number(given.day_label, given.today, given.locale, note=given.day)]
    more += [number(label, shown, given.locale) for label, shown in given.parts]
    how = "" if given.method else "no projection yet"
    more.append(number("Projected for the month", given.projected, given.locale, note=how))
    more += _budget(given)
    note = f"{given.uncosted_minutes} minutes are not priced" if given.uncosted_minutes else given.basis
    title, caption = TITLES[given.what], "Month to date, and projected for the month"
    target = None if given.budget is None else float(given.budget)
    caption = caption if target is None else "Month to date, projected for the month, and budget"
    picture = bullet(given.what, title, given, given.month, projected=given.projected, target=target, caption=caption)
    return tile(
        given.what, title, given, given.month, label="Month to date", note=note, more=more, picture=picture
    )  # fmt: skip


def _budget(given: MonthSoFar) -> list[Number]:
    """The budget, and whether the month is projected above it."""
    if given.budget is None or given.month is None:
        return []
    unit, ahead = given.month.figure.unit, value_of(given.projected)
    [text] = format_alike([given.budget], unit, locale=given.locale)
    is_above = ahead is not None and ahead > given.budget
    return [Number(
        label="Budget", text=text, unit=unit_text(unit), note="projected above budget" if is_above else "",
        tone="caution" if is_above else "plain",
    )]  # fmt: skip


COST_BY_DAY = "Cost by day"


class CostDays(TileInput):
    """month: cost of the month so far, or of the period (is_period), where every day of it is known. days: each local
    day that is read, and its cost.
    """

    month: TileFigure | None = None
    days: tuple[tuple[date, TileFigure | None], ...] = ()
    unit: str = ""
    is_period: bool = False


def cost_days(given: CostDays) -> Widget:
    """A bar a day; the month beside it."""
    key = "scope_days" if given.is_period else "cost_days"
    if not given.days:
        return nothing(key, COST_BY_DAY, given, given.reason or "no complete day of this month yet", is_set_up=False)
    names = tuple(str(day) for day, _ in given.days)
    row = ChartRow(
        label="Cost", values=tuple(value_of(shown) for _, shown in given.days),
        figures=tuple("" if shown is None else shown.figure.figure_id for _, shown in given.days),
    )  # fmt: skip
    chart = Chart(
        # The 1st, 5th, 9th … are written.
        ticks=tuple((at, str(day.day)) for at, (day, _) in enumerate(given.days) if day.day % 4 == 1),
        kind="bars", key=key, title=COST_BY_DAY, unit=given.unit, x=names, x_title="Day", rows=(row,),
        locale=given.locale,
    )  # fmt: skip
    if given.is_period and given.month is None:
        return Widget(key=key, title=COST_BY_DAY, state="value", chart=chart, is_synthetic=given.is_synthetic)
    note = "sum of the days" if given.is_period else "month to date"
    return tile(key, COST_BY_DAY, given, given.month, label="Cost", note=note, chart=chart)


class PeakDemand(TileInput):
    """peak: of the month so far; at: its local time. running: mean of the window so far. months_before: the highest of
    the months that a ratchet looks back on. rule: what the tariff says of it, in words. limit: of demand, kW, and what
    sets it.
    """

    peak: TileFigure | None = None
    at: str = ""
    running: TileFigure | None = None
    minutes_left: int = 0
    window_minutes: int = 0
    projected: TileFigure | None = None
    limit: tuple[float, Text] | None = None
    months_before: TileFigure | None = None
    rule: Text = ""


def peak_demand(given: PeakDemand) -> Widget:
    """The tile: highest demand, the running window, the projection, the target."""
    window = given.window_minutes
    # Readings that come by the day end with a window that is over: nothing of it is left to wait for.
    is_over, left = not given.minutes_left, Sentence("{0} of {1} minutes left", given.minutes_left, window)
    if is_over:
        left = Sentence("of {0} minutes", window)
    more: list[Number] = [
        number(
            "Last window" if is_over else "Running window", given.running, given.locale, note=left if window else ""
        ),
        number("Projected for the month", given.projected, given.locale),
    ]
    target = value_of(given.months_before) if given.limit is None else given.limit[0]
    if given.limit is not None:
        more.append(_limit(*given.limit, value_of(given.peak), given.locale))
    if given.rule:
        more.append(number("Highest of the months before", given.months_before, given.locale, note=given.rule))
    key, title, caption = "peak_demand", "Peak demand of the month", "Highest demand, projected, and target"
    picture = bullet(key, title, given, given.peak, projected=given.projected, target=target, caption=caption)
    shown = picture if target is not None else None
    return tile(key, title, given, given.peak, label="Highest", note=given.at, more=more, picture=shown)


def _limit(limit_kw: float, source: Text, peak_kw: float | None, locale: str) -> Number:
    """The limit, what sets it, and how much of it the highest demand reaches."""
    [text] = format_alike([limit_kw], "kw", locale=locale)
    if peak_kw is None:
        return Number(label="Limit", text=text, unit="kW", note=source)
    [share] = format_alike([peak_kw / limit_kw * 100], "percent", locale=locale)
    note = sentences((source, Sentence("{0} % of the limit", share)), ", ")
    return Number(label="Limit", text=text, unit="kW", note=note, tone="caution" if peak_kw > limit_kw else "plain")


class Block(Model):
    """A period of a charge, and the span of quarter hours around an instant in which it holds.

    price: of a kWh; None where it has tiers or comes from a series. until_utc: None beyond the days looked at.
    period_id: empty where a price stream says the price.
    """

    charge_id: str
    period_id: str
    price: Decimal | None
    why_no_price: str = ""
    until_utc: datetime | None = None
    until_local: str = ""
    next_period: str = ""
    next_price: Decimal | None = None


class TariffBlock(TileInput):
    """blocks: of every energy charge that has periods, the first leads. day: what kind of day it is. stream: the name
    of the price stream by which the site buys; its price is then the one block.
    """

    blocks: tuple[Block, ...] = ()
    currency: str = ""
    tariff: str = ""
    day: str = ""
    stream: str = ""


def tariff_block(given: TariffBlock) -> Widget:
    """The tile."""
    key, title = "tariff_block", "Tariff block now"
    if not given.blocks:
        return nothing(key, title, given, given.reason or "no tariff set up", is_set_up=bool(given.reason))
    first, *others = [_number(each, given) for each in given.blocks]
    return Widget(
        key=key, title=title, state="finding" if given.findings else "value", value=first, age=given.age,
        numbers=(*others, *_next(given.blocks, given)), findings=given.findings, link=given.link,
        is_synthetic=given.is_synthetic,
    )  # fmt: skip


def _number(block: Block, given: TariffBlock) -> Number:
    until = Sentence("until {0}", block.until_local) if block.until_local else Sentence("for more than a week")
    parts = (until, Sentence(given.day), given.tariff and named(given.tariff))
    note = Sentence("{0}, by the site file", sentences(parts, ", "))
    if given.stream:
        note = Sentence("until {0}, by the price stream", block.until_local)
    return Number(
        label=named(given.stream or f"{words(block.charge_id)}: {words(block.period_id)}"),
        text=_price(block.price, given.locale),
        unit=f"{currency_unit(given.currency)}/kWh",
        note=note if block.price is not None else sentences((Sentence(block.why_no_price), note)),
    )


def _next(blocks: Sequence[Block], given: TariffBlock) -> list[Number]:
    return [
        Number(
            label="Then", note=named(words(each.next_period)) if each.next_period else "",
            text=_price(each.next_price, given.locale), unit=f"{currency_unit(given.currency)}/kWh",
        )
        for each in blocks
        if each.next_period or each.next_price is not None
    ]  # fmt: skip


def _price(price: Decimal | None, locale: str) -> str:
    # Not the currency's code as the unit: a price of a kWh needs more than two decimals.
    return MISSING if price is None else format_alike([price], "price", locale=locale)[0]
