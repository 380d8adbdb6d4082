"""Frame of a bill's linear terms: its slots, which of them are open, what is known of the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from assets.tariffs.bill_part import BillPart
from assets.tariffs.compiled import Grid
from assets.tariffs.linear.linear_model import ZERO
from assets.tariffs.price_series import PriceSeries


@dataclass(frozen=True)
class Carried:
    """Values that the bill takes over from earlier ones.

    kwh: (charge, period) -> surplus that may be used; netted_kwh: surplus of all periods; money: credit;
    billed_year, months_in_year: before taxes, since the last year's end; demands_kw: charge -> period ->
    demands of the months that its ratchet looks back on, share applied.
    """

    kwh: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    netted_kwh: Decimal = ZERO
    money: Decimal = ZERO
    billed_year: Decimal = ZERO
    months_in_year: Decimal = ZERO
    demands_kw: Mapping[str, Mapping[str, Sequence[Decimal]]] = field(default_factory=dict)


@dataclass(frozen=True)
class BillFrame(BillPart):
    """One bill on a grid; the slots [first, last) are open, the others known.

    known_import, known_export: 1e-9 kWh per slot of the whole grid, 0 in open slots and where nothing is known;
    kvarh: of the whole bill, None where not known; max_import_kwh, max_export_kwh: most that a slot can hold.
    """

    grid: Grid
    first: int
    last: int
    known_import: np.ndarray
    known_export: np.ndarray
    kvarh: Decimal | None = None
    max_import_kwh: Decimal | None = None
    max_export_kwh: Decimal | None = None
    prices: Mapping[str, PriceSeries] = field(default_factory=dict)

    @property
    def whole(self) -> np.ndarray:
        """A mask of all its slots."""
        return np.ones(self.grid.size, dtype=np.bool_)

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
