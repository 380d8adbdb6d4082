"""The ledger as it was known at an instant: commands in the state that their events had brought them to by then."""

from datetime import datetime
from typing import Any

from assets.stores.access import read_rows
from assets.stores.tables import command_events
from assets.stores.transactions import Store
from controls.ledger.rows import LedgerRow, read_commands
from data_quality.contracts.command import CommandState

# Events repeat these beside the facts of a step; a row keeps them in its command.
_WIRE = ("epoch", "seq")


def commands_at(store: Store, site_id: str, as_of_utc: datetime) -> list[LedgerRow]:
    """Commands of a site that were written by then, each in its state of then. Raises Unreachable.

    An evidence grade stands only where nothing happened to the command afterwards: events do not repeat it.
    """
    query = command_events.select().where(command_events.c.site_id == site_id).order_by(command_events.c.position)
    events: dict[str, list[dict[str, Any]]] = {}
    for event in read_rows(store, query):
        events.setdefault(event["command_id"], []).append(event)
    found = []
    for row in read_commands(store, site_id):
        every = events.get(row.command.command_id, [])
        past = [event for event in every if event["at_utc"] <= as_of_utc]
        if not past:
            continue
        facts = {name: value for event in past for name, value in event["facts"].items() if name not in _WIRE}
        is_newest = len(past) == len(every)
        found.append(
            row.model_copy(
                update={
                    "state": CommandState(past[-1]["to_state"]),
                    "facts": row.facts if is_newest else facts,
                    "evidence_grade": row.evidence_grade if is_newest else None,
                }
            )
        )
    return found
