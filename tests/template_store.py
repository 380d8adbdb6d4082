"""A new store by copy instead of by migration: the steps take 70 ms on SQLite, a second on PostgreSQL.

What a copy holds is what the steps make, to the trigger, with an identity of its own (tests/stores/test_template.py).
Those of the steps themselves take them (tests/stores/conftest.py).
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from assets.stores import transactions
from assets.stores.schema.tables_control import ledger_identity
from assets.stores.schema.tables_seals import row_seals, store_revisions
from assets.stores.seals import AS_FOUND, append_row, seal

# What no two stores share: the ledger's name and the seals. The triggers that guard them wait outside.
OWN = (ledger_identity, store_revisions, row_seals)


class Template:
    """The newest store of this checkout without what is each store's own, made by the real steps once a process."""

    def __init__(self, file: Path, migrate: Callable[[sa.Engine], None]) -> None:
        self._migrate = migrate
        store = transactions.connect_store(f"sqlite:///{file}")
        migrate(store.engine)
        store.close()
        # Of PostgreSQL, on the first server that one was opened on.
        self._database: sa.URL | None = None
        self._one_at_a_time = threading.Lock()
        self._store = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        (self._revision,) = self._store.execute("SELECT version_num FROM alembic_version").fetchone()
        names = [table.name for table in OWN]
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN (?, ?, ?) ORDER BY rowid"
        self._triggers = self._store.execute(query, names).fetchall()
        for name, _ in self._triggers:
            self._store.execute(f"DROP TRIGGER {name}")
        for name in names:
            self._store.execute(f"DELETE FROM {name}")

    def open(self, engine: sa.Engine) -> None:
        """In the place of `migrate`: an empty file gets the copy, every other store takes the steps."""
        if engine.dialect.name == "postgresql":
            self._open_postgres(engine)
            return
        file = Path(engine.url.database or "")
        if not file.is_file() or file.stat().st_size:
            self._migrate(engine)
            return
        with closing(sqlite3.connect(file)) as copy:
            # Nobody waits for the disk here: what the test writes afterwards is as safe as ever.
            copy.execute("PRAGMA synchronous=OFF")
            self._store.backup(copy)
        with engine.begin() as connection:
            self._name(connection)
            for _, statement in self._triggers:
                connection.exec_driver_sql(statement)

    def _name(self, connection: sa.Connection) -> None:
        connection.info["sealed"] = []
        own = {"id": 1, "ledger_id": uuid4().hex}
        connection.execute(ledger_identity.insert().values(own))
        seal(connection, ledger_identity, [own], note=AS_FOUND)
        append_row(connection, store_revisions, revision=self._revision)

    def _open_postgres(self, engine: sa.Engine) -> None:
        """The server copies the files of the first that the steps made: half the work of reading in a dump of it."""
        with self._one_at_a_time:
            with engine.connect() as connection:
                here = connection.exec_driver_sql("SELECT current_schema()").scalar()
            is_empty = here == "public" and sa.inspect(engine).get_table_names() == []
            if is_empty and self._database and _copied(engine, self._database.database, engine.url.database):
                with engine.begin() as named:
                    self._name(named)
                return
            self._migrate(engine)
            name = f"template_{uuid4().hex}"
            if is_empty and not self._database and _copied(engine, engine.url.database, name):
                with psycopg.connect(_address(engine.url, name)) as copy:
                    # Their triggers among what is left out: nobody else may delete from them.
                    copy.execute("SET session_replication_role = replica")
                    copy.execute(f"TRUNCATE {', '.join(table.name for table in OWN)} RESTART IDENTITY")
                self._database = engine.url.set(database=name)

    def close(self) -> None:
        """Give the file back, and the database where its server still runs."""
        self._store.close()
        if self._database:
            with (
                suppress(psycopg.OperationalError),
                psycopg.connect(_address(self._database, "postgres"), autocommit=True) as server,
            ):
                server.execute(f"DROP DATABASE {self._database.database}")


def _address(url: sa.URL, database: str) -> str:
    return url.set(drivername="postgresql", database=database).render_as_string(hide_password=False)


def _copied(engine: sa.Engine, source: str | None, copy: str | None) -> bool:
    """Whether the server made `copy`, in the place of an empty one, by the files of `source`: not while one is used."""
    engine.dispose()
    try:
        with psycopg.connect(_address(engine.url, "postgres"), autocommit=True) as server:
            server.execute(f'DROP DATABASE IF EXISTS "{copy}"')
            server.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{source}" STRATEGY file_copy')
    except psycopg.errors.ObjectInUse:
        return False
    return True


@contextmanager
def stores_by_copy(folder: Path) -> Iterator[None]:
    """While this is open, `open_store` copies; a store that has anything in it is migrated as ever.

    Nobody waits for the disk: no test switches the machine off, and what a process wrote outlives its kill. A commit
    took 4 ms, of which a test makes dozens.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(transactions, "_sqlite_pragmas", _without_waiting(transactions._sqlite_pragmas))
        template = Template(folder / "template.db", transactions.migrate)
        patch.setattr(transactions, "migrate", template.open)
        is_outer = not sa.event.contains(sa.Pool, "connect", _wait_for_no_disk)
        if is_outer:
            sa.event.listen(sa.Pool, "connect", _wait_for_no_disk)
        yield
        if is_outer:
            sa.event.remove(sa.Pool, "connect", _wait_for_no_disk)
        template.close()


def _without_waiting(pragmas: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    @wraps(pragmas)
    def quick(connection: Any, record: Any) -> None:
        pragmas(connection, record)
        _wait_for_no_disk(connection, record)

    return quick


def _wait_for_no_disk(connection: Any, _record: Any) -> None:
    """Ours, and what Dagster and MLflow keep in this process. A file that cannot be read is its test's own matter."""
    if isinstance(connection, sqlite3.Connection):
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA synchronous=OFF")
