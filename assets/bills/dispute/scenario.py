"""One way in which a supply may have been billed: tariffs, dates, registers or load. Billing it again is the test.

A change turns a scenario into another one that differs in one respect.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Literal

import numpy as np

from assets.bills.engine.bill_load import Load, Reads, RegisterUse
from assets.bills.engine.compute import make_bill
from assets.bills.engine.from_reads import make_bill_from_reads
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.bill import BillPeriod
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.billing.tariff_charges import TouPeriod
from data_quality.contracts.errors import BadInput

EARLIEST, LATEST = date(1900, 1, 1), date(2200, 1, 1)
_PRICES = ("price_per_kwh", "tiers", "sell_price_per_kwh")


@dataclass(frozen=True)
class Scenario:
    """Tariffs on local dates [start, end) over register uses or a load, exactly one of which is given.

    day_types: the site's, for what the calendars of the tariffs leave out.
    """

    tariffs: tuple[Tariff, ...]
    start: date
    end: date
    time_zone: str
    currency: str
    uses: tuple[RegisterUse, ...] | None = None
    load: Load | None = None
    prices: Mapping[str, PriceSeries] = field(default_factory=dict)
    day_types: dict[date, DayType] | None = None


Change = Callable[[Scenario], Scenario | None]


def scenario_bill(scenario: Scenario) -> BillPeriod:
    """The bill of the scenario. Raises BadInput where its parts do not suffice."""
    if scenario.uses is not None:
        bill = make_bill_from_reads(
            scenario.tariffs, Reads(uses=scenario.uses), time_zone=scenario.time_zone, start=scenario.start,
            end=scenario.end, currency=scenario.currency,
        )  # fmt: skip
    elif scenario.load is not None:
        bill = make_bill(
            scenario.tariffs, scenario.load, time_zone=scenario.time_zone, start=scenario.start, end=scenario.end,
            prices=scenario.prices, currency=scenario.currency, day_types=scenario.day_types,
        )  # fmt: skip
    else:
        raise BadInput("nothing to bill: neither registers nor a load", reason="no_load")
    return bill.periods[0]


def timeless(tariff: Tariff) -> Tariff:
    """The tariff as if it were in force at all times."""
    return tariff.model_copy(update={"valid_from": EARLIEST, "valid_to": LATEST})


def under(*tariffs: Tariff) -> Change:
    """Other tariffs, dated as they are."""
    return lambda scenario: replace(scenario, tariffs=tuple(tariffs))


def each_tariff(change: Callable[[Tariff], Tariff]) -> Change:
    """Every tariff changed in the same way; None where nothing changes."""

    def changed(scenario: Scenario) -> Scenario | None:
        tariffs = tuple(change(tariff) for tariff in scenario.tariffs)
        # The same bill again would explain nothing.
        return None if tariffs == scenario.tariffs else replace(scenario, tariffs=tariffs)

    return changed


def with_charge(part: Literal["demand", "taxes"], charge_id: str, **terms: object) -> Change:
    """Other terms of one charge of that part of the tariffs."""

    def changed(tariff: Tariff) -> Tariff:
        # Terms are replaced, not validated: an impossible combination is refused when it is billed.
        charges = tuple(
            each.model_copy(update=terms) if each.charge_id == charge_id else each for each in getattr(tariff, part)
        )
        return tariff.model_copy(update={part: charges})

    return each_tariff(changed)


def with_swapped(one: str, other: str, *, hours: bool) -> Change:
    """Two energy periods with each other's hours, or with each other's prices: every line keeps its name."""
    names = {one: other, other: one}

    def swap(periods: tuple[TouPeriod, ...]) -> tuple[TouPeriod, ...]:
        by_name = {period.period_id: period for period in periods}
        if not set(names) <= set(by_name):
            return periods
        found = []
        for period in periods:
            partner = by_name[names.get(period.period_id, period.period_id)]
            # Both slips move energy to another price; they differ in whose hours the line then has.
            kept, priced = (partner, period) if hours else (period, partner)
            prices = {name: getattr(priced, name) for name in _PRICES}
            found.append(kept.model_copy(update={"period_id": period.period_id, **prices}))
        return tuple(found)

    def changed(tariff: Tariff) -> Tariff:
        energy = tuple(charge.model_copy(update={"periods": swap(charge.periods)}) for charge in tariff.energy)
        return tariff.model_copy(update={"periods": swap(tariff.periods), "energy": energy})

    return each_tariff(changed)


def on_dates(start: date, end: date) -> Change:
    """Other dates of the bill; the registers' quantities stay, whole, a load is cut anew."""

    def changed(scenario: Scenario) -> Scenario | None:
        if start >= end:
            return None
        uses = scenario.uses
        if uses is not None:
            # One use per register: what was counted between stays whole, whatever dates are printed on it.
            uses = tuple(replace(use, start=start, end=end) for use in merged(uses))
        # The first and the last tariff, extended to the dates: mistaken dates are read without a look at validity.
        ordered = sorted(scenario.tariffs, key=lambda tariff: tariff.valid_from)
        if start < ordered[0].valid_from:
            ordered[0] = ordered[0].model_copy(update={"valid_from": start})
        if end > ordered[-1].valid_to:
            ordered[-1] = ordered[-1].model_copy(update={"valid_to": end})
        return replace(scenario, start=start, end=end, uses=uses, tariffs=tuple(ordered))

    return changed


def with_uses(uses: Sequence[RegisterUse]) -> Change:
    """Other register uses, over the scenario's dates; registers that they do not hold stay."""

    def changed(scenario: Scenario) -> Scenario | None:
        if scenario.uses is None:
            return None
        mine = {(use.period_id, use.unit) for use in uses}
        kept = [use for use in merged(scenario.uses) if (use.period_id, use.unit) not in mine]
        moved = tuple(replace(use, start=scenario.start, end=scenario.end) for use in [*merged(uses), *kept])
        return replace(scenario, uses=moved)

    return changed


def scaled(factor: Decimal) -> Change:
    """All energy and demand times a factor."""

    def changed(scenario: Scenario) -> Scenario | None:
        if scenario.uses is not None:
            return replace(scenario, uses=tuple(replace(use, quantity=use.quantity * factor) for use in scenario.uses))
        if scenario.load is None:
            return None
        load, by = scenario.load, float(factor)

        def times(values: np.ndarray) -> np.ndarray:
            whole: np.ndarray = np.rint(values * by).astype(np.int64)
            return whole

        kvarh = None if load.kvarh is None else times(load.kvarh)
        # Generation has a meter of its own, with a multiplier of its own.
        return replace(scenario, load=replace(load, load=times(load.load), kvarh=kvarh))

    return changed


def merged(uses: Sequence[RegisterUse]) -> list[RegisterUse]:
    """One use per register over the whole span: energies added, the highest demand."""
    found: dict[tuple[str, str], RegisterUse] = {}
    for use in uses:
        key = (use.period_id, use.unit)
        known = found.get(key)
        if known is None:
            found[key] = use
            continue
        both = max(known.quantity, use.quantity) if use.unit == "kw" else known.quantity + use.quantity
        found[key] = replace(
            known, start=min(known.start, use.start), end=max(known.end, use.end), quantity=both,
            is_estimated=known.is_estimated or use.is_estimated,
        )  # fmt: skip
    return list(found.values())
