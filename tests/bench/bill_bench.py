"""Bills: a year of quarter hours under one tariff, and many meters under many tariffs (`bill compare` at scale).

Run: `.venv/bin/python -m tests.bench.bill_bench [--meters 1000] [--tariffs 20]`.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from assets.bills.engine.bill_load import Load
from assets.bills.engine.compare import bill_totals
from assets.bills.engine.compute import make_bill
from data_quality.contracts.billing.tariff import Tariff

ZONE = "Europe/Berlin"
YEAR_SLOTS = 35_040
START = datetime(2024, 12, 31, 23, tzinfo=UTC)


def tariff(number: int) -> Tariff:
    """One of a family: hours, tiers, demand and taxes differ with the number."""
    start, end = f"{6 + number % 3:02d}:00", f"{19 + number % 4:02d}:00"
    peak = {"day_types": ["weekday"], "start": start, "end": end}
    rest = [{"day_types": ["weekday"], "start": end, "end": start}, {"day_types": ["weekend", "holiday"]}]
    price = 0.20 + number / 100
    low: dict[str, Any] = {"period_id": "low", "windows": rest, "price_per_kwh": round(price * 0.7, 4)}
    if number % 3 == 1:
        low = low | {"price_per_kwh": None, "tiers": [{"price": price, "up_to": 5000}, {"price": price * 0.8}]}
    return Tariff.model_validate(
        {
            "tariff_id": f"t{number:02d}",
            "currency": "EUR",
            "periods": [{"period_id": "peak", "windows": [peak], "price_per_kwh": price}, low],
            "demand": [
                {"charge_id": "demand", "periods": [{"period_id": "all", "price_per_kw": 8}]},
                {
                    "charge_id": "peak_demand",
                    "window_minutes": 30 if number % 4 == 0 else 15,
                    "periods": [{"period_id": "peak", "windows": [peak], "price_per_kw": 5}],
                    "ratchet": {"share": 0.8, "months": 11} if number % 5 == 0 else None,
                },
            ],
            "fixed": [{"charge_id": "base", "amount": 25}],
            "riders": [{"charge_id": "levy", "price_per_kwh": 0.0205}],
            "taxes": [{"charge_id": "vat", "share": 0.19}],
        }
    )


def loads(meters: int) -> Load:
    """A year of quarter hours of so many meters, seeded."""
    rng = np.random.default_rng(5)
    energy = rng.integers(0, 20_000_000_000, size=(meters, YEAR_SLOTS), dtype=np.int64)
    present = np.ones((meters, YEAR_SLOTS), dtype=np.bool_)
    return Load(start_utc=START, step_minutes=15, load=energy, is_present=present)


def seconds(work: Callable[[], object], *, times: int = 1) -> tuple[float, float]:
    """Wall and CPU seconds of the fastest of so many runs; they differ where the machine is busy with other things."""
    found = []
    for _ in range(times):
        begun, used = time.perf_counter(), time.process_time()
        work()
        found.append((time.perf_counter() - begun, time.process_time() - used))
    return min(found)


def main() -> int:
    """Print milliseconds a year, and seconds of the comparison at half and at full size."""
    options = argparse.ArgumentParser(description="Bills: time a year, a meter and a tariff.")
    options.add_argument("--meters", type=int, default=1000)
    options.add_argument("--tariffs", type=int, default=20)
    chosen = options.parse_args()
    bench(chosen.meters, chosen.tariffs)
    return 0


def bench(meter_count: int, tariff_count: int) -> None:
    """The lines of `main`. Wanted: 50 ms a year, meter and tariff; 60 s for 1,000 meters x 20 tariffs on two cores."""
    every = {f"t{number:02d}": [tariff(number)] for number in range(tariff_count)}
    year = loads(1)
    cold = seconds(lambda: make_bill([tariff(1)], year, time_zone=ZONE))
    warm = seconds(lambda: make_bill([tariff(1)], year, time_zone=ZONE), times=5)
    sys.stdout.write(
        f"one year, one tariff: {cold[0] * 1000:.1f} ms first, {warm[0] * 1000:.1f} ms then "
        f"(CPU {cold[1] * 1000:.1f} and {warm[1] * 1000:.1f} ms)\n"
    )
    for meters in (meter_count // 2, meter_count):
        load = loads(meters)
        wall, used = seconds(lambda load=load: bill_totals(every, load, time_zone=ZONE))  # type: ignore[misc]
        pairs = meters * tariff_count
        sys.stdout.write(
            f"{meters} meters x {tariff_count} tariffs: {wall:.1f} s, CPU {used:.1f} s, "
            f"{used / pairs * 1000:.2f} ms a pair\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
