"""The plan of the next hours: price, solar and use, battery and devices over one axis, and why it is so."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.time import clock_of
from reports.pages.chart import Chart, ChartRow, Energy, Role, Style
from reports.pages.page import Item, Widget
from reports.pages.pause_acts import HolidayNow, PauseNow, holiday_acts, holiday_text, pause_acts, pause_text
from reports.pages.widgets.tile import TileInput, nothing
from reports.texts.locales import format_alike, named

KEY, TITLE, OVER = "plan_ahead", "Plan for the next hours", "This plan is over."
WHY_KEY, WHY_TITLE = "plan_why", "Why this plan"
_EVERY_H = 2
# So many reasons are shown, those with the most money in them; the others are behind a fold.
MOST_REASONS = 5
# How many steps before the plan are shown, and how long they are.
BEFORE, STEP = 16, timedelta(minutes=15)


class PlanRow(Model):
    """One row of a plan over its steps: what the sun gives and what is used in kW, or a level in percent."""

    kind: Literal["sun", "use", "level"]
    label: Text
    energy: Energy
    values: tuple[float | None, ...]


class Spell(Model):
    """Activity of a device from one local time to another.

    verb: as its kind says it. prices: least and greatest of its steps. why: what another choice would cost. money: the
    worth of its energy at these prices.
    """

    device: str
    energy: Energy
    start: str
    end: str
    verb: str
    kwh: float
    prices: tuple[float, float]
    why: Text = ""
    money: float = 0.0
    is_over: bool = False


class PlanTimeline(TileInput):
    """edges: local times of the steps and the end of the last; none where no plan is stored. now_at: the step of now.

    cost, cost_without: of the plan, and of the same hours with nothing planned. made: when it was. past: local starts
    of the steps before the plan that something is known of. prices, bands: of each step, those of past first; none
    where no price is known. measured: lanes over all steps. remarks: what the plan rests on that nobody measured.
    has_devices: whether there is anything to plan. holiday, pause: those that hold, and what the person may do about
    them.
    """

    has_devices: bool = True
    edges: tuple[datetime, ...] = ()
    now_at: int | None = None
    is_over: bool = False
    currency: str = ""
    cost: float = 0.0
    cost_without: float = 0.0
    made: Text = ""
    past: tuple[datetime, ...] = ()
    prices: tuple[float | None, ...] = ()
    bands: tuple[Literal["cheap", "mid", "dear"], ...] = ()
    lanes: tuple[PlanRow, ...] = ()
    measured: tuple[PlanRow, ...] = ()
    spells: tuple[Spell, ...] = ()
    remarks: tuple[Text, ...] = ()
    holiday: HolidayNow = HolidayNow()
    pause: PauseNow = PauseNow()


def view(given: PlanTimeline) -> Widget:
    """The tile; where no plan is stored, how to get one."""
    acts = (*pause_acts(given.pause, given.address), *holiday_acts(given.holiday, given.address))
    away = sentences((pause_text(given.pause), holiday_text(given.holiday)), ". ")
    if not given.edges:
        found = _without(KEY, TITLE, given)
        return found.model_copy(update={"acts": acts, "reason": sentences((away, found.reason), ". ")})
    saved = given.cost_without - given.cost
    cost, change = format_alike([given.cost, abs(saved)], given.currency, locale=given.locale)
    pattern = (
        "{0} {2}, {1} {2} less than without control" if saved >= 0 else "{0} {2}, {1} {2} more than without control"
    )
    cost_line: Text = Sentence(pattern, cost, change, given.currency)
    cost_line = sentences((away, cost_line, OVER if given.is_over else ""), ". ")
    return Widget(
        key=KEY, title=TITLE, state="value", is_synthetic=given.is_synthetic, link=given.link,
        age=Sentence("calculated {0}", given.made), chart=_chart(given), reason=cost_line, acts=acts,
    )  # fmt: skip


def why(given: PlanTimeline) -> Widget:
    """The tile of reasons: what each device does when, and what another choice would cost."""
    if not given.edges:
        return _without(WHY_KEY, WHY_TITLE, given)
    shown = [each for each in given.spells if not each.is_over]
    items = tuple(_item(each, given) for each in shown)
    dearest = sorted(range(len(shown)), key=lambda at: -shown[at].money)[:MOST_REASONS]
    first = tuple(items[at] for at in sorted(dearest))
    nothing_planned = "" if shown else "No device is planned to do anything in the hours to come."
    return Widget(
        key=WHY_KEY, title=WHY_TITLE, state="value", is_synthetic=given.is_synthetic, items=first,
        all_items=("All reasons", items) if len(items) > len(first) else None,
        age=Sentence("calculated {0}", given.made), reason=nothing_planned or sentences(given.remarks),
    )  # fmt: skip


def _item(spell: Spell, given: PlanTimeline) -> Item:
    return Item(
        span=f"{spell.start}–{spell.end}", text=named(spell.device), energy=spell.energy, detail=_does(spell, given),
        more=spell.why,
    )  # fmt: skip


def _does(spell: Spell, given: PlanTimeline) -> Text:
    [kwh] = format_alike([spell.kwh], "kwh", locale=given.locale)
    prices = format_alike(spell.prices, f"{given.currency}/kwh", locale=given.locale)
    return Sentence(f"{spell.verb} {{0}} kWh at {{1}} {{2}}/kWh", kwh, "–".join(dict.fromkeys(prices)), given.currency)


def _without(key: str, title: str, given: PlanTimeline) -> Widget:
    reason = given.reason or "No plan is stored. The plan job makes one by itself."
    return nothing(key, title, given, reason, is_set_up=given.has_devices)


def _chart(given: PlanTimeline) -> Chart:
    starts = (*given.past, *given.edges[:-1])
    now_at = None if given.now_at is None else given.now_at + len(given.past)
    ticks = [(at, clock_of(each)) for at, each in enumerate(starts) if each.minute == 0 and each.hour % _EVERY_H == 0]
    return Chart(
        kind="plan", key="plan", title="Price, power and level", unit="", x_title="Time",
        x=tuple(f"{each:%Y-%m-%d} {clock_of(each)}" for each in starts),
        rows=(*_prices(given), *_planned(given), *_measured(given)),
        ticks=tuple(ticks), locale=given.locale, now_at=now_at,
    )  # fmt: skip


def _prices(given: PlanTimeline) -> Iterator[ChartRow]:
    names: dict[str, tuple[str, Role]] = {
        "cheap": ("Low price", "cheap"), "mid": ("Medium price", "mid"), "dear": ("High price", "dear"),
    }  # fmt: skip
    for band, (label, role) in names.items():
        values = tuple(price if of == band else None for price, of in zip(given.prices, given.bands, strict=True))
        if any(each is not None for each in values):
            yield ChartRow(label=label, values=values, role=role, unit=f"{given.currency}/kwh", lane="Price")


def _measured(given: PlanTimeline) -> Iterator[ChartRow]:
    """Measured power, in the lane of the planned one."""
    for each in given.measured:
        is_level = each.kind == "level"
        label = "Use, measured" if each.kind == "use" else Sentence("{0}, measured", named(each.label))
        yield ChartRow(
            label=label, values=each.values,
            energy=None if each.kind == "use" else each.energy, unit="percent" if is_level else "kw",
            style="line" if is_level else "steps", lane=each.label if is_level else "Solar and use",
        )  # fmt: skip


def _planned(given: PlanTimeline) -> Iterator[ChartRow]:
    """The plan's rows over all steps: nothing before it."""
    before = (None,) * len(given.past)
    for row in _rows(given):
        yield row.model_copy(update={"values": (*before, *row.values)})


def _rows(given: PlanTimeline) -> Iterator[ChartRow]:
    for each in given.lanes:
        if each.kind == "sun":
            yield ChartRow(label=named(each.label), values=each.values, energy=each.energy, unit="kw", style="line",
                           lane="Solar and use")  # fmt: skip
    for each in given.lanes:
        if each.kind == "use":
            label = each.label if each.label == "Household" else named(each.label)
            style: Style = "blocks" if each.energy in ("car", "water", "heating") else ""
            yield ChartRow(label=label, values=each.values, energy=each.energy, unit="kw", style=style,
                           lane="Solar and use")  # fmt: skip
    for each in given.lanes:
        if each.kind == "level":
            yield ChartRow(label="State of charge", values=each.values, energy=each.energy, unit="percent",
                           style="line", lane=named(each.label))  # fmt: skip
