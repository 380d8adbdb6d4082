"""The landing folder into the lake, over and over: `python -m tests.live.ingest_under_test DIR CLOCK`.

What the sensor `landing` looks for and what its run does with it, in one process that may be killed at any moment.
"""

import sys
import time
from pathlib import Path

from assets.readings.ingest.ingest_file import ingest_file
from assets.stores.file_hashes import unseen_files
from orchestration.open_project import OpenProject
from tests.live.fast_clock import FastClock


def main(folder: str, clock_text: str) -> None:
    opened, clock = OpenProject(folder), FastClock.of(clock_text)
    site, lake, quarantine = opened.site("plant"), opened.lake, opened.quarantine
    while True:
        known = (quarantine.refused_sources(), lake.known_sources().get("plant", set()))
        for name in unseen_files(opened.project, "plant", known, opened.cache, limit=200).values():
            ingest_file(Path(name), site=site, lake=lake, quarantine=quarantine, clock=clock)
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
