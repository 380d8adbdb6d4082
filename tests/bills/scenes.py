"""Small tariffs and loads whose bills a person can add up."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from assets.bills.engine.bill_load import Load
from assets.bills.engine.compute import make_bill
from data_quality.contracts.billing.bill import Bill
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.time import local_midnight_utc

BERLIN = "Europe/Berlin"


def tariff(**parts: Any) -> Tariff:
    """EUR, one price of 0.10 unless the parts say otherwise."""
    base: dict[str, Any] = {"tariff_id": "t", "currency": "EUR"}
    if "periods" not in parts and "energy" not in parts:
        base["periods"] = [{"period_id": "all", "price_per_kwh": "0.10"}]
    return Tariff.model_validate(base | parts)


def demand(**parts: Any) -> dict[str, Any]:
    """A demand charge of 1 EUR/kW at all hours."""
    return {"charge_id": "demand", "periods": [{"period_id": "all", "price_per_kw": 1}], **parts}


def load(
    kw: float = 4.0,
    *,
    start: date = date(2025, 1, 1),
    end: date = date(2025, 2, 1),
    step: int = 15,
    zone: str = BERLIN,
    **at: float,
) -> Load:
    """Constant power over local dates; `at` sets the power of slots, s0=9 that of the first."""
    begun = local_midnight_utc(start, zone)
    size = int((local_midnight_utc(end, zone) - begun).total_seconds() // (60 * step))
    power = np.full(size, kw)
    for name, value in at.items():
        power[int(name.removeprefix("s"))] = value
    energy = np.rint(power * step / 60 * 1e9).astype(np.int64)
    return Load(start_utc=begun, step_minutes=step, load=energy, is_present=np.ones(size, dtype=np.bool_))


def bill(known: Tariff | list[Tariff], used: Load | None = None, **options: Any) -> Bill:
    """The bill in Berlin."""
    tariffs = known if isinstance(known, list) else [known]
    return make_bill(tariffs, used or load(), **{"time_zone": BERLIN, **options})


def amounts(found: Bill, month: int = 0) -> dict[str, Decimal]:
    """Line id -> amount of one bill period."""
    return {line.line_id: line.amount for line in found.periods[month].lines}


def utc(*parts: int) -> datetime:
    """A UTC instant."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]
