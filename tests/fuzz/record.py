"""The record of a run: one JSON line a happening, appended; what was only half written does not count."""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class OtherRun(Exception):
    """The record is of another run: its seed, format or good files are not those asked for."""


@dataclass
class Totals:
    """Totals of a run so far. next: the first case not yet done."""

    next: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    max_s: float = 0.0
    max_kib: int = 0

    def add(self, answer: dict[str, Any]) -> None:
        """Add a worker's answer for the range that begins at `next`."""
        self.next = answer["next"]
        self.labels.update(answer["labels"])
        self.failures += len(answer["failures"])
        self.max_s = max(self.max_s, answer["max_s"])
        self.max_kib = max(self.max_kib, answer["max_kib"])


class Record:
    """A file of JSON lines: `run`, then failures and checkpoints. A checkpoint and its failures are one write."""

    def __init__(self, path: Path, run: dict[str, Any], *, resume: bool) -> None:
        self.path, self.totals = path, Totals()
        if resume and path.exists():
            self._continue(run)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_line({"type": "run", **run}))

    def _continue(self, run: dict[str, Any]) -> None:
        """Take up after the last checkpoint; lines behind it are dropped."""
        kept, waiting = [], []
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True)):
            try:
                found = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                found = None
            if found is None:
                break
            if number == 0 and found != {"type": "run", **run}:
                raise OtherRun(f"{self.path} is the record of {found}, not of {run}")
            waiting.append(line)
            if found["type"] == "failure":
                continue
            kept += waiting
            waiting = []
            if found["type"] == "checkpoint":
                self.totals.add({**found, "failures": [None] * found["failed"]})
        draft = self.path.with_suffix(".draft")
        draft.write_bytes(b"".join(kept))
        draft.replace(self.path)

    def checkpoint(self, answer: dict[str, Any], files: dict[int, str]) -> None:
        """Write one range's failures and its checkpoint at once. files: case -> where its bytes are kept."""
        lines = [
            _line({"type": "failure", "file": files.get(each["index"], ""), **each}) for each in answer["failures"]
        ]
        done = {name: answer[name] for name in ("start", "next", "labels", "max_s", "max_kib")}
        lines.append(_line({"type": "checkpoint", **done, "failed": len(answer["failures"])}))
        with self.path.open("ab") as file:
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
        self.totals.add(answer)


def _line(found: dict[str, Any]) -> bytes:
    return json.dumps(found).encode() + b"\n"
