"""Contracted power: the level that would have cost least with its charge for excess, by the bill engine."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from decimal import ROUND_UP, Decimal

import numpy as np

from assets.advice.estimate import Estimate
from assets.advice.kinds.billed import bill_of, months_of
from assets.advice.site_hours import SiteHours, Supply
from data_quality.contracts.billing.tariff_charges import CapacityCharge

_LEAST_OF_BILL = 0.002
# A month counts where so much of it was read.
_LEAST_READ, _LEAST_MONTHS = 0.95, 4


def find(site: SiteHours) -> Iterator[Estimate]:
    """One estimate for the supply, where its newest tariff has one contracted power with a charge for excess.

    Without such a charge no level is too low, and nothing is said. Months count that were read.
    """
    supply = site.supply
    charges = supply.tariffs[-1].capacity if supply is not None else ()
    if supply is None or len(charges) != 1 or not charges[0].excess_price_per_unit:
        return
    peaks = _peaks(site, supply, charges[0])
    if len(peaks) < _LEAST_MONTHS:
        return
    before = _by_month(supply, peaks)
    # The cost is convex and bends where a month's peak is just tolerated: the least is at such a level.
    levels = sorted({_level(charges[0], each) for each in peaks.values()})
    costs = {level: _by_month(_with(supply, level), peaks) for level in levels}
    best = min(costs, key=lambda level: float(costs[level].sum()))
    saved = before - costs[best]
    money = float(saved.sum())
    if money < _LEAST_OF_BILL * float(before.sum()):
        return
    # Months differ by how far their peaks are from either level.
    error = float(np.sqrt(saved.size) * np.std(saved, ddof=1))
    numbers = {
        "contracted_kw": (float(charges[0].contracted), "kw"), "best_kw": (float(best), "kw"),
        "peak_kw": (max(peaks.values()), "kw"), "months_read": (float(len(peaks)), "count"),
    }  # fmt: skip
    yield Estimate(f"site:{site.site_id}", money=money, money_error=error, numbers=numbers)


def best_contract(site: SiteHours) -> Supply | None:
    """The supply with the contracted power that is advised; None where none surely is."""
    for found in find(site):
        if site.supply is not None and found.money_band[0] > 0:
            return _with(site.supply, Decimal(found.numbers["best_kw"][0]))
    return None


def _peaks(site: SiteHours, supply: Supply, charge: CapacityCharge) -> dict[date, float]:
    """The highest mean power over the charge's windows in each month that was read, kW (kVA where it is by kVA)."""
    load, window = supply.load, max(1, charge.window_minutes // supply.load.step_minutes)
    power = np.maximum(load.load, 0).astype(float)
    if charge.unit == "kva" and load.kvarh is not None:
        power = np.hypot(power, load.kvarh)
    size = power.size // window * window
    mean_kw = power[:size].reshape(-1, window).mean(axis=1) * 1e-9 * 60 / load.step_minutes
    month = months_of(site, power.size)
    is_read = {each: load.is_present[month == each].mean() >= _LEAST_READ for each in np.unique(month).tolist()}
    return {
        date(1970 + each // 12, each % 12 + 1, 1): float(mean_kw[month[:size:window] == each].max())
        for each, is_whole in is_read.items()
        if is_whole
    }


def _level(charge: CapacityCharge, peak_kw: float) -> Decimal:
    """The least whole level that tolerates a peak."""
    return max((Decimal(peak_kw) / charge.excess_above_share).quantize(Decimal(1), ROUND_UP), Decimal(1))


def _with(supply: Supply, level: Decimal) -> Supply:
    """The supply with another contracted power in all of its tariffs that have one."""
    return replace(
        supply,
        tariffs=tuple(
            each.model_copy(
                update={"capacity": tuple(one.model_copy(update={"contracted": level}) for one in each.capacity)}
            )
            for each in supply.tariffs
        ),
    )


def _by_month(supply: Supply, months: Iterable[date]) -> np.ndarray:
    """The bill of each of the months. Raises BadInput."""
    found = dict.fromkeys(months, 0.0)
    for period in bill_of(supply, supply.load).periods:
        if period.start.replace(day=1) in found:
            found[period.start.replace(day=1)] += float(period.total)
    return np.array(list(found.values()))
