"""The store's figure: each random edit behind the program's back is named by the doctor (a slice; see edits.py)."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.audit import bad_rows
from assets.stores.schema.tables_control import command_events, commands
from assets.stores.schema.tables_seals import row_seals
from assets.stores.seals import key_of, raw_select
from assets.stores.tables import PROTECTED, TABLES
from assets.stores.transactions import Store, open_store
from assets.stores.trust import proven
from controls.ledger.modes import current_mode
from data_quality.contracts.control.command import Mode
from tests.stores.edits import Campaign, is_row
from tests.stores.everything import other

# Edits of these stand in each other's way (a chain, a command and its events), so they are made alone.
TOGETHER = tuple(table for table in PROTECTED if table not in (commands, command_events, row_seals))


@pytest.fixture(params=["sqlite", "postgresql"])
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Campaign]:
    """A store with every kind of row, on each engine."""
    url = f"sqlite:///{tmp_path / 'full.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    store = open_store(url)
    try:
        yield Campaign(store, tmp_path, random.Random(14))
    finally:
        store.close()


def test_every_table_is_sealed_or_says_why_it_need_not_be() -> None:
    undecided = [each.name for each in TABLES if bool(each.info.get("is_sealed")) == bool(each.info.get("unsealed"))]
    assert undecided == []
    unsealed = {each.name for each in TABLES if each.info.get("unsealed")}
    assert unsealed == {
        "recorded_clock", "row_seals", "command_events", "device_leases", "preferences", "job_outcomes", "key_uses",
        "finding_cases", "notice_events", "signal_sources",
    }  # fmt: skip


def test_rows_that_nobody_touched_are_believed_as_queries_give_them(full: Campaign) -> None:
    store = full.store
    for table in PROTECTED:
        rows = store.rows(sa.select(table))
        assert proven(store, table, rows) == (rows, []), table.name
    assert current_mode(store, "home") is Mode.PARTIAL


def _cells(store: Store, table: sa.Table) -> list[tuple[dict[str, object], sa.Column[object]]]:
    return [(row, column) for row in store.rows(raw_select(table)) for column in table.c]


def test_each_random_edit_of_a_protected_cell_is_named(full: Campaign) -> None:
    store, wanted = full.store, 900 if full.store.engine.dialect.name == "sqlite" else 90
    cells = [(table, *each) for table in TOGETHER for each in _cells(store, table)]
    done = 0
    while done < wanted:
        # At most one edit of a row at a time, so that each must be named by its own row's key.
        chosen = {(each[0].name, key_of(each[0], each[1])): each for each in full.chance.sample(cells, 60)}
        with full.edit() as connection:
            for table, row, column in chosen.values():
                changed = table.update().where(*is_row(table, row)).values({column: other(column, row[column.name])})
                assert connection.execute(changed).rowcount == 1
            named = {(each.table, each.key) for each in bad_rows(store)}
            missed = [name for name in chosen if (name[0], "/".join(map(str, name[1]))) not in named]
        assert missed == []
        done += len(chosen)


def test_each_random_edit_of_a_row_a_trigger_the_revision_or_a_file_is_named(full: Campaign) -> None:
    for kind in (full.trigger, full.revision, full.file, full.clock):
        kind()
    full.run(26)
    assert full.missed == []
    assert full.doctor() == []
