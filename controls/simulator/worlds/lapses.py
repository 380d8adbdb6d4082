"""Waste at the demo sites, told as truth: loads that run on, loads at wrong hours, loads switched off for an event."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from controls.simulator.physics.simulated import SimulatedSite
from controls.simulator.worlds.anchor import ANCHOR
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, months_after

EVENING, MORNING = 20, 6
# For the event people switch these off by hand.
EVENT_HOURS = (14, 15)
SWITCHED_KW = {"landlord": 14.0, "chiller": 30.0}
_DIGITS = 4
_WORKING, _FREE = frozenset(range(5)), frozenset((5, 6))
# Habits are kept to the months before that of the lapses, which anomalies are looked for in.
_MONTHS = 12


@dataclass(frozen=True)
class Lapse:
    """A meter that drew so much more in some nights, of which the first begins on a local day.

    hours: of the local clock, where not the night; a negative kw is less, down to nothing. weekdays: Monday is 0.
    """

    meter: str
    first: date
    nights: int
    kw: float
    hours: tuple[int, int] = (EVENING, MORNING)
    weekdays: frozenset[int] = frozenset(range(7))


def lapses_of(site_id: str, until: date) -> tuple[Lapse, ...]:
    """The lapses of a demo site whose data end before a day; none at ANCHOR, where figures stand as shipped.

    They lie in the month before the last whole one: the plant's files of later months are written again while it runs.
    """
    if until == ANCHOR:
        return ()
    month = months_after(until.replace(day=1), -2)
    # The second Monday.
    monday = month + timedelta(days=(7 - month.weekday()) % 7 + 7)
    return {
        "factory": (
            Lapse("compressor_1", monday, 4, 22.0),
            Lapse("hydraulic_pump", monday + timedelta(days=7), 3, 16.0),
        ),
        "tower": (
            Lapse("floors_05_08", monday, 4, 60.0),
            *(Lapse(meter, event_day(until), 1, -kw, EVENT_HOURS) for meter, kw in SWITCHED_KW.items()),
        ),
    }.get(site_id, ())


def event_day(until: date) -> date:
    """Day of the tower's demand-response event: the second Wednesday of the month before the last whole one."""
    month = months_after(until.replace(day=1), -2)
    return month + timedelta(days=(9 - month.weekday()) % 7 + 7)


def with_lapses(made: SimulatedSite, site: Site, lapses: Sequence[Lapse]) -> SimulatedSite:
    """The site with what was left running, at its meters and at those above them."""
    meters = made.meters
    local = pl.col("timestamp").dt.convert_time_zone(made.time_zone)
    hour = local.dt.hour()
    for each in lapses:
        begin, end = each.hours
        # The evening that a night begins on: hours before noon are of the evening before.
        day = local.dt.offset_by("-12h").dt.date() if end < begin else local.dt.date()
        is_then = (hour >= begin) | (hour < end) if end < begin else (hour >= begin) & (hour < end)
        is_own = pl.col("meter").is_in(_above(site, each.meter)) & (pl.col("register") == "import")
        is_on = is_own & is_then & day.is_between(each.first, each.first + timedelta(days=each.nights - 1))
        is_on &= (day.dt.weekday() - 1).is_in(list(each.weekdays))
        more = (pl.col("kwh") + each.kw * CANONICAL_MINUTES / 60).clip(lower_bound=0.0).round(_DIGITS)
        meters = meters.with_columns(kwh=pl.when(is_on).then(more).otherwise("kwh"))
    return replace(made, meters=meters)


def _above(site: Site, meter_id: str) -> list[str]:
    """A meter and all that its energy passes."""
    found, meter = [meter_id], site.meter(meter_id)
    while meter is not None and meter.parent is not None:
        found.append(meter.parent)
        meter = site.meter(meter.parent)
    return found


def left_running(site_id: str, until: date) -> tuple[Lapse, ...]:
    """Lapses and habits of a demo site together."""
    return (*lapses_of(site_id, until), *habits_of(site_id, until))


def habits_of(site_id: str, until: date) -> tuple[Lapse, ...]:
    """The habits of a demo site whose data end before a day; none at ANCHOR, where figures stand as shipped."""
    if until == ANCHOR:
        return ()
    month = until.replace(day=1)
    return {"factory": _factory, "tower": _tower}.get(site_id, lambda _: ())(month)


def _factory(month: date) -> tuple[Lapse, ...]:
    """A pump that nobody stopped on a weekend of each month, and a mould that is heated up while all else runs."""
    months = [months_after(month, -back) for back in range(3, _MONTHS + 1)]
    return (
        *(Lapse("hydraulic_pump", _working_day(each), 7, 14.0, hours=(6, 22), weekdays=_FREE) for each in months),
        *(Lapse("injection_moulding", _working_day(each), 1, 75.0, hours=(10, 11)) for each in months),
    )


def _tower(month: date) -> tuple[Lapse, ...]:
    """Air handlers that start at four, and a chiller at full power in the heat of one day a month."""
    months = [months_after(month, -back) for back in (4, 3, 1)]
    return (
        Lapse("ahu_high", months[0], (month - months[0]).days, 34.0, hours=(4, 6), weekdays=_WORKING),
        *(Lapse("chiller", _working_day(each), 1, 240.0, hours=(13, 14)) for each in months),
    )


def _working_day(month: date) -> date:
    """The third Tuesday."""
    return month + timedelta(days=(8 - month.weekday()) % 7 + 14)
