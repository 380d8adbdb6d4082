"""A mode that was lowered first always wins: nothing is issued after the lowering is committed, in any order."""

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assets.stores.schema.tables_control import chain_marks, command_events
from assets.stores.transactions import Connection, Store, connect_store, open_store, site_transaction
from controls.ledger.modes import current_mode, read_modes, set_mode
from controls.ledger.rows import Moves, select_commands, transition
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import FixedClock
from tests.controls.ledger.rows_of import CARLA, NOW, OLAF, add_plan, command, push

POWER = "set_charge_power_kw"
SCOPES: tuple[dict[str, Any], ...] = ({}, {"device_id": "battery"}, {"device_id": "battery", "capability": POWER})
COMMANDS, ROUNDS, MOST = 100, 100, 25
# Who issues: from the store, commands and what was read before the transaction, to whether they were issued.
Issuer = Callable[[Store, Sequence[str], Mode], bool]


def issue(store: Store, names: Sequence[str], _seen: Mode) -> bool:
    """As the agent does it: the mode is read in the transaction that says ISSUED, which may be of many commands."""
    with site_transaction(store, "home") as connection:
        mode = read_modes(store, "home", now_utc=NOW, connection=connection).of("battery", POWER)
        return _say(connection, names, mode)


def naive(store: Store, names: Sequence[str], seen: Mode) -> bool:
    """By the mode that was read at the start of the cycle."""
    with site_transaction(store, "home") as connection:
        return _say(connection, names, seen)


def _say(connection: Connection, names: Sequence[str], mode: Mode) -> bool:
    state = S.ISSUED if mode >= Mode.PARTIAL else S.BLOCKED
    moves = Moves()
    for row in select_commands(connection, "home", command_ids=names):
        transition(connection, row, state, at_utc=NOW, reason="test", mode_at_issue=mode, together=moves)
    assert moves.write(connection, "home")
    return state is S.ISSUED


@dataclass
class Round:
    """One store, one lowering at some place between the batches of an agent; what happened, in its order."""

    store: Store
    issuer: Issuer
    chance: random.Random
    history: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> None:
        set_mode(self.store, "home", mode=Mode.PARTIAL, person=CARLA, reason="x", clock=FixedClock(NOW))
        names = [f"c{n}" for n in range(COMMANDS)]
        self.chance.shuffle(names)
        seen = current_mode(self.store, "home", "battery", POWER)
        steps: list[Callable[[], None]] = []
        while names:
            size = self.chance.randint(1, MOST)
            batch, names = names[:size], names[size:]
            steps.append(partial(self._issue, batch, seen))
        steps.insert(self.chance.randrange(len(steps) + 1), self._lower)
        for step in steps:
            step()

    def _lower(self) -> None:
        mode = self.chance.choice((Mode.SIMULATION, Mode.ADVISORY))
        scope = self.chance.choice(SCOPES)
        set_mode(self.store, "home", mode=mode, person=OLAF, reason="x", clock=FixedClock(NOW), **scope)
        self.history.append({"what": "lowered", "to": mode.name, **scope})

    def _issue(self, batch: list[str], seen: Mode) -> None:
        what = "issued" if self.issuer(self.store, batch, seen) else "blocked"
        self.history += [{"what": what, "command": name} for name in batch]


def late(history: list[dict[str, Any]]) -> list[str]:
    """The checker: commands that were issued after the lowering was committed."""
    lowered = [each["what"] for each in history].index("lowered")
    return [each["command"] for each in history[lowered:] if each["what"] == "issued"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A ledger with commands that wait to be issued."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('race') / 't.db'}")
    names = [f"c{n}" for n in range(COMMANDS)]
    spans = [{"valid_from_utc": NOW + timedelta(minutes=n)} for n in range(COMMANDS)]
    add_plan(store, *(command(name, **span) for name, span in zip(names, spans, strict=True)))
    for name in names:
        push(store, name, S.RELEASED, S.PENDING)
    yield store
    store.close()


def _copy(template: Store) -> Store:
    """The same ledger in memory."""
    store = connect_store("sqlite:///:memory:")
    source, target = template.engine.raw_connection(), store.engine.raw_connection()
    source.driver_connection.backup(target.driver_connection)  # type: ignore[union-attr]
    source.close()
    target.close()
    return store


def _rounds(template: Store, issuer: Issuer, count: int, path: Path) -> list[str]:
    found = []
    with path.open("w") as file:
        for seed in range(count):
            store = _copy(template)
            each = Round(store, issuer, random.Random(seed))
            each.run()
            store.close()
            file.write(json.dumps({"seed": seed, "history": each.history}) + "\n")
            found += [f"seed {seed}: {name}" for name in late(each.history)]
    return found


def test_fault_f75_no_command_of_ten_thousand_is_issued_after_the_mode_was_lowered(
    template: Store, tmp_path: Path
) -> None:
    assert COMMANDS * ROUNDS == 10_000
    assert _rounds(template, issue, ROUNDS, tmp_path / "history.jsonl") == []
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    issued = sum(each["what"] == "issued" for line in history for each in line["history"])
    # Neither always first nor always last: both orders were tried often.
    assert 2_000 < issued < 8_000


def test_fault_f75_who_goes_by_an_earlier_look_is_found(template: Store, tmp_path: Path) -> None:
    assert len(_rounds(template, naive, 5, tmp_path / "history.jsonl")) > 20


@pytest.mark.parametrize("issuer", [issue, naive])
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_fault_f75_on_two_connections_the_lowering_that_commits_first_wins(
    engine: str, issuer: Issuer, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The mark that the lowering leaves on the chain says which events were committed before it."""
    url = f"sqlite:///{tmp_path / 'race.db'}"
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    store, late_ones = open_store(url), 0
    for number in range(6):
        names = [f"c{number}-{n}" for n in range(4)]
        spans = [{"valid_from_utc": NOW + timedelta(minutes=10 * number + n)} for n in range(4)]
        plan = f"p{number}"
        orders = [command(name, plan_id=plan, **span) for name, span in zip(names, spans, strict=True)]
        add_plan(store, *orders, plan_id=plan, version=number + 1)
        for name in names:
            push(store, name, S.RELEASED, S.PENDING)
        _settle(store)
        set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="x", clock=FixedClock(NOW))
        start = threading.Barrier(2)

        def agent(names: list[str], looked: threading.Barrier, start: threading.Barrier) -> None:
            mine = connect_store(url)
            seen = current_mode(mine, "home", "battery", POWER)
            looked.wait()
            start.wait()
            for name in names:
                issuer(mine, [name], seen)
            mine.close()

        mine, looked = connect_store(url), threading.Barrier(2)
        thread = threading.Thread(target=agent, args=[names, looked, start])
        thread.start()
        looked.wait()
        # At the same moment; who goes by an earlier look is late even without a race.
        if issuer is issue:
            start.wait()
        set_mode(mine, "home", mode=Mode.SIMULATION, person=OLAF, reason="x", clock=FixedClock(NOW))
        if issuer is not issue:
            start.wait()
        mine.close()
        thread.join()
        (mark,) = store.rows(sa.select(sa.func.max(chain_marks.c.position).label("position")))
        issued = command_events.c.to_state == "ISSUED"
        of_round = command_events.c.command_id.in_(names)
        places = [row["position"] for row in store.rows(command_events.select().where(issued, of_round))]
        late_ones += sum(place > mark["position"] for place in places)
    assert late_ones == 0 if issuer is issue else late_ones > 0
    store.close()


def _settle(store: Store) -> None:
    """Prove the commands issued in earlier rounds, or the mode could not be raised again."""
    with site_transaction(store, "home") as connection:
        for row in select_commands(connection, "home", states=[S.ISSUED]):
            step = transition(connection, row, S.ACKED, at_utc=NOW, reason="test")
            if step is not None:
                transition(connection, step, S.VERIFIED, at_utc=NOW, reason="test")
