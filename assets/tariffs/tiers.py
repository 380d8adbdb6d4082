"""Energy or demand cut into tiers: by each period's own amount, by the total shared pro rata, or in order of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from data_quality.contracts.billing.tariff_charges import Tier
from data_quality.contracts.units import QUANTUM_DECIMALS

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Bound:
    """One flat stretch: its number (from 1), its price, and where it ends; None for the last."""

    number: int
    price: Decimal
    up_to: Decimal | None


def bounds_of(tiers: Sequence[Tier], *, limit_share: Decimal, days: int, demand_kw: Decimal) -> tuple[Bound, ...]:
    """Tiers as bounds in kWh (or kW): limits per day times days, per kW times demand, kWh times limit_share.

    limit_share: 1 for a whole month, less where a bill covers a part of one. Steps of kWh stay inside their block of
    hours use. Tiers that end where they start are left out.
    """
    found: list[Bound] = []
    lower, number = _ZERO, 0
    for tier in tiers:
        upper = None if tier.up_to is None else _limit(tier, tier.up_to, limit_share, days, demand_kw)
        parts = (
            [(step.price, None if step.up_to_kwh is None else step.up_to_kwh * limit_share) for step in tier.steps]
            if tier.steps
            else [(tier.price if tier.price is not None else _ZERO, upper)]
        )
        for price, end in parts:
            # Counted though it may be left out below: tier 3 is tier 3 on every bill of the tariff.
            number += 1
            stop = upper if end is None or (upper is not None and upper < end) else end
            if stop is not None and stop <= lower:
                continue
            found.append(Bound(number=number, price=price, up_to=stop))
            if stop is None:
                return tuple(found)
            lower = stop
    return tuple(found)


def _limit(tier: Tier, up_to: Decimal, limit_share: Decimal, days: int, demand_kw: Decimal) -> Decimal:
    if tier.up_to_unit == "kwh_per_day":
        return up_to * days
    if tier.up_to_unit == "kwh_per_kw":
        return up_to * demand_kw
    if tier.up_to_unit == "kwh":
        return up_to * limit_share
    return up_to


def fill(bounds: Sequence[Bound], amount: Decimal) -> list[tuple[Bound, Decimal]]:
    """The part of the amount in each tier that it reaches; the first tier also where the amount is zero."""
    # One tier takes every amount as it is, below zero too.
    if len(bounds) == 1:
        return [(bounds[0], amount)]
    parts, lower = [], _ZERO
    for bound in bounds:
        # An amount that meets the limit belongs to the tier below it.
        upper = amount if bound.up_to is None or amount <= bound.up_to else bound.up_to
        parts.append((bound, upper - lower))
        if upper == amount:
            break
        lower = upper
    return parts


def cost_of(bounds: Sequence[Bound], amount: Decimal) -> Decimal:
    """Sum of price x part of an amount that fills tiers; below zero it stays in the first."""
    return sum((part * bound.price for bound, part in fill(bounds, amount)), _ZERO)


def share_pro_rata(tables: Sequence[Sequence[Bound]], amounts: Sequence[Decimal]) -> list[list[tuple[Bound, Decimal]]]:
    """The total fills the tiers; each period has of every tier its share of the total.

    tables: bounds per period, the same ends and numbers, other prices.
    """
    total = sum(amounts, _ZERO)
    # Nothing used: a line of zero shows that the period was looked at, and a share of nothing would be 0 / 0.
    if not total:
        return [[(table[0], _ZERO)] for table in tables]
    found = []
    for table, amount in zip(tables, amounts, strict=True):
        parts = fill(table, total)
        # The amount as it is: a share of the total need not come back to its last digit.
        if len(parts) == 1:
            found.append([(parts[0][0], amount)])
            continue
        found.append([(bound, part * amount / total) for bound, part in parts])
    return found


def fill_in_time_order(
    tables: Sequence[Sequence[Bound]], energy_nano: np.ndarray, periods: np.ndarray, *, factor: Decimal = Decimal(1)
) -> list[list[tuple[Bound, Decimal]]]:
    """Tiers fill as the kWh come in, whichever period they fall in; a slot that crosses an end is cut there.

    energy_nano: per slot, 1e-9 of the meter's unit; factor: kWh per unit; periods: index into tables per slot.
    """
    cumulative = np.concatenate([[0], np.cumsum(energy_nano)])
    found: list[list[tuple[Bound, Decimal]]] = [[] for _ in tables]
    scale = Decimal(1).scaleb(-QUANTUM_DECIMALS) * factor
    total = int(cumulative[-1])
    # A bill over two seasons has tables of other ends: each slot is cut at those of its own period.
    for index, table in enumerate(tables):
        lower = 0
        for bound in table:
            # Whole quanta, cut down: what is beyond a bound of finer digits belongs to the next tier.
            upper = total if bound.up_to is None else min(int(bound.up_to / scale), total)
            # The running total, held within the tier, grows only in slots that lie in it: its steps are their parts.
            amount = int(np.diff(np.clip(cumulative, lower, upper))[periods == index].sum())
            if amount or not lower:
                found[index].append((bound, Decimal(amount) * scale))
            if upper >= total:
                break
            lower = upper
    return found
