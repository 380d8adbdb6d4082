"""A SQLite store whose folder cannot be written: a backup, a read-only disk, somebody else's project. It is read as it
stands, and a write is refused with the folder's name.
"""

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from data_quality.contracts.errors import Unreachable


def cannot_write(folder: Path) -> Unreachable:
    """The error of a write there."""
    return Unreachable(
        f"{folder} cannot be written, so nothing can be recorded or made in this project: commands that only read go "
        "on; for others mount it writable, or run this as its owner"
    )


class ReadOnlyFile:
    """Opens connections to the file as it stands.

    SQLite needs to write beside a store in WAL mode even to read it, unless it is told that nobody writes. So it is,
    where the last writer left nothing in the log; where it did, the log is read with the store, from a copy if it must.
    A transaction that was cut short (a rollback journal) is undone in a copy.
    """

    def __init__(self, file: Path) -> None:
        self.path = file
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        log, index, journal = (file.with_name(f"{file.name}-{end}") for end in ("wal", "shm", "journal"))
        has_log, has_journal = (each.exists() and each.stat().st_size > 0 for each in (log, journal))
        # The marks of readers in the index are writes too.
        self.is_held = has_log and index.exists()
        self._place, self._options = file, f"mode=ro&{'readonly_shm' if self.is_held else 'immutable'}=1"
        if (has_log and not index.exists()) or has_journal:
            self._copy = tempfile.TemporaryDirectory(prefix="meterloom-store-")
            self._place = Path(self._copy.name, file.name)
            for each in (file, *([log] if has_log else []), *([journal] if has_journal else [])):
                shutil.copyfile(each, self._place.with_name(each.name))
            self._options = "mode=rw"
        self._mark = self._seen()

    def connect(self) -> sqlite3.Connection:
        """A connection on which every write fails."""
        address = f"file:{quote(str(self._place))}?{self._options}"
        # Threads take turns in the pool, as with any other store; the thread that has one begins transactions.
        connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
        for pragma in ("busy_timeout=5000", "trusted_schema=OFF", "query_only=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def expect_unchanged(self) -> None:
        """Raises Unreachable where somebody else wrote meanwhile: what was read may be half of before."""
        if self._seen() != self._mark:
            raise Unreachable(f"{self.path} was written by another process while it was read: run this again")

    def close(self) -> None:
        """Remove the copy."""
        if self._copy is not None:
            self._copy.cleanup()

    def _seen(self) -> Any:
        stat = self.path.stat()
        return stat.st_size, stat.st_mtime_ns
