"""The newest stored plan of a site as tiles: its lanes, why it is so, and what a person may do with the car."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.tariffs.periods import prices_in_force
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.sentence import Sentence, Stored, Text
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import zone
from orchestration.operations.control.dispatch_set import away_setbacks_of
from orchestration.web.boards.plan_acts import car_acts
from orchestration.web.boards.site_now import SiteNow
from reports.pages.address import Address
from reports.pages.chart import energy_of_kind
from reports.pages.devices import PATH as DEVICES
from reports.pages.energy import slot_of
from reports.pages.widgets import car, plan_ahead
from reports.texts.locales import moment, named

if TYPE_CHECKING:
    from controls.planning.plan_picture import PlanPicture


# Less is a rounding of the solver.
_LEAST_KWH = 0.1
_LANES = ("battery",)


def of_car(now: SiteNow) -> car.Car:
    """Charge of the car by the newest plan, and the charge that it is to have."""
    charger = next((each for each in now.site.assets if each.kind == "ev_charger"), None)
    common = now.common() | {"reason": ""}
    if charger is None:
        return car.Car(**common, has_charger=False)
    common["acts"], common["by_hand"] = car_acts(now.show.ctx, now.site, charger.asset_id)
    plan, params = now.plan, charger.params
    at = None if plan is None else plan.step_at(now.show.as_of_utc)
    target, departure = params.get("target_soc"), str(params.get("departure", ""))
    if plan is None or at is None:
        reason = "no plan for this hour" if plan is not None else ""
        return car.Car(**common | {"reason": reason}, target=target, departure=departure)
    # Only here: who asks for other tiles waits for no solver to be loaded.
    from controls.planning.plan_picture import picture_of_plan

    found = [each for each in picture_of_plan(plan).stored if each.device_id == charger.asset_id]
    figures = next((each.figures for each in plan.request.devices if each.device_id == charger.asset_id), {})
    notes = [each.removeprefix(f"{charger.asset_id}: ") for each in figures.get("notes", [])]
    return car.Car(
        **common, charge_percent=found[0].percent[at] if found else None, target=target, departure=departure,
        is_away=bool(figures.get("is_away")) or not found, note="; ".join(notes),
    )  # fmt: skip


def ahead(now: SiteNow) -> plan_ahead.PlanTimeline:
    """The newest plan as lanes over its steps, with its reasons."""
    return now.once("plan ahead", lambda: _ahead(now))


def _ahead(now: SiteNow) -> plan_ahead.PlanTimeline:
    plan, common = now.plan, now.common() | {"reason": "", "findings": ()}
    has_devices = any(energy_of_kind(each.kind) not in ("other", "grid") for each in now.site.assets)
    if plan is None:
        makes = may(now.show.ctx.person, Permission.DISPATCH_OVERRIDE)
        there = Address(path=DEVICES, site=now.site.site_id, locale=now.show.address.locale).href()
        step = ("Make plan", there) if makes else ("Operators and engineers make one.", "")
        return plan_ahead.PlanTimeline(**common | {"next": step}, has_devices=has_devices)
    from controls.planning.plan_inputs import left_out, not_kept, not_measured
    from controls.planning.plan_picture import picture_of_plan, price_bands
    from controls.planning.summary import blocks

    drawn, at_utc = picture_of_plan(plan), now.show.as_of_utc
    local = zone(now.site.time_zone)
    remarks = [
        *_while_away(plan, now),
        *(Stored(each) for of in (not_kept, left_out) for each in of(plan.request.inputs).values()),
        *(Stored(each) for each in not_measured(plan.request.inputs).values()),
    ]
    spells = [each for each in blocks(plan, time_zone=now.site.time_zone) if abs(each.kwh) >= _LEAST_KWH]
    assets = {each.asset_id: each for each in now.site.assets}
    # The steps before a plan.
    start_utc = drawn.edges_utc[0]
    past_utc = [start_utc - plan_ahead.STEP * at for at in range(plan_ahead.BEFORE, 0, -1)]
    known, measured = _past_prices(now, past_utc), tuple(_measured(now, [*past_utc, *drawn.edges_utc[:-1]], assets))
    # Where nothing is known of what was before, the plan stands alone.
    if not any(each is not None for each in (*known, *(value for lane in measured for value in lane.values))):
        past_utc, known, measured = [], [], ()
    prices = (*known, *drawn.import_price_per_kwh)
    bands = dict(zip(_known(prices), price_bands(_known(prices)), strict=True))
    return plan_ahead.PlanTimeline(
        **common, currency=plan.currency, cost=plan.paid,
        cost_without=plan.no_battery_cost, made=moment(plan.created_at_utc.astimezone(local), now.show.address.locale),
        edges=tuple(each.astimezone(local) for each in drawn.edges_utc), now_at=plan.step_at(at_utc),
        is_over=plan.steps[-1].end_utc <= at_utc, past=tuple(each.astimezone(local) for each in past_utc),
        prices=prices, bands=tuple("mid" if each is None else bands[each] for each in prices),
        lanes=tuple(_lanes(drawn, assets)), measured=measured,
        spells=tuple(_spell(each, assets, now) for each in spells), remarks=tuple(remarks),
    )  # fmt: skip


def _while_away(plan: Plan, now: SiteNow) -> Iterator[Text]:
    """Values that the plan has each device keep until the return of who is away."""
    from controls.planning.plan_inputs import away_setbacks

    kept, assets = away_setbacks(plan.request.inputs), {each.asset_id: each for each in now.site.assets}
    # The same words as sentences, which a language has.
    words = {str(sentence): sentence for sentence in away_setbacks_of(now.site).values()} if kept else {}
    for name, sentence in kept.items():
        yield Sentence("While away: {0}: {1}", named(_name(name, assets)), words.get(sentence, sentence))


def _lanes(drawn: "PlanPicture", assets: dict[str, Asset]) -> Any:
    from controls.planning.plan_picture import LOAD

    of_sun = [name for name in drawn.gives_kw if drawn.kinds.get(name) == "pv"]
    for name in of_sun:
        yield plan_ahead.PlanRow(
            kind="sun", label=_name(name, assets), energy="solar", values=_row(drawn.gives_kw[name])
        )
    for name, kw in drawn.takes_kw.items():
        if name == LOAD:
            yield plan_ahead.PlanRow(kind="use", label="Household", energy="other", values=_row(kw))
        elif name in drawn.kinds:
            yield plan_ahead.PlanRow(
                kind="use", label=_name(name, assets), energy=energy_of_kind(drawn.kinds[name]), values=_row(kw)
            )
    for each in drawn.stored:
        energy = energy_of_kind(drawn.kinds[each.device_id])
        if energy in _LANES:
            label = _name(each.device_id, assets)
            yield plan_ahead.PlanRow(kind="level", label=label, energy=energy, values=each.percent[1:])


def _past_prices(now: SiteNow, past_utc: Sequence[datetime]) -> list[float | None]:
    """Price of a kWh in these steps, where it is known."""
    rows = prices_in_force(
        now.site, now.show.sources.lake, start_utc=past_utc[0], end_utc=past_utc[-1] + plan_ahead.STEP,
        as_of_utc=now.show.ctx.address.as_of_utc,
    )  # fmt: skip
    known = dict(rows.select("interval_start_utc", "price_per_kwh").iter_rows())
    return [None if (price := known.get(each)) is None else float(price) for each in past_utc]


def _known(prices: Sequence[float | None]) -> list[float]:
    return [each for each in prices if each is not None]


def _measured(now: SiteNow, starts_utc: Sequence[datetime], assets: dict[str, Asset]) -> Iterator[plan_ahead.PlanRow]:
    """Measured values over these steps: use by whole hours, and what meters tell of the sun and of levels."""
    hours = _hours(now)
    used = tuple(hours.get(each.replace(minute=0)) for each in starts_utc)
    if any(used):
        yield plan_ahead.PlanRow(kind="use", label="Use", energy="other", values=used)
    for asset in assets.values():
        energy, label = energy_of_kind(asset.kind), _name(asset.asset_id, assets)
        if energy == "solar" and asset.meter is not None:
            sun = _readings(now, asset.meter, starts_utc, "kwh")
            yield from [plan_ahead.PlanRow(kind="sun", label=label, energy=energy, values=sun)] if any(sun) else []
        if energy in _LANES and asset.state_meter is not None:
            level = _readings(now, asset.state_meter, starts_utc, "percent")
            yield from (
                [plan_ahead.PlanRow(kind="level", label=label, energy=energy, values=level)] if any(level) else []
            )


def _hours(now: SiteNow) -> dict[datetime, float]:
    """Mean kW, which its kWh are, by the start of hours whole in readings, of the last days. One of two days, where
    midnight lies inside a UTC hour, is the sum of its parts.
    """
    found = dict[datetime, float]()
    for day in (now.day - timedelta(days=1), now.day):
        for each in now.show.hours("consumption_kwh", now.scope, day):
            if each.value is not None and not each.findings:
                at = datetime.fromisoformat(each.trace.parameters["hour_start_utc"])
                found[at] = found.get(at, 0.0) + float(each.value)
    return found


def _readings(now: SiteNow, meter: str, starts_utc: Sequence[datetime], unit: str) -> tuple[float | None, ...]:
    """Reading of the meter in each step, of energy its mean power; None where a reading is of another length."""
    rows = now.show.sources.lake.current(
        now.site.site_id, start_utc=starts_utc[0], end_utc=starts_utc[-1], meters=[meter],
        as_of_utc=now.show.ctx.address.as_of_utc,
    )  # fmt: skip
    minutes = plan_ahead.STEP.total_seconds() / 60
    rows = rows.filter((pl.col("unit") == unit) & (pl.col("interval_minutes") == minutes)).drop_nulls("value")
    values = dict(rows.select("interval_start_utc", "value").iter_rows())
    by = 60 / minutes if unit == "kwh" else 1.0
    return tuple(None if (value := values.get(each)) is None else float(value) * by for each in starts_utc)


def _row(values: Any) -> tuple[float, ...]:
    return tuple(float(each) for each in values)


def _name(device_id: str, assets: dict[str, Asset]) -> str:
    return (assets[device_id].name if device_id in assets else "") or device_id


def _spell(block: Any, assets: dict[str, Asset], now: SiteNow) -> plan_ahead.Spell:
    kind = assets[block.device].kind if block.device in assets else ""
    start, end = (slot_of(at, now.site.time_zone) for at in (block.start_utc, block.end_utc))
    return plan_ahead.Spell(
        device=_name(block.device, assets), energy=energy_of_kind(kind), start=start, end=end,
        verb=block.verb, kwh=abs(block.kwh), prices=block.prices, why=block.otherwise,
        money=block.money, is_over=block.end_utc <= now.show.as_of_utc,
    )  # fmt: skip
