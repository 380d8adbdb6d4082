"""Are the lake's files still what was written? Compared with the manifest's digests before a file is read, once a file
and process; what is left of a writer that was stopped goes with the next writer that is alone.
"""

import fcntl
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

READINGS, LOCK = "readings", ".writers"
# File -> size, time of change and number in its folder when it was hashed, and its SHA-256.
_hashed: dict[Path, tuple[tuple[int, int, int], str]] = {}
_tidied: set[Path] = set()


def fault_of(path: Path, file_sha256: str) -> str:
    """`is missing`, `was altered` or `cannot be read`; empty where the file is the one that was written."""
    try:
        stat = path.stat()
        known = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        kept = _hashed.get(path)
        if kept is None or kept[0] != known:
            with path.open("rb") as file:
                kept = _hashed[path] = (known, hashlib.file_digest(file, "sha256").hexdigest())
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if kept[1] == file_sha256 else "was altered"


def faults(root: Path, entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Path under the lake's root -> what is wrong with it, of the files of manifest rows."""
    stated = {str(entry["path"]): str(entry["file_sha256"]) for entry in entries}
    return {path: fault for path, sha256 in stated.items() if (fault := fault_of(root / path, sha256))}


def orphans(root: Path, known: Iterable[str]) -> list[Path]:
    """Files under the lake's readings that no manifest row names. known: the paths of every row, of all sites."""
    named = {root / path for path in known}
    return sorted(path for path in (root / READINGS).rglob("*") if path.is_file() and path not in named)


@contextmanager
def writing(root: Path, known: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Hold the place of a writer. The first time in a process, where no other writes: what nobody names is removed.

    known: the paths that manifest rows name; asked only then.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root / LOCK).open("a") as lock:
        if root not in _tidied and _is_alone(lock.fileno()):
            for path in orphans(root, known()):
                path.unlink(missing_ok=True)
            _tidied.add(root)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _is_alone(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
