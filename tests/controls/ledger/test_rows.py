"""Compare-and-set, the chain beside it, and what happens when two processes want the same row."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from assets.stores.schema.tables_control import command_events, commands
from assets.stores.transactions import DatabaseError, Store, connect_store, open_store, site_transaction
from controls.ledger.chain import verify_chain
from controls.ledger.rows import read_commands, transition
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import EvidenceGrade, Mode
from data_quality.contracts.errors import OurFault, Unreachable
from tests.controls.ledger.rows_of import NOW, add_plan, command, propose, push, state_of


def test_a_row_moves_once_for_two_who_read_the_same_state(store: Store) -> None:
    add_plan(store, command())
    row = read_commands(store, "home")[0]
    with site_transaction(store, "home") as connection:
        assert transition(connection, row, S.RELEASED, at_utc=NOW, reason="first") is not None
    with site_transaction(store, "home") as connection:
        assert transition(connection, row, S.RELEASED, at_utc=NOW, reason="second") is None
    assert [event["reason"] for event in store.rows(command_events.select())] == ["planned", "first"]


def test_a_step_outside_the_table_is_our_fault(store: Store) -> None:
    add_plan(store, command())
    row = read_commands(store, "home")[0]
    with (
        pytest.raises(OurFault, match="PROPOSED cannot become VERIFIED"),
        site_transaction(store, "home") as connection,
    ):
        transition(connection, row, S.VERIFIED, at_utc=NOW, reason="no")


def test_a_key_is_proposed_once(store: Store) -> None:
    add_plan(store, command())
    with pytest.raises(DatabaseError, match="idempotency_key"), site_transaction(store, "home") as connection:
        propose(connection, command("other-id"), at_utc=NOW)
    assert len(read_commands(store, "home")) == 1


def test_a_transition_keeps_what_was_learned(store: Store) -> None:
    add_plan(store, command())
    row = push(store, "c1", S.RELEASED, S.PENDING)
    with site_transaction(store, "home") as connection:
        row = transition(
            connection,
            row,
            S.ISSUED,
            at_utc=NOW,
            reason="go",
            facts={"soc": 0.5},
            evidence_grade=EvidenceGrade.SENT,
            mode_at_issue=Mode.PARTIAL,
            wire=(3, 7),
        )
        assert row is not None
        row = transition(connection, row, S.ACKED, at_utc=NOW, reason="ok", facts={"ack_code": 16})
    stored = read_commands(store, "home", states=[S.ACKED], plan_id="p1")[0]
    assert row == stored
    assert stored.facts == {"soc": 0.5, "ack_code": 16}
    assert (stored.command.epoch, stored.command.seq, stored.mode_at_issue) == (3, 7, "PARTIAL")
    assert stored.evidence_grade is EvidenceGrade.SENT


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/race.db"
    return request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)


def test_of_eight_racers_one_moves_the_row_and_the_chain_holds(url: str) -> None:
    first = open_store(url)
    names = [f"c{number}" for number in range(6)]
    step = timedelta(minutes=15)
    add_plan(
        first,
        *(
            command(name, valid_from_utc=NOW + number * step, valid_until_utc=NOW + (number + 1) * step)
            for number, name in enumerate(names)
        ),
    )
    rows = read_commands(first, "home")
    wins: list[str] = []
    start = threading.Barrier(8)

    def race() -> None:
        mine = connect_store(url)
        start.wait()
        for row in rows:
            with site_transaction(mine, "home") as connection:
                if transition(connection, row, S.RELEASED, at_utc=NOW, reason="race") is not None:
                    wins.append(row.command.command_id)
        mine.close()

    racers = [threading.Thread(target=race) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(wins) == names
    assert verify_chain(first, "home") == []
    first.close()


def test_a_chain_that_was_touched_is_told(store: Store) -> None:
    add_plan(store, command(), command("c2", device_id="pv"))
    push(store, "c1", S.RELEASED, S.PENDING)
    assert verify_chain(store, "home") == []
    with store.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER command_events_no_update"))
        connection.execute(command_events.update().where(command_events.c.position == 3).values(reason="nothing"))
    assert verify_chain(store, "home") == ["event 3 (command c1): the hash does not fit its content"]


def test_a_missing_event_a_bent_row_and_an_orphan_are_told(store: Store) -> None:
    add_plan(store, command(), command("c2", device_id="pv"))
    push(store, "c1", S.RELEASED)
    with store.begin() as connection:
        for name in ("commands_bad_step", "commands_kept", "command_events_no_delete"):
            connection.execute(sa.text(f"DROP TRIGGER {name}"))
        connection.execute(commands.update().where(commands.c.command_id == "c1").values(state="VERIFIED"))
        connection.execute(commands.delete().where(commands.c.command_id == "c2"))
    assert verify_chain(store, "home") == [
        "command c1: the row says VERIFIED, the last event RELEASED",
        "command c2: it has events, but no row",
    ]
    with store.begin() as connection:
        connection.execute(command_events.delete().where(command_events.c.position == 2))
    assert "event 3: expected position 2; an event is missing" in verify_chain(store, "home")


def test_a_forged_event_with_right_hashes_still_shows_as_a_step_that_is_not_allowed(store: Store) -> None:
    from tests.controls.ledger.rows_of import append_event

    add_plan(store, command())
    with store.begin() as connection:
        append_event(connection, "home", "c1", "PROPOSED", "VERIFIED", "forged", {}, NOW)
        append_event(connection, "home", "c1", "RELEASED", "PENDING", "forged", {}, NOW)
        append_event(connection, "home", "c9", None, "VERIFIED", "forged", {}, NOW)
    problems = verify_chain(store, "home")
    assert "event 2: PROPOSED cannot become VERIFIED" in problems
    assert "event 3: command c1 was at VERIFIED, not RELEASED" in problems
    assert "event 4: command c9 starts as VERIFIED" in problems


def test_a_store_that_is_gone_is_unreachable(tmp_path: object) -> None:
    lost = connect_store(f"sqlite:///{tmp_path}/never-migrated.db")
    with pytest.raises(Unreachable, match="the store does not answer"):
        read_commands(lost, "home")
    with pytest.raises(Unreachable), site_transaction(lost, "home") as connection:
        connection.execute(commands.select())
    lost.close()


def test_state_of_an_untouched_command_is_proposed(store: Store) -> None:
    add_plan(store, command())
    assert state_of(store) is S.PROPOSED
