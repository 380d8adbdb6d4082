"""Plans, commands and people for tests of ledger and agent."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from assets.stores.event_chain import append_events
from assets.stores.schema.tables_control import commands as command_rows
from assets.stores.schema.tables_control import plans
from assets.stores.seals import append_row
from assets.stores.transactions import Connection, Store, site_transaction
from controls.ledger.rows import LedgerRow, read_commands, select_commands, transition
from data_quality.contracts.control.command import Command, CommandState
from data_quality.contracts.people import Person, Role

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CARLA = Person(person_id="carla", name="Carla", roles=(Role.ENGINEER, Role.OPERATOR))
OLAF = Person(person_id="olaf", name="Olaf", roles=(Role.OPERATOR,))
EVE = Person(person_id="eve", name="Eve", roles=(Role.ENGINEER,))
BEN = Person(person_id="ben", name="Ben", roles=(Role.ANALYST,))


def command(name: str = "c1", **changes: Any) -> Command:
    """A battery command of plan p1 for the first quarter hour of 2026."""
    values: dict[str, Any] = {
        "command_id": name,
        "plan_id": "p1",
        "plan_hash": "h",
        "site_id": "home",
        "device_id": "battery",
        "capability": "set_charge_power_kw",
        "value": 1.2,
        "unit": "kw",
        "seq": 0,
        "epoch": 0,
        "valid_from_utc": NOW,
        "valid_until_utc": NOW + timedelta(minutes=15),
        "ttl_s": 45.0,
    } | changes
    key = f"{values['plan_id']}:{values['device_id']}:{values['capability']}:{values['valid_from_utc'].isoformat()}"
    return Command(**{"idempotency_key": key, **values})


def propose(connection: Connection, item: Command, *, at_utc: datetime) -> None:
    """Write a command as PROPOSED with its first event, as a plan is stored with many."""
    values = {**item.model_dump(), "state": str(CommandState.PROPOSED), "facts": {}, "recorded_at_utc": at_utc}
    append_row(connection, command_rows, **values)
    facts = {"epoch": item.epoch, "seq": item.seq}
    append_event(connection, item.site_id, item.command_id, None, CommandState.PROPOSED, "planned", facts, at_utc)


def add_plan(store: Store, *commands: Command, plan_id: str = "p1", version: int = 1, at: datetime = NOW) -> None:
    """A plan row and its commands as PROPOSED."""
    with site_transaction(store, "home") as connection:
        append_row(
            connection,
            plans,
            plan_id=plan_id,
            site_id="home",
            version=version,
            plan_hash="h",
            input_digest="d",
            plan={"created_at_utc": at.isoformat()},
            recorded_at_utc=at,
        )
        for item in commands:
            propose(connection, item, at_utc=at)


def push(store: Store, name: str, *states: CommandState, at: datetime = NOW) -> LedgerRow:
    """Move a command through states, as if by the agent."""
    with site_transaction(store, "home") as connection:
        row = select_commands(connection, "home", command_ids=[name])[0]
        for state in states:
            moved = transition(connection, row, state, at_utc=at, reason="test")
            assert moved is not None
            row = moved
    return row


def state_of(store: Store, name: str = "c1") -> CommandState:
    """State of a command."""
    return read_commands(store, "home", command_ids=[name])[0].state


def append_event(
    connection: Connection,
    site_id: str,
    command_id: str,
    from_state: str | None,
    to_state: str,
    reason: str,
    facts: Mapping[str, Any],
    at_utc: datetime,
) -> str:
    """Append one change of state to the site's chain inside the caller's transaction; answers its hash."""
    row = {
        "site_id": site_id,
        "command_id": command_id,
        "from_state": from_state,
        "to_state": to_state,
        "reason": reason,
        "facts": dict(facts),
        "at_utc": at_utc,
    }
    return append_events(connection, site_id, [row])
