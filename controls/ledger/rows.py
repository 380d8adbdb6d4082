"""Rows of the command ledger: read them, and move one from state to state by compare-and-set."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.event_chain import append_events
from assets.stores.schema.tables_control import commands
from assets.stores.seals import raw_select
from assets.stores.transactions import Connection, Store, read_rows, select_rows
from assets.stores.trust import Trust, trust_of
from controls.ledger.states import is_allowed, is_better
from data_quality.contracts.control.command import Command, CommandState, EvidenceGrade, Mode
from data_quality.contracts.errors import OurFault
from data_quality.contracts.model import Model

Facts = Mapping[str, str | float | int | bool | None]
# Events hold these next to the facts of a step; a row has a column of its own for each.
RESERVED = ("epoch", "seq", "evidence_grade", "mode_at_issue")


class LedgerRow(Model):
    """One command with how far it came. facts: everything learned on the way, newest value of each name."""

    command: Command
    state: CommandState
    mode_at_issue: str | None
    evidence_grade: EvidenceGrade | None
    facts: dict[str, str | float | int | bool | None]
    recorded_at_utc: datetime


# Written once: an agent moves hundreds of commands in a second, and to build a statement takes longer than to run it.
_MOVE = commands.update().where(
    commands.c.command_id == sa.bindparam("moved_id"), commands.c.state == sa.bindparam("stood_at")
)
# Whoever was faster left the same state behind, so that the state alone does not tell.
_PROVE = _MOVE.where(sa.func.coalesce(commands.c.evidence_grade, -1) < sa.bindparam("better_than"))


class Moves:
    """Moves of many commands, at most one of each, that one transaction writes together at its end."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        self._events: list[dict[str, Any]] = []

    def add(self, change: dict[str, Any], event: dict[str, Any]) -> None:
        """One more. change: what the row stood at and becomes; event: its line in the chain."""
        self._changes.setdefault(tuple(change), []).append(change)
        self._events.append(event)

    def write(self, connection: Connection, site_id: str) -> bool:
        """Write all of them. False where another process moved any of them first: then nothing of it may be kept."""
        for names, changes in self._changes.items():
            done = connection.execute(_PROVE if "better_than" in names else _MOVE, changes)
            # The state is part of the condition: a row less is another process that was faster, no missing command.
            if done.rowcount != len(changes):
                return False
        if self._events:
            append_events(connection, site_id, self._events)
        return True


def transition(
    connection: Connection,
    row: LedgerRow,
    to_state: CommandState,
    *,
    at_utc: datetime,
    reason: str,
    facts: Facts | None = None,
    evidence_grade: EvidenceGrade | None = None,
    mode_at_issue: Mode | None = None,
    wire: tuple[int, int] | None = None,
    together: Moves | None = None,
) -> LedgerRow | None:
    """Move a row on from the state it was read in, with its chained event, in the caller's transaction.

    wire: epoch and sequence number that the command is sent with. together: moves that the caller writes before the
    transaction ends; None writes this one now. Answers the row as it is now, or None where another process moved it
    first (then nothing was written; of moves together, `Moves.write` tells). A step to the same state only says better
    evidence (a meter moved after the read-back). Raises OurFault for a step that no table allows.
    """
    if not is_allowed(row.state, to_state):
        raise OurFault(f"command {row.command.command_id}: {row.state} cannot become {to_state}")
    if to_state is row.state and not is_better(row.evidence_grade, evidence_grade):
        raise OurFault(f"command {row.command.command_id}: {to_state} stays as it is without better evidence")
    new_facts = dict(facts or {})
    values: dict[str, Any] = {"state": str(to_state), "facts": {**row.facts, **new_facts}}
    columns: dict[str, Any] = {}
    if evidence_grade is not None:
        columns["evidence_grade"] = int(evidence_grade)
    if mode_at_issue is not None:
        columns["mode_at_issue"] = mode_at_issue.name
    command = row.command
    if wire is not None:
        columns |= {"epoch": wire[0], "seq": wire[1]}
        command = command.model_copy(update={"epoch": wire[0], "seq": wire[1]})
    change = {"moved_id": command.command_id, "stood_at": str(row.state), **values, **columns}
    if to_state is row.state:
        change["better_than"] = columns["evidence_grade"]
    event: dict[str, Any] = {"site_id": command.site_id, "command_id": command.command_id, "from_state": row.state}
    event |= {"to_state": to_state, "reason": reason, "facts": new_facts | columns, "at_utc": at_utc}
    moves = together or Moves()
    moves.add(change, event)
    if together is None and not moves.write(connection, command.site_id):
        return None
    return row.model_copy(
        update={
            "command": command,
            "state": to_state,
            "facts": values["facts"],
            "evidence_grade": row.evidence_grade if evidence_grade is None else evidence_grade,
            "mode_at_issue": row.mode_at_issue if mode_at_issue is None else mode_at_issue.name,
        }
    )


def read_commands(
    store: Store,
    site_id: str,
    *,
    states: Iterable[CommandState] | None = None,
    plan_id: str | None = None,
    command_ids: Iterable[str] | None = None,
    ended_after_utc: datetime | None = None,
) -> list[LedgerRow]:
    """Commands of a site by window, then device; those whose window ended later than then. Raises Unreachable."""
    query = _query(site_id, states, plan_id, command_ids, ended_after_utc)
    return [_row(row) for row in read_rows(store, query)]


def select_commands(
    connection: Connection,
    site_id: str,
    *,
    states: Iterable[CommandState] | None = None,
    command_ids: Iterable[str] | None = None,
    ended_after_utc: datetime | None = None,
) -> list[LedgerRow]:
    """The same inside a transaction."""
    query = _query(site_id, states, None, command_ids, ended_after_utc)
    return [_row(row) for row in select_rows(connection, query)]


def command_doubt(store: Store, connection: Connection, command_id: str) -> str:
    """Why this command differs from the planned one, or empty: checked before it goes to a device."""
    trust = trust_of(store, [commands], connection=connection)
    return doubt_of(trust, stored(connection, commands.c.command_id == command_id).get(command_id))


def stored(connection: Connection, *which: sa.ColumnElement[bool]) -> dict[str, dict[str, Any]]:
    """Commands by id, as the database holds them: one that somebody bent must be told and not stumbled over."""
    return {row["command_id"]: row for row in select_rows(connection, raw_select(commands).where(*which))}


def doubt_of(trust: Trust, raw: Mapping[str, Any] | None) -> str:
    """The same for a command that was read, as the database holds it; None, one that is gone, is not sent anyway."""
    return trust.lost(commands) or (trust.doubt(commands, raw) if raw is not None else "")


def _query(
    site_id: str, states: Iterable[CommandState] | None, plan_id: str | None, command_ids: Iterable[str] | None,
    ended_after_utc: datetime | None,
) -> Any:  # fmt: skip
    query = commands.select().where(commands.c.site_id == site_id)
    if states is not None:
        query = query.where(commands.c.state.in_([str(state) for state in states]))
    if plan_id is not None:
        query = query.where(commands.c.plan_id == plan_id)
    if command_ids is not None:
        query = query.where(commands.c.command_id.in_(list(command_ids)))
    if ended_after_utc is not None:
        query = query.where(commands.c.valid_until_utc > ended_after_utc)
    # The id last: equal windows of two plans would otherwise come in the database's own order.
    return query.order_by(commands.c.valid_from_utc, commands.c.device_id, commands.c.capability, commands.c.command_id)


def _row(row: Mapping[str, Any]) -> LedgerRow:
    return LedgerRow(
        command=Command(**{name: row[name] for name in Command.model_fields}),
        state=CommandState(row["state"]),
        mode_at_issue=row["mode_at_issue"],
        evidence_grade=None if row["evidence_grade"] is None else EvidenceGrade(row["evidence_grade"]),
        facts=row["facts"],
        recorded_at_utc=row["recorded_at_utc"],
    )
