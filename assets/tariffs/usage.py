"""What one part of a bill stands on: energy per period, highest demands, days. Made by assets/bills/measure.py."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import numpy as np

from data_quality.contracts.finding import Finding

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Timeline:
    """Import per slot (1e-9 of the meter's unit) and period per slot, for tiers that fill in order of time."""

    energy_nano: np.ndarray
    periods: np.ndarray


@dataclass(frozen=True)
class Usage:
    """One segment of a bill: local dates [start, end) under one tariff. Energies in kWh, demands in kW or kVA.

    energy, surplus: charge_id -> kWh imported, exported in each of its periods (None: no slot of that period here);
    series: charge_id -> (kWh, sum of kWh x price, not rounded); export: kWh paid for, per export period;
    demand: charge_id -> highest demand per period; month_share: months that the segment covers.
    """

    start: date
    end: date
    month_share: Decimal
    bill_share: Decimal
    import_kwh: Decimal
    export_kwh: Decimal
    energy: dict[str, tuple[Decimal | None, ...]]
    surplus: dict[str, tuple[Decimal | None, ...]] = field(default_factory=dict)
    series: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    export: tuple[Decimal | None, ...] = ()
    export_series: tuple[Decimal, Decimal] = (_ZERO, _ZERO)
    demand: dict[str, tuple[Decimal | None, ...]] = field(default_factory=dict)
    capacity: dict[str, Decimal] = field(default_factory=dict)
    max_kw: Decimal = _ZERO
    kvarh: Decimal | None = None
    timelines: dict[str, Timeline] = field(default_factory=dict)
    kwh_per_unit: Decimal = Decimal(1)
    slots: int = 0
    present: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def days(self) -> int:
        """Local days of the segment."""
        return (self.end - self.start).days
