"""One bill with every kind of charge, pinned line by line, and proof that the pin notices a change."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.bills.engine.bill_load import Load
from assets.bills.engine.compute import make_bill
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.bill import Bill
from data_quality.contracts.billing.tariff import Tariff
from tests.bills.scenes import BERLIN, load
from tests.conftest import ROOT
from tests.tariffs.test_files import RICH

GOLDEN = ROOT / "tests" / "golden" / "bills" / "everything.csv"
# Small enough that the measured peak, and in December the ratchet, decide.
POWER = RICH["demand"][0] | {"contracted_kw": 20, "ratchet": {"share": 1, "months": 11}}
SUPPLY, *OTHERS = RICH["energy"]
PEAK, REST = SUPPLY["periods"]
SMALLER = REST | {"tiers": [{"price": "0.20", "up_to": 400}, {"price": "0.15"}]}
MUTANTS: dict[str, dict[str, Any]] = {
    "no ratchet": {"demand": [POWER | {"ratchet": None}]},
    "block instead of rolling": {"demand": [POWER | {"method": "block"}]},
    "no power factor": {"demand": [POWER | {"reference_power_factor": None}]},
    "tax of energy only": {"taxes": [{"charge_id": "vat", "share": "0.19", "of": ["energy"]}]},
    "credit in the next bill": {"metering": RICH["metering"] | {"credit_applies": "next_bill"}},
    "net billing": {"metering": {"arrangement": "net_billing"}},
    "a smaller tier": {"energy": [SUPPLY | {"periods": [PEAK, SMALLER]}, *OTHERS]},
    "clock of UTC": {"clock": "utc"},
    "no rounding": {"rounding": "none"},
    "no holiday": {"calendar": RICH["calendar"] | {"holidays": []}},
}


def everything(**change: Any) -> Bill:
    """November and December 2025 of a seeded load with sun, reactive energy and hourly prices."""
    rng = np.random.default_rng(11)
    base = load(0, start=date(2025, 11, 1), end=date(2026, 1, 1), step=5)
    hour = (np.arange(base.size) // 12) % 24
    # December uses a third of November.
    part = np.where(np.arange(base.size) < base.size // 2, 1, 3)
    energy = rng.integers(0, 3 * 10**9, size=base.size) // part
    sun = np.where((hour > 9) & (hour < 16), rng.integers(0, 4 * 10**9, size=base.size), 0)
    used = Load(base.start_utc, 5, energy, base.is_present, generation=sun, kvarh=energy // 2)
    hours = base.size // 12
    starts = base.start_utc.timestamp() * 1e6 + np.arange(hours) * 3.6e9
    spot = pl.DataFrame(
        {
            "interval_start_utc": pl.Series(starts.astype(np.int64)).cast(pl.Datetime("us", "UTC")),
            "minutes": [60] * hours,
            "price_per_kwh": [round(float(price), 5) for price in rng.normal(0.08, 0.05, size=hours)],
        }
    )
    known = Tariff.model_validate(RICH | {"demand": [POWER]} | change)
    return make_bill([known], used, time_zone=BERLIN, prices={"spot": PriceSeries.of("spot", spot, currency="EUR")})


def written(found: Bill) -> str:
    rows = ["bill,line,kind,quantity,unit,rate,amount"]
    for period in found.periods:
        for line in period.lines:
            quantity = "" if line.quantity is None else f"{line.quantity.quantize(Decimal('1e-6')):f}"
            rate = "" if line.rate is None else f"{line.rate.quantize(Decimal('1e-6')):f}"
            cells = (period.start, line.line_id, line.kind.name.lower(), quantity, line.unit, rate, f"{line.amount:f}")
            rows.append(",".join(str(cell) for cell in cells))
        rows.append(f"{period.start},total,,,,,{period.total:f}")
    return "\n".join([*rows, ""])


def assert_golden(found: Bill, golden: Path = GOLDEN) -> None:
    assert written(found) == golden.read_text()


def test_a_bill_with_every_kind_of_charge_is_as_pinned() -> None:
    assert_golden(everything())


@pytest.mark.parametrize("change", MUTANTS.values(), ids=list(MUTANTS))
def test_the_pinned_bill_notices(change: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        assert_golden(everything(**change))
