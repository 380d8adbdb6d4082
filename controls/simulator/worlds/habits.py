"""Waste at the demo sites, day by day: loads that run on, peaks that stand alone. Told as truth."""

from datetime import date, timedelta

from controls.simulator.worlds.anchor import ANCHOR
from controls.simulator.worlds.lapses import Lapse, lapses_of
from data_quality.contracts.time import months_after

_WORKING, _FREE = frozenset(range(5)), frozenset((5, 6))
# Kept to the months before that of the lapses, which anomalies are looked for in.
_MONTHS = 12


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
