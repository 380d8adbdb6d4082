"""What-ifs of simulated homes: the year as it is against its bill, a doubled battery, and seconds of processor a year.

`python -m tests.bench.what_if_bench [--homes 4] [--double]`: the demo home and others by their seeds. Not a test.
"""

import argparse
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from assets.stores.lake.lake import Lake
from assets.stores.transactions import open_store
from controls.planning.what_if.relive import what_if
from controls.planning.what_if.variants import Variant
from controls.simulator.worlds.generate import SEED
from data_quality.contracts.control.what_if import WhatIfResult
from tests.controls.planning.lived_year import home, live

START, END = date(2025, 1, 1), date(2026, 1, 1)


def relived(seed: int, variants: list[Variant]) -> tuple[WhatIfResult, float]:
    """The home of a seed in 2025, and seconds of processor for each year replayed."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "lake", open_store(f"sqlite:///{folder}/store.db"))
        live(lake, home(), date(2024, 12, 20), END, seed=seed)
        began = time.process_time()
        found = what_if(home(), lake, variants, start=START, end=END, today=END)
        assert isinstance(found, WhatIfResult)
        return found, (time.process_time() - began) / (1 + len(variants))


def main() -> None:
    """Print a line a home."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--homes", type=int, default=4)
    options.add_argument("--from-home", type=int, default=0)
    options.add_argument("--double", action="store_true")
    given = options.parse_args()
    for number in range(given.from_home, given.homes):
        double = [Variant(name="battery 20kWh", battery_kwh=20)] if given.double else []
        found, seconds = relived(SEED + number, double)
        low, high = found.without_interval
        is_inside = found.billed is not None and low <= found.billed <= high
        line = (
            f"home {number}: billed {found.billed or 0:,.0f} {found.currency}, replayed {found.without:,.0f} "
            f"[{low:,.0f}, {high:,.0f}] by {found.policy}, inside {is_inside}, {seconds:.0f} s a year"
        )
        for each in found.variants:
            line += f"; {each.name} saves {each.saving:,.0f} [{each.interval[0]:,.0f}, {each.interval[1]:,.0f}]"
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
