"""`make soak COUNT=1000000 SEED=1`: schedules of faults without end in sight, on every core, taken up where it stopped.

What the last run came to stands in soak.json, which docs/ems/faults.md prints; histories of broken promises are kept.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.control_faults.storm import storm
from tests.control_faults.virtual_site import StoreMaker

KEPT = Path(__file__).with_name("soak.json")
PART = 50


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A folder for stores, in memory where the system has such a place."""
    place = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
    folder = Path(tempfile.mkdtemp(prefix="soak", dir=place if os.access(place, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def part(first: int, *, seed: int, last: int, keep: Path) -> tuple[int, list[str]]:
    """A part of a run: how many schedules, and what broke in which."""
    found = []
    with folder_in_memory() as folder:
        maker = StoreMaker(folder)
        for index in range(first, min(first + PART, last)):
            outcome = storm(seed, index, maker)
            if outcome.problems:
                keep.mkdir(parents=True, exist_ok=True)
                outcome.history.write(keep / f"{seed}-{index}.jsonl")
                found += [f"{index}: {problem}" for problem in outcome.problems]
    return min(first + PART, last) - first, found


def soak(count: int, seed: int, *, jobs: int, record: Path, keep: Path) -> dict[str, Any]:
    """Run to `count` schedules, from where the record of this seed stands; the record is written after each part."""
    known = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    if known.get("seed") != seed or known.get("schedules", 0) >= count:
        known = {"seed": seed, "schedules": 0, "seconds": 0.0, "violations": 0}
    began_s, before_s = time.monotonic(), known["seconds"]
    work = partial(part, seed=seed, last=count, keep=keep)
    # Children are started anew and not forked: each has stores of its own.
    with get_context("spawn").Pool(jobs, maxtasksperchild=50) as pool:
        # In order, so that one number says how far the run came.
        for done, found in pool.imap(work, range(known["schedules"], count, PART)):
            known["schedules"] += done
            known["violations"] += len(found)
            known["seconds"] = round(before_s + time.monotonic() - began_s, 1)
            known["on"] = datetime.now(tz=UTC).date().isoformat()
            record.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            for sentence in found:
                sys.stdout.write(sentence + "\n")
            sys.stdout.write(f"{known['schedules']:,} of {count:,}, {known['violations']} violations\n")
            sys.stdout.flush()
    return known


def main() -> int:
    """Exit code 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.control_faults.soak", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--record", type=Path, default=KEPT)
    parser.add_argument("--keep", type=Path, default=Path("var") / "soak", help="folder for histories that broke")
    chosen = parser.parse_args()
    known = soak(chosen.count, chosen.seed, jobs=chosen.jobs, record=chosen.record, keep=chosen.keep)
    return 1 if known["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
