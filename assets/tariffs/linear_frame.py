"""What a bill's linear terms are made for: its slots, which of them are open, what is known of the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from assets.tariffs.compiled import Grid
from assets.tariffs.linear_model import ZERO
from assets.tariffs.series import PriceSeries
from data_quality.contracts.tariff_charges import SeriesPrice
from data_quality.contracts.units import QUANTUM_DECIMALS

_NANO = Decimal(1).scaleb(-QUANTUM_DECIMALS)


@dataclass(frozen=True)
class Carried:
    """What the bill takes over from earlier ones.

    kwh: (charge, period) -> surplus that may be used; netted_kwh: surplus of all periods; money: credit;
    billed_year, months_in_year: before taxes, since the last year's end; ratchet_kw: charge -> period -> floor by
    demands of months before, share applied.
    """

    kwh: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    netted_kwh: Decimal = ZERO
    money: Decimal = ZERO
    billed_year: Decimal = ZERO
    months_in_year: Decimal = ZERO
    ratchet_kw: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)


@dataclass(frozen=True)
class BillFrame:
    """One bill: local dates [start, end) on a grid; the slots [first, last) are open, the others known.

    known_import, known_export: 1e-9 kWh per slot of the whole grid, 0 in open slots and where nothing is known;
    kvarh: of the whole bill, None where not known; max_import_kwh, max_export_kwh: most that a slot can hold.
    """

    start: date
    end: date
    grid: Grid
    first: int
    last: int
    month_share: Decimal
    bill_share: Decimal
    known_import: np.ndarray
    known_export: np.ndarray
    kvarh: Decimal | None = None
    max_import_kwh: Decimal | None = None
    max_export_kwh: Decimal | None = None
    prices: Mapping[str, PriceSeries] = field(default_factory=dict)

    @property
    def days(self) -> int:
        """Local days of the bill."""
        return (self.end - self.start).days

    @property
    def start_utc(self) -> datetime:
        """Start of the first open slot."""
        return self.grid.start_utc + timedelta(minutes=self.grid.step_minutes * self.first)

    def known(self, side: str) -> np.ndarray:
        """Known energy of that side."""
        return self.known_import if side == "import" else self.known_export

    def open_slots(self, mask: np.ndarray) -> np.ndarray:
        """Open slots of the mask, counted from the horizon's first."""
        return np.flatnonzero(mask[self.first : self.last])


def kwh(value: int) -> Decimal:
    """Whole 1e-9 as a decimal."""
    return Decimal(int(value)) * _NANO


def series_rates(price: SeriesPrice, frame: BillFrame, known: np.ndarray, *, is_floored: bool = False) -> list[Decimal]:
    """Factor x price + adder within floor and cap, per slot of the bill. Raises BadInput where an open slot, or one
    with energy, has no price; KeyError never: the caller has looked.
    """
    needed = known != 0
    needed[frame.first : frame.last] = True
    nano = frame.prices[price.series].on(frame.grid.start_us, frame.grid.step_minutes, needed)
    values, index = np.unique(nano, return_inverse=True)
    rates = []
    for value in values:
        each = Decimal(int(value)) * _NANO * price.factor + price.adder_per_kwh
        each = each if price.floor_per_kwh is None else max(each, price.floor_per_kwh)
        each = each if price.cap_per_kwh is None else min(each, price.cap_per_kwh)
        rates.append(max(each, ZERO) if is_floored else each)
    return [rates[place] for place in index.tolist()]
