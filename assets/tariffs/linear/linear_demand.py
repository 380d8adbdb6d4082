"""Demand as epigraphs: which windows, which floor, what a kW costs. Coincident demand at published hours is linear."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np

from assets.tariffs.compiled import Compiled, wall_clock, windows_of
from assets.tariffs.linear.linear_build import Desk
from assets.tariffs.linear.linear_model import ONE, ZERO, Energy, Form, Peak, Refused, total_of
from assets.tariffs.tiers import bounds_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_charges import DemandCharge
from data_quality.contracts.units import of_quanta


class Windows:
    """Windows of a charge on the bill's grid: slots [first, last), whole in the bill."""

    def __init__(self, desk: Desk, *, per_window: int, stride: int) -> None:
        self.frame, self.per_window = desk.frame, per_window
        self.last = np.arange(per_window, desk.frame.grid.size + 1, stride)
        self.first = self.last - per_window
        self.kw_per_kwh = Decimal(60) / (per_window * desk.frame.grid.step_minutes)
        self._known = np.concatenate([[0], np.cumsum(desk.frame.known_import)])
        # The day on which the window ends, as in the bill.
        self._days = wall_clock(desk.frame.grid, "local")[0][self.last - 1] if self.last.size else self.last

    def known_kwh(self, at: np.ndarray) -> np.ndarray:
        """Known energy of windows, 1e-9 kWh."""
        found: np.ndarray = self._known[self.last[at]] - self._known[self.first[at]]
        return found

    def peak(self, name: str, at: np.ndarray, *, count: int = 1) -> Peak:
        """The highest of the windows `at`, or the mean of the `count` highest, one a local day."""
        frame = self.frame
        groups = np.unique(self._days[at], return_inverse=True)[1] if count > 1 else np.zeros(at.size, dtype=np.int64)
        # A window over the edge of the horizon keeps its known part as a constant beside its open slots.
        first = np.clip(self.first[at], frame.first, frame.last) - frame.first
        last = np.clip(self.last[at], frame.first, frame.last) - frame.first
        known = self.known_kwh(at)
        is_open = last > first
        floors = np.zeros(int(groups.max(initial=0)) + 1, dtype=np.int64)
        # Several closed windows may lie in one day: plain assignment would keep the last, not the highest.
        np.maximum.at(floors, groups[~is_open], known[~is_open])
        return Peak(
            name=name,
            first=tuple(first[is_open].tolist()),
            last=tuple(last[is_open].tolist()),
            known_kwh=tuple(of_quanta(value) for value in known[is_open].tolist()),
            group=tuple(groups[is_open].tolist()),
            floor_kw=tuple(of_quanta(value) * self.kw_per_kwh for value in floors.tolist()),
            kw_per_kwh=self.kw_per_kwh,
            # A bill with fewer days than peaks takes the mean of the days that it has.
            count=min(count, floors.size),
        )

    def mean(self, desk: Desk, name: str, at: np.ndarray) -> Form:
        """Mean power of the windows `at`, each as often as it is named: a sum, no maximum."""
        weights = np.zeros(self.frame.grid.size, dtype=np.int64)
        for window in at.tolist():
            weights[self.first[window] : self.last[window]] += 1
        share = self.kw_per_kwh / at.size
        slots = self.frame.open_slots(weights > 0).tolist()
        incurred = of_quanta(self.known_kwh(at).sum()) * share
        if not slots:
            return Form(constant=incurred)
        each = tuple(share * int(weights[slot + self.frame.first]) for slot in slots)
        return desk.add(Energy(name=name, side="import", intervals=tuple(slots), weights=each, incurred=incurred))


def write_demand(
    desk: Desk, tariff: Tariff, compiled: Compiled, demands_kw: Mapping[str, Mapping[str, Sequence[Decimal]]]
) -> dict[str, list[Form | None]]:
    """Lines per kW; returns billed demand per charge and period. Raises Refused, BadInput."""
    found: dict[str, list[Form | None]] = {}
    for charge in tariff.demand:
        _refuse(charge)
        measured = _measured(desk, charge, compiled)
        found[charge.charge_id] = _billed(desk, charge, measured, demands_kw.get(charge.charge_id, {}))
        for period, billed in zip(charge.periods, found[charge.charge_id], strict=True):
            if billed is None:
                continue
            # Tiers of demand end at kW, so there is no demand for a limit to depend on.
            table = bounds_of(period.blocks, limit_share=ONE, days=desk.frame.days, demand_kw=ZERO)
            cost = desk.tiers(f"{charge.charge_id}.{period.period_id}.tiers", billed, table)
            desk.write(charge.charge_id, "demand", cost.times(desk.frame.month_share))
    return found


def _refuse(charge: DemandCharge) -> None:
    if charge.unit == "kva":
        raise Refused(charge.charge_id, "demand in kVA is a root of squares of active and reactive energy")
    if charge.reference_power_factor is not None:
        raise Refused(charge.charge_id, "demand times a ratio of power factors is a product of variables")
    if charge.demand_decimals is not None:
        raise Refused(charge.charge_id, f"billed demand is rounded to {charge.demand_decimals} decimals: it jumps")
    if any(block.amount is not None for period in charge.periods for block in period.blocks):
        raise Refused(charge.charge_id, "a block of demand costs an amount: the cost jumps where the next begins")


def _measured(desk: Desk, charge: DemandCharge, compiled: Compiled) -> list[Form | None]:
    """Demand per period as measured; None for one without a window in the bill."""
    per_window, stride = windows_of(charge, desk.frame.grid.step_minutes)
    windows = Windows(desk, per_window=per_window, stride=stride)
    # A window belongs to the hours in which it ends.
    periods = compiled.demand[charge.charge_id][windows.last - 1]
    instants = _instants(desk, charge, windows) if charge.coincident_at else None
    found: list[Form | None] = []
    for index, period in enumerate(charge.periods):
        name, at = f"{charge.charge_id}.{period.period_id}", np.flatnonzero(periods == index)
        if not at.size:
            found.append(None)
        elif instants is not None:
            mine = instants[periods[instants] == index]
            found.append(windows.mean(desk, f"{name}.at_hours", mine) if mine.size else Form())
        else:
            found.append(_as_form(desk, windows.peak(f"{name}.peak", at, count=charge.peaks)))
    return found


def _as_form(desk: Desk, peak: Peak) -> Form:
    if peak.first:
        return desk.add(peak)
    return Form(constant=sum(sorted(peak.floor_kw)[-peak.count :], ZERO) / peak.count)


def _instants(desk: Desk, charge: DemandCharge, windows: Windows) -> np.ndarray:
    """The window of each published instant of this bill; an hour that is not yet published cannot be priced."""
    starts, step_us = desk.frame.grid.start_us, desk.frame.grid.step_minutes * 60_000_000
    moments = np.array([int(at.timestamp()) * 1_000_000 for at in charge.coincident_at], dtype=np.int64)
    inside = moments[(moments >= starts[0]) & (moments < starts[-1] + step_us)]
    # The first window that ends after the instant holds it.
    found = np.searchsorted(starts[windows.last - 1] + step_us, inside, side="right")
    kept: np.ndarray = found[found < windows.last.size]
    if not kept.size:
        raise Refused(charge.charge_id, "coincident demand, and no published hour lies in the bill")
    return kept


def _billed(
    desk: Desk, charge: DemandCharge, measured: list[Form | None], history: Mapping[str, Sequence[Decimal]]
) -> list[Form | None]:
    """The highest of measured, ratchet, minimum and contracted share (formulas 5.11)."""
    floor = max(charge.minimum_kw, charge.contracted_share * (charge.contracted_kw or ZERO))
    ratchet, month = charge.ratchet, desk.frame.start.month
    found: list[Form | None] = []
    for period, demand in zip(charge.periods, measured, strict=True):
        if demand is None:
            found.append(None)
            continue
        forms = [demand, Form(constant=floor)]
        if ratchet is not None:
            names = ratchet.of_periods or (period.period_id,)
            before = [Form(constant=kw) for name in names for kw in history.get(name, ())]
            if ratchet.includes_current and ratchet.is_set_in(month):
                named = [d for p, d in zip(charge.periods, measured, strict=True) if p.period_id in names]
                before += [each.times(ratchet.share_in(month)) for each in named if each is not None]
            if ratchet.rule == "mean" and before:
                forms[0] = total_of(before).times(ONE / len(before))
            elif ratchet.rule == "highest":
                forms += before
        found.append(desk.maximum(f"{charge.charge_id}.{period.period_id}.billed", forms, "demand, or its floor"))
    return found


def highest_demand(desk: Desk, billed: Mapping[str, list[Form | None]]) -> Form:
    """The highest billed demand; without a demand charge the highest power of an interval."""
    forms = [form for each in billed.values() for form in each if form is not None]
    if forms:
        return desk.maximum("highest_demand", forms, "highest billed demand")
    # Without demand charge no window is defined: a rider per kW then goes by the interval itself.
    windows = Windows(desk, per_window=1, stride=1)
    return _as_form(desk, windows.peak("highest_power", np.arange(windows.last.size)))


def write_capacity(desk: Desk, tariff: Tariff) -> None:
    """Contracted power as a constant, and what the highest power exceeds it by."""
    for charge in tariff.capacity:
        desk.write(
            charge.charge_id,
            "capacity",
            Form(constant=charge.contracted * charge.price_per_unit * desk.frame.count(charge.per)),
        )
        if not charge.excess_price_per_unit:
            continue
        if charge.unit == "kva":
            raise Refused(charge.charge_id, "power in kVA is a root of squares of active and reactive energy")
        # Contracted power is watched in fixed blocks, whatever the method of a demand charge beside it.
        per_window = max(1, charge.window_minutes // desk.frame.grid.step_minutes)
        windows = Windows(desk, per_window=per_window, stride=per_window)
        peak = _as_form(desk, windows.peak(f"{charge.charge_id}.peak", np.arange(windows.last.size)))
        beyond = peak.minus(Form(constant=charge.contracted * charge.excess_above_share))
        over = desk.positive(f"{charge.charge_id}.excess", beyond, "power above contract")
        desk.write(charge.charge_id, "capacity", over.times(charge.excess_price_per_unit))
