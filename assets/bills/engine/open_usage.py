"""Usage of a bill with slots that a plan has yet to decide: linear forms of open slots, values of known ones.

What no form can say is refused here by name, before a line is written.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

import numpy as np

from assets.bills.engine.bill_load import Load, as_rows
from assets.bills.engine.measure import Measure
from assets.bills.engine.settle import Account
from assets.tariffs.bill_part import BillPart, Usage
from assets.tariffs.compiled import Windows
from assets.tariffs.linear_build import LinearWriter
from assets.tariffs.linear_model import ONE, ZERO, Cap, Form, Peak, Refused, Side
from assets.tariffs.tiers import bounds_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_charges import (
    CapacityCharge,
    DemandCharge,
    EnergyCharge,
    SeriesPrice,
    TouPeriod,
)
from data_quality.contracts.units import of_quanta

_Forms = tuple[Form | Decimal | None, ...]


class OpenUsage:
    """One segment of a bill of which the slots [first, last) of its grid are open.

    known: the load on the whole grid, which holds nothing in the open slots.
    """

    def __init__(self, writer: LinearWriter, measure: Measure, known: Load, *, first: int, last: int) -> None:
        self.writer, self.measure, self.first, self.last = writer, measure, first, last
        self.tariff, self.compiled, self.grid = measure.tariff, measure.compiled, measure.compiled.grid
        self.arrangement = self.tariff.metering.arrangement
        self.bought = known.imported(is_gross=self.arrangement == "buy_all_sell_all")
        self.known: Usage[Decimal] = measure.usages(as_rows(known))[0][0]
        self.everything = np.arange(last - first)

    def usage(self, *, kvarh: Decimal | None) -> Usage[Form]:
        """The usage as forms. kvarh: of the whole bill. Raises Refused, BadInput."""
        known, tariff = self.known, self.tariff
        energy, surplus, series = self._energies()
        demand: dict[str, _Forms] = {charge.charge_id: self._demands(charge) for charge in tariff.demand}
        # Without demand charge, or out of its season, no window is defined: a rider per kW then goes by the interval.
        has_demand = any(kw is not None for each in demand.values() for kw in each)
        is_needed = not has_demand and any(rider.price_per_kw is not None for rider in tariff.riders)
        found: Usage[Form] = Usage(
            start=known.start,
            end=known.end,
            month_share=known.month_share,
            bill_share=known.bill_share,
            import_kwh=self.writer.energy("whole_bill.import", "import", self.everything, known.import_kwh),
            export_kwh=self.writer.energy("whole_bill.export", "export", self.everything, known.export_kwh),
            energy=energy,
            surplus=surplus,
            series=series,
            demand=demand,
            capacity={charge.charge_id: self._capacity(charge) for charge in tariff.capacity},
            max_kw=self._peak("highest_power", Windows(self.grid, size=1, stride=1)) if is_needed else ZERO,
            kvarh=kvarh,
        )
        if tariff.reactive and kvarh is None:
            raise Refused(tariff.reactive[0].charge_id, "the reactive energy of the bill is not known")
        # Surplus under net metering lowers kWh or becomes credit: there is no payment to look for prices of.
        if self.arrangement.startswith("net_metering"):
            return found
        terms, slots = tariff.export_terms, self.compiled.export
        if terms.series is None:
            # Where nothing was fed in so far, nothing was measured by period.
            sold = known.export or [ZERO if np.any(slots == n) else None for n in range(len(terms.all_periods))]
            paid = self._by_period(terms.charge_id, terms.all_periods, slots, sold, self._paid)
            return replace(found, export=paid)
        rates = self._rates(terms.series, is_floored=terms.negative_prices == "zero")
        worth = self._paid(terms.charge_id, self.everything, known.export_series[1], rates)
        return replace(found, export_series=(ZERO, worth))

    def _energies(self) -> tuple[dict[str, _Forms], dict[str, _Forms], dict[str, tuple[Decimal, Form | Decimal]]]:
        """Import and, where it is netted, export of each charge's periods; cost of charges by a series."""
        energy: dict[str, _Forms] = {}
        surplus: dict[str, _Forms] = {}
        series: dict[str, tuple[Decimal, Form | Decimal]] = {}
        for charge in self.tariff.energy_charges:
            name, periods = charge.charge_id, charge.all_periods
            if charge.series is not None:
                cost, rates = self.known.series[name][1], self._rates(charge.series)
                series[name] = ZERO, self.writer.energy(name, "import", self.everything, cost, rates)
                continue
            slots, known = self.compiled.energy[name], self.known
            energy[name] = self._by_period(name, periods, slots, known.energy[name], partial(self._energy, "import"))
            if name in known.surplus:
                sold = partial(self._energy, "export")
                surplus[name] = self._by_period(name, periods, slots, known.surplus[name], sold)
            held = [period for period, kwh in zip(periods, energy[name], strict=True) if kwh is not None]
            _refuse_tiers(self.tariff, charge, held, self.known)
        return energy, surplus, series

    def _energy(self, side: Side, name: str, slots: np.ndarray, incurred: Decimal) -> Form:
        return self.writer.energy(f"{name}.{side}", side, slots, incurred)

    def _by_period(
        self,
        charge_id: str,
        periods: Sequence[TouPeriod],
        slots: np.ndarray | None,
        known: Sequence[Decimal | None],
        make: Callable[[str, np.ndarray, Decimal], Form],
    ) -> _Forms:
        """A form of each period, of its name, its open slots and what is known; None for one without a slot."""
        assert slots is not None  # noqa: S101 - prices by a series or by register are answered before
        ahead = slots[self.first : self.last]
        return tuple(
            None if kwh is None else make(f"{charge_id}.{period.period_id}", np.flatnonzero(ahead == index), kwh)
            for index, (period, kwh) in enumerate(zip(periods, known, strict=True))
        )

    def _rates(self, price: SeriesPrice, *, is_floored: bool = False) -> list[Decimal]:
        """Price per kWh in each open slot: the solver may put energy into any, though nothing is used there yet."""
        needed = np.ones(self.everything.size, dtype=np.bool_)
        slots = slice(self.first, self.last)
        rates: list[Decimal] = self.measure.rates_of_slots(price, slots, needed, is_floored=is_floored).tolist()
        return rates

    def _paid(self, name: str, slots: np.ndarray, incurred: Decimal, rates: Sequence[Decimal] = ()) -> Form:
        """Export of the slots times their rates (none: 1), each interval within cap_kw."""
        cap_kw = self.tariff.export_terms.cap_kw
        if cap_kw is None:
            return self.writer.energy(name, "export", slots, incurred, rates)
        # Cut to whole quanta as the bill cuts it: a cap of finer digits would price otherwise than the bill.
        most = (cap_kw * self.grid.step_minutes / 60).quantize(Decimal("1e-9"), rounding="ROUND_DOWN")
        form, priced = Form(constant=incurred), list(zip(slots.tolist(), rates or [ONE] * slots.size, strict=True))
        # Split by sign: what earns stays linear, and only what costs needs binaries; one must not drag in the other.
        for sign, suffix in ((1, "capped"), (-1, "capped_cost")):
            chosen = [(slot, rate * sign) for slot, rate in priced if rate * sign > 0]
            if chosen:
                intervals, weights = zip(*chosen, strict=True)
                cap = Cap(name=f"{name}.{suffix}", intervals=intervals, weights=weights, cap_kwh=most)
                form += self.writer.add(cap) * Decimal(sign)
        return form

    def _demands(self, charge: DemandCharge) -> tuple[Form | None, ...]:
        """Demand per period as measured; None for one without a window in the bill."""
        if charge.unit == "kva":
            raise Refused(charge.charge_id, "demand in kVA is a root of squares of active and reactive energy")
        if charge.reference_power_factor is not None:
            raise Refused(charge.charge_id, "demand times a ratio of power factors is a product of variables")
        if charge.demand_decimals is not None:
            raise Refused(charge.charge_id, f"billed demand is rounded to {charge.demand_decimals} decimals: it jumps")
        if any(block.amount is not None for period in charge.periods for block in period.blocks):
            raise Refused(charge.charge_id, "a block of demand costs an amount: the cost jumps where the next begins")
        windows = Windows.of(charge, self.grid)
        # A window belongs to the hours in which it ends.
        periods = self.compiled.demand[charge.charge_id][windows.last - 1]
        instants = windows.at(charge.coincident_at)
        if charge.coincident_at and not instants.size:
            raise Refused(charge.charge_id, "coincident demand, and no published hour lies in the bill")
        found: list[Form | None] = []
        for index, period in enumerate(charge.periods):
            name, at = f"{charge.charge_id}.{period.period_id}", np.flatnonzero(periods == index)
            if not at.size:
                found.append(None)
            elif charge.coincident_at:
                found.append(self._mean(f"{name}.at_hours", windows, instants[periods[instants] == index]))
            else:
                found.append(self._peak(f"{name}.peak", windows, at, count=charge.peaks))
        return tuple(found)

    def _peak(self, name: str, windows: Windows, at: np.ndarray | None = None, *, count: int = 1) -> Form:
        """The highest of the windows `at` (none: of all), or the mean of the `count` highest, one a local day."""
        at = np.arange(windows.last.size) if at is None else at
        start, end = self.first, self.last
        groups = np.unique(windows.days[at], return_inverse=True)[1] if count > 1 else np.zeros(at.size, dtype=np.int64)
        # A window over the edge of the horizon keeps its known part as a constant next to its open slots.
        first, last = (np.clip(edge[at], start, end) - start for edge in (windows.first, windows.last))
        known = windows.sums(self.bought)[at]
        is_open = last > first
        floors = np.zeros(int(groups.max(initial=0)) + 1, dtype=np.int64)
        # Several closed windows may lie in one day: plain assignment would keep the last, not the highest.
        np.maximum.at(floors, groups[~is_open], known[~is_open])
        kw_per_kwh = Decimal(60) / windows.minutes
        floor_kw = tuple(of_quanta(value) * kw_per_kwh for value in floors.tolist())
        # A bill with fewer days than peaks takes the mean of the days that it has.
        count = min(count, floors.size)
        if not is_open.any():
            return Form(constant=sum(sorted(floor_kw)[-count:], ZERO) / count)
        return self.writer.add(
            Peak(
                name=name,
                first=tuple(first[is_open].tolist()),
                last=tuple(last[is_open].tolist()),
                known_kwh=tuple(of_quanta(value) for value in known[is_open].tolist()),
                group=tuple(groups[is_open].tolist()),
                floor_kw=floor_kw,
                kw_per_kwh=kw_per_kwh,
                count=count,
            )
        )

    def _mean(self, name: str, windows: Windows, at: np.ndarray) -> Form:
        """Mean power of the windows `at`, each as often as it is named: a sum, no maximum."""
        if not at.size:
            return Form()
        times = np.zeros(self.grid.size, dtype=np.int64)
        for window in at.tolist():
            times[windows.first[window] : windows.last[window]] += 1
        share = Decimal(60) / windows.minutes / at.size
        ahead = times[self.first : self.last]
        slots = np.flatnonzero(ahead)
        weights = [share * int(count) for count in ahead[slots]]
        return self.writer.energy(
            name, "import", slots, of_quanta(windows.sums(self.bought)[at].sum()) * share, weights
        )

    def _capacity(self, charge: CapacityCharge) -> Form | Decimal:
        """The highest power; zero where nothing is paid for what exceeds the contract."""
        if not charge.excess_price_per_unit:
            return ZERO
        if charge.unit == "kva":
            raise Refused(charge.charge_id, "power in kVA is a root of squares of active and reactive energy")
        return self._peak(f"{charge.charge_id}.peak", Windows.blocks(self.grid, charge.window_minutes))


def refuse_at_once(tariff: Tariff, account: Account[Decimal]) -> None:
    """Refuse terms whose usage no form can measure. Raises Refused."""
    # Surplus that moves by hours of the day must have been moved before: it is given per period.
    if tariff.metering.carry_by_hours and account.kwh:
        raise Refused("credit", "surplus carried by hours of the day needs the hours of the bill before")
    for charge in tariff.energy_charges:
        if charge.by_register and len(charge.periods) > 1:
            raise Refused(charge.charge_id, "periods are the meter's registers: no interval has a price")


def _refuse_tiers(tariff: Tariff, charge: EnergyCharge, periods: Sequence[TouPeriod], part: BillPart) -> None:
    """Tiers whose ends are no constants, and those of a total that add differently to the periods' first prices."""
    for period in periods:
        if any(tier.up_to_unit == "kwh_per_kw" for tier in period.blocks):
            raise Refused(
                charge.charge_id,
                f"period {period.period_id}: tiers of hours use end at kWh per kW of demand, so a higher peak makes "
                "energy cheaper; their ends are no constants",
            )
    tables = [
        bounds_of(period.blocks, limit_share=part.month_share, days=part.days, demand_kw=ZERO) for period in periods
    ]
    if charge.tier_basis == "period" or all(len(table) == 1 for table in tables):
        return
    ends = {tuple(bound.up_to for bound in table) for table in tables}
    steps = {tuple(bound.price - table[0].price for bound in table) for table in tables}
    if len(ends) > 1 or len(steps) > 1:
        raise Refused(
            charge.charge_id,
            "tiers fill with the total of periods whose prices do not step alike: which kWh is dear depends on "
            + ("their order" if charge.tier_basis == "in_time_order" else "a product of two energies"),
        )
    if charge.tier_basis == "in_time_order" and tariff.metering.arrangement.startswith("net_metering"):
        raise Refused(charge.charge_id, "tiers in order of time count import, the bill counts what netting leaves")
