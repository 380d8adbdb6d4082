"""A process that ingests a day after the other and notes each batch once it is acknowledged: FOLDER NOTES FIRST_DAY."""

import os
import sys
import time
from contextlib import closing
from datetime import date, timedelta
from itertools import count
from pathlib import Path

from assets.readings.ingest.ingest_file import ingest_file
from data_quality.contracts.time import SystemClock
from orchestration.open_project import OpenProject
from tests.old.make import write_csv


def main(folder: Path, notes: Path, first: date) -> None:
    """Until it is killed."""
    with closing(OpenProject(str(folder))) as project, notes.open("a") as acknowledged:
        for number in count():
            day = first + timedelta(days=number)
            # Delivered, ingested, and then it lies in landing, as a project has it.
            landing = folder / "landing" / "works"
            landing.mkdir(parents=True, exist_ok=True)
            # Whole or not there: the writer is killed at any moment.
            part = write_csv(landing / f"day_{day}.part", day, day + timedelta(days=1))
            file = part.replace(landing / f"day_{day}.csv")
            found = ingest_file(
                file,
                site=project.site("works"),
                lake=project.lake,
                quarantine=project.quarantine,
                clock=SystemClock(),
            )
            assert found.batch_id is not None
            acknowledged.write(f"{found.batch_id}\n")
            acknowledged.flush()
            os.fsync(acknowledged.fileno())
            # There are no readings of days to come: the days last for all rounds.
            time.sleep(0.1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), date.fromisoformat(sys.argv[3]))
