"""The ledger as of an instant: commands in the state that their events had brought them to by then."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from assets.stores.schema.tables_control import command_events, commands
from assets.stores.seals import unsealed_columns
from assets.stores.transactions import Store, read_rows
from controls.ledger.rows import RESERVED, LedgerRow, read_commands
from data_quality.contracts.control.command import CommandState, EvidenceGrade


def columns_after(events: Sequence[Mapping[str, Any]], found: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Mutable columns of a command's row after these events of it (at least one, in their order).

    found: the columns as a migration found them, for facts that earlier events lack.
    """
    own = {name: (found or {}).get(name) for name in RESERVED}
    facts: dict[str, Any] = {}
    for event in events:
        own |= {name: event["facts"][name] for name in RESERVED if name in event["facts"]}
        # The first event repeats what was planned; facts are what was learned since.
        if event["from_state"] is not None:
            facts |= {name: value for name, value in event["facts"].items() if name not in RESERVED}
    return {"state": events[-1]["to_state"], "facts": facts, **own}


def commands_at(store: Store, site_id: str, as_of_utc: datetime) -> list[LedgerRow]:
    """Commands of a site that were written by then, each in its state of then. Raises Unreachable.

    Of a command that is older than the row seals, what its events did not say is what they found.
    """
    query = command_events.select().where(command_events.c.site_id == site_id).order_by(command_events.c.position)
    events: dict[str, list[dict[str, Any]]] = {}
    for event in read_rows(store, query):
        events.setdefault(event["command_id"], []).append(event)
    kept = unsealed_columns(store, commands)
    rows = []
    for row in read_commands(store, site_id):
        name = row.command.command_id
        past = [event for event in events.get(name, []) if event["at_utc"] <= as_of_utc]
        if not past:
            continue
        then = columns_after(past, kept.get((name,)))
        grade = then["evidence_grade"]
        order = {each: then[each] for each in ("epoch", "seq") if then[each] is not None}
        rows.append(
            row.model_copy(
                update={
                    "command": row.command.model_copy(update=order),
                    "state": CommandState(then["state"]),
                    "facts": then["facts"],
                    "mode_at_issue": then["mode_at_issue"],
                    "evidence_grade": None if grade is None else EvidenceGrade(grade),
                }
            )
        )
    return rows
