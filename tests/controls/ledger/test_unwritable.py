"""No writable ledger, no command: a full disk and a store that takes no writes leave devices as they were."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store, open_store, site_transaction
from controls.ledger.chain import verify_chain
from controls.ledger.device_holds import open_holds, set_hold
from controls.ledger.modes import current_mode, set_mode
from controls.ledger.rows import select_commands, transition
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import FixedClock
from tests.controls.agent.plant import World
from tests.controls.ledger.rows_of import CARLA, NOW, add_plan, command, push, state_of


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow or be written, as on a disk without space."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(store: Store) -> Iterator[None]:
    """A store that takes no writes: a disk mounted read-only, or a standby that nobody made the primary."""
    store.engine.dispose()
    is_sqlite = store.engine.dialect.name == "sqlite"
    word = "PRAGMA query_only=ON" if is_sqlite else "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"

    def refuse(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(word)
        if not is_sqlite:
            connection.commit()  # type: ignore[attr-defined]

    sa.event.listen(store.engine, "connect", refuse)
    try:
        yield
    finally:
        sa.event.remove(store.engine, "connect", refuse)
        store.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    opened = open_store(url)
    yield opened
    opened.close()


def _issue(store: Store) -> None:
    with site_transaction(store, "home") as connection:
        row = select_commands(connection, "home", command_ids=["c1"])[0]
        transition(connection, row, S.ISSUED, at_utc=NOW, reason="go")


def _take(store: Store) -> None:
    with site_transaction(store, "home") as connection:
        set_hold(connection, "home", "battery", "", until_utc=NOW.replace(year=2027), reason="x", at_utc=NOW)


def _check_nothing_is_written(store: Store) -> None:
    with pytest.raises(Unreachable):
        _issue(store)
    with pytest.raises(Unreachable):
        set_mode(store, "home", mode=Mode.ADVISORY, person=CARLA, reason="x", clock=FixedClock(NOW))
    with pytest.raises(Unreachable):
        _take(store)


def _check_nothing_was_written(store: Store) -> None:
    assert (state_of(store), current_mode(store, "home"), open_holds(store, "home", NOW)) == (
        S.PENDING,
        Mode.PARTIAL,
        [],
    )
    assert verify_chain(store, "home") == []
    # Without a restart, as soon as it can be written again.
    _issue(store)
    assert state_of(store) is S.ISSUED


def _pending(store: Store) -> None:
    set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=FixedClock(NOW))
    add_plan(store, command())
    push(store, "c1", S.RELEASED, S.PENDING)


def test_fault_f36_ledger_that_takes_no_writes_takes_no_command(any_store: Store) -> None:
    _pending(any_store)
    with read_only(any_store):
        # It is read as before: what stands is known.
        assert current_mode(any_store, "home") is Mode.PARTIAL
        _check_nothing_is_written(any_store)
    _check_nothing_was_written(any_store)


def test_fault_f34_ledger_on_a_full_disk_takes_no_command(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'full.db'}")
    _pending(store)
    with full_disk():
        _check_nothing_is_written(store)
    _check_nothing_was_written(store)
    store.close()


def test_fault_f34_ledger_full_the_agent_sends_nothing_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'agent.db'}")
    world = World(store)
    world.set_mode(Mode.PARTIAL)
    world.run(2)
    add_plan(store, command())
    world.release()
    before = list(world.plant.battery.writes)
    with full_disk():
        world.run(5)
        assert world.agent.trouble
    sent = [name for _, _, name, _ in world.plant.battery.writes[len(before) :]]
    assert all(name.startswith("revert-") for name in sent), "no record, no command: only the way home"
    world.run(15)
    assert world.row().state is S.VERIFIED
    assert [name for _, _, name, _ in world.plant.battery.writes if not name.startswith("revert-")]
    store.close()


@pytest.mark.parametrize("point", ["picked", "acked"])
def test_fault_f34_ledger_full_at_any_step_leaves_nothing_on_the_device_that_it_does_not_say(
    tmp_path: Path, point: str
) -> None:
    """The disk fills up at the very step: before ISSUED the device hears nothing, after it the ledger knows."""
    store = open_store(f"sqlite:///{tmp_path / 'step.db'}")
    world = World(store)
    world.set_mode(Mode.PARTIAL)
    world.run(2)
    add_plan(store, command())
    world.release()
    with ExitStack() as disk:

        def fill(reached: str) -> None:
            if reached == point:
                disk.enter_context(full_disk())

        world.agent.context.hook = fill
        world.run(5)
        assert world.agent.trouble
        assert world.plant.battery.commands() == ([] if point == "picked" else ["c1"])
        states = [row["to_state"] for row in store.rows(command_events.select())]
        assert ("ISSUED" in states) == (point == "acked")
    world.agent.context.hook = lambda _point: None
    world.run(15)
    assert world.row().state is S.VERIFIED
    assert verify_chain(store, "home") == []
    store.close()
