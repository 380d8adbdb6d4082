"""A new store is made at once, and is what the migrations make, to the last index, trigger and default."""

from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from assets.stores import revisions
from assets.stores.audit import off_layout
from assets.stores.schema.tables_metadata import REVISION
from assets.stores.tables import PROTECTED
from assets.stores.transactions import Store, connect_store, open_store
from assets.stores.trust import trust_of
from controls.ledger.outbox import ledger_id
from tests.stores.steps import contents

SQLITE = "SELECT type, name, tbl_name, sql FROM sqlite_master"
# Of the schema alone: what the server has itself is of others.
POSTGRES = """
SELECT 'column', table_name, column_name, ordinal_position::text,
  concat_ws(' ', data_type, character_maximum_length, numeric_precision, column_default, is_nullable, collation_name)
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', tablename, indexname, '', indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, '', pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, tgenabled::text, pg_get_triggerdef(oid)
FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', '', proname, '', pg_get_functiondef(oid)
FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'view', '', viewname, '', definition FROM pg_views WHERE schemaname = 'public'
UNION ALL SELECT 'sequence', '', sequencename, '', concat_ws(' ', data_type, start_value, increment_by, max_value)
FROM pg_sequences WHERE schemaname = 'public'
"""


def schema(store: Store) -> set[tuple[str, ...]]:
    """Every object with its words, spaces aside, and on PostgreSQL every column in its place."""
    with store.reading() as connection:
        rows = connection.exec_driver_sql(SQLITE if connection.dialect.name == "sqlite" else POSTGRES).all()
    return {(*row[:-1], "".join((row[-1] or "").split())) for row in rows}


def by_steps(url: str) -> Store:
    """A store that every migration made from nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revisions, "_is_empty", lambda _: False)
        return open_store(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The URLs of two empty stores on each engine."""
    if request.param == "sqlite":
        return [f"sqlite:///{tmp_path / name}" for name in ("at_once.db", "by_steps.db")]
    server = request.getfixturevalue("postgres_server")
    names = ("at_once", "by_steps")
    with psycopg.connect(server, autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    address = sa.make_url(server).set(drivername="postgresql+psycopg")
    return [address.set(database=name).render_as_string(hide_password=False) for name in names]


def test_a_store_made_at_once_is_what_the_steps_make(both: list[str]) -> None:
    at_once, stepped = open_store(both[0]), by_steps(both[1])
    assert len(schema(at_once)) > 300
    assert schema(at_once) == schema(stepped)
    rows = [contents(store.engine) for store in (at_once, stepped)]
    # Each store's own: its ledger's name, and the seal of that, which says how the name came in.
    own = [[each.pop(name) for name in ("ledger_identity", "row_seals")] for each in rows]
    assert rows[0] == rows[1]
    assert [[len(table) for table in each] for each in own] == [[2, 3]] * 2
    assert ledger_id(at_once) != ledger_id(stepped)
    for store in (at_once, stepped):
        assert off_layout(store) == []
        assert not any(trust_of(store, PROTECTED).lost(table) for table in PROTECTED)
        store.close()


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX ix_bills_account",
        "ALTER TABLE notice_events ADD COLUMN more TEXT",
        "DROP VIEW trace_inputs",
        "ALTER TABLE bills RENAME COLUMN total TO sum",
        {
            "sqlite": "DROP TRIGGER commands_kept",
            "postgresql": "ALTER TABLE commands DISABLE TRIGGER commands_kept",
        },
    ],
    ids=["index", "column", "view", "name", "trigger"],
)
def test_an_object_that_differs_shows(both: list[str], change: str | dict[str, str]) -> None:
    store = open_store(both[0])
    before = schema(store)
    with store.begin() as connection:
        connection.exec_driver_sql(change if isinstance(change, str) else change[connection.dialect.name])
    assert schema(store) != before
    store.close()


def test_the_tables_of_the_code_are_of_the_newest_revision() -> None:
    assert ScriptDirectory(str(revisions.FOLDER)).get_current_head() == REVISION


def test_a_store_that_has_anything_in_it_takes_the_steps(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = connect_store(url)
    with store.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE mine (a INTEGER)")
    store.close()
    store = open_store(url)
    assert {"mine", "batches"} <= contents(store.engine).keys()
    store.close()


def test_two_new_stores_are_two_ledgers(tmp_path: Path) -> None:
    stores = [open_store(f"sqlite:///{tmp_path / name}") for name in ("a.db", "b.db")]
    assert len({ledger_id(store) for store in stores}) == 2
    for store in stores:
        store.close()
