"""Cost of each interval next to its consumption: the bill's lines allocated to the intervals that caused them.

An energy line falls on the intervals of its period by their kWh (by what they cost where the price is one of a series),
an export line by the kWh fed in. What no single interval causes (demand, capacity, fixed amounts, riders, credits,
minimum, taxes) runs evenly over the bill's time. Tiers are averaged: kWh of one period cost the same in one bill.
Costs of a bill's intervals add up to its total exactly (lines that are not rounded, to 1e-9 each). In a bill with gaps
the intervals that are not present carry their share of the even lines too.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import numpy as np
import polars as pl

from assets.bills.engine.bill_load import Load, as_rows, netted_over
from assets.bills.engine.book import Book, RawBill, Span
from assets.bills.engine.compute import Plan, Stretch, make_plan, raw_bills
from assets.tariffs.charge_lines import Line
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.units import QUANTUM_DECIMALS, of_quanta

AMOUNT = pl.Decimal(18, QUANTUM_DECIMALS)
RUNNING_SCHEMA: dict[str, pl.DataType] = {
    "interval_start_utc": pl.Datetime("us", "UTC"),
    "bill_start": pl.Date(),
    "import_kwh": AMOUNT,
    "export_kwh": AMOUNT,
    "is_present": pl.Boolean(),
    "energy_cost": AMOUNT,
    "other_cost": AMOUNT,
    "cost": AMOUNT,
    "cost_to_date": AMOUNT,
}
_SCALE = 10**QUANTUM_DECIMALS


def running_of(
    book: Book,
    spans: Sequence[Span],
    load: Load,
    *,
    prices: Mapping[str, PriceSeries] | None = None,
    day_types: dict[date, DayType] | None = None,
) -> pl.DataFrame:
    """RUNNING_SCHEMA, one row per interval of those bills of the book; cost_to_date starts anew with each.

    Amounts in the book's currency; energy_cost holds energy and export lines. What one bill carries to the next is
    carried in their order. prices, day_types and errors as in make_bill.
    """
    plan = make_plan(book, spans, step_minutes=load.step_minutes, prices=prices, day_types=day_types)
    wide = as_rows(load)
    bills = {bill.span: bill for bill in next(iter(raw_bills(plan, wide)))}
    parts = [_of_bill(plan, number, span, bills[span], wide) for number, span in enumerate(plan.spans) if span in bills]
    return pl.concat(parts) if parts else pl.DataFrame(schema=RUNNING_SCHEMA)


def _of_bill(plan: Plan, number: int, span: Span, bill: RawBill, load: Load) -> pl.DataFrame:
    pieces = [_Piece(part, index, load) for part in plan.stretches for index in part.of_bill.get(number, ())]
    sizes = [piece.size for piece in pieces]
    edges = np.cumsum([0, *sizes])
    # Python integers: whole quanta times weights pass 64 bits.
    energy, other = (np.zeros(int(edges[-1]), dtype=object) for _ in range(2))
    for line in bill.lines:
        if line.component == "carried":
            continue
        is_caused = line.component in ("energy", "export")
        weights = np.concatenate([piece.weights(line) for piece in pieces]) if is_caused else None
        # No kWh in the period, or prices that cancel out: there is no share to go by, so the line runs evenly.
        if weights is not None and weights.sum():
            energy += _shared(line.amount, weights)
        else:
            other += _shared(line.amount, np.ones(int(edges[-1]), dtype=object))
    total = energy + other
    frame = {
        "interval_start_utc": pl.Series(np.concatenate([piece.start_us for piece in pieces])).cast(
            pl.Datetime("us", "UTC")
        ),
        "bill_start": pl.Series([span.start]).new_from_index(0, int(edges[-1])),
        "import_kwh": _decimals(np.concatenate([piece.bought for piece in pieces])),
        "export_kwh": _decimals(np.concatenate([piece.sold for piece in pieces])),
        "is_present": pl.Series(np.concatenate([piece.is_present for piece in pieces])),
        "energy_cost": _decimals(energy),
        "other_cost": _decimals(other),
        "cost": _decimals(total),
        "cost_to_date": _decimals(np.cumsum(total)),
    }
    return pl.DataFrame(frame, schema=RUNNING_SCHEMA)


class _Piece:
    """One segment's slots of one load."""

    def __init__(self, stretch: Stretch, index: int, load: Load) -> None:
        measure = stretch.measure
        self._compiled, self._tariff = measure.compiled, measure.tariff
        # Slots count from the start of the tariff's stretch, not of the load.
        segment = measure.segments[index]
        self._slots = slice(segment.first, segment.last)
        self._suffix = f"@{segment.start}"
        self.size = segment.last - segment.first
        part = load.between(stretch.start_utc, stretch.end_utc)
        is_gross = self._tariff.metering.arrangement == "buy_all_sell_all"
        self.bought = part.imported(is_gross=is_gross)[0, self._slots]
        self.sold = part.exported(is_gross=is_gross)[0, self._slots]
        count = self._tariff.metering.netting_minutes // load.step_minutes
        self._billed = netted_over(self.bought, self.sold, count)
        self.is_present = part.is_present[0, self._slots]
        self.start_us = measure.compiled.grid.start_us[self._slots]
        self._rates = measure.rates_of_slots

    def weights(self, line: Line[Decimal]) -> np.ndarray:
        """Share of the line that each slot causes: kWh of its period, or what they cost at the price of a series."""
        nothing = np.zeros(self.size, dtype=object)
        # A bill that is split by date marks the lines of each part with its first day.
        if "@" in line.line_id and not line.line_id.endswith(self._suffix):
            return nothing
        energy = self._billed[line.component == "export"]
        if line.component == "export":
            terms = self._tariff.export_terms
            periods, names, series = self._compiled.export, terms.all_periods, terms.series
        else:
            charge = next((c for c in self._tariff.energy_charges if c.charge_id == line.charge_id), None)
            if charge is None:
                return nothing
            periods, names, series = self._compiled.energy[charge.charge_id], charge.all_periods, charge.series
        if series is not None:
            # A price may lack where nothing was used.
            used = energy != 0
            is_floored = line.component == "export" and self._tariff.export_terms.negative_prices == "zero"
            rates = self._rates(series, self._slots, used, is_floored=is_floored)
            # Whole numbers, so that shares can be cut: no price has more than eighteen decimals.
            costs: np.ndarray = energy * np.array([int(rate.scaleb(2 * QUANTUM_DECIMALS)) for rate in rates], object)
            return costs
        if periods is None or not line.period_id:
            return energy.astype(object)
        wanted = next(n for n, period in enumerate(names) if period.period_id == line.period_id)
        return np.where(periods[self._slots] == wanted, energy, 0).astype(object)


def _shared(amount: Decimal, weights: np.ndarray) -> np.ndarray:
    """The amount in whole 1e-9 shared by weights; the parts add up to it exactly."""
    whole = int((amount * _SCALE).to_integral_value())
    # Running shares are cut to whole quanta and then subtracted: the parts add up, wherever the cut rounds.
    running = np.cumsum(weights)
    total = running[-1]
    reached = np.array([0, *((whole * each) // total for each in running[:-1]), whole], dtype=object)
    return np.diff(reached)


def _decimals(values: np.ndarray) -> pl.Series:
    return pl.Series([of_quanta(value) for value in values], dtype=AMOUNT)
