"""One piece of work in a process of its own: its answer, CPU seconds and peak memory, free of what ran before."""

import importlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Measured(NamedTuple):
    """cpu_s: user and system, without start and imports; peak_mib: largest resident size of the process."""

    answer: float
    cpu_s: float
    peak_mib: float


def measured(function: str, *arguments: object, repeat: int = 1) -> Measured:
    """The best of `repeat` runs of `module:name(*arguments)`, which returns a number; one thread a library.

    `module:warm(work)` is called before the clock starts.
    """
    command = [sys.executable, "-m", "tests.bench.measure", function, json.dumps([str(each) for each in arguments])]
    found = []
    for _ in range(repeat):
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
        found.append(Measured(*json.loads(done.stdout.splitlines()[-1])))
    return min(found, key=lambda each: each.cpu_s)


def main() -> None:
    """The child's part."""
    module, _, name = sys.argv[1].partition(":")
    bench = importlib.import_module(module)
    work = getattr(bench, name)
    # What is imported late and made once is no part of the work.
    bench.warm(work)
    started = time.process_time()
    answer = float(work(*json.loads(sys.argv[2])))
    cpu_s = time.process_time() - started
    sys.stdout.write(json.dumps([answer, cpu_s, _peak_mib()]) + "\n")


def _peak_mib() -> float:
    # The rusage of a child begins with the size of its parent, which made the file; the status is the child's own.
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
