"""The ledger as known at an instant."""

from datetime import timedelta

from assets.stores.transactions import Store
from controls.ledger.as_of import commands_at
from controls.ledger.modes import current_mode, mode_history, set_mode
from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import FixedClock
from tests.controls.ledger.rows_of import CARLA, NOW, add_plan, command, push

LATER = NOW + timedelta(minutes=5)


def test_a_command_stands_in_the_state_that_it_had_by_then(store: Store) -> None:
    add_plan(store, command("c1"))
    push(store, "c1", S.ADVISED, at=LATER)
    before, between, after = NOW - timedelta(seconds=1), NOW + timedelta(minutes=1), LATER
    assert commands_at(store, "home", before) == []
    assert [row.state for row in commands_at(store, "home", between)] == [S.PROPOSED]
    assert commands_at(store, "home", after) == read_commands(store, "home")


def test_a_mode_is_the_one_that_was_recorded_by_then(store: Store) -> None:
    set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=FixedClock(LATER))
    assert current_mode(store, "home", as_of_utc=NOW) is Mode.SIMULATION
    assert current_mode(store, "home", as_of_utc=LATER) is Mode.PARTIAL
    assert mode_history(store, "home", as_of_utc=NOW) == []
