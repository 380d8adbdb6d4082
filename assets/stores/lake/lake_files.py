"""Are the lake's files still what was written? Compared with the manifest's digests before a file is read, once a file
and process. And the place of a writer, which others of this machine see.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from assets.stores.lake.lake_block import days_as_written
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.work.memory import Memory

READINGS, LOCK = "readings", ".writers"
# For so long a file without a manifest row may be a writer's who is at work; after it that writer may not commit any
# more. Clocks of machines may be apart by the difference.
LEASE, SWEPT_AFTER = timedelta(hours=23), timedelta(hours=24)
_tidied: Memory[Path, bool] = Memory(64)


@dataclass
class _Seen:
    """A file as it was when it was hashed. known: size, time of change and number in its folder; days: the digests of
    its rows, once they were asked for.
    """

    known: tuple[int, int, int]
    sha256: str
    days: dict[str, str] | None = None


# More files than a lake has: one too few for a walk over all would be of no use.
_seen: Memory[Path, _Seen] = Memory(2**18)


def fault_of(path: Path, entries: Iterable[Mapping[str, Any]]) -> str:
    """`is missing`, `was altered` or `cannot be read`; empty where the file is the one that was written.

    entries: its manifest rows. It is also that where it holds the very rows that these name, in the very bytes in
    which they are written today: so it was restored after the library that writes files had changed.
    """
    try:
        seen = _look(path)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    other = [each for each in entries if each["file_sha256"] != seen.sha256]
    if not other:
        return ""
    if seen.days is None:
        seen.days = days_as_written(path, seen.sha256)
    return "" if all(seen.days.get(str(each["day"])) == each["content_sha256"] for each in other) else "was altered"


def is_as_written(path: Path, file_sha256: str) -> bool:
    """True where the file is there with that very digest; where not, `fault_of` knows more."""
    try:
        return sha256_of(path) == file_sha256
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """Of a file as it is now, hashed once a process. Raises OSError."""
    return _look(path).sha256


def _look(path: Path) -> _Seen:
    stat = path.stat()
    # A file that a backup put back may keep size and time, and has another number.
    known = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    seen = _seen.get(path)
    if seen is None or seen.known != known:
        with path.open("rb") as file:
            seen = _seen[path] = _Seen(known, hashlib.file_digest(file, "sha256").hexdigest())
    return seen


def faults(root: Path, entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Path under the lake's root -> what is wrong with it, of the files of manifest rows."""
    stated: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        stated.setdefault(str(entry["path"]), []).append(entry)
    return {path: fault for path, rows in stated.items() if (fault := fault_of(root / path, rows))}


def orphans(root: Path, known: Iterable[str]) -> list[Path]:
    """Files under the lake's readings that no manifest row names. known: the paths of every row, of all sites."""
    # As texts: a path of each of a lake's files costs more than to find it.
    named = {f"{root}/{path}" for path in known}
    found = (f"{folder}/{name}" for folder, _, names in os.walk(root / READINGS) for name in names)
    return sorted(map(Path, set(found) - named))


@contextmanager
def writing(root: Path, tidy: Callable[[], object] | None = None) -> Iterator[None]:
    """Hold the place of a writer. tidy: called the first time in a process that no other writes."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root / LOCK).open("a") as lock:
        if tidy is not None and root not in _tidied and _is_alone(lock.fileno()):
            tidy()
            _tidied[root] = True
        # Shared from here on, and before any file of ours stands: nobody alone can take one for a leftover.
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep every writer of this machine away. Raises Unreachable where one is at work."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root / LOCK).open("a") as lock:
        if not _is_alone(lock.fileno()):
            raise Unreachable(f"{root}: another process writes to the lake: wait for it or stop it, and run this again")
        yield


def expect_in_time(began_utc: datetime, now_utc: datetime) -> None:
    """Raises Unreachable where a writer took so long that its files may have been swept meanwhile."""
    if now_utc - began_utc > LEASE:
        raise Unreachable(f"writing took more than {LEASE / timedelta(hours=1):.0f} hours: ingest this again, in parts")


def _is_alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
