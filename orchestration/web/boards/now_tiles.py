"""Tiles about now: power, peak, cost and carbon of the month, the tariff's block, the day against what was expected."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil, isnan, nan
from typing import Any

import polars as pl

from assets.sites.calendar import types_around
from assets.sites.meter_tree import ENERGY_UNIT
from assets.sites.view import site_readings
from assets.tariffs.periods import (
    LOOK_DAYS,
    Holding,
    holding_at,
    price_stream_of,
    prices_in_force,
    stream_price_at,
)
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.site_file.alert_rule import peak_rule
from data_quality.contracts.site_file.live_source import poll_intervals_s
from data_quality.contracts.time import clock_of, local_day, local_midnight_utc, months_after, zone
from data_quality.contracts.units import unit_of
from orchestration.web.boards.home_tiles import AWAY, live_values
from orchestration.web.boards.site_now import STEP, BoardQuery, SiteNow, Tile, energy_of_meter, main_meters, tariff_on
from reports.figures.kpi_list import COLUMNS
from reports.pages.chart import Energy
from reports.pages.energy import slot_of
from reports.pages.page import Widget
from reports.pages.widgets import day_and_month, live_kw
from reports.pages.widgets.day_and_month import Source
from reports.pages.widgets.tile import TileFigure
from reports.texts.locales import long_date, moment, named
from reports.writer import words

# Bars of days.
MOST_DAYS = 62
_HOUR = timedelta(hours=1)
# What a site gives itself.
_SELF_GIVEN = {"solar", "battery"}


def power_now(now: SiteNow) -> live_kw.LiveKw:
    """Widget 1: what the live board holds of the main meters' powers."""
    mains = set(main_meters(now))
    powers = {
        (source.source_id, each.point)
        for source in now.site.sources
        for each in source.points
        if each.stream in mains and unit_of(each.unit).is_power
    }
    held, reason = live_values(now)
    points = [each for each in held if (each.source_id, each.point) in powers]
    # Of two that tell one meter's power, the one told last.
    newest = {each.stream: each for each in sorted(points, key=lambda each: each.at_utc)}
    running = now.running
    hours = now.show.hours("consumption_kwh", now.scope, now.day) if now.is_today else ()
    read_to_utc = None if running is None else running.at_utc
    return live_kw.LiveKw(
        **now.common() | {"reason": reason, "link": now.show.address.href("/live", scope=None, period=None)},
        now_utc=now.show.ctx.now_utc,
        points=tuple(newest.values()),
        has_source=bool(powers),
        every_s=poll_intervals_s(now.site),
        time_zone=now.site.time_zone,
        demand=now.figures.get("block_demand_kw"),
        window_minutes=0 if running is None else running.window_minutes,
        hours=tuple(None if each.value is None else float(each.value) for each in hours if _is_over(each, read_to_utc)),
    )


def month_to_date(now: SiteNow, what: day_and_month.What) -> day_and_month.MonthSoFar:
    """Widgets 5 and 6."""
    hours = now.show.hours(what, now.scope, now.day)
    whole = now.show.sum_of(hours, f"{what} of {now.day}") if hours else None
    running, figures = now.running, now.figures
    parts = (("Energy", "energy_cost"), ("Other", "other_cost")) if what == "cost" else ()
    return day_and_month.MonthSoFar(
        **now.common(what, f"projected_{what}", *(field for _, field in parts)),
        what=what,
        month=figures.get(what),
        today=now.show.shown(whole),
        day_label="Today so far" if now.is_today else "Last complete day",
        day="" if now.is_today else long_date(now.day, now.show.address.locale),
        parts=tuple((label, figures[field]) for label, field in parts if field in figures),
        projected=figures.get(f"projected_{what}"),
        method="" if running is None else running.method,
        uncosted_minutes=running.uncosted_minutes if running is not None and what == "cost" else 0,
        basis="location-based, by the factor of each hour or day" if what != "cost" else "",
        budget=_budget(now, what),
    )


def _budget(now: SiteNow, what: day_and_month.What) -> Decimal | None:
    """Budget that the site file gives a month, in the currency of its costs, or emit."""
    budgets, running = now.site.budgets, now.running
    if budgets is None or running is None:
        return None
    return budgets.cost_per_month.get(running.currency) if what == "cost" else budgets.kgco2e_per_month


def days_of_month(now: SiteNow) -> Widget:
    """Cost of each whole day of the month so far."""
    costs = day_and_month.CostDays(**now.common(), month=now.figures.get("cost"), unit=now.site.currency)
    if now.running is None:
        return day_and_month.cost_days(costs)
    end = now.day if now.is_today else now.day + timedelta(days=1)
    rows = now.show.values("cost", "day", now.running.month_start, end, now.scope)
    days = now.show.figures(rows.sort("period_start").select(COLUMNS)) if rows.height else []
    shown = tuple((each.start, now.show.shown(each)) for each in days)
    return day_and_month.cost_days(costs.model_copy(update={"days": shown}))


def days_of_part(query: BoardQuery) -> Widget:
    """Cost of each whole day of the period of a part of the site, as far as its energy is priced."""
    now, period = query.site, query.period
    # Of a whole site that is on the board of its operator; of a year days are too many to be told apart.
    costs = day_and_month.CostDays(
        **now.common() | {"findings": (), "reason": ""}, unit=now.site.currency, is_period=True
    )
    if not query.is_part or period.days > MOST_DAYS:
        return day_and_month.cost_days(costs)
    rows = now.show.values("cost", "day", period.start, period.end, query.scope)
    days = now.show.figures(rows.sort("period_start").select(COLUMNS)) if rows.height else []
    known = [each for each in days if each.value is not None]
    whole = now.show.shown(now.show.sum_of(known, f"cost of {query.scope}")) if len(known) == period.days else None
    shown = tuple((each.start, now.show.shown(each)) for each in days) if known else ()
    return day_and_month.cost_days(costs.model_copy(update={"days": shown, "month": whole}))


def peak(now: SiteNow) -> day_and_month.PeakDemand:
    """Widget 4."""
    running, figures = now.running, now.figures
    tariff = tariff_on(now, now.day)
    charge = None
    if running is not None and tariff is not None:
        charge = next((each for each in tariff.demand if each.charge_id == running.demand_charge), None)
    ratchet = None if charge is None else charge.ratchet
    highest = None
    if ratchet is not None and running is not None:
        rows = now.show.values(
            "peak_15min_kw", "month", months_after(running.month_start, -ratchet.months), running.month_start,
            now.scope,
        )  # fmt: skip
        known = [each for each in now.show.figures(rows) if each.value is not None]
        highest = max(known, key=lambda each: each.value or 0, default=None)
    return day_and_month.PeakDemand(
        **now.common("peak_kw", "block_demand_kw", "projected_peak_kw"),
        peak=figures.get("peak_kw"),
        at=_peak_at(now),
        running=figures.get("block_demand_kw"),
        minutes_left=0 if running is None else running.window_minutes - running.block_minutes,
        window_minutes=0 if running is None else running.window_minutes,
        projected=figures.get("projected_peak_kw"),
        limit=peak_limit(now),
        months_before=now.show.shown(highest),
        rule="" if ratchet is None else f"billed is at least {ratchet.share:.0%} of it",
    )


def peak_limit(now: SiteNow) -> tuple[float, Text] | None:
    """The lowest of what limits demand on the day, kW, and what sets it: demand or capacity by contract, or an enabled
    peak rule. One in kVA is no limit of kW.
    """
    tariff, rule = tariff_on(now, now.day), peak_rule(now.site.alert_rules)
    found: list[tuple[float, Text]] = [] if rule is None else [(rule.limit, named(rule.title))]
    if tariff is not None:
        charge_id = None if now.running is None else now.running.demand_charge
        demand = [each.contracted_kw for each in tariff.demand if each.unit == "kw" and each.charge_id == charge_id]
        found += [(float(each), Sentence("contracted demand")) for each in demand if each is not None]
        capacity = [float(each.contracted) for each in tariff.capacity if each.unit == "kw"]
        found += [(each, Sentence("contracted capacity")) for each in capacity]
    return min(found, key=lambda each: each[0], default=None)


def _peak_at(now: SiteNow) -> str:
    if now.running is None or now.running.peak_kw is None:
        return ""
    month = now.quarters.filter(
        (pl.col("local_date") >= now.running.month_start) & (pl.col("month_peak_kw") == now.running.peak_kw)
    )
    first: Any = month["interval_start_utc"].min()
    if not isinstance(first, datetime):
        return ""
    return moment((first + STEP).astimezone(zone(now.site.time_zone)), now.show.address.locale)


def energy_of_today(now: SiteNow) -> day_and_month.DayEnergy:
    """Widget 2."""
    hours = now.show.hours("consumption_kwh", now.scope, now.day)
    midnight = local_midnight_utc(now.day, now.site.time_zone)
    read_to_utc = None if now.running is None or not now.is_today else now.running.at_utc
    # The running hour is less than was expected of it: it is held against nothing before it is over.
    known = [each for each in hours if each.value is not None and _is_over(each, read_to_utc)]
    stream = next((each for each in main_meters(now) if each in now.site.forecast_targets), "")
    forecast = _forecast_before(now, f"meter:{stream}", midnight) if stream else None
    starts = [_hour_utc(each) for each in known]
    end = local_midnight_utc(now.day + timedelta(days=1), now.site.time_zone)
    read = dict(zip(starts, known, strict=True))
    bands = {} if forecast is None else {row.time_utc: (row.p10, row.p50, row.p90) for row in forecast.rows}
    whole_day = _hours_utc(midnight, end)
    sources = () if bands else by_source(now, midnight, end)
    rows = tuple(
        (slot_of(max(start, midnight), now.site.time_zone), now.show.shown(read.get(start)), bands.get(start))
        for start in (
            whole_day if sources else sorted(read.keys() | {each for each in bands if midnight <= each < end})
        )
    )
    expected = None if forecast is None or not starts else forecast.quantiles_of(starts)
    day = long_date(now.day, now.show.address.locale)
    return day_and_month.DayEnergy(
        **now.common("import_kwh") | {"link": now.show.address.href("/energy", period=str(now.day), grain="hour")},
        day="Today" if now.is_today else day,
        to=slot_of(starts[-1] + timedelta(hours=1), now.site.time_zone) if starts else "",
        so_far=now.show.shown(now.show.sum_of(known, f"energy of {now.day}")) if known else None,
        expected=expected,
        no_forecast=Sentence("no forecast was issued before {0}", day) if stream else "",
        hours=rows,
        days=tuple(_days_before(now)),
        sources=sources,
        # What modules and battery give counts as use, and not against the limit of what is drawn from the grid.
        limit=None if _SELF_GIVEN & set(_energies(now).values()) else peak_limit(now),
    )


def _hours_utc(start_utc: datetime, end_utc: datetime) -> tuple[datetime, ...]:
    """Hours that marts have of a day. Where midnight lies inside a UTC hour, the first and the last are of two days."""
    first = start_utc.replace(minute=0)
    return tuple(first + _HOUR * place for place in range(ceil((end_utc - first) / _HOUR)))


def _hour_utc(figure: Figure) -> datetime:
    return datetime.fromisoformat(figure.trace.parameters["hour_start_utc"])


def _is_over(figure: Figure, read_to_utc: datetime | None) -> bool:
    """True where readings may reach the end of a figure's hour."""
    return read_to_utc is None or _hour_utc(figure) + timedelta(hours=1) <= read_to_utc


def _forecast_before(now: SiteNow, target: str, midnight_utc: datetime) -> Forecast | None:
    """The newest forecast that knew nothing of the day yet. It may have been calculated later."""
    ctx = now.show.ctx
    since_utc, as_of_utc = midnight_utc - timedelta(days=1), ctx.address.as_of_utc
    issued = ctx.project.forecasts.issued(now.site.site_id, target, since_utc=since_utc, as_of_utc=as_of_utc)
    known = [each for each in issued if not each.is_shadow and each.issued_at_utc <= midnight_utc]
    return known[-1] if known else None


def _days_before(now: SiteNow) -> list[tuple[str, TileFigure]]:
    """Difference to the baseline on the two days before; a baseline knows whole days only."""
    whole = next((seu for seu in now.site.seus if seu.is_aggregate and seu.is_active), None)
    if whole is None:
        return []
    start = now.day - timedelta(days=2)
    where = (
        (pl.col("scope") == f"seu:{whole.seu_id}") & (pl.col("grain") == "day") & (pl.col("kpi") == "delta_percent")
        & pl.col("period_start").is_between(start, now.day, closed="left")
    )  # fmt: skip
    rows = now.show.mart("mart_seu__kpi_values", where)
    if rows.is_empty():
        return []
    made = now.show.figures(rows.with_columns(carrier=pl.lit(whole.carrier.value), findings=pl.col("finding")))
    return [
        (Sentence("{0} {1} against baseline", Sentence(f"{each.start:%a}"), now.words(each)), shown)
        for each in made
        if (shown := now.show.shown(each))
    ]


def block(now: SiteNow) -> day_and_month.TariffBlock:
    """Widget 7: of this very instant, whatever the readings' age."""
    at_utc = now.show.as_of_utc
    local = at_utc.astimezone(zone(now.site.time_zone))
    common = now.common() | {"reason": "", "age": Sentence("at {0}", clock_of(local))}
    if stream := price_stream_of(now.site):
        return _stream_block(now, stream, common)
    tariff = tariff_on(now, local.date())
    if tariff is None:
        reason = Sentence("no tariff for {0}", long_date(local.date(), now.show.address.locale))
        step = {"reason": reason, "next": now.tariff_step()} if now.site.tariffs else {}
        return day_and_month.TariffBlock(**common | step)
    types = types_around(now.site, local.date(), local.date() + timedelta(days=LOOK_DAYS + 1), days=2)
    found = holding_at(tariff, at_utc, time_zone=now.site.time_zone, day_types=types)
    return day_and_month.TariffBlock(
        **common | {"reason": "the tariff's prices come from a series or a register, not from blocks"},
        blocks=tuple(_block(each, now) for each in found),
        currency=tariff.currency or now.site.currency,
        tariff=tariff.name or tariff.tariff_id,
        day=words(types[local.date()]),
    )


def _stream_block(now: SiteNow, stream: str, common: dict[str, Any]) -> day_and_month.TariffBlock:
    """The price of the site's price stream, which rules whatever its tariffs say."""
    at_utc, name = now.show.as_of_utc, now.site.stream_name(stream)
    prices = prices_in_force(
        now.site, now.show.sources.lake, start_utc=at_utc - STEP, end_utc=at_utc + timedelta(days=LOOK_DAYS),
        as_of_utc=now.show.ctx.address.as_of_utc,
    )  # fmt: skip
    held = stream_price_at(prices, at_utc)
    local = at_utc.astimezone(zone(now.site.time_zone))
    if held.price is None:
        at_local = f"{local:%Y-%m-%d %H:%M}"
        reason = Sentence("the price stream {0} has no price for {1}", named(name), at_local)
        return day_and_month.TariffBlock(**common | {"reason": reason})
    return day_and_month.TariffBlock(
        **common,
        blocks=(
            day_and_month.Block(
                charge_id=name, period_id="", price=held.price, until_utc=held.until_utc,
                until_local=_until(held.until_utc, now), next_price=held.following,
            ),
        ),
        currency=now.site.currency,
        stream=name,
    )  # fmt: skip


def _until(until_utc: datetime | None, now: SiteNow) -> str:
    if until_utc is None:
        return ""
    local = until_utc.astimezone(zone(now.site.time_zone))
    same_day = local.date() == local_day(now.show.as_of_utc, now.site.time_zone)
    return clock_of(local) if same_day else moment(local, now.show.address.locale)


def _block(held: Holding, now: SiteNow) -> day_and_month.Block:
    return day_and_month.Block(
        charge_id=held.charge_id,
        period_id=held.period.period_id,
        price=held.price,
        why_no_price="" if held.price is not None else "the price depends on how much is used (tiers)",
        until_utc=held.until_utc,
        until_local=_until(held.until_utc, now),
        next_period="" if held.following is None else held.following.period_id,
        next_price=None if held.following is None else held.following.price,
    )


def _month(what: day_and_month.What) -> Callable[[BoardQuery], Widget]:
    return lambda query: day_and_month.month_so_far(month_to_date(query.site, what))


TILES: Mapping[str, Tile] = {
    "live_kw": Tile(Permission.READ, lambda query: live_kw.view(power_now(query.site))),
    "today": Tile(Permission.READ, lambda query: day_and_month.today(energy_of_today(query.site))),
    "peak_demand": Tile(Permission.READ, lambda query: day_and_month.peak_demand(peak(query.site))),
    "cost": Tile(Permission.READ, _month("cost")),
    "cost_days": Tile(Permission.READ, lambda query: days_of_month(query.site)),
    "scope_days": Tile(Permission.READ, days_of_part, True),
    "emission_kgco2e": Tile(Permission.CARBON_READ, _month("emission_kgco2e")),
    "tariff_block": Tile(Permission.TARIFF_READ, lambda query: day_and_month.tariff_block(block(query.site))),
}


def by_source(now: SiteNow, start_utc: datetime, end_utc: datetime) -> tuple[Source, ...]:
    """Energy from grid, modules and battery and into grid and battery in each hour of a day; kWh, of hours read in full
    alone. Empty where the site has neither modules nor a battery that are metered.
    """
    energies, lake = _energies(now), now.show.sources.lake
    if not _SELF_GIVEN & set(energies.values()):
        return ()
    rows = site_readings(
        lake, now.site, start_utc=start_utc, end_utc=end_utc, as_of_utc=now.show.ctx.address.as_of_utc,
        meters=list(energies),
    )  # fmt: skip
    read = rows.filter(pl.col("unit") == ENERGY_UNIT).group_by(
        "meter_id", "register", pl.col("interval_start_utc").dt.truncate("1h")
    ).agg(pl.col("value").sum(), pl.col("interval_minutes").sum())  # fmt: skip
    found: dict[tuple[str, bool], dict[datetime, float]] = {}
    for meter, register, at, value, minutes in read.iter_rows():
        gives = register == "discharge" if energies[meter] == "battery" else register not in AWAY
        of = found.setdefault((energies[meter], gives), {})
        is_whole = timedelta(minutes=minutes) == min(at + _HOUR, end_utc) - max(at, start_utc)
        of[at] = of.get(at, 0.0) + float(value if gives else -value) if is_whole else nan
    return tuple(
        Source(
            label=label,
            energy=energy,
            values=tuple(_known(found[key].get(at)) for at in _hours_utc(start_utc, end_utc)),
        )
        for key, (label, energy) in SOURCES.items()
        if any(map(_known, found.get(key, {}).values()))
    )


def _energies(now: SiteNow) -> dict[str, Energy]:
    """Of each meter the energy that it counts."""
    mains = frozenset(main_meters(now))
    return {each.meter_id: energy_of_meter(now.site, each.meter_id, mains) for each in now.site.meters}


def _known(value: float | None) -> float | None:
    return None if value is None or isnan(value) else value


# By the energy and whether it gives, from the axis outwards.
SOURCES: Mapping[tuple[str, bool], tuple[str, Energy]] = {
    ("solar", True): ("Solar", "solar"),
    ("battery", True): ("From the battery", "battery"),
    ("grid", True): ("From the grid", "grid"),
    ("battery", False): ("To the battery", "charging"),
    ("grid", False): ("To the grid", "export"),
}
