"""Quantities of one part of a bill: energy per period, highest demands, days. Measured in assets/bills."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Generic

import numpy as np

from assets.tariffs.linear_model import N
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding

_ZERO = Decimal(0)
# Charge -> clock hour -> period that holds then on weekdays.
Hours = dict[str, dict[int, str]]


@dataclass(frozen=True)
class BillPart:
    """Local dates [start, end) of one bill under one tariff.

    month_share: months that the part is worth; bill_share: its part of the bill's days; hours: of charges whose
    surplus moves by hours.
    """

    start: date
    end: date
    month_share: Decimal
    bill_share: Decimal
    hours: Hours = field(default_factory=dict, kw_only=True)

    @property
    def days(self) -> int:
        """Local days of the part."""
        return (self.end - self.start).days

    def count(self, per: str) -> Decimal:
        """Number of days, months, years or bills of the part."""
        if per == "day":
            return Decimal(self.days)
        if per == "bill":
            return self.bill_share
        # A yearly amount falls due in twelfths: twelve monthly bills add up to it, however long the months are.
        return self.month_share if per == "month" else self.month_share / 12


@dataclass(frozen=True)
class Timeline:
    """Import per slot (1e-9 of the meter's unit) and period per slot, for tiers that fill in order of time."""

    energy_nano: np.ndarray
    periods: np.ndarray


@dataclass(frozen=True)
class Usage(BillPart, Generic[N]):
    """Quantities used in one part of a bill. Energies in kWh, demands in kW or kVA.

    Decimals where the part is over; where a plan has yet to decide its intervals, forms of what it may decide.

    energy, surplus: charge_id -> kWh imported, exported in each of its periods (None: no slot of that period here);
    series: charge_id -> (kWh, sum of kWh x price, not rounded); export: kWh paid for, per export period;
    demand: charge_id -> highest demand per period.
    """

    import_kwh: N | Decimal
    export_kwh: N | Decimal
    energy: dict[str, tuple[N | Decimal | None, ...]]
    surplus: dict[str, tuple[N | Decimal | None, ...]] = field(default_factory=dict)
    series: dict[str, tuple[Decimal, N | Decimal]] = field(default_factory=dict)
    export: tuple[N | Decimal | None, ...] = ()
    export_series: tuple[Decimal, N | Decimal] = (_ZERO, _ZERO)
    demand: dict[str, tuple[N | Decimal | None, ...]] = field(default_factory=dict)
    capacity: dict[str, N | Decimal] = field(default_factory=dict)
    max_kw: N | Decimal = _ZERO
    kvarh: Decimal | None = None
    timelines: dict[str, Timeline] = field(default_factory=dict)
    # 1 for loads in kWh. A gas meter counts cubic metres, and tiers of its tariff end at kWh.
    kwh_per_unit: Decimal = Decimal(1)
    slots: int = 0
    present: int = 0
    findings: tuple[Finding, ...] = ()


def billed_per_unit(tariff: Tariff, unit: str, counted: str) -> Decimal:
    """Billed units, kWh or m3 of water, of one kwh or m3 of a meter. counted: the meter's side, for the sentence.

    Raises BadInput where nothing says it.
    """
    if unit == tariff.billed_unit.casefold():
        return Decimal(1)
    if unit != "m3":
        raise BadInput(
            f"tariff {tariff.tariff_id} is of water, charged per m3, and {counted} {unit}", reason="wrong_unit"
        )
    # No default: the gas of two networks differs in calorific value by up to a fifth.
    if tariff.gas is None:
        raise BadInput(
            f"tariff {tariff.tariff_id} charges per kWh and {counted} m3: it needs `gas` with "
            "calorific_value_mj_per_m3",
            reason="no_calorific_value",
        )
    return tariff.gas.kwh_per_m3()
