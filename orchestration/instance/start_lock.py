"""One of a kind for a project: a second `meterloom up` or a second scheduler is refused at its start, naming the first.

Two Dagster daemons on one instance start runs twice, and only log that they do. The lock is for starting alone: it goes
with its process however that ends, but a process that is stopped (SIGSTOP) keeps it. What may act on a device is
decided by leases with an expiry and by the ledger, which has one row a key however many ask. Sweeps and merges of the
lake, and retention, stay away from a backup by the same lock.
"""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project
from data_quality.contracts.time import SystemClock

Part = Literal["up", "daemon", "upkeep"]
_TWICE = "two would start every run twice"
# The second key of an advisory lock, what the part is called, and why there is one.
PARTS: dict[Part, tuple[int, str, str]] = {
    "up": (1, "'meterloom up'", _TWICE),
    "daemon": (2, "Dagster's daemon", _TWICE),
    "upkeep": (3, "a backup, sweep, merge, erasure or retention", "a backup copies files that the others take away"),
}
_END = "end that one first; its lock goes with it"
_LONGEST_NAME = 200
Release = Callable[[], None]


def take(project: Project, part: Part) -> Release:
    """Be the only one until the answer is called or this process ends: by the database where one is set, else by file.

    Raises BadInput naming the holder, Unreachable where the database does not answer.
    """
    number, called, why = PARTS[part]
    who = f"{called}, process {os.getpid()} on {socket.gethostname()}, since {SystemClock().now_utc():%Y-%m-%d %H:%M}Z"
    if url := project.settings.database.of("store"):
        from assets.stores.postgres import hold

        held = hold(url, number, who)
    else:
        held = _hold_file(project, part, who)
    if isinstance(held, str):
        raise BadInput(
            f"another one runs on this project: {held or called}; {why}",
            reason="already_running",
            mend="wait for it, or end it first; its lock goes with it" if part == "upkeep" else _END,
        )
    return held


@contextmanager
def taken(project: Project, part: Part) -> Iterator[None]:
    """Be the only one inside of a block. Raises as `take`."""
    release = take(project, part)
    try:
        yield
    finally:
        release()


def free(project: Project, part: Part) -> None:
    """Nobody holds it at this moment. Raises as `take`."""
    take(project, part)()


def _hold_file(project: Project, part: Part, who: str) -> Release | str:
    project.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Never removed: two that each lock a file of the same name that is another file would both hold it.
    held = os.open(project.data_dir / f"{part}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        name = os.pread(held, _LONGEST_NAME, 0).decode("utf-8", "replace")
        os.close(held)
        return name
    os.ftruncate(held, 0)
    os.pwrite(held, who.encode()[:_LONGEST_NAME], 0)
    return lambda: os.close(held)
