"""The transactional store: SQLite (WAL, FULL) or PostgreSQL through SQLAlchemy. Imports nothing heavier, so
that the agent can open it. Tables stand in tables.py; migrations in migrations/, the way there in revisions.py.
Rooms outside of the stores run their own statements by `read_rows`, `select_rows` and one site's lock.
"""

import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores.read_only import ReadOnlyFile, cannot_write
from assets.stores.revisions import expect_newest, migrate
from assets.stores.schema import tables_seals
from assets.stores.schema.tables_metadata import REVISION
from assets.stores.unreachable import world_fault
from data_quality.contracts.database import address_of
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import Clock
from data_quality.contracts.work.project_cache import ProjectCache

DatabaseError = sa.exc.SQLAlchemyError
Connection = sa.Connection
# Locks of two keys are a space of their own in PostgreSQL: none of these is the one-key lock 724002 of `lock_recorded`.
# Two sites whose names hash alike only wait for each other.
_LOCK_SPACE = 724002
# Before a second and a third try to connect to a server, where nothing was said yet; half of it is left to chance.
PAUSES_S = (0.2, 0.6)


class Store:
    """One open transactional store. Use `begin()` for every access: commit at the end, roll back on error.
    Raises Unreachable where the database does not answer; at a commit that means "unknown".

    public_keys: of the people who may act, by person_id, empty for one without; None where nobody said who they are.
    trust: what trust.py has read of the seals so far. anchors: where what is sealed is noted outside of the store too
    (anchors.py); None: nowhere. ledger: its name, once it was asked for. cache: what was worked out of what it holds.
    pauses_s: before each further try to connect to a server.
    read_only: the file, where it cannot be written: then every transaction that might is refused by the folder's name.
    """

    def __init__(
        self,
        engine: sa.Engine,
        public_keys: Mapping[str, str] | None = None,
        *,
        pauses_s: tuple[float, ...] = PAUSES_S,
        read_only: ReadOnlyFile | None = None,
    ) -> None:
        self.engine = engine
        self.read_only = read_only
        self._pauses_s = pauses_s if engine.dialect.name == "postgresql" else ()
        self.public_keys = public_keys
        self.trust: Any = None
        self.anchors: Any = None
        self.ledger = ""
        self.cache = ProjectCache()
        self._url = str(engine.url)
        # Per thread and task, not per store: two requests that a server answers at once must not share a transaction.
        self._shared: ContextVar[sa.Connection | None] = ContextVar("shared", default=None)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction, or the one of `together`; on SQLite a writer waits up to 5 s for another."""
        shared = self._shared.get()
        if shared is not None:
            yield shared
            return
        if self.read_only is not None:
            raise cannot_write(self.read_only.path.parent)
        with reaching(self._url), self._connect() as connection, connection.begin():
            # What this transaction seals, for the signature under it; the driver's connection outlives it.
            connection.info["sealed"] = []
            yield connection
            sealed = {mark[0] for mark in connection.info["sealed"]}
            if self.anchors is not None and sealed:
                self.anchors.check(sealed)
        if self.anchors is not None and sealed:
            self.anchors.note(sealed)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything inside is one transaction: an act and the signature under it stand both or not at all."""
        with self.begin() as connection:
            token = self._shared.set(connection)
            try:
                yield
            finally:
                self._shared.reset(token)

    @property
    def shared(self) -> sa.Connection | None:
        """The transaction of `together`, while one is open."""
        return self._shared.get()

    def rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        """All rows of a query as dicts, in one read transaction, or in that of `together`."""
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    @contextmanager
    def reading(self, *, is_one_view: bool = False) -> Iterator[sa.Connection]:
        """A read transaction, or that of `together`: for those to whom a dict for each row would cost too much.

        is_one_view: every statement sees the store as the first one did, as on SQLite it always does.
        """
        shared = self._shared.get()
        if shared is not None:
            yield shared
            return
        options: dict[str, Any] = {"meterloom_read": True}
        if is_one_view and self.engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"
        with reaching(self._url), self._connect().execution_options(**options) as connection:
            yield connection
            if self.read_only is not None:
                self.read_only.expect_unchanged()

    def known_at(self, clock: Clock) -> datetime:
        """The instant whose view is "now": the clock, or the newest recorded time where that is later."""
        recorded, now = tables_seals.recorded_clock, clock.now_utc()
        found = self.rows(sa.select(recorded.c.last_utc).where(recorded.c.id == 1))
        # Recorded times may run ahead of the clock (next_recorded_at): what was recorded last must be part of "now".
        return max(now, found[0]["last_utc"]) if found else now

    @property
    def place(self) -> str:
        """Address of the store for people: a file, or host:port/name, never with a password."""
        return address_of(self._url).removeprefix("sqlite:///")

    def close(self) -> None:
        """Give back every connection."""
        if self.anchors is not None:
            self.anchors.close()
        self.engine.dispose()
        if self.read_only is not None:
            self.read_only.close()

    def _connect(self) -> sa.Connection:
        # Only the connection is tried again, never a statement: nobody knows how far its first try came. SQLite waits
        # by itself (busy_timeout).
        for pause_s in self._pauses_s:
            try:
                return self.engine.connect()
            except sa.exc.OperationalError:
                time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret: callers must not come at once
        return self.engine.connect()


class Repository:
    """Records of one kind in one transactional store. Of a ledger that is proven a changed row is refused, not read."""

    def __init__(self, store: Store) -> None:
        self.store = store


def open_store(url: str, public_keys: Mapping[str, str] | None = None) -> Store:
    """Open the store, making or migrating its schema and tables first. `url` as Project.store_url gives it.

    Raises Unreachable, BadInput where the store must be moved by hand first, and what revisions.migrate raises.
    """
    if url.startswith("postgresql"):
        from assets.stores.postgres import ensure_schema

        ensure_schema(url)
    store = connect_store(url, public_keys)
    try:
        with reaching(str(store.engine.url)):
            if not _is_newest(store.engine):
                (migrate if store.read_only is None else expect_newest)(store.engine)
    # An interrupt among them: an open handle would keep SQLite's locks and its -wal file.
    except BaseException:
        store.close()
        raise
    return store


def _is_newest(engine: sa.Engine) -> bool:
    """Whether the store says that it is of the newest revision, as nearly every one does: without Alembic, which is
    12 MB in every process, and without a lock, so that no command queues behind a writer for it.
    """
    try:
        with engine.connect().execution_options(meterloom_read=True) as connection:
            return list(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars()) == [REVISION]
    except sa.exc.DBAPIError:
        # An empty store, or one that does not answer: a closer look shows which.
        return False


def connect_store(url: str, public_keys: Mapping[str, str] | None = None, *, within_s: float | None = None) -> Store:
    """Open a store that exists, without migrations: for the agent, which must start light.

    within_s: how long PostgreSQL may take for an answer, seconds; later it is Unreachable, without a second try.
    """
    if url.startswith("sqlite:///") and not url.endswith(":memory:"):
        file = Path(url.removeprefix("sqlite:///"))
        if cannot_be_written(file):
            return _read_only(ReadOnlyFile(file), public_keys)
        # Make the store's file for its owner alone; what SQLite keeps next to it gets the same rights.
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Only where there is none: to close a file that SQLite has open in this process would drop its locks on it.
        if not file.exists():
            with reaching(f"sqlite:///{file}"), suppress(FileExistsError):
                os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    # A server that was restarted leaves dead connections in the pool: they are replaced, not handed out.
    # A file leaves none.
    engine = sa.create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _sqlite_pragmas)
        sa.event.listen(engine, "begin", _sqlite_begin)
    else:
        from assets.stores.postgres import connector

        sa.event.listen(engine, "do_connect", connector(within_s))
    return Store(engine, public_keys, pauses_s=PAUSES_S if within_s is None else ())


def _read_only(file: ReadOnlyFile, public_keys: Mapping[str, str] | None) -> Store:
    engine = sa.create_engine(f"sqlite:///{file.path}", creator=file.connect)
    sa.event.listen(engine, "begin", _sqlite_begin)
    return Store(engine, public_keys, pauses_s=(), read_only=file)


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's implicit one starts too late
    for pragma in (
        # 5 s: files are written before a transaction, so that hardly anything but a migration holds the lock longer.
        "busy_timeout=5000",
        # Readers, the agent among them, go on while a batch is recorded.
        "journal_mode=WAL",
        # WAL's usual NORMAL may lose the last commits in a power cut: a command that was sent must stand in the ledger.
        "synchronous=FULL",
        # Views and triggers of a file that somebody bent must not call functions with side effects.
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: sa.Connection) -> None:
    # IMMEDIATE: two read-then-write transactions must queue, not fail with SQLITE_BUSY half-way.
    is_read = connection.get_execution_options().get("meterloom_read", False)
    connection.exec_driver_sql("BEGIN" if is_read else "BEGIN IMMEDIATE")


def next_recorded_at(connection: sa.Connection, now_utc: datetime) -> datetime:
    """The recorded time of the batch that this transaction writes: now, but never at or before the last one."""
    clock = tables_seals.recorded_clock
    # Before the last time is read: two writers must not both stand behind the same one.
    lock_recorded(connection)
    last = connection.execute(sa.select(clock.c.last_utc).where(clock.c.id == 1)).scalar()
    moment = now_utc.astimezone(UTC)
    # Clocks are set back (NTP, a restored machine); a batch must still be later than all that was known before it.
    if last is not None and moment <= last:
        # The finest step that the columns keep.
        moment = last + timedelta(microseconds=1)
    if last is None:
        connection.execute(clock.insert().values(id=1, last_utc=moment))
    else:
        connection.execute(clock.update().where(clock.c.id == 1).values(last_utc=moment))
    return moment


def lock_recorded(connection: sa.Connection) -> None:
    """Let this transaction alone take recorded times and append seals until it ends.

    SQLite's writer is alone anyway; on PostgreSQL two must not both read the same last time or the same head.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(724002)"))


def next_known_at(store: Store, now_utc: datetime) -> datetime:
    """The recorded time that a batch would get now: `next_recorded_at` confirms it, or gives a later one."""
    clock = tables_seals.recorded_clock
    found = store.rows(sa.select(clock.c.last_utc).where(clock.c.id == 1))
    moment = now_utc.astimezone(UTC)
    return moment if not found else max(moment, found[0]["last_utc"] + timedelta(microseconds=1))


def probe() -> sa.Select[Any]:
    """A query that costs nothing: does the database answer?"""
    return sa.select(sa.literal(1).label("one"))


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Let a fault of the world inside the block pass as Unreachable, and any other as it is."""
    try:
        yield
    except Exception as error:
        fault = world_fault(error, url)
        if fault is None:
            raise
        raise fault from error


def cannot_be_written(file: Path) -> bool:
    """True where there is a store, and this process can write neither it nor what SQLite keeps next to it."""
    return file.exists() and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK))


@contextmanager
def site_transaction(store: Store, site_id: str) -> Iterator[Connection]:
    """A write transaction that waits for every other one of the same site.

    With it, what is read first (a mode, a state) still holds when the transaction commits. Raises Unreachable where
    the store does not answer; an error at commit means "unknown", so the caller reads again before it acts.
    """
    with _reported(), store.begin() as connection:
        # First of all locks: that of the recorded time comes after it everywhere, so that no two transactions can
        # deadlock.
        lock_chain(connection, site_id)
        yield connection


def read_rows(store: Store, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """All rows of a query as dicts. Raises Unreachable where the store does not answer."""
    with _reported():
        return store.rows(query)


def select_rows(connection: Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """All rows of a query inside a transaction, as dicts."""
    return [dict(row) for row in connection.execute(query).mappings()]


@contextmanager
def _reported() -> Iterator[None]:
    """Raise any fault of the database as Unreachable, ours too: devices then go to their safe default."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
        raise Unreachable(f"the store does not answer: {error.orig}") from error


def lock_chain(connection: sa.Connection, site_id: str) -> None:
    """Let this transaction alone extend the site's chain until it ends.

    Take it before touching command rows of the site: whoever locks rows first and the chain second can deadlock
    on PostgreSQL. SQLite needs nothing, there BEGIN IMMEDIATE already queues the writers.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.text("SELECT pg_advisory_xact_lock(:space, hashtext(:site_id))"),
            {"space": _LOCK_SPACE, "site_id": site_id},
        )
