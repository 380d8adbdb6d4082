"""A store with rows of every protected kind, by people with keys, and hands that change it from outside."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.published.publications import sign_act
from assets.stores.schema.tables_control import commands, ledger_identity, mode_events, plans
from assets.stores.schema.tables_reports import signatures
from assets.stores.schema.tables_seals import store_revisions
from assets.stores.seals import append
from assets.stores.sign import Signer, new_key
from assets.stores.tables import APPEND_ONLY, PROTECTED
from assets.stores.transactions import Store, next_recorded_at, site_transaction
from controls.ledger.device_faults import latch_fault
from controls.ledger.modes import set_mode
from controls.ledger.rows import select_commands, transition
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import EvidenceGrade, Mode
from data_quality.contracts.time import FixedClock
from tests.controls.ledger.rows_of import CARLA, NOW, add_plan, command

ROWS = 8
CLOCK = FixedClock(NOW)
_OWN = {commands, ledger_identity, signatures, mode_events, plans, store_revisions}


def give_keys(store: Store, folder: Path) -> Signer:
    """Carla has a key, Olaf is known without one."""
    signer = new_key(folder, CARLA.person_id)
    store.public_keys = {CARLA.person_id: signer.public_key, "olaf": ""}
    return signer


def raise_mode(store: Store, signer: Signer | None, mode: Mode = Mode.PARTIAL) -> None:
    """Carla raises the mode, and signs where she has a key."""
    with store.together():
        set_mode(store, "home", mode=mode, person=CARLA, reason="test", clock=CLOCK)
        sign_act(store, signer, CARLA, kind="dispatch mode", subject="home", facts={"mode": mode.name}, clock=CLOCK)


def fill(store: Store, signer: Signer | None) -> None:
    """Rows of every protected table; a command that went to its proof, and one that waits."""
    raise_mode(store, signer)
    add_plan(store, command(), command("c2", device_id="pv"))
    with site_transaction(store, "home") as connection:
        row = select_commands(connection, "home", command_ids=["c1"])[0]
        for state in (S.RELEASED, S.PENDING):
            row = transition(connection, row, state, at_utc=NOW, reason="test") or row
        row = transition(
            connection, row, S.ISSUED, at_utc=NOW, reason="sent", facts={"soc": 0.5, "note": "as read"},
            evidence_grade=EvidenceGrade.SENT, mode_at_issue=Mode.PARTIAL, wire=(2, 9),
        ) or row  # fmt: skip
        transition(connection, row, S.ACKED, at_utc=NOW, reason="ok", evidence_grade=EvidenceGrade.DEVICE_ACKNOWLEDGED)
        latch_fault(connection, "home", "pv", reason="test", command_id="c2", at_utc=NOW)
    with store.together():
        with store.begin() as connection:
            next_recorded_at(connection, NOW)
            for table in (each for each in PROTECTED if each not in _OWN):
                append(connection, table, [any_row(table, number) for number in range(ROWS)])
        sign_act(store, signer, CARLA, kind="test", subject="everything", facts={}, clock=CLOCK)


def any_row(table: sa.Table, number: int) -> dict[str, Any]:
    """Values of the right types, by Carla."""
    made = {column.name: _value(column, number) for column in table.c if column.autoincrement is not True}
    # Never later than the store's clock says.
    own = {"person_id": CARLA.person_id, "recorded_at_utc": NOW}
    return made | {name: value for name, value in own.items() if name in made}


def _value(column: sa.Column[Any], number: int) -> Any:
    kind = column.type
    if isinstance(kind, JsonText):
        return {"number": number, "text": "é"}
    if isinstance(kind, UtcDateTime):
        return NOW + timedelta(minutes=number)
    if isinstance(kind, sa.Date):
        return date(2026, 1, 1 + number)
    if isinstance(kind, sa.Boolean):
        return number % 2 == 0
    if isinstance(kind, sa.Float):
        return float(number)
    return number if isinstance(kind, sa.Integer) else f"{column.name}{number}"[-_length(column) :]


def other(column: sa.Column[Any], value: Any) -> Any:
    """Another value of the same type as the one that stands there (as the database holds it)."""
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return not value
    if isinstance(kind, sa.Integer):
        return 4 if value is None else value + 1_000
    if isinstance(kind, sa.Float):
        return 0.5 if value is None else value + 0.25
    if isinstance(kind, sa.Date):
        return date(2031, 1, 1)
    if isinstance(kind, UtcDateTime):
        return datetime(2031, 5, 5, tzinfo=UTC)
    if isinstance(kind, JsonText):
        return {"another": "value"}
    return f"{value or ''}x"[-_length(column) :]


def _length(column: sa.Column[Any]) -> int:
    return int(getattr(column.type, "length", None) or 99)


@contextmanager
def attacked(store: Store) -> Iterator[sa.Connection]:
    """A connection on which no trigger stands in the way; whoever attacks with care puts them back."""
    with store.begin() as connection:
        if store.engine.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            yield connection
            return
        query = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid")
        triggers = connection.execute(query).all()
        for name, _ in triggers:
            connection.execute(sa.text(f"DROP TRIGGER {name}"))
        yield connection
        for _, statement in triggers:
            connection.exec_driver_sql(statement)


def change(store: Store, table: sa.Table, where: sa.ColumnElement[bool], **values: Any) -> None:
    """One row changed behind the program's back."""
    with attacked(store) as connection:
        assert connection.execute(table.update().where(where).values(**values)).rowcount == 1


def insert(store: Store, table: sa.Table, **values: Any) -> None:
    """A row slipped in behind the program's back."""
    with attacked(store) as connection:
        connection.execute(table.insert().values(**values))


def forged_mode(**changes: Any) -> Mapping[str, Any]:
    """An entry that raises the mode of the site to PARTIAL."""
    row = {"site_id": "home", "device_id": "", "mode": "PARTIAL", "person_id": "carla", "reason": "x"}
    return row | {"recorded_at_utc": NOW} | changes


ALL = {table.name: table for table in (*APPEND_ONLY, commands)}
