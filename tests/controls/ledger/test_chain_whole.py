"""What was done to a ledger is found: an edited row, a lost event, a chain that was cut or written anew."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assets.stores.access import site_transaction
from assets.stores.event_chain import GENESIS_HASH, event_hash
from assets.stores.schema.tables_control import chain_marks, command_events, commands, mode_events
from assets.stores.transactions import Store, open_store
from controls.ledger.chain import verify_chain
from controls.ledger.chain_marks import mark_chain
from data_quality.contracts.control.command import CommandState as S
from tests.controls.ledger.rows_of import NOW, add_plan, command, push
from tests.stores.everything import attacked, change, raise_mode

MISSING = "event 6: it is missing; a sealed mark says that it was there"


@pytest.fixture(params=["sqlite", "postgresql"])
def worked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A ledger on each engine: c1 proven and done, c2 planned; six events, and a mark behind the last."""
    url = f"sqlite:///{tmp_path / 'whole.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    store = open_store(url)
    raise_mode(store, None)
    add_plan(store, command())
    push(store, "c1", S.RELEASED, S.PENDING, S.ISSUED, S.ACKED, S.VERIFIED)
    with site_transaction(store, "home") as connection:
        mark_chain(connection, "home", NOW)
    assert verify_chain(store, "home") == []
    yield store
    store.close()


def _cut(store: Store) -> None:
    """The last event goes, and its row goes back with it: the chain that is left holds by itself."""
    with attacked(store) as connection:
        connection.execute(command_events.delete().where(command_events.c.position == 6))
        connection.execute(commands.update().where(commands.c.command_id == "c1").values(state="ACKED"))


def _write_anew(store: Store) -> None:
    """Every event from the third on, with another reason and hashes that fit."""
    with attacked(store) as connection:
        rows = list(connection.execute(command_events.select().order_by(command_events.c.position)).mappings())
        before = GENESIS_HASH
        for row in rows:
            values = {**row, "prev_hash": before, "reason": row["reason"] if row["position"] < 3 else "as I say"}
            before = values["hash"] = event_hash(before, values)
            where = command_events.c.position == row["position"]
            connection.execute(command_events.update().where(where).values(**values))


def _drop_last(store: Store) -> None:
    with attacked(store) as connection:
        connection.execute(command_events.delete().where(command_events.c.position == 6))


def _drop_mark(store: Store) -> None:
    _cut(store)
    with attacked(store) as connection:
        connection.execute(chain_marks.delete())


def _edit(table: sa.Table, where: Callable[[], Any], **values: Any) -> Callable[[Store], None]:
    return lambda store: change(store, table, where(), **values)


ATTACKS: dict[str, tuple[Callable[[Store], None], str]] = {
    "edited event": (
        _edit(command_events, lambda: command_events.c.position == 4, reason="another"),
        "event 4 (command c1): the hash does not fit its content",
    ),
    "last event removed": (_drop_last, MISSING),
    "cut with its row": (_cut, MISSING),
    "written anew": (
        _write_anew,
        "event 6 (command c1): it, or one before it, was written anew; a sealed mark says otherwise",
    ),
    "the mark with it": (_drop_mark, "chain_marks home/6: the row was removed"),
    "edited state": (
        _edit(commands, lambda: commands.c.command_id == "c1", state="COMPLETED"),
        "command c1: the row says COMPLETED, the last event VERIFIED",
    ),
    "edited value": (
        _edit(commands, lambda: commands.c.command_id == "c1", value=4.0),
        "commands c1: the row is not what was written (its seal says something else)",
    ),
    "edited mode": (
        _edit(mode_events, lambda: mode_events.c.id == 1, mode="ADVISORY"),
        "mode_events 1: the row is not what was written (its seal says something else)",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_fault_f105_what_was_done_to_the_ledger_is_the_first_that_is_told(worked: Store, attack: str) -> None:
    act, said = ATTACKS[attack]
    act(worked)
    assert next(iter(verify_chain(worked, "home")), "nothing") == said


def test_fault_f105_without_its_mark_a_chain_that_is_cut_with_its_row_would_pass(worked: Store) -> None:
    """So the harness can fail, and so marks are needed: what comes after the last one is only as safe as this."""
    add_plan(worked, command("c2", device_id="pv"), plan_id="p2", version=2)
    push(worked, "c2", S.RELEASED)
    with attacked(worked) as connection:
        connection.execute(command_events.delete().where(command_events.c.position == 8))
        connection.execute(commands.update().where(commands.c.command_id == "c2").values(state="PROPOSED"))
    assert verify_chain(worked, "home") == []
