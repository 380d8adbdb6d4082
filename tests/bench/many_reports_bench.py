"""A month's end of many sites: what a schedule makes, one report after the other, and what it leaves in memory.

Run: python -m tests.bench.many_reports_bench [--reports 1000]; one process, as one of two that share the sites.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.published.report_ledger import ReportStore
from assets.stores.transactions import open_store
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import EmissionFactorEntry, Site
from data_quality.contracts.time import FixedClock, Period, months_of, parse_period
from reports.lifecycle.periodic import make_reports_ending
from reports.make_report import ReportRequest
from reports.recompute.figure_sources import Sources
from tests.bench.report_bench import year_rows
from tests.definitions import DEFINITIONS
from tests.reports import plant

SITES, METERS = 20, 4
CLOCK = FixedClock(datetime(2026, 1, 10, tzinfo=UTC))


def small_site(number: int) -> Site:
    """Four meters under one, no uses."""
    base, names = plant.plant_site(), [f"m{each}" for each in range(METERS)]
    long = {"valid_from": date(2024, 1, 1), "valid_to": date(2027, 1, 1)}
    fields = {
        "site_id": f"s{number:02d}",
        "meters": (Meter(meter_id="main"), *(Meter(meter_id=name, parent="main") for name in names)),
        "seus": (),
        "drivers": (),
        "tariffs": (base.tariffs[0].model_copy(update=long),),
        "factors": (EmissionFactorEntry(factor_id="grid", kgco2e_per_kwh=0.363, source="bench", **long),),
    }
    return Site.model_validate({**dict(base), **fields})


def fill(root: Path) -> tuple[Lake, dict[str, Site]]:
    """A year of readings of each site."""
    lake = Lake(root / "lake", open_store(f"sqlite:///{root / 'store.db'}"))
    sites = {site.site_id: site for site in map(small_site, range(SITES))}
    for site in sites.values():
        frame = year_rows([meter.meter_id for meter in site.meters], 2025, np.random.default_rng(1), site.site_id)
        info = BatchInfo(
            site_id=site.site_id, source_name="2025.csv", source_sha256=f"{site.site_id:0>64}", reader="csv",
            reader_version="1", accepted_rows=frame.height, rejected_rows=0, is_synthetic=False,
        )  # fmt: skip
        lake.write_batch(info, frame, unchanged_rows=0, clock=CLOCK)
    return lake, sites


def runs(sites: dict[str, Site]) -> Iterator[tuple[Site, Period]]:
    """Every month of every site, over and over: what is stored already is recomputed and found to be the same."""
    while True:
        for month in months_of(parse_period("2025", plant.ZONE)):
            for site in sites.values():
                yield site, month


def resident_mib() -> float:
    """Resident size of this process now, MiB; its largest so far where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS")) / 1024


def bench(count: int) -> None:
    """Print reports, CPU seconds and resident size, a line every tenth of them."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lake, sites = fill(root)
        reports = ReportStore(lake.store)
        started, wall, made, reported = time.process_time(), time.perf_counter(), 0, 0
        for site, month in runs(sites):
            # Sources are a run's own, as in the asset: what it read goes with it.
            made += len(
                make_reports_ending(
                    site,
                    month,
                    ReportRequest(
                        sources=Sources(lake=lake, sites=sites, definitions=DEFINITIONS),
                        reports=reports,
                        clock=CLOCK,
                        out_dir=root / "out",
                        maker="schedule:bench",
                    ),
                )
            )
            if made >= reported + count / 10 or made >= count:
                reported = made
                cpu = time.process_time() - started
                sys.stdout.write(
                    f"{made:5} reports, PDF, XLSX and JSON: {cpu:6.1f} CPU s, {time.perf_counter() - wall:6.1f} s, "
                    f"{resident_mib():.0f} MiB; 1,000 on two cores {cpu / made * 1000 / 2 / 60:.1f} min\n"
                )
                sys.stdout.flush()
            if made >= count:
                break
        lake.store.close()


def main() -> int:
    """Run it."""
    options = argparse.ArgumentParser(description="Many reports in one process.")
    options.add_argument("--reports", type=int, default=1000)
    bench(options.parse_args().reports)
    return 0


if __name__ == "__main__":
    sys.exit(main())
