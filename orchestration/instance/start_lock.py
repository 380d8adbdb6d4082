"""One of a kind for a project: a second `meterloom up` or a second scheduler is refused at its start, naming the first.

Two Dagster daemons on one instance start runs twice, and only log that they do. The lock is for starting alone: it goes
with its process however that ends, but a process that is stopped (SIGSTOP) keeps it. What may act on a device is
decided by leases with an expiry and by the ledger, which has one row a key however many ask. Sweeps and merges of the
lake, and retention, stay away from a backup by the same lock; commands share one that an erasure wants for itself.
"""

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project
from data_quality.contracts.time import SystemClock

Part = Literal["up", "daemon", "upkeep", "project", "push"]
_TWICE = "two would start every run twice"
# The second key of an advisory lock, what the part is called, and why there is one.
PARTS: dict[Part, tuple[int, str, str]] = {
    "up": (1, "'meterloom up'", _TWICE),
    "daemon": (2, "Dagster's daemon", _TWICE),
    "upkeep": (3, "a backup, sweep, merge, erasure or retention", "a backup copies files that the others take away"),
    "project": (4, "an erasure", "what it takes away must not be written meanwhile"),
    "push": (5, "a push of OpenADR reports", "two at once would send a report twice"),
}
_END = "end that one first; its lock goes with it"
_LONGEST_NAME = 200
Release = Callable[[], None]


def take(project: Project, part: Part, *, is_shared: bool = False) -> Release:
    """Be the only one until the answer is called or this process ends: by the database where one is set, else by file.

    is_shared: be one of many, and only not beside the only one. Raises BadInput naming the holder, Unreachable where
    the database does not answer.
    """
    number, called, why = PARTS[part]
    called = "a command" if is_shared else called
    me = f"{called}, process {os.getpid()} on {socket.gethostname()}, since {SystemClock().now_utc():%Y-%m-%d %H:%M}Z"
    if url := project.settings.database.of("store"):
        from assets.stores.postgres import hold

        held = hold(url, number, me, is_shared=is_shared)
    else:
        held = _hold_file(project, part, me, is_shared=is_shared)
    if isinstance(held, str):
        raise BadInput(
            f"another one runs on this project: {held or called}; {why}",
            reason="already_running",
            mend=_END if part in ("up", "daemon") else f"wait for it, or {_END}",
        )
    return held


@contextmanager
def taken(project: Project, part: Part, *, is_shared: bool = False) -> Iterator[None]:
    """Be the only one inside of a block, or one of many. Raises as `take`."""
    release = take(project, part, is_shared=is_shared)
    try:
        yield
    finally:
        release()


def free(project: Project, part: Part, *, is_shared: bool = False) -> None:
    """Nobody holds it at this moment; is_shared: nobody alone. Raises as `take`."""
    take(project, part, is_shared=is_shared)()


def _hold_file(project: Project, part: Part, holder: str, *, is_shared: bool) -> Release | str:
    project.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Never removed: two that each lock a file of the same name that is another file would both hold it.
    held = os.open(project.data_dir / f"{part}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        # A command of root's keeps no service of the folder's owner out.
        os.fchown(held, (folder := project.data_dir.stat()).st_uid, folder.st_gid)
    try:
        fcntl.flock(held, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        # The file names the last that was alone; of many the system knows who they are, but for those of containers.
        many = _sharing(os.fstat(held).st_ino)
        name = ", ".join(many) or ("a command" if _may_share(held) else "")
        name = name or os.pread(held, _LONGEST_NAME, 0).decode("utf-8", "replace")
        os.close(held)
        return name
    except OSError:
        # No locks on this file system: nobody can ever be alone, so that many need no word of each other.
        if not is_shared:
            os.close(held)
            raise
    if is_shared:
        return lambda: os.close(held)
    os.ftruncate(held, 0)
    os.pwrite(held, holder.encode()[:_LONGEST_NAME], 0)
    return lambda: os.close(held)


def _may_share(held: int) -> bool:
    with suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False


def _sharing(inode: int) -> list[str]:
    """Processes that share a lock of a file; none where the system does not say, or one has it alone."""
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    found = (line.split() for line in lines if " FLOCK " in line and " READ " in line)
    return sorted(f"process {each[4]}" for each in found if each[5].rpartition(":")[2] == str(inode))
