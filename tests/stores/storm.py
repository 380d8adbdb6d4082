"""Batches through a line that fails: after thousands of faulted puts no row is lost and none is doubled.

`python -m tests.stores.storm --puts 10000 --seed 1` prints what went wrong on the way and what stands at the end.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from assets.stores.lake.bucket_files import BucketFiles
from assets.stores.lake.compact import sweep
from assets.stores.lake.lake import Lake
from assets.stores.lake.merges import known_paths
from assets.stores.transactions import open_store
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import FixedClock
from tests.contracts.test_lake import INFO, START, changes
from tests.stores.bucket_server import BUCKET, Faulty, bucket_server, environment, make_bucket

MONTHS = 12
RATE = 0.3
# Quarter hours from one month's first day into the next one's.
STEP = 96 * 31


@dataclass
class Storm:
    """Counts of a storm. expected: value by quarter hour, of the batches that were recorded."""

    expected: dict[int, float] = field(default_factory=dict)
    rows: int = 0
    recorded: int = 0
    refused: int = 0
    swept: int = 0
    left: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def faulted_puts(self) -> int:
        """Requests to put of which something went wrong."""
        return sum(count for name, count in self.counts.items() if name.startswith("PUT") and "well" not in name)


def storm(folder: Path, line: Faulty, *, puts: int, seed: int) -> Storm:
    """Batches of MONTHS files, new rows and corrections, until so many puts went wrong; what was refused is tried anew.

    Raises AssertionError where the lake does not hold the rows of the recorded batches, each once.
    """
    found, store = Storm(), open_store(f"sqlite:///{folder / 'store.db'}")
    clock, address = FixedClock(datetime(2027, 1, 1, tzinfo=UTC)), f"s3://{BUCKET}/storm-{seed}"
    files = BucketFiles(folder / "lake", address, pause_s=0.002, timeout_s=20)
    lake = Lake(files.root, store, kept=files)
    line.begin(seed, RATE)
    while found.faulted_puts < puts:
        number = found.recorded
        # Every third batch corrects what the one before brought.
        slot = number - (number % 3 == 2)
        values = {month * STEP + slot % STEP: float(number + month) for month in range(MONTHS)}
        clock.advance(timedelta(minutes=1))
        info = INFO.model_copy(update={"source_sha256": f"{number:064x}"})
        frame = changes(*values.items(), corrects=number % 3 == 2)
        try:
            lake.write_batch(info, frame, unchanged_rows=0, clock=clock)
        except Unreachable:
            found.refused += 1
        else:
            found.recorded, found.rows = number + 1, found.rows + len(values)
            found.expected |= values
        found.counts = line.counts
    line.begin(seed, 0.0)
    found.swept = len(sweep(lake, now_utc=datetime.now(UTC) + timedelta(days=2)))
    found.left = len({each.key for each in files.list("readings/")} ^ set(known_paths(store)))
    # As a machine reads that has no copy yet, through the failing line.
    line.begin(seed + 1, RATE / 3)
    there = BucketFiles(folder / "elsewhere", address, pause_s=0.002, timeout_s=20)
    reader = Lake(there.root, store, kept=there)
    history, current = reader.history("plant"), reader.current("plant")
    line.begin(seed, 0.0)
    store.close()
    starts = [(each - START) // timedelta(minutes=15) for each in current["interval_start_utc"]]
    assert history.height == found.rows, f"{history.height} rows instead of {found.rows}"
    assert dict(zip(starts, current["value"], strict=True)) == found.expected
    assert current.height == len(found.expected)
    assert not found.left, f"{found.left} files that only the bucket or only the manifest knows"
    return found


def main() -> None:
    """The storm as a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--puts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, bucket_server() as (endpoint, line):
        os.environ.update(environment(endpoint))
        make_bucket(endpoint)
        found = storm(Path(folder), line, puts=given.puts, seed=given.seed)
    load = os.getloadavg()[0]
    sys.stdout.write(
        f"seed {given.seed}: {found.faulted_puts} faulted puts, {found.recorded} batches recorded, {found.refused} "
        f"refused and tried anew; {found.rows} rows, 0 lost, 0 doubled; {found.swept} leftovers swept; "
        f"{time.process_time():.0f} processor seconds at load {load:.1f}\n"
    )
    for name, count in sorted(found.counts.items()):
        sys.stdout.write(f"  {name}: {count}\n")


if __name__ == "__main__":
    main()
