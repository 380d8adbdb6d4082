"""The hash chain over command events: one line per change of state, positions counted per site.

h_n = SHA-256(h_(n-1) + canonical JSON of the row), so that a line that is changed, dropped or slipped in later
breaks every hash after it. Imports nothing heavier than SQLAlchemy: the agent writes here too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import UtcDateTime
from assets.stores.schema.tables_control import command_events
from assets.stores.seals import chained, head_of
from assets.stores.transactions import lock_chain

# The fields that a hash covers; `hash` itself and `prev_hash` are the chain, not the content.
HASHED_FIELDS = ("site_id", "position", "command_id", "from_state", "to_state", "reason", "facts", "at_utc")


def event_hash(prev_hash: str, row: Mapping[str, Any]) -> str:
    """Hash of one event row (HASHED_FIELDS) after `prev_hash`. at_utc: aware, or as the database holds it."""
    content = {name: row[name] for name in HASHED_FIELDS}
    # An audit reads rows as the database holds them: a bent text must fail its hash, not the reading of it.
    if not isinstance(row["at_utc"], str):
        content["at_utc"] = UtcDateTime().process_bind_param(row["at_utc"], None)
    return chained(prev_hash, content)


def append_events(connection: sa.Connection, site_id: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Append changes of state to the site's chain inside the caller's transaction; answers the hash of the last.

    Keys of a row: command_id, from_state, to_state (values of CommandState), reason, facts, at_utc. Raises ValueError
    for a naive time or NaN in `facts`.

    With no rows it answers the present head.
    """
    # Before the head is read, or two writers would take the same next position. A lock held already is granted again.
    lock_chain(connection, site_id)
    position, head = chain_head(connection, site_id)
    linked = []
    for row in rows:
        position += 1
        complete = {**row, "site_id": site_id, "position": position, "prev_hash": head}
        # Plain str: a StrEnum would reach the driver as itself.
        complete["to_state"] = str(row["to_state"])
        complete["from_state"] = None if row["from_state"] is None else str(row["from_state"])
        head = complete["hash"] = event_hash(head, complete)
        linked.append(complete)
    if linked:
        connection.execute(command_events.insert(), linked)
    return head


def chain_head(connection: sa.Connection, site_id: str) -> tuple[int, str]:
    """Position and hash of the site's last event; (0, GENESIS) before the first."""
    return head_of(connection, command_events, command_events.c.site_id == site_id)
