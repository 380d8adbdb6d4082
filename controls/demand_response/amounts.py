"""Income and penalty of a settled event by a programme's terms, pure."""

from datetime import timedelta

from data_quality.contracts.baselines.event_baseline import SettledEvent
from data_quality.contracts.control.dr_programme import Programme


def least_kw(settled: SettledEvent) -> float | None:
    """Least power shed in any step, kW; None where a step has no baseline or no reading."""
    hour = timedelta(hours=1)
    found = [
        None if each.shed_kwh is None else each.shed_kwh / ((each.end_utc - each.start_utc) / hour)
        for each in settled.intervals
    ]
    known = [each for each in found if each is not None]
    return min(known) if known and len(known) == len(found) else None


def income_and_penalty(terms: Programme, target_kw: float, settled: SettledEvent) -> tuple[float, float] | None:
    """Income and penalty, in the site's currency to the cent; None where the shed is not known.

    Paid is the energy shed, and the least power shed, each from nothing up to the target. A penalty is on the energy
    that is short of the terms' least share of the target.
    """
    if settled.shed_kwh is None:
        return None
    target_kwh = target_kw * ((settled.end_utc - settled.start_utc) / timedelta(hours=1))
    shed_kwh = min(max(settled.shed_kwh, 0.0), target_kwh)
    shed_kw = min(max(least_kw(settled) or 0.0, 0.0), target_kw)
    short_kwh = max(terms.least_share * target_kwh - shed_kwh, 0.0)
    income = terms.price_per_kwh * shed_kwh + terms.price_per_kw * shed_kw
    return round(income, 2), round(terms.penalty_per_kwh * short_kwh, 2)
