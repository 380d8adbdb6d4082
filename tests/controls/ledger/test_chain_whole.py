"""Tampering with a ledger is found: an edited row, a lost event, a chain that was cut or written anew."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assets.stores.event_chain import event_hash
from assets.stores.schema.tables_control import chain_marks, command_events, commands, mode_events
from assets.stores.seals import GENESIS
from assets.stores.transactions import Store, open_store, site_transaction
from controls.ledger.chain import verify_chain
from controls.ledger.chain_marks import anchor_chain, anchors_of, mark_chain
from controls.ledger.ledger_trust import distrusted
from data_quality.contracts.control.command import Command
from data_quality.contracts.control.command import CommandState as S
from tests.controls.ledger.rows_of import NOW, add_plan, command, push
from tests.stores.everything import attacked, change, raise_mode

DONE = (S.RELEASED, S.PENDING, S.ISSUED, S.ACKED, S.VERIFIED)
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
    push(store, "c1", *DONE)
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
        before = GENESIS
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
    "event without a hash, after another": (
        _edit(command_events, lambda: command_events.c.position == 6, prev_hash="", hash="", reason="another"),
        "event 6 (command c1): the hash does not fit its content",
    ),
    "last event removed": (_drop_last, MISSING),
    "cut with its row": (_cut, MISSING),
    "written anew": (
        _write_anew,
        "event 6 (command c1): it, or one before it, was rewritten; a sealed mark says otherwise",
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
    act, message = ATTACKS[attack]
    act(worked)
    assert next(iter(verify_chain(worked, "home")), "nothing") == message


def test_fault_f105_without_its_mark_a_chain_that_is_cut_with_its_row_would_pass(worked: Store) -> None:
    """So the harness can fail, and so marks are needed: what comes after the last one is only as safe as this."""
    add_plan(worked, command("c2", device_id="pv"), plan_id="p2", version=2)
    push(worked, "c2", S.RELEASED)
    with attacked(worked) as connection:
        connection.execute(command_events.delete().where(command_events.c.position == 8))
        connection.execute(commands.update().where(commands.c.command_id == "c2").values(state="PROPOSED"))
    assert verify_chain(worked, "home") == []


# Outside the database


@pytest.fixture
def anchored(worked: Store, tmp_path: Path) -> Path:
    """The folder of anchors, with one of the ledger as it was worked on."""
    folder = tmp_path / "elsewhere"
    anchor_chain(worked, "home", folder, NOW)
    assert verify_chain(worked, "home", folder) == []
    return folder


@contextmanager
def _made_again(worked: Store, item: Command, *states: S) -> Iterator[Store]:
    """The database made anew by the program itself, with another history: whatever is in it fits."""
    url = worked.engine.url.render_as_string(hide_password=False)
    if worked.engine.dialect.name == "postgresql":
        with worked.begin() as connection:
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        worked.close()
    else:
        worked.close()
        file = Path(str(worked.engine.url.database))
        for left in file.parent.glob(f"{file.name}*"):
            left.unlink()
    with closing(open_store(url)) as store:
        raise_mode(store, None)
        add_plan(store, item)
        push(store, item.command_id, *states)
        with site_transaction(store, "home") as connection:
            mark_chain(connection, "home", NOW)
        yield store


ANEW = "it, or one before it, was rewritten; an anchor outside the database says otherwise"
GONE = "it is missing; an anchor outside the database says that it was there"
OFF_SEAL = "seal 6: it, or one before it, was removed or rewritten; an anchor outside the database says otherwise"


@pytest.mark.parametrize(
    ("item", "states", "reported"),
    [
        (command(value=1.4), DONE, [OFF_SEAL]),
        (command("c9"), DONE, [f"event 6 (command c9): {ANEW}", OFF_SEAL]),
        (command(), DONE[:3], [f"event 6: {GONE}", OFF_SEAL]),
    ],
    ids=["another value", "another command", "put back to before"],
)
def test_fault_f105_a_database_that_was_made_anew_whole_is_found_by_what_stands_outside(
    worked: Store, anchored: Path, item: Command, states: tuple[S, ...], reported: list[str]
) -> None:
    with _made_again(worked, item, *states) as store:
        assert verify_chain(store, "home") == [], "inside the database nothing is wrong"
        assert verify_chain(store, "home", anchored) == reported
        assert distrusted(store, anchored) == [f"site home: {each}" for each in reported]


def test_anchors_are_taken_once_an_hour_and_a_line_that_is_none_is_told(worked: Store, anchored: Path) -> None:
    file = anchored / "home.jsonl"
    anchor_chain(worked, "home", anchored, NOW + timedelta(minutes=59))
    assert len(file.read_text().splitlines()) == 1
    anchor_chain(worked, "home", anchored, NOW + timedelta(hours=1))
    # A clock that was set back does not end it.
    anchor_chain(worked, "home", anchored, NOW - timedelta(days=1))
    assert len(file.read_text().splitlines()) == 3
    anchor_chain(worked, "another", anchored, NOW)
    assert anchors_of(anchored, "another") == ([], []), "a site without events has no end to note"
    with file.open("a") as lines:
        lines.write("half a li\n")
    text = f"{file}, line 4: it is no anchor; the file was changed, or its disk failed"
    assert verify_chain(worked, "home", anchored) == [text]


def test_a_folder_that_cannot_be_written_is_a_finding_of_one_sentence(worked: Store, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    found = anchor_chain(worked, "home", tmp_path / "taken", NOW)
    assert found is not None
    assert (found.code, found.scope) == ("chain_not_anchored", "home")
    assert "was not noted outside the database" in found.message
    assert "a file is where a folder is expected" in found.message
