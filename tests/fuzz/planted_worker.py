"""A worker whose reader is broken on purpose: some cases hang, die, wait, grow or lie."""

import os
import sys
import time
from pathlib import Path

from tests.fuzz import oracle, worker
from tests.fuzz.cases import Case, Outcome, Problem

HANGS, DIES, WAITS, GROWS, LIES = 3, 5, 7, 8, 11
_whole = oracle.judge


def judge(form: str, case: Case, folder: Path) -> Outcome:
    """Outcome of the reader for the case, but for the planted ones."""
    if case.index == HANGS:
        time.sleep(600)
    if case.index == DIES:
        os.abort()
    if case.index == WAITS:
        time.sleep(2.1)
    if case.index == GROWS:
        held = b"1" * (350 << 20)
        del held
    outcome = _whole(form, case, folder)
    if case.index == LIES:
        outcome.problems.append(Problem("provenance", "planted"))
    return outcome


if __name__ == "__main__":
    oracle.judge = judge
    worker.MAX_SECONDS = 2.0
    sys.exit(worker.main())
