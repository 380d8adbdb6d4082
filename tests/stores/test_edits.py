"""The store's figure: of 1,000 random edits of one cell, each that touches a protected row is named by `doctor`."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.audit import bad_rows
from assets.stores.schema.tables_control import command_events, commands
from assets.stores.schema.tables_seals import row_seals
from assets.stores.seals import key_of, raw_select
from assets.stores.tables import PROTECTED
from assets.stores.transactions import Store, open_store
from assets.stores.trust import proven
from controls.ledger.ledger_trust import distrusted
from controls.ledger.modes import current_mode
from data_quality.contracts.control.command import Mode
from tests.stores.everything import attacked, fill, give_keys, other

# Rows of these stand in each other's way (a chain, a command and its events), so each edit is looked at alone.
ALONE = (commands, command_events, row_seals)
TOGETHER = tuple(table for table in PROTECTED if table not in ALONE)
Edit = tuple[sa.Table, tuple[object, ...], sa.Column[object]]


@pytest.fixture(params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, int]]:
    """A store with every kind of row, and how many edits it gets: together and alone."""
    url, edits = f"sqlite:///{tmp_path / 'full.db'}", 900
    if request.param == "postgresql":
        url, edits = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1), 90
    store = open_store(url)
    try:
        fill(store, give_keys(store, tmp_path / "keys"))
        yield store, edits
    finally:
        store.close()


def _cells(store: Store, table: sa.Table) -> list[tuple[dict[str, object], sa.Column[object]]]:
    return [(row, column) for row in store.rows(raw_select(table)) for column in table.c]


def _edit(connection: sa.Connection, table: sa.Table, row: dict[str, object], column: sa.Column[object]) -> None:
    key = [sa.type_coerce(each, sa.types.NullType()) == row[each.name] for each in table.primary_key.columns]
    done = connection.execute(table.update().where(*key).values({column: other(column, row[column.name])}))
    assert done.rowcount == 1


class _Undo(Exception):
    """Takes an edit back."""


@contextmanager
def _undone(store: Store) -> Iterator[sa.Connection]:
    try:
        with store.together(), attacked(store) as connection:
            yield connection
            raise _Undo
    except _Undo:
        store.trust = None


def test_rows_that_nobody_touched_are_believed_as_queries_give_them(full: tuple[Store, int]) -> None:
    store, _ = full
    for table in PROTECTED:
        rows = store.rows(sa.select(table))
        assert proven(store, table, rows) == (rows, []), table.name
    assert current_mode(store, "home") is Mode.PARTIAL


def test_each_random_edit_of_a_protected_cell_is_named(full: tuple[Store, int]) -> None:
    store, wanted = full
    chance = random.Random(14)
    assert distrusted(store) == []
    cells = [(table, *each) for table in TOGETHER for each in _cells(store, table)]
    done = 0
    while done < wanted:
        # At most one edit of a row at a time, so that each must be named by its own row's key.
        chosen = {(each[0].name, key_of(each[0], each[1])): each for each in chance.sample(cells, 60)}
        with _undone(store) as connection:
            for table, row, column in chosen.values():
                _edit(connection, table, row, column)
            named = {(each.table, each.key) for each in bad_rows(store)}
            missed = [name for name in chosen if (name[0], "/".join(map(str, name[1]))) not in named]
        assert missed == []
        done += len(chosen)


def test_each_random_edit_of_a_command_an_event_or_a_seal_is_named(full: tuple[Store, int]) -> None:
    store, wanted = full
    cells = [(table, *each) for table in ALONE for each in _cells(store, table)]
    for table, row, column in random.Random(15).sample(cells, min(wanted // 9, len(cells))):
        with _undone(store) as connection:
            _edit(connection, table, row, column)
            assert distrusted(store), (table.name, row, column.name)
    assert distrusted(store) == []
