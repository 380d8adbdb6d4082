"""Tiles of a home: power now, the figures of the day, and its holiday."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from assets.stores.live.live_store import LiveReader
from controls.ledger.modes import current_mode, open_holiday
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.site_file.live_source import poll_intervals_s
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from data_quality.contracts.units import unit_of
from orchestration.operations.control.dispatch_set import away_setbacks_of
from orchestration.views.control_stamp import holiday_stamp
from orchestration.web.boards import plan_tiles
from orchestration.web.boards.plan_acts import pause_now
from orchestration.web.boards.site_now import SiteNow, Tile, energy_of_meter, main_meters
from reports.pages.pause_acts import HolidayNow
from reports.pages.widgets import car, home_power, home_today, plan_ahead
from reports.pages.widgets.tile import TileFigure
from reports.texts.locales import long_date, weekday_date

# Days of a spark line.
DAYS = 14
MONTH = (("Month to date", "cost"), ("Projected for the month", "projected_cost"))
# Of a meter with two registers: power of these is what the house gives away.
AWAY = ("export", "charge")


def live_values(now: SiteNow) -> tuple[Sequence[LiveValue], str]:
    """Live values of the site, none for who may not see them; or why there are none."""
    ctx = now.show.ctx
    if ctx.address.as_of_utc is not None:
        return (), "live values are of now only"
    if not may(ctx.person, Permission.LIVE_READ):
        return (), ""
    try:
        return LiveReader(ctx.project.project.live_dir).values(now.site.site_id), ""
    except Unreachable as fault:
        return (), str(fault)


def power(now: SiteNow) -> home_power.HomePower:
    """Every live power of the site that the flow can show; of two of one meter and register the one told last."""
    ctx, site, (held, reason) = now.show.ctx, now.site, live_values(now)
    mains = frozenset(main_meters(now))
    powers = [each for each in sorted(held, key=lambda each: each.at_utc) if unit_of(each.unit).is_power]
    known = {meter.meter_id: meter for meter in site.meters}
    newest = {(each.stream, each.register_id): each for each in powers if each.stream in known}
    named = {each.stream for each in newest.values()}
    return home_power.HomePower(
        **now.common() | {"reason": reason, "link": now.show.address.href("/live", scope=None, period=None)},
        now_utc=ctx.now_utc, house=site.name, every_s=poll_intervals_s(site), time_zone=site.time_zone,
        is_live=any(unit_of(point.unit).is_power for source in site.sources for point in source.points),
        has_rest=bool(mains) and all(
            each in named for each in known if energy_of_meter(site, each, mains) in ("grid", "solar", "battery")
        ),
        points=tuple(
            _point(site, each, mains).model_copy(update={"is_part": known[each.stream].parent in named - mains})
            for _, each in sorted(newest.items())
        ),
        silent=tuple(meter.name or name for name, meter in known.items() if name not in named),
    )  # fmt: skip


def _point(site: Site, value: LiveValue, mains: frozenset[str]) -> home_power.PowerPoint:
    energy = energy_of_meter(site, value.stream, mains)
    usually = energy in ("grid", "solar")
    gives = not usually if value.register_id in (*AWAY, "discharge") and _turns(value, usually) else usually
    return home_power.PowerPoint(value=value, energy=energy, gives=gives, name=site.stream_name(value.stream))


def _turns(value: LiveValue, usually: bool) -> bool:
    return value.register_id in AWAY if usually else value.register_id == "discharge"


def cost(now: SiteNow) -> home_today.HomeDay:
    """Cost of the day, hour by hour, beside the month's."""
    hours = now.show.hours("cost", now.scope, now.day)
    past = home_today.Past(values=tuple(_plain(each.value) for each in hours), said="Cost by the hour")
    return home_today.HomeDay(
        **_day(now, "cost"), key="cost_today", title="Cost today" if now.is_today else "Cost",
        figure=_of_day(now, "cost"), past=past, beside=tuple((label, now.figures.get(each)) for label, each in MONTH),
    )  # fmt: skip


def solar(now: SiteNow) -> home_today.HomeDay:
    """Energy that the modules gave, and the days before."""
    return home_today.HomeDay(
        **_day(now), key="solar_today", title="Solar today" if now.is_today else "Solar",
        figure=_of_day(now, "generation_kwh"), past=_days(now, "generation_kwh"), energy="solar",
        is_set_up=_has(now, "pv"),
    )  # fmt: skip


def self_sufficiency(now: SiteNow) -> home_today.HomeDay:
    """The share of its use that the home gave itself: of today where it is known, else of the day before."""
    day, shown = now.day, _of_day(now, "self_sufficiency")
    if shown is None or shown.figure.value is None:
        day -= timedelta(days=1)
        shown = _of_day(now, "self_sufficiency", day) or shown
    return home_today.HomeDay(
        **now.common() | {"day": "" if day == now.day and now.is_today else long_date(day, now.show.address.locale)},
        key="self_sufficiency_today", title="Self-sufficiency", energy="solar", is_share=True,
        figure=shown, is_set_up=_has(now, "pv"),
        beside=(("Used", _of_day(now, "consumption_kwh", day)), ("Solar", _of_day(now, "generation_kwh", day))),
    )  # fmt: skip


def _day(now: SiteNow, *measures: str) -> dict[str, Any]:
    day = "" if now.is_today else long_date(now.day, now.show.address.locale)
    return now.common(*measures) | {"day": day}


def _of_day(now: SiteNow, kpi: str, day: date | None = None) -> TileFigure | None:
    start = day or now.day
    return now.show.one(kpi, now.scope, "day", start, start + timedelta(days=1))


def _days(now: SiteNow, kpi: str) -> home_today.Past:
    start, end = now.day - timedelta(days=DAYS), now.day
    rows = now.show.values(kpi, "day", start, end, now.scope)
    if rows.is_empty():
        return home_today.Past()
    values = rows.sort("period_start")["value"].to_list()
    return home_today.Past(values=tuple(values), said=home_today.spell_of(len(values), end - timedelta(days=1)))


def _has(now: SiteNow, kind: str) -> bool:
    return any(each.kind == kind for each in now.site.assets)


def _plain(value: Any) -> float | None:
    return None if value is None else float(value)


def _ahead(now: SiteNow) -> plan_ahead.PlanTimeline:
    held = {"holiday": holiday_now(now), "pause": pause_now(now, place="home")}
    return plan_tiles.ahead(now).model_copy(update=held)


TILES: Mapping[str, Tile] = {
    "home_power": Tile(Permission.READ, lambda query: home_power.view(power(query.site))),
    "cost_today": Tile(Permission.READ, lambda query: home_today.view(cost(query.site))),
    "solar_today": Tile(Permission.READ, lambda query: home_today.view(solar(query.site))),
    "self_sufficiency_today": Tile(Permission.READ, lambda query: home_today.view(self_sufficiency(query.site))),
    "car": Tile(Permission.READ, lambda query: car.view(plan_tiles.of_car(query.site))),
    "plan_ahead": Tile(Permission.READ, lambda query: plan_ahead.view(_ahead(query.site))),
    "plan_why": Tile(Permission.READ, lambda query: plan_ahead.why(plan_tiles.ahead(query.site))),
}


def holiday_now(now: SiteNow) -> HolidayNow:
    """The holiday that holds at the instant of the address, to who sees commands."""
    ctx, site = now.show.ctx, now.site
    if not may(ctx.person, Permission.DISPATCH_READ):
        return HolidayNow()
    store, as_of_utc, at_utc = ctx.project.store, ctx.address.as_of_utc, now.show.as_of_utc
    found = open_holiday(store, site.site_id, at_utc, as_of_utc=as_of_utc)
    mode = current_mode(store, site.site_id, now_utc=at_utc, as_of_utc=as_of_utc)
    names = {each.asset_id: each.name or each.asset_id for each in site.assets}
    until = None if found is None else found.until_utc.astimezone(zone(site.time_zone))
    return HolidayNow(
        until="" if until is None else weekday_date(until, ctx.address.locale),
        day="" if until is None else f"{until:%Y-%m-%d}", at="" if until is None else f"{until:%H:%M}",
        who="" if found is None else ctx.project.names.get(found.person_id, found.person_id),
        reason="" if found is None else found.reason,
        kept=tuple((names[asset_id], sentence) for asset_id, sentence in away_setbacks_of(site).items()),
        mode=mode.name, is_sent=mode >= Mode.PARTIAL,
        may_act=as_of_utc is None and may(ctx.person, Permission.DISPATCH_OVERRIDE),
        seen=holiday_stamp(store, site.site_id),
    )  # fmt: skip
