"""A run: workers read ranges of cases, are watched, and replaced when a case hangs or kills them."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.generate import make_case
from tests.fuzz.record import Record
from tests.fuzz.seeds import fingerprint, seeds_of
from tests.fuzz.worker import Task

ROOT = Path(__file__).resolve().parents[2]
# A case that says nothing for so long hangs: four times what it may take, and the child's own limit is beyond it too.
HANG_S = 45.0
# What leaks slowly is not the file's fault, and should not add up over a day.
RANGES_A_WORKER = 100


@dataclass(frozen=True)
class Options:
    """real: a folder of real files to mutate too, or empty; jobs: workers at a time; module: the worker's."""

    form: str
    count: int
    seed: int
    real: str = ""
    jobs: int = 1
    hang_s: float = HANG_S
    cases_a_range: int = 100
    module: str = "tests.fuzz.worker"


class Worker:
    """One process that reads cases. `at` is the case that it said it is at."""

    def __init__(self, options: Options, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._at = folder / "at"
        self._at.write_bytes(bytes(8))
        self.ranges, self.busy, self.index, self.since = 0, (0, 0), -1, time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", options.module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"POLARS_MAX_THREADS": "1", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in, self.out = self.process.stdin, self.process.stdout
        self._send(asdict(Task(options.form, options.seed, options.real, str(folder), str(self._at))))
        self.corpus = json.loads(self.out.readline() or b"{}").get("ready", "")

    def begin(self, start: int, stop: int) -> None:
        """Have it read the cases from start to stop."""
        self.busy, self.ranges, self.since = (start, stop), self.ranges + 1, time.monotonic()
        self._send([start, stop])

    def _send(self, message: Any) -> None:
        self._in.write(json.dumps(message).encode() + b"\n")
        self._in.flush()

    def at(self) -> int:
        """The case that it is at."""
        return int.from_bytes(self._at.read_bytes()[:8], "little")

    def hangs(self, limit_s: float) -> bool:
        """True where it has been at one case for longer than the limit."""
        if self.at() != self.index:
            self.index, self.since = self.at(), time.monotonic()
        return time.monotonic() - self.since > limit_s

    def end(self) -> int:
        """Stop it, and whatever it started; its exit code."""
        if self.process.poll() is None:
            self.process.kill()
        self._in.close()
        self.out.close()
        return self.process.wait()


def run(options: Options, record_path: Path, *, resume: bool, say: Callable[[str], None]) -> Record:
    """Read all cases of a run; the record says what became of them. Raises OtherRun where the record is another's."""
    seeds = seeds_of(options.form, Path(options.real) if options.real else None)
    about = {"format": options.form, "seed": options.seed, "corpus": fingerprint(seeds), "real": options.real}
    record = Record(record_path, about, resume=resume)
    kept = record_path.parent / f"{record_path.stem}.cases"
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_quick_folder()) as folder:
        watch = _Watch(options, Path(folder), say)

        def write(answer: dict[str, Any]) -> None:
            files = {}
            for failure in answer["failures"]:
                case = make_case(options.form, seeds, seed=options.seed, index=failure["index"])
                kept.mkdir(exist_ok=True)
                path = kept / f"{failure['index']}{case.suffix}"
                path.write_bytes(case.data)
                files[failure["index"]] = str(path)
                failure["from"], failure["operations"] = case.seed.name, list(case.operations)
                say(f"case {failure['index']}: {failure['problems'][0][0]}: {failure['problems'][0][1][:300]}")
            record.checkpoint(answer, files)
            watch.show_progress(record)

        watch.run(record.totals.next, write)
    return record


def _quick_folder() -> str | None:
    """Memory instead of a disk, where there is any: each case is a file."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 (a private folder is made in it)


class _Watch:
    """Hands ranges to workers, takes their answers in the order of the cases."""

    def __init__(self, options: Options, folder: Path, say: Callable[[str], None]) -> None:
        self.options, self.folder, self.say = options, folder, say
        self.started = 0
        self.begun, self.first, self.said = time.monotonic(), -1, 0.0
        self.waiting: list[tuple[int, int]] = []
        self.answers: dict[int, dict[str, Any]] = {}

    def run(self, first: int, write: Callable[[dict[str, Any]], None]) -> None:
        """All cases from the first to the last; `write` gets each range's answer in order."""
        stop, size = self.options.count, self.options.cases_a_range
        self.first = following = first
        self.waiting = [(n, min(n + size, stop)) for n in range(first, stop, size)][::-1]
        workers: list[Worker] = []
        try:
            while following < stop:
                while self.waiting and len(workers) < self.options.jobs:
                    workers.append(self._begin(None))
                workers = [after for each in workers if (after := self._look(each)) is not None]
                while following in self.answers:
                    answer = self.answers.pop(following)
                    following = answer["next"]
                    write(answer)
        finally:
            for each in workers:
                each.end()

    def _begin(self, worker: Worker | None) -> Worker:
        if worker is not None and worker.ranges >= RANGES_A_WORKER:
            worker.end()
            worker = None
        if worker is None:
            self.started += 1
            worker = Worker(self.options, self.folder / str(self.started))
        worker.begin(*self.waiting.pop())
        return worker

    def _look(self, worker: Worker) -> Worker | None:
        """Wait a little for the worker: what is it next, if anything?"""
        if select.select([worker.out], [], [], 0.5)[0]:
            line = worker.out.readline()
            if line:
                answer = json.loads(line)
                self.answers[answer["start"]] = answer
            else:
                self._broken(worker, "killed", f"exit {worker.end()}")
                worker = None  # type: ignore[assignment]
        elif worker.hangs(self.options.hang_s):
            self._broken(worker, "hang", f"no answer in {self.options.hang_s:.0f} s")
            worker.end()
            worker = None  # type: ignore[assignment]
        else:
            return worker
        if not self.waiting:
            if worker is not None:
                worker.end()
            return None
        return self._begin(worker)

    def _broken(self, worker: Worker, kind: str, text: str) -> None:
        """The case that a worker was at is a failure; the cases around it are read again, without it."""
        index, (start, stop) = worker.at(), worker.busy
        failure = {"index": index, "label": kind, "problems": [[kind, text]]}
        self.answers[index] = {
            "start": index,
            "next": index + 1,
            "labels": {kind: 1},
            "failures": [failure],
            "max_s": 0.0,
            "max_kib": 0,
        }
        self.waiting += [each for each in ((index + 1, stop), (start, index)) if each[0] < each[1]]

    def show_progress(self, record: Record) -> None:
        """A line of progress every few seconds."""
        now, done = time.monotonic(), record.totals.next
        if now - self.said < 10 and done < self.options.count:
            return
        self.said = now
        rate = (done - self.first) / max(now - self.begun, 1e-9)
        left = (self.options.count - done) / max(rate, 1e-9)
        totals = record.totals
        self.say(
            f"{self.options.form} {done:,} of {self.options.count:,}, {rate:.0f}/s, {left / 60:.0f} min left, "
            f"{totals.failures} failures, at most {totals.max_s:.2f} s and {totals.max_kib / 1024:.0f} MiB"
        )
