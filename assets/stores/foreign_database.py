"""A SQLite database of another program, read as it stands: nothing is written, neither in it nor next to it."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assets.stores.file_hashes import file_sha256
from assets.stores.read_only import ReadOnlyFile
from data_quality.contracts.errors import BadInput, Unreachable

SQLITE_MAGIC = b"SQLite format 3\x00"
_AT_ONCE = 100_000


def is_database(path: Path) -> bool:
    """A file that begins as SQLite's do."""
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def source_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes; of a database, those of its log too: what was written last stands there alone."""
    log = path.with_name(f"{path.name}-wal")
    if not is_database(path) or not log.exists() or log.stat().st_size == 0:
        return file_sha256(path)
    return hashlib.sha256(f"{file_sha256(path)} {file_sha256(log)}".encode()).hexdigest()


class ForeignTables:
    """The tables of an open database: views are none, since what they compute is anybody's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.names = frozenset(str(name) for (name,) in rows)

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table, in order; empty for one that is not there."""
        rows = self._connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        return tuple(str(name) for (name,) in rows) if table in self.names else ()

    def rows(self, query: str, *values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a query, some at a time."""
        cursor = self._connection.execute(query, values)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield rows

    def check(self, table: str) -> None:
        """Raises BadInput (truncated) where pages of the table are missing or contradict each other."""
        found = self._connection.execute(f"PRAGMA quick_check('{table}')").fetchone()[0]
        if found != "ok":
            raise _cut(str(found).partition("\n")[0])


@contextmanager
def foreign_database(path: Path) -> Iterator[ForeignTables]:
    """The tables of the database. One that a running program holds is read as of its last commit.

    Raises BadInput: `truncated` for one that is cut or broken, `written_meanwhile` where it changed under the reading.
    """
    _expect_whole(path)
    file = ReadOnlyFile(path)
    try:
        connection = file.connect()
        try:
            connection.execute("BEGIN")
            yield ForeignTables(connection)
        finally:
            connection.close()
        if not file.is_held:
            file.expect_unchanged()
    except Unreachable as error:
        raise BadInput("it was written while it was read: run this again", reason="written_meanwhile") from error
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise BadInput("its program writes it just now: run this again", reason="written_meanwhile") from error
        raise _cut(str(error)) from error
    finally:
        file.close()


def _expect_whole(path: Path) -> None:
    """SQLite reads a cut file up to the first page that it misses: half of its rows, and no word."""
    with path.open("rb") as file:
        head = file.read(100)
    page_bytes = int.from_bytes(head[16:18], "big")
    # 1 stands for 65536, which two bytes do not hold.
    stated = int.from_bytes(head[28:32], "big") * (65536 if page_bytes == 1 else page_bytes)
    # The count of pages is only meant where it was written with the last change.
    if len(head) < 100 or (head[24:28] == head[92:96] and path.stat().st_size < stated):
        raise _cut(f"{path.stat().st_size} of {stated} bytes" if len(head) == 100 else "not even its head is whole")


def _cut(why: str) -> BadInput:
    return BadInput(
        f"the database is cut or broken ({why})", line=1, reason="truncated",
        mend="copy it again while its program is stopped, or from a backup",
    )  # fmt: skip
