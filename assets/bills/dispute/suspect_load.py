"""Suspicions that interval load can test: dates, gaps, hours and seasons of prices, windows of demand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from assets.bills.dispute.pairing import Pair
from assets.bills.dispute.scenario import Scenario, each_tariff, on_dates, scaled, with_charge, with_swapped
from assets.bills.dispute.suspicion import PAPER, SEARCH, SLIP, Case, Suspicion, days, energy_pairs, period_pairs, plain
from assets.bills.engine.bill_load import Load
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_charges import DemandCharge, DemandPeriod, TouPeriod
from data_quality.contracts.time import local_midnight_utc

_NANO = Decimal(10) ** 9
# A month and some days: further away begins another bill's period.
_SLIP_DAYS = 35
_INLINE = {"day_types", "start", "end", "seasons", "months", "windows"}
# Lengths of demand blocks that ESPI has codes for.
_WINDOWS = (5, 10, 15, 20, 30, 60)


class _Billed(NamedTuple):
    """Energy that the bill's lines charge; slack: one unit of the last printed decimals a line, 0.01 to 1 kWh."""

    kwh: Decimal
    slack: Decimal

    def is_near(self, kwh: Decimal) -> bool:
        return abs(kwh - self.kwh) <= self.slack


def suspect_load(case: Case, pairs: list[Pair]) -> Iterator[Suspicion]:
    """In order of their weight within a rank."""
    load = case.truth.load
    if load is None:
        return
    billed = _billed_kwh(pairs)
    # Whole days, added once: the searches below try thousands of pairs of dates on them.
    sums = daily_kwh(load, case.truth.time_zone)
    yield from _shifted(case, sums, billed)
    yield from _clocks(case)
    yield from _hours_swapped(case)
    yield from _demand(case, load.step_minutes)
    if billed is not None:
        yield from _left_out_days(case, sums, billed)
    yield from _registered(case)
    if billed is not None:
        yield from _averaged(case, sums, billed)


def daily_kwh(load: Load, time_zone: str) -> dict[date, Decimal]:
    """Imported energy of every local day that the load holds whole, kWh."""
    step = timedelta(minutes=load.step_minutes)
    imported = np.concatenate([[0], np.cumsum(load.imported(is_gross=False))])
    edges = []
    day = load.start_utc.date() - timedelta(days=1)
    while True:
        moment = local_midnight_utc(day, time_zone)
        if moment > load.end_utc:
            break
        if moment >= load.start_utc:
            edges.append((day, int((moment - load.start_utc) / step)))
        day += timedelta(days=1)
    return {first: Decimal(int(imported[b] - imported[a])) / _NANO for (first, a), (_, b) in pairwise(edges)}


def _billed_kwh(pairs: list[Pair]) -> _Billed | None:
    known = energy_pairs(pairs)
    if not known:
        return None
    # Parallel charges bill the same energy: those of the first suffice.
    first = known[0].line_id.split(".")[0]
    mine = [pair.billed_quantity for pair in known if pair.line_id.split(".")[0] == first and pair.billed_quantity]
    exponents = [quantity.as_tuple().exponent for quantity in mine]
    step = max((Decimal(1).scaleb(e) for e in exponents if isinstance(e, int)), default=Decimal(1))
    return _Billed(sum(mine, Decimal(0)), max(min(step, Decimal(1)), Decimal("0.01")) * len(mine))


def _shifted(case: Case, sums: dict[date, Decimal], billed: _Billed | None) -> Iterator[Suspicion]:
    """Dates on which the load comes to the energy billed, the nearest first; then ends counted twice."""
    start, end = case.truth.start, case.truth.end
    # An end counted twice or left out is the most frequent slip: tried whatever the energy.
    found: list[tuple[int, date, date]] = [(1, start, end + timedelta(days=1)), (1, start, end - timedelta(days=1))]
    found += [(1, start - timedelta(days=1), end), (1, start + timedelta(days=1), end)]
    if billed is not None:
        known = sorted(sums)
        total = dict(zip(known, np.cumsum([sums[day] for day in known]), strict=True))
        for a in range(-_SLIP_DAYS, _SLIP_DAYS + 1):
            for b in range(-_SLIP_DAYS, _SLIP_DAYS + 1):
                first, last = start + timedelta(days=a), end + timedelta(days=b)
                before, at = first - timedelta(days=1), last - timedelta(days=1)
                if not (first < last and at in total and first in sums and (a or b)):
                    continue
                if billed.is_near(total[at] - total.get(before, Decimal(0))):
                    found.append((abs(a) + abs(b), first, last))
    # The nearest only: under a flat load every stretch of the same length fits.
    for distance, first, last in sorted(set(found))[:20]:
        yield Suspicion(
            "wrong_read_date", SLIP if distance <= 1 else SEARCH,
            f"the energy of {first} to {last} ({days((last - first).days)}) is billed for {start} to {end}",
            on_dates(first, last),
        )  # fmt: skip


def _clocks(case: Case) -> Iterator[Suspicion]:
    """Price periods on another clock, without holidays, in another season, with weekends as other days."""
    for clock in ("local", "standard", "utc"):
        yield Suspicion(
            "wrong_tariff_period", SLIP, f"the hours of prices are counted on the {clock} clock",
            each_tariff(partial(_on_clock, clock)),
        )  # fmt: skip
    yield Suspicion(
        "wrong_tariff_period", SLIP, "the tariff's holidays are billed as ordinary days",
        each_tariff(lambda t: t.model_copy(update={"calendar": t.calendar.model_copy(update={"holidays": ()})})),
    )  # fmt: skip
    yield Suspicion(
        "wrong_tariff_period", SLIP, "weekends are billed as weekdays",
        each_tariff(lambda t: t.model_copy(update={"calendar": t.calendar.model_copy(update={"weekend": ()})})),
    )  # fmt: skip
    seasons = {season.season_id for tariff in case.truth.tariffs for season in tariff.calendar.seasons}
    for name in sorted(seasons):
        yield Suspicion(
            "wrong_tariff_period", SLIP, f"the prices of season {name} are billed",
            each_tariff(partial(_always_season, name)),
        )  # fmt: skip


def _on_clock(clock: str, tariff: Tariff) -> Tariff:
    return tariff.model_copy(update={"clock": clock})


def _always_season(name: str, tariff: Tariff) -> Tariff:
    """Windows of that season hold all year, those of others never."""

    def moved(period: TouPeriod | DemandPeriod) -> TouPeriod | DemandPeriod | None:
        windows = tuple(
            window.model_copy(update={"seasons": ()})
            for window in period.when
            if not window.seasons or name in window.seasons
        )
        if not windows:
            return None
        # Built anew: a copy would still say that its window was written in place.
        kept = period.model_dump(exclude_unset=True, exclude=_INLINE)
        return type(period).model_validate({**kept, "windows": windows})

    def of_season(periods: tuple[TouPeriod, ...] | tuple[DemandPeriod, ...]) -> tuple[object, ...]:
        return tuple(each for each in (moved(period) for period in periods) if each is not None)

    energy = tuple(c.model_copy(update={"periods": of_season(c.periods)}) if c.periods else c for c in tariff.energy)
    demand = tuple(c.model_copy(update={"periods": of_season(c.periods)}) for c in tariff.demand)
    return tariff.model_copy(update={"periods": of_season(tariff.periods), "energy": energy, "demand": demand})


def _hours_swapped(case: Case) -> Iterator[Suspicion]:
    """Two energy periods, each over the other's hours."""
    for one, other in period_pairs(case):
        yield Suspicion(
            "wrong_tariff_period", SLIP, f"the hours of {one} and {other} are taken for each other",
            with_swapped(one, other, hours=True),
        )  # fmt: skip


def _demand(case: Case, step_minutes: int) -> Iterator[Suspicion]:
    """Demand over another window, at all hours, on one peak, or without what it looks back on."""
    charges = {charge.charge_id: charge for tariff in case.truth.tariffs for charge in tariff.demand}
    for charge_id, charge in charges.items():
        for text, changes in _demand_changes(charge, step_minutes):
            yield Suspicion("demand_window", SLIP, f"{charge_id}: {text}", with_charge("demand", charge_id, **changes))


def _demand_changes(charge: DemandCharge, step_minutes: int) -> Iterator[tuple[str, dict[str, object]]]:
    true = f"the tariff says {charge.method} windows of {charge.window_minutes} min"
    # Windows shorter than the load's intervals cannot be distinguished from those of one interval.
    for minutes in (window for window in _WINDOWS if window >= step_minutes):
        if (charge.method, charge.window_minutes) != ("block", minutes):
            text = f"demand is the average of fixed blocks of {minutes} min; {true}"
            yield text, {"method": "block", "window_minutes": minutes}
        for sub in (5, 10, 15, 30):
            is_own = ("rolling", minutes, sub) == (charge.method, charge.window_minutes, charge.sub_interval_minutes)
            if step_minutes <= sub < minutes and minutes % sub == 0 and not is_own:
                text = f"demand is the average of {minutes} min moving by {sub} min; {true}"
                yield text, {"method": "rolling", "window_minutes": minutes, "sub_interval_minutes": sub}
    for period in charge.periods:
        always = DemandPeriod(period_id=period.period_id, price_per_kw=period.price_per_kw, tiers=period.tiers)
        others = tuple(other for other in charge.periods if other is not period)
        if len(charge.periods) == 1:
            yield "demand is the highest of all hours; the tariff names hours", {"periods": (always,)}
        else:
            text = f"demand of {period.period_id} is the highest of all hours"
            # Periods are disjoint: the others stand on hours that none has.
            yield text, {"periods": (always,)}
            yield f"only the demand of {period.period_id} is billed", {"periods": (period,)}
            yield f"the demand of {period.period_id} is left out", {"periods": others}
    if charge.ratchet is not None:
        yield "demand of earlier months is not looked back on (ratchet)", {"ratchet": None}
    if charge.peaks > 1:
        yield "one highest value is billed instead of a mean of several", {"peaks": 1}
    if charge.minimum_kw or charge.contracted_share:
        none: dict[str, object] = {"minimum_kw": Decimal(0), "contracted_share": Decimal(0)}
        yield "measured demand is billed where a least demand is agreed", none
    if charge.coincident_at:
        yield "the highest demand is billed instead of that at the published instants", {"coincident_at": ()}


def _left_out_days(case: Case, sums: dict[date, Decimal], billed: _Billed) -> Iterator[Suspicion]:
    """Days without which the load comes to the energy billed: the supplier lacks their data."""
    start, end = case.truth.start, case.truth.end
    inside = [start + timedelta(days=n) for n in range((end - start).days)]
    whole = sum((sums.get(day, Decimal(0)) for day in inside), Decimal(0))
    tried = 0
    for a in range(len(inside)):
        lost = Decimal(0)
        for b in range(a, len(inside)):
            lost += sums.get(inside[b], Decimal(0))
            # A bill that is nearly right fits with any idle day left out: twenty say as much as all.
            if billed.is_near(whole - lost) and lost and tried < 20:
                tried += 1
                first, last = inside[a], inside[b] + timedelta(days=1)
                yield Suspicion(
                    "missing_data", SEARCH,
                    f"the energy of {first} to {last} ({plain(lost)} kWh, {days((last - first).days)}) is not billed",
                    partial(without, first, last),
                )  # fmt: skip


def without(first: date, last: date, scenario: Scenario) -> Scenario | None:
    """The scenario with a load of zero on local dates [first, last)."""
    load = scenario.load
    if load is None:
        return None
    step = timedelta(minutes=load.step_minutes)
    a = max(int((local_midnight_utc(first, scenario.time_zone) - load.start_utc) / step), 0)
    b = max(int((local_midnight_utc(last, scenario.time_zone) - load.start_utc) / step), 0)
    values = load.load.copy()
    values[..., a:b] = 0
    return replace(scenario, load=replace(load, load=values))


def _registered(case: Case) -> Iterator[Suspicion]:
    """Energy that the registers counted in gaps of the load, spread evenly over them."""
    load = case.truth.load
    if load is None or case.reads is None:
        return
    start, end = case.truth.start, case.truth.end
    counted = case.reads.between(start, end, case.multiplier)
    if counted is None:
        return
    kwh = sum((use.quantity for use in counted.uses if use.unit == "kwh"), Decimal(0))

    def filled(scenario: Scenario) -> Scenario | None:
        whole = scenario.load
        if whole is None:
            return None
        zone = scenario.time_zone
        part = whole.between(local_midnight_utc(start, zone), local_midnight_utc(end, zone))
        holes = ~part.is_present
        count = int(holes.sum())
        lacking = int(kwh * _NANO) - int(part.imported(is_gross=False).sum())
        if not count or lacking <= 0:
            return None
        values = part.load.copy()
        shares = np.full(count, lacking // count, dtype=np.int64)
        # What does not divide goes to the first gaps, a quantum each: the sum is that of the registers.
        shares[: lacking - int(shares.sum())] += 1
        values[holes] = shares
        return replace(scenario, load=replace(part, load=values, is_present=np.ones_like(part.is_present)))

    # The registers are a paper: they outrank what a search finds.
    yield Suspicion(
        "missing_data", PAPER, f"the load has gaps; the registers counted {plain(kwh)} kWh, which is billed", filled
    )


def _averaged(case: Case, sums: dict[date, Decimal], billed: _Billed) -> Iterator[Suspicion]:
    """The energy of as many days before: an estimate. A bill that says so is believed with its own quantity."""
    start, end = case.truth.start, case.truth.end
    count = (end - start).days
    ours = sum((sums.get(start + timedelta(days=n), Decimal(0)) for n in range(count)), Decimal(0))
    if not ours:
        return
    # What suppliers estimate from: the period before, a month, a year; 364 days keep the weekday.
    for back in (count, 28, 30, 31, 364, 365, 366):
        before = [start - timedelta(days=back - n) for n in range(min(back, count))]
        if any(day not in sums for day in before):
            continue
        mean = sum((sums[day] for day in before), Decimal(0)) * count / len(before)
        if billed.is_near(mean):
            yield Suspicion(
                "estimated_read", SEARCH,
                f"{plain(billed.kwh)} kWh are billed: the use per day from {before[0]} on, an estimate; metered "
                f"{plain(ours)} kWh",
                scaled(billed.kwh / ours),
            )  # fmt: skip
    if case.bill.is_estimated:
        yield Suspicion(
            "estimated_read", PAPER,
            f"the bill says that its read is an estimate: {plain(billed.kwh)} kWh, metered {plain(ours)} kWh",
            scaled(billed.kwh / ours),
        )  # fmt: skip
