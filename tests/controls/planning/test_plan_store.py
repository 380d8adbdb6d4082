"""Plans and commands are stored together and once, on both engines, also by two processes at once."""

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.event_chain import append_events, chain_head, event_hash
from assets.stores.ledgers.plans import PlanStore
from assets.stores.schema.tables_control import command_events, commands, plans
from assets.stores.seals import GENESIS
from assets.stores.transactions import Store, open_store
from controls.planning.frozen_plan import commands_of
from data_quality.contracts.control.command import Command, CommandState
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.time import FixedClock
from tests.controls.ledger.rows_of import append_event
from tests.controls.planning.examples import HOME, NOW, plan
from tests.controls.planning.race import store_one


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh store on either engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    given: str = request.getfixturevalue("postgres_url")
    return given.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture
def both(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def first() -> Plan:
    return plan()


@pytest.fixture(scope="module")
def second() -> Plan:
    return plan(soc_kwh=6.0)


def count(store: Store, table: sa.Table) -> int:
    return store.rows(sa.select(sa.func.count().label("n")).select_from(table))[0]["n"]


def ordered(made: Plan) -> list[Command]:
    return commands_of(made, HOME, epoch=0)


def test_a_plan_and_its_commands_appear_together(both: Store, first: Plan) -> None:
    store = PlanStore(both)
    stored = store.add_with_commands(first, ordered(first), FixedClock(NOW))
    assert (stored.is_new, stored.commands, stored.plan) == (True, 192, first)
    rows = both.rows(commands.select().order_by(commands.c.seq, commands.c.device_id))
    assert {row["state"] for row in rows} == {"PROPOSED"}
    written = {row["command_id"]: row for row in rows}
    for command in ordered(first):
        row = written[command.command_id]
        assert Command.model_validate({name: row[name] for name in Command.model_fields}) == command
    assert store.get(first.plan_id) == first
    assert store.latest("home") == first


def test_every_command_begins_its_history_in_an_unbroken_chain(both: Store, first: Plan) -> None:
    PlanStore(both).add_with_commands(first, ordered(first), FixedClock(NOW))
    events = both.rows(command_events.select().order_by(command_events.c.position))
    assert [event["position"] for event in events] == list(range(1, 193))
    before = GENESIS
    for event, command in zip(events, ordered(first), strict=True):
        assert (event["command_id"], event["from_state"], event["to_state"]) == (command.command_id, None, "PROPOSED")
        assert event["prev_hash"] == before
        before = event["hash"]
        assert event_hash(event["prev_hash"], event) == before
    assert event_hash(GENESIS, events[3]) != events[3]["hash"]
    tampered = {**events[3], "reason": "edited"}
    assert event_hash(tampered["prev_hash"], tampered) != events[3]["hash"]


def test_storing_the_same_plan_again_adds_nothing(both: Store, first: Plan) -> None:
    store = PlanStore(both)
    store.add_with_commands(first, ordered(first), FixedClock(NOW))
    retried = plan(created_at_utc=NOW + timedelta(minutes=2), version=9, now_utc=NOW + timedelta(minutes=1))
    second = store.add_with_commands(retried, ordered(retried), FixedClock(NOW + timedelta(minutes=2)))
    assert (second.is_new, second.commands, second.plan) == (False, 0, first)
    assert (count(both, plans), count(both, commands), count(both, command_events)) == (1, 192, 192)


def test_versions_count_per_site_and_the_latest_is_as_known_then(both: Store, first: Plan, second: Plan) -> None:
    store = PlanStore(both)
    assert store.next_version("home") == 1
    assert store.latest("home") is None
    store.add_with_commands(first, ordered(first), FixedClock(NOW))
    assert store.next_version("home") == 2
    assert store.next_version("factory") == 1
    # The second plan was numbered before the first was stored.
    stored = store.add_with_commands(second, ordered(second), FixedClock(NOW + timedelta(minutes=10)))
    assert stored.plan.version == 2
    latest = store.latest("home")
    assert latest is not None
    assert latest.plan_id == second.plan_id
    then = store.latest("home", as_of_utc=NOW + timedelta(minutes=5))
    assert then is not None
    assert then.plan_id == first.plan_id
    assert store.latest("home", as_of_utc=NOW - timedelta(minutes=5)) is None


def test_a_failing_command_takes_its_plan_with_it(both: Store, first: Plan) -> None:
    twice = ordered(first)
    with pytest.raises(sa.exc.IntegrityError):
        PlanStore(both).add_with_commands(first, [*twice, twice[0]], FixedClock(NOW))
    assert (count(both, plans), count(both, commands), count(both, command_events)) == (0, 0, 0)


def test_commands_of_another_plan_are_our_fault(store: Store, first: Plan, second: Plan) -> None:
    with pytest.raises(OurFault, match="is not of plan"):
        PlanStore(store).add_with_commands(first, ordered(second), FixedClock(NOW))


def test_a_plan_may_have_no_commands(store: Store, first: Plan) -> None:
    stored = PlanStore(store).add_with_commands(first, [], FixedClock(NOW))
    assert (stored.is_new, stored.commands) == (True, 0)


def test_an_unknown_plan_is_refused_by_name(store: Store) -> None:
    with pytest.raises(BadInput, match="unknown plan 'p0'"):
        PlanStore(store).get("p0")


def test_the_chain_goes_on_per_site(both: Store) -> None:
    at_utc = datetime(2026, 1, 1, tzinfo=UTC)
    with both.begin() as connection:
        assert chain_head(connection, "home") == (0, GENESIS)
        head = append_event(connection, "home", "c1", None, CommandState.PROPOSED, "", {}, at_utc)
        later = append_event(
            connection, "home", "c1", CommandState.PROPOSED, CommandState.RELEASED, "", {"a": 1.5}, at_utc
        )
        assert chain_head(connection, "home") == (2, later)
        assert append_events(connection, "home", []) == later
        assert append_event(connection, "other", "c2", None, CommandState.PROPOSED, "", {}, at_utc) != head
        assert chain_head(connection, "other")[0] == 1


def test_a_chain_line_refuses_what_has_no_meaning(store: Store) -> None:
    with store.begin() as connection, pytest.raises(ValueError, match="naive time"):
        append_event(connection, "home", "c1", None, "PROPOSED", "", {}, datetime(2026, 1, 1))  # noqa: DTZ001
    with store.begin() as connection, pytest.raises(ValueError, match="JSON"):
        append_event(connection, "home", "c1", None, "PROPOSED", "", {"x": float("nan")}, NOW)


@pytest.mark.real
def test_processes_that_store_at_the_same_time_leave_one_row_per_key(
    url: str, both: Store, first: Plan, second: Plan
) -> None:
    # Two bring the same plan, a third another one for the same version.
    context = multiprocessing.get_context("spawn")
    gate, answers = context.Barrier(3), context.Queue()
    workers = [
        context.Process(
            target=store_one,
            args=(url, made.model_dump_json(), [c.model_dump_json() for c in ordered(made)], gate, answers),
        )
        for made in (first, first, second)
    ]
    for worker in workers:
        worker.start()
    outcome = sorted(answers.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join(timeout=60)
        assert worker.exitcode == 0
    assert [is_new for is_new, _ in outcome] == [False, True, True]
    assert sorted(version for is_new, version in outcome if is_new) == [1, 2]
    assert (count(both, plans), count(both, commands), count(both, command_events)) == (2, 384, 384)
    keys = both.rows(sa.select(commands.c.idempotency_key))
    assert len({row["idempotency_key"] for row in keys}) == 384
    positions = both.rows(sa.select(command_events.c.position).order_by(command_events.c.position))
    assert [row["position"] for row in positions] == list(range(1, 385))
