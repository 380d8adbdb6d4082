"""The process in which cases are read: `python -m tests.fuzz.worker`, told what to do line by line.

It says which case it is at before it begins it, so that whoever watches knows what hung or died.
"""

import gc
import json
import os
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any

MAX_SECONDS, MAX_GROWN_KIB = 5.0, 300 * 1024
# A guard behind the measure: what asks for more than this is refused by the kernel, and told of as a crash.
_ADDRESS_SPACE = 6 << 30


@dataclass(frozen=True)
class Task:
    """Task of a worker. at: a file of eight bytes, the case that it is at."""

    form: str
    seed: int
    real: str
    folder: str
    at: str


def main() -> int:
    """Read one task, then ranges of cases; answer each range with one line. Ends with its input."""
    task = Task(**json.loads(sys.stdin.readline()))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, resource.RLIM_INFINITY))
    from tests.fuzz.oracle import good_of
    from tests.fuzz.seeds import fingerprint, seeds_of

    seeds = seeds_of(task.form, Path(task.real) if task.real else None)
    for seed in seeds:
        good_of(seed, Path(task.folder))
    # What was imported stays: collecting it again and again would be most of the work.
    gc.collect()
    gc.freeze()
    _say({"ready": fingerprint(seeds), "pid": os.getpid()})
    with Path(task.at).open("r+b") as file, mmap(file.fileno(), 8) as place:
        for line in sys.stdin:
            start, stop = json.loads(line)
            _say(run_range(task, seeds, start, stop, place))
    return 0


def run_range(task: Task, seeds: list[Any], start: int, stop: int, place: Any) -> dict[str, Any]:
    """The cases from start to stop: outcomes counted, failures told with what is wrong."""
    labels: Counter[str] = Counter()
    failures, slowest, most = [], 0.0, 0
    for index in range(start, stop):
        place[:8] = index.to_bytes(8, "little")
        outcome = one(task.form, seeds, task.seed, index, Path(task.folder))
        labels[outcome.label] += 1
        slowest, most = max(slowest, outcome.seconds), max(most, outcome.grown_kib)
        if outcome.problems:
            found = [[problem.kind, problem.text] for problem in outcome.problems]
            failures.append({"index": index, "label": outcome.label, "problems": found})
    return {"start": start, "next": stop, "labels": labels, "failures": failures, "max_s": slowest, "max_kib": most}


def one(form: str, seeds: list[Any], seed: int, index: int, folder: Path) -> Any:
    """One case, measured."""
    from tests.fuzz.cases import Problem
    from tests.fuzz.generate import make_case

    case = make_case(form, seeds, seed=seed, index=index)
    processes = [os.getpid(), *_children()]
    before = {pid: _forget_peak(pid) for pid in processes}
    outcome = _timed(form, case, folder)
    if outcome.seconds > MAX_SECONDS:
        # A machine that stood still is not the file's fault: what is slow is slow twice.
        second = _timed(form, case, folder)
        outcome.seconds = min(outcome.seconds, second.seconds)
    # A child that came only now is compared with nothing: what it takes to start is no file's fault, and it is limited.
    outcome.grown_kib = sum(max(0, _memory(pid)[0] - before[pid]) for pid in processes)
    if outcome.seconds > MAX_SECONDS:
        outcome.problems.append(Problem("slow", f"{outcome.seconds:.1f} s"))
    if outcome.grown_kib > MAX_GROWN_KIB:
        outcome.problems.append(Problem("memory", f"{outcome.grown_kib} KiB more than before"))
    return outcome


def _timed(form: str, case: Any, folder: Path) -> Any:
    from tests.fuzz.oracle import judge

    begun = time.perf_counter()
    outcome = judge(form, case, folder)
    outcome.seconds = time.perf_counter() - begun
    return outcome


def _children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    try:
        return [int(pid) for pid in path.read_text().split()]
    except OSError:
        return []


def _memory(pid: int) -> tuple[int, int]:
    """(peak, now) of a process's resident memory in KiB; zeros where it is gone."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123 (ten times a case)
            text = file.read()
    except OSError:
        return 0, 0
    peak, now = (
        text[text.index(name) + 6 :].split(None, 1)[0] if name in text else b"0" for name in (b"VmHWM:", b"VmRSS:")
    )
    return int(peak), int(now)


def _forget_peak(pid: int) -> int:
    """Set the process's peak to what it holds now, KiB; without /proc the peak so far stands for it."""
    try:
        with open(f"/proc/{pid}/clear_refs", "w") as file:  # noqa: PTH123
            file.write("5")
    except OSError:
        return _memory(pid)[0]
    return _memory(pid)[1]


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
