"""A new store on SQLite by copy: to make its tables takes 20 ms, of which a copy takes a third.

What a copy holds is what `migrate` makes, to the trigger, with an identity of its own (tests/stores/test_template.py).
Tests of `migrate` itself take that (tests/stores/conftest.py).
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from assets.stores import transactions
from assets.stores.schema.tables_control import ledger_identity
from assets.stores.schema.tables_seals import row_seals, store_revisions
from assets.stores.seals import append_row

# What no two stores share: the ledger's name and the seals. The triggers that guard them wait outside.
OWN = (ledger_identity, store_revisions, row_seals)


class Template:
    """A new store of this checkout without what is each store's own, made once a process."""

    def __init__(self, file: Path, migrate: Callable[[sa.Engine], None]) -> None:
        self._migrate = migrate
        store = transactions.connect_store(f"sqlite:///{file}")
        migrate(store.engine)
        store.close()
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
        """In the place of `migrate`: an empty file gets the copy, every other store is migrated."""
        file = Path(engine.url.database or "")
        if engine.dialect.name != "sqlite" or not file.is_file() or file.stat().st_size:
            self._migrate(engine)
            return
        with closing(sqlite3.connect(file)) as copy:
            # Nobody waits for the disk here: what the test writes afterwards is as safe as ever.
            copy.execute("PRAGMA synchronous=OFF")
            self._store.backup(copy)
        with engine.begin() as connection:
            connection.info["sealed"] = []
            append_row(connection, ledger_identity, ledger_id=uuid4().hex)
            append_row(connection, store_revisions, revision=self._revision)
            for _, statement in self._triggers:
                connection.exec_driver_sql(statement)

    def close(self) -> None:
        """Give the file back."""
        self._store.close()


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
