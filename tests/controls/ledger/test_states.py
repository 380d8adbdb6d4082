"""The table of states, in Python and in the database."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.ledgers.command_states import PAIRS, TERMINAL, TRANSITIONS
from assets.stores.schema.tables_control import commands
from assets.stores.transactions import Store, open_store, site_transaction
from controls.ledger.chain import verify_chain
from controls.ledger.rows import read_commands, transition
from controls.ledger.states import is_allowed, is_settled, is_terminal
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import EvidenceGrade
from data_quality.contracts.errors import OurFault
from tests.controls.ledger.rows_of import NOW, add_plan, command, push

PATHS = {
    S.PROPOSED: (),
    S.RELEASED: (S.RELEASED,),
    S.PENDING: (S.RELEASED, S.PENDING),
    S.ISSUED: (S.RELEASED, S.PENDING, S.ISSUED),
    S.ACKED: (S.RELEASED, S.PENDING, S.ISSUED, S.ACKED),
    S.UNKNOWN: (S.RELEASED, S.PENDING, S.ISSUED, S.UNKNOWN),
    S.MISMATCH: (S.RELEASED, S.PENDING, S.ISSUED, S.ACKED, S.MISMATCH),
    S.VERIFIED: (S.RELEASED, S.PENDING, S.ISSUED, S.ACKED, S.VERIFIED),
    S.DRIFTED: (S.RELEASED, S.PENDING, S.ISSUED, S.ACKED, S.VERIFIED, S.DRIFTED),
}


def test_the_finished_states_are_those_of_the_design() -> None:
    assert {
        S.COMPLETED,
        S.ADVISED,
        S.REJECTED,
        S.EXPIRED,
        S.SUPERSEDED,
        S.BLOCKED,
        S.UNVERIFIED,
        S.REVERTED,
        S.OVERRIDDEN,
    } == TERMINAL


def test_nothing_follows_a_finished_state_and_success_needs_a_read_back() -> None:
    assert all(not is_allowed(state, other) for state in TERMINAL for other in S)
    assert {old for old in S if is_allowed(old, S.VERIFIED)} == {
        S.ACKED, S.UNKNOWN, S.MISMATCH, S.DRIFTED, S.VERIFIED,
    }  # fmt: skip
    assert not is_allowed(S.PROPOSED, S.ISSUED)
    assert not is_allowed(S.RELEASED, S.ISSUED)
    assert is_terminal(S.EXPIRED)
    assert is_settled(S.VERIFIED)
    assert not is_settled(S.ACKED)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'any.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    opened = open_store(url)
    yield opened
    opened.close()


def _force(store: Store, **values: object) -> None:
    with store.begin() as connection:
        connection.execute(commands.update().where(commands.c.command_id == "c1").values(**values))


def test_the_database_allows_exactly_the_table_s_steps(any_store: Store) -> None:
    """Every pair of states, tried by plain SQL behind the ledger's back."""
    assert set(PATHS) == set(TRANSITIONS)
    for number, (old, path) in enumerate(PATHS.items()):
        name = f"c{number}"
        add_plan(any_store, command(name, plan_id=name), plan_id=name, version=number + 1)
        push(any_store, name, *path)
        for new in S:
            outcome = "refused"
            with any_store.engine.connect() as connection:
                try:
                    connection.execute(commands.update().where(commands.c.command_id == name).values(state=str(new)))
                    outcome = "done"
                except sa.exc.DBAPIError:
                    pass
                connection.rollback()
            # To its own state only with better evidence, which this does not bring.
            assert (outcome == "done") == ((old, new) in PAIRS and new is not old), (old, new)


def test_the_database_lets_only_the_evidence_of_a_verified_command_rise(any_store: Store) -> None:
    add_plan(any_store, command())
    row = push(any_store, "c1", S.RELEASED, S.PENDING, S.ISSUED, S.ACKED)
    with site_transaction(any_store, "home") as connection:
        proven = transition(
            connection, row, S.VERIFIED, at_utc=NOW, reason="read", evidence_grade=EvidenceGrade.READ_BACK
        )
    assert proven is not None
    bents: tuple[dict[str, object], ...] = (
        {"evidence_grade": 3},
        {"evidence_grade": 2},
        {"facts": {}},
        {"evidence_grade": 4, "epoch": 9},
    )
    for bent in bents:
        with pytest.raises(sa.exc.DBAPIError, match="better evidence"):
            _force(any_store, **bent)
    with pytest.raises(OurFault, match="better evidence"), site_transaction(any_store, "home") as connection:
        transition(connection, proven, S.VERIFIED, at_utc=NOW, reason="again", evidence_grade=EvidenceGrade.READ_BACK)
    risen = []
    for _ in range(2):
        with site_transaction(any_store, "home") as connection:
            risen.append(
                transition(
                    connection, proven, S.VERIFIED, at_utc=NOW, reason="the meter moved",
                    facts={"meter_after_kw": 1.2}, evidence_grade=EvidenceGrade.METER_MOVED,
                )
            )  # fmt: skip
    # The second stood on what it had read before the first.
    assert (risen[0].evidence_grade, risen[1]) == (EvidenceGrade.METER_MOVED, None)  # type: ignore[union-attr]
    assert verify_chain(any_store, "home") == []
    assert read_commands(any_store, "home")[0].facts["meter_after_kw"] == 1.2


@pytest.mark.parametrize(
    "change",
    [{"value": 4.0}, {"valid_until_utc": NOW}, {"ttl_s": 900.0}, {"valid_from_utc": NOW + timedelta(days=1)}]
    + [
        {name: "other"}
        for name in (
            "command_id",
            "idempotency_key",
            "plan_id",
            "plan_hash",
            "site_id",
            "device_id",
            "capability",
            "unit",
        )
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_a_command_says_cannot_be_changed(any_store: Store, change: dict[str, object]) -> None:
    add_plan(any_store, command())
    # Together with a step that is allowed: it is not the step that is refused.
    with pytest.raises(sa.exc.DBAPIError, match="does not change"):
        _force(any_store, state=str(S.RELEASED), **change)


def test_a_command_is_not_deleted_not_born_released_and_not_touched_when_finished(any_store: Store) -> None:
    add_plan(any_store, command())
    with pytest.raises(sa.exc.DBAPIError, match="never deleted"), any_store.begin() as connection:
        connection.execute(commands.delete())
    row = {**command("c2", device_id="pv").model_dump(), "state": "RELEASED", "facts": {}, "recorded_at_utc": NOW}
    with pytest.raises(sa.exc.DBAPIError, match="starts as PROPOSED"), any_store.begin() as connection:
        connection.execute(commands.insert().values(**row))
    push(any_store, "c1", S.EXPIRED)
    with pytest.raises(sa.exc.DBAPIError, match="finished command"):
        _force(any_store, facts={"made": "up"})


def test_the_database_s_refusal_can_be_seen_without_the_ledger(any_store: Store) -> None:
    """The guard would not be one if plain SQL passed: an unknown state is refused too."""
    add_plan(any_store, command())
    with pytest.raises(sa.exc.DBAPIError, match="not allowed"), site_transaction(any_store, "home") as connection:
        connection.execute(commands.update().values(state="MADE_UP"))
