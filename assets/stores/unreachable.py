"""Faults of databases and disks that are the world's: one sentence with the place and the mend, never a password."""

import errno

import sqlalchemy as sa

from data_quality.contracts.database import address_of
from data_quality.contracts.errors import Busy, MeterloomError, Unreachable

BACKUP = "restore it from a backup"
ROOM = "make room and run this again: nothing half-written is left"
LOCKED = "is locked by another process"
# What SQLite calls it -> what it means to whom it happens, and the mend.
OF_SQLITE = {
    "SQLITE_BUSY": (LOCKED, "wait for it or stop it, and run this again"),
    "SQLITE_LOCKED": (LOCKED, "wait for it or stop it, and run this again"),
    "SQLITE_FULL": ("does not fit on its disk any more", ROOM),
    "SQLITE_CORRUPT": ("is damaged", BACKUP),
    "SQLITE_NOTADB": ("is no SQLite database", BACKUP),
    "SQLITE_CANTOPEN": ("cannot be opened", "look at its folder's owner and permissions"),
    "SQLITE_READONLY": ("cannot be written", "look at its owner, permissions and disk"),
    "SQLITE_PERM": ("cannot be opened", "look at its owner and permissions"),
    "SQLITE_IOERR": ("cannot be read or written: its disk fails or is full", "look at the disk, and run this again"),
}
OF_SYSTEM = {
    errno.ENOSPC: ("no space is left on the disk", ROOM),
    errno.EDQUOT: ("the quota of the disk is used up", ROOM),
    errno.EFBIG: ("the file is larger than this process may write", "raise the limit (ulimit -f), and run this again"),
    errno.EACCES: ("permission denied", "look at owner and permissions, and run this again"),
    errno.EPERM: ("not permitted", "look at owner and permissions, and run this again"),
    errno.EEXIST: ("a file is where a folder is expected", "move it away, and run this again"),
    errno.ENOTDIR: ("a file is where a folder is expected", "move it away, and run this again"),
    errno.EROFS: ("the disk is read-only", "mount it writable, and run this again"),
    errno.ENAMETOOLONG: ("the name of the file is too long", "use a shorter one, and run this again"),
    errno.EIO: ("the disk fails", "look at the disk, and run this again"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n), and run this again"),
}


def world_fault(error: BaseException, url: str = "") -> Unreachable | None:
    """Outside fault behind an error of a library, or behind its cause; None where the fault is ours.

    url: the store's, as SQLAlchemy or libpq reads it; empty where none was at work.
    """
    # Libraries wrap what the system said; `raise from` keeps it as the cause. A fault of ours has its sentence already.
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, MeterloomError):
        found = _of_postgres(cause, url) if url.startswith("postgresql") else _of_sqlite(cause, url)
        if found is None:
            found = _of_system(cause) or _of_warehouse(cause)
        if found is not None:
            return found
        cause = cause.__cause__
    return None


def _of_postgres(cause: BaseException, url: str) -> Unreachable | None:
    # Of PostgreSQL all of these stand for the server: gone, restarting, full, out of connections, in deadlock.
    if isinstance(cause, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError):
        return no_answer(getattr(cause, "orig", None) or cause, url)
    # 25006: it answers and takes no writes, as a standby does that nobody made the primary.
    is_standby = isinstance(cause, sa.exc.DBAPIError) and getattr(cause.orig, "sqlstate", None) == "25006"
    if is_standby or (isinstance(cause, sa.exc.DBAPIError) and cause.connection_invalidated):
        return no_answer(getattr(cause, "orig", None) or cause, url)
    return None


def _of_sqlite(cause: BaseException, url: str) -> Unreachable | None:
    """By the name that SQLite gives its error; extended names, e.g. SQLITE_BUSY_SNAPSHOT, begin with the plain one."""
    name = str(getattr(cause, "sqlite_errorname", ""))
    known = next((message for plain, message in OF_SQLITE.items() if name.startswith(plain)), None)
    if known is None:
        return None
    what, mend = known
    file = url.partition(":///")[2]
    kind = Busy if what == LOCKED else Unreachable
    return kind(f"the database {file or 'file'} {what} ({cause}): {mend}")


def _of_system(cause: BaseException) -> Unreachable | None:
    if not isinstance(cause, OSError) or cause.errno not in OF_SYSTEM:
        return None
    what, mend = OF_SYSTEM[cause.errno]
    return Unreachable(f"{cause.filename}: {what}: {mend}" if cause.filename else f"{what}: {mend}")


def _of_warehouse(cause: BaseException) -> Unreachable | None:
    """Faults of DuckDB, by the names of its errors: to import it takes longer than most commands."""
    if type(cause).__module__.partition(".")[0] not in {"duckdb", "_duckdb"}:
        return None
    text = (str(cause).strip().splitlines() or [""])[0]
    # DuckDB's errors have no codes: its words are all there is to tell them by.
    if "Could not set lock" in text:
        return Busy(f"the warehouse is open in another process ({text}): wait for it or stop it")
    is_damaged = type(cause).__name__ in {"SerializationException", "FatalException"} or "not a valid DuckDB" in text
    if is_damaged or "checksum" in text.lower() or "corrupt" in text.lower():
        return Unreachable(
            f"the warehouse is damaged ({text}): remove its file, the next command makes it again from the lake"
        )
    if "No space left" in text:
        return Unreachable(f"no space is left for the warehouse ({text}): {ROOM}")
    return None


def no_answer(error: BaseException, url: str) -> Unreachable:
    """The sentence about a PostgreSQL that does not answer; the driver's own words hold no password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return Unreachable(
        f"PostgreSQL at {address_of(url)} does not answer: {lines[0].strip()}; start it or free it, "
        "or correct database.url, and run this again"
    )
