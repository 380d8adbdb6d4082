"""A store by copy is the store that `migrate` makes, and no two copies are one ledger."""

import inspect
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assets.stores import transactions
from assets.stores.tables import PROTECTED
from assets.stores.transactions import open_store
from assets.stores.trust import trust_of
from controls.ledger.outbox import ledger_id
from tests.stores.steps import contents
from tests.template_store import stores_by_copy


def schema(file: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


def test_a_copied_store_is_what_migrate_makes_and_a_ledger_of_its_own(tmp_path: Path) -> None:
    made = open_store(f"sqlite:///{tmp_path / 'made.db'}")
    with stores_by_copy(tmp_path):
        copies = [open_store(f"sqlite:///{tmp_path / name}") for name in ("a.db", "b.db")]
    assert schema(tmp_path / "a.db") == schema(tmp_path / "b.db") == schema(tmp_path / "made.db")
    assert len({ledger_id(store) for store in (made, *copies)}) == 3
    own = {"ledger_identity", "row_seals"}
    rows = [contents(store.engine) for store in (made, *copies)]
    assert rows[0].keys() == rows[1].keys()
    assert all(
        {name: each[name] for name in each.keys() - own} == {n: rows[0][n] for n in each.keys() - own} for each in rows
    )
    assert [[len(each[name]) for name in sorted(own)] for each in rows] == [[2, 3]] * 3
    for store in (made, *copies):
        assert not any(trust_of(store, PROTECTED).lost(table) for table in PROTECTED)
        store.close()


def test_a_store_that_has_anything_in_it_is_migrated_and_not_replaced(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'old.db'}").close()
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        connection.execute("CREATE TABLE mine (a INTEGER)")
    real = transactions.migrate
    with stores_by_copy(tmp_path):
        assert transactions.migrate is not real
        store = open_store(f"sqlite:///{tmp_path / 'old.db'}")
    assert "mine" in contents(store.engine)
    store.close()


def test_the_tests_wait_for_no_disk_and_the_product_does(tmp_path: Path) -> None:
    def synchronous() -> tuple[int, str]:
        store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
        with store.begin() as connection:
            words = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("synchronous", "journal_mode")
            ]
        store.close()
        return words[0], words[1]

    assert synchronous() == (0, "wal")
    product = inspect.unwrap(transactions._sqlite_pragmas)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transactions, "_sqlite_pragmas", product)
        # 2 is FULL: a command that was sent stands in the ledger whatever happens to the machine.
        assert synchronous() == (2, "wal")
