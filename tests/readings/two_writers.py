"""A process that ingests one file into a lake on request: `python -m ... folder file.csv`."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from assets.readings.ingest.ingest_file import ingest_file
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.transactions import open_store
from data_quality.contracts.time import FixedClock
from tests.readings.rooms import plant


def main(folder: Path, name: str) -> None:
    """Say `ready`, wait for a line, ingest, say what changed."""
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    report = ingest_file(
        folder / name,
        site=plant(),
        lake=Lake(folder / "lake", store),
        quarantine=QuarantineStore(folder / "quarantine", store),
        clock=FixedClock(datetime(2026, 1, 1, tzinfo=UTC)),
    )
    print(report.new_rows, report.corrected_rows, report.unchanged_rows, flush=True)  # noqa: T201
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
