"""Loads, one row per meter, become the usage of every bill segment: exact sums and maxima on index arrays.

Energies are whole numbers of 1e-9, so no sum depends on the order of the slots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from assets.bills.engine.bill_load import Load, netted_over
from assets.tariffs.bill_part import BillPart, Timeline, Usage, billed_per_unit
from assets.tariffs.calendar_layout import FREE
from assets.tariffs.compiled import Compiled, Grid, Windows
from assets.tariffs.price_series import PriceSeries, series_of
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_charges import DemandCharge, SeriesPrice
from data_quality.contracts.finding import Finding
from data_quality.contracts.units import QUANTUM_DECIMALS, of_quanta

_SCALE = 10**QUANTUM_DECIMALS
# Energy and price are both in 1e-9: their product is in 1e-18.
_PRICE_NANO = Decimal(1).scaleb(-2 * QUANTUM_DECIMALS)


@dataclass(frozen=True)
class Segment(BillPart):
    """Slots [first, last) of a load: those of the part."""

    first: int
    last: int


class Groups:
    """Slots sorted by group once, so that sums and maxima of many meters are one pass each. group FREE is left out."""

    def __init__(self, groups: np.ndarray, count: int) -> None:
        self.count = count
        order = np.argsort(groups, kind="stable")
        # FREE is below zero and sorts first: everything before the first group is left out.
        first = int(np.searchsorted(groups[order], 0))
        self._order = order[first:]
        kept = groups[self._order]
        # One period all the time is already in order: taking it as it is saves a copy of the whole load.
        self._is_identity = bool(first == 0 and (np.diff(order) == 1).all())
        self.sizes = np.bincount(kept, minlength=count) if kept.size else np.zeros(count, dtype=np.int64)
        self.present = np.flatnonzero(self.sizes)
        self._edges = np.searchsorted(kept, self.present)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """[meter, slot] int64 -> [meter, group] int64."""
        return self._reduce(np.add, values)

    def maxima(self, values: np.ndarray) -> np.ndarray:
        """[meter, slot] -> [meter, group]; 0 in a group without slots."""
        return self._reduce(np.maximum, values)

    def _reduce(self, how: np.ufunc, values: np.ndarray) -> np.ndarray:
        found = np.zeros((values.shape[0], self.count), dtype=values.dtype)
        # reduceat gives a group without slots its neighbour's first value: only groups that are there are reduced.
        if self.present.size:
            ordered = values if self._is_identity else np.take(values, self._order, axis=1)
            found[:, self.present] = how.reduceat(ordered, self._edges, axis=1)
        return found


class Measure:
    """One tariff on one grid with its bill segments, ready for any number of loads."""

    def __init__(
        self, compiled: Compiled, segments: Sequence[Segment], prices: Mapping[str, PriceSeries] | None = None
    ) -> None:
        self.compiled, self.segments, self._prices = compiled, tuple(segments), dict(prices or {})
        self.tariff, grid = compiled.tariff, compiled.grid
        self._segment = np.full(grid.size, FREE, dtype=np.int32)
        for index, segment in enumerate(segments):
            self._segment[segment.first : segment.last] = index
        self._whole = Groups(self._segment, len(segments))
        self._energy = {
            name: self._groups(periods, len(charge.all_periods))
            for (name, periods), charge in zip(compiled.energy.items(), self.tariff.energy_charges, strict=True)
            if periods is not None
        }
        self._export = (
            self._groups(compiled.export, len(self.tariff.export_terms.all_periods))
            if compiled.export is not None
            else None
        )
        self._is_netted = self.tariff.metering.arrangement.startswith("net_metering")
        self._is_gross = self.tariff.metering.arrangement == "buy_all_sell_all"
        self._demand = {charge.charge_id: _Demand(charge, compiled, self._segment) for charge in self.tariff.demand}

    def _groups(self, periods: np.ndarray, count: int) -> Groups:
        # One number for segment and period: every bill's every period is one group of one pass.
        inside = (self._segment != FREE) & (periods != FREE)
        return Groups(np.where(inside, self._segment * count + periods, FREE), len(self.segments) * count)

    def usages(self, load: Load) -> list[list[Usage[Decimal]]]:
        """[meter][segment]. load: arrays [meter, slot] on the compiled grid. Raises BadInput for a price that lacks."""
        bought, sold = load.imported(is_gross=self._is_gross), load.exported(is_gross=self._is_gross)
        # Peaks are of what flows; energy is of what is left once an hour is netted, where a tariff nets it.
        energy_in, sold = netted_over(bought, sold, self.tariff.metering.netting_minutes // load.step_minutes)
        factor = billed_per_unit(self.tariff, load.unit, "the load is in")
        sums = {name: groups.sums(energy_in) for name, groups in self._energy.items()}
        surplus = {name: groups.sums(sold) for name, groups in self._energy.items()} if self._is_netted else {}
        paid = self._paid_export(sold, load.step_minutes)
        # Most supplies feed nothing in, and sums of zeros over thousands of meters cost as much as sums of energy.
        has_export = bool(sold.any())
        export = self._export.sums(paid) if self._export is not None and has_export else None
        whole_in, whole_out = self._whole.sums(energy_in), self._whole.sums(sold) if has_export else None
        highest, present = self._whole.maxima(bought), self._whole.sums(load.is_present.astype(np.int64))
        findings = tuple(finding for part in self._demand.values() for finding in part.findings)
        findings += _lacks_reactive(self.tariff) if load.kvarh is None else ()
        demands = {name: part.highest(bought, load) for name, part in self._demand.items()}
        found = []
        for meter in range(bought.shape[0]):
            row = []
            for index, segment in enumerate(self.segments):
                kwh = of_quanta(whole_in[meter, index]) * factor
                row.append(
                    Usage(
                        start=segment.start,
                        end=segment.end,
                        month_share=segment.month_share,
                        bill_share=segment.bill_share,
                        hours=segment.hours,
                        import_kwh=kwh,
                        export_kwh=of_quanta(whole_out[meter, index]) * factor if whole_out is not None else Decimal(0),
                        energy={n: self._energies(self._energy[n], sums[n][meter], index, factor) for n in sums},
                        surplus={n: self._energies(self._energy[n], surplus[n][meter], index, factor) for n in surplus},
                        series=self._series(energy_in[meter], segment, factor),
                        export=self._energies(self._export, export[meter], index, factor)
                        if export is not None and self._export is not None
                        else (),
                        export_series=self._export_series(paid[meter], segment)
                        if has_export
                        else (Decimal(0), kwh * 0),
                        demand={n: self._demand[n].of_segment(demands[n], meter, index, factor) for n in demands},
                        capacity=self._capacity(bought[meter], segment, load, meter, factor),
                        max_kw=of_quanta(highest[meter, index]) * factor * 60 / load.step_minutes,
                        kvarh=of_quanta(load.kvarh[meter, segment.first : segment.last].sum())
                        if load.kvarh is not None
                        else None,
                        timelines=self._timelines(energy_in[meter], segment),
                        kwh_per_unit=factor,
                        slots=segment.last - segment.first,
                        present=int(present[meter, index]),
                        findings=findings,
                    )
                )
            found.append(row)
        return found

    def _energies(self, groups: Groups, sums: np.ndarray, index: int, factor: Decimal) -> tuple[Decimal | None, ...]:
        count = groups.count // len(self.segments)
        part = slice(index * count, (index + 1) * count)
        pairs = zip(sums[part].tolist(), groups.sizes[part].tolist(), strict=True)
        return tuple(of_quanta(value) * factor if size else None for value, size in pairs)

    def _timelines(self, bought: np.ndarray, segment: Segment) -> dict[str, Timeline]:
        part, held = slice(segment.first, segment.last), self.compiled.energy
        ordered = [each.charge_id for each in self.tariff.energy_charges if each.tier_basis == "in_time_order"]
        found = {name: (bought[part], periods[part]) for name in ordered if (periods := held[name]) is not None}
        return {name: Timeline(energy_nano=energy, periods=periods) for name, (energy, periods) in found.items()}

    def prices_of_slots(self, price: SeriesPrice, slots: slice, needed: np.ndarray) -> np.ndarray:
        """The series' price of those slots, 1e-9 per kWh. Raises BadInput where it lacks."""
        series = series_of(self.tariff, price, self._prices)
        grid = self.compiled.grid
        return series.on(grid.start_us[slots], grid.step_minutes, needed)

    def rates_of_slots(
        self, price: SeriesPrice, slots: slice, needed: np.ndarray, *, is_floored: bool = False
    ) -> np.ndarray:
        """Price per kWh that the tariff makes of it in each slot, Decimals. Raises BadInput where it lacks."""
        # Decimals are worked out once per different price, not once per slot: they cost far more than floats.
        different, index = np.unique(self.prices_of_slots(price, slots, needed), return_inverse=True)
        rates = np.array([price.rate(of_quanta(value), is_floored=is_floored) for value in different], dtype=object)
        return rates[index]

    def _series(self, bought: np.ndarray, segment: Segment, factor: Decimal) -> dict[str, tuple[Decimal, Decimal]]:
        found = {}
        for charge in self.tariff.energy_charges:
            if charge.series is not None:
                kwh, cost = self._cost(charge.series, bought, segment)
                found[charge.charge_id] = kwh * factor, cost * factor
        return found

    def _cost(
        self, price: SeriesPrice, energy: np.ndarray, segment: Segment, *, is_floored: bool = False
    ) -> tuple[Decimal, Decimal]:
        """kWh, and the exact sum of kWh x (factor x price + adder, within floor and cap)."""
        part = energy[segment.first : segment.last]
        used = part != 0
        nano = self.prices_of_slots(price, slice(segment.first, segment.last), used)[used]
        # Python integers: a product of two numbers of 1e-9 passes 64 bits within a day.
        amounts = part[used].astype(object)
        kwh = of_quanta(int(part.sum()))
        if price.floor_per_kwh is None and price.cap_per_kwh is None and not is_floored:
            plain = Decimal(int(np.dot(amounts, nano.astype(object))) if amounts.size else 0) * _PRICE_NANO
            return kwh, plain * price.factor + kwh * price.adder_per_kwh
        total = Decimal(0)
        # With a floor or cap the rate is not linear in the price: each different price is worked out once.
        for value in np.unique(nano):
            each = price.rate(of_quanta(value), is_floored=is_floored)
            total += each * of_quanta(int(amounts[nano == value].sum()))
        return kwh, total

    def _paid_export(self, sold: np.ndarray, step_minutes: int) -> np.ndarray:
        terms = self.tariff.export_terms
        if terms.cap_kw is None:
            return sold
        # The cap is a power: each interval is held to what it lets through, whatever the bill sums to.
        paid: np.ndarray = np.minimum(sold, int(terms.cap_kw * _SCALE * step_minutes / 60))
        return paid

    def _export_series(self, paid: np.ndarray, segment: Segment) -> tuple[Decimal, Decimal]:
        terms = self.tariff.export_terms
        # Under net metering nothing is paid for surplus: a price that nobody pays is not looked for.
        if terms.series is None or self._is_netted:
            return Decimal(0), Decimal(0)
        return self._cost(terms.series, paid, segment, is_floored=terms.negative_prices == "zero")

    def _capacity(
        self, bought: np.ndarray, segment: Segment, load: Load, meter: int, factor: Decimal
    ) -> dict[str, Decimal]:
        found = {}
        for charge in self.tariff.capacity:
            part = slice(segment.first, segment.last)
            kvarh = load.kvarh[meter, part] if load.kvarh is not None and charge.unit == "kva" else None
            grid = self.compiled.grid
            own = Grid(grid.start_utc, grid.step_minutes, segment.last - segment.first, grid.time_zone)
            windows = Windows.blocks(own, charge.window_minutes)
            power = _powers(windows, bought[part], kvarh)
            found[charge.charge_id] = of_quanta(int(power.max(initial=0))) * factor * 60 / windows.minutes
        return found


class _Demand:
    """Highest demands of one charge per segment and period."""

    def __init__(self, charge: DemandCharge, compiled: Compiled, segment: np.ndarray) -> None:
        self.charge = charge
        self.findings = _coarse(charge, compiled.grid.step_minutes)
        # From the first slot of each bill on: what it counts must not depend on where the load begins.
        starts = np.flatnonzero(np.diff(segment, prepend=FREE - 1)).tolist()
        self._windows = Windows.of(charge, compiled.grid, starts)
        self._count = len(charge.periods)
        first, last = self._windows.first, self._windows.last - 1
        # A window belongs to the hours in which it ends.
        periods = compiled.demand[charge.charge_id][last]
        # A window over the change of a tariff or of a bill belongs to neither.
        inside = (segment[last] == segment[first]) & (segment[last] != FREE) & (periods != FREE)
        self._window_group = np.where(inside, segment[last] * self._count + periods, FREE)
        self._groups = Groups(self._window_group, (int(segment.max(initial=-1)) + 1) * self._count)
        self._coincident = self._windows.at(charge.coincident_at)

    def highest(self, bought: np.ndarray, load: Load) -> np.ndarray:
        """[meter, segment x period] demand as 1e-9 kWh (kVAh) per window; -1 where no window was measured."""
        kvarh = load.kvarh if self.charge.unit == "kva" else None
        values = bought
        if self._windows.size > 1 or kvarh is not None:
            each = zip(bought, [None] * len(bought) if kvarh is None else kvarh, strict=True)
            values = np.stack([_powers(self._windows, energy, reactive) for energy, reactive in each])
        if self.charge.coincident_at:
            found = np.zeros((values.shape[0], self._groups.count), dtype=np.int64)
            inside = self._coincident
            for group in np.unique(self._window_group[inside]):
                if group != FREE:
                    at = inside[self._window_group[inside] == group]
                    found[:, group] = np.rint(values[:, at].mean(axis=1)).astype(np.int64)
            return found
        if self.charge.peaks > 1:
            return self._mean_of_peaks(values)
        return self._groups.maxima(values)

    def _mean_of_peaks(self, values: np.ndarray) -> np.ndarray:
        found = np.zeros((values.shape[0], self._groups.count), dtype=np.int64)
        for group in self._groups.present:
            at = np.flatnonzero(self._window_group == group)
            # One peak a day: three peaks of one hot afternoon are not three days.
            days, edges = np.unique(self._windows.days[at], return_index=True)
            daily = np.maximum.reduceat(values[:, at], edges, axis=1)
            top = np.sort(daily, axis=1)[:, -min(self.charge.peaks, days.size) :]
            found[:, group] = np.rint(top.mean(axis=1)).astype(np.int64)
        return found

    def of_segment(self, highest: np.ndarray, meter: int, index: int, factor: Decimal) -> tuple[Decimal | None, ...]:
        """Demand in kW (kVA) per period; None for a period without a window in the segment. factor: kWh per unit."""
        part = slice(index * self._count, (index + 1) * self._count)
        pairs = zip(highest[meter, part].tolist(), self._groups.sizes[part].tolist(), strict=True)
        return tuple(of_quanta(value) * factor * 60 / self._windows.minutes if size else None for value, size in pairs)


def _powers(windows: Windows, bought: np.ndarray, kvarh: np.ndarray | None) -> np.ndarray:
    """Energy (or apparent energy) of each window, 1e-9."""
    energy = windows.sums(bought)
    if kvarh is None:
        return energy
    # From the sums of the window: adding up the apparent energies of its intervals would come out higher.
    return np.rint(np.hypot(energy.astype(np.float64), windows.sums(kvarh).astype(np.float64))).astype(np.int64)


def _lacks_reactive(tariff: Tariff) -> tuple[Finding, ...]:
    """Charges that need reactive energy, of a load without it."""
    names = [each.charge_id for each in tariff.demand if each.unit == "kva"]
    names += [each.charge_id for each in tariff.capacity if each.unit == "kva"]
    names += [each.charge_id for each in tariff.demand if each.reference_power_factor is not None]
    names += [each.charge_id for each in tariff.reactive]
    if not names:
        return ()
    return (
        Finding(
            code="no_reactive_energy",
            message=f"charge {', '.join(dict.fromkeys(names))}: without reactive energy a power factor of 1 was taken",
        ),
    )


def _coarse(charge: DemandCharge, step_minutes: int) -> tuple[Finding, ...]:
    # A rolling window is only seen if its steps are: it asks for values as fine as they.
    wanted = charge.sub_interval_minutes if charge.method == "rolling" else charge.window_minutes
    if step_minutes <= wanted:
        return ()
    return (
        Finding(
            code="demand_coarse",
            message=f"charge {charge.charge_id}: a {charge.method} demand of {charge.window_minutes} minutes was taken "
            f"from {step_minutes}-minute values; the true peak may be higher",
            severity="warning",
            scope=charge.charge_id,
            facts={"window_minutes": charge.window_minutes, "step_minutes": step_minutes},
        ),
    )
