"""Marks on the chain of command events: how long it was and with which hash, sealed with everything else and under the
signatures of people. Without them a chain could be cut, or written anew from any place on, with hashes that fit.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from assets.stores.access import Connection, select_rows
from assets.stores.event_chain import chain_head
from assets.stores.schema.tables_control import chain_marks
from assets.stores.seals import append_row


def mark_chain(connection: Connection, site_id: str, at_utc: datetime) -> None:
    """Write down where the site's chain ends now, in the caller's transaction; nothing where that is known."""
    position, head = chain_head(connection, site_id)
    known = chain_marks.select().where(chain_marks.c.site_id == site_id, chain_marks.c.position == position)
    if position and not select_rows(connection, known):
        append_row(connection, chain_marks, site_id=site_id, position=position, hash=head, recorded_at_utc=at_utc)


def off_marks(marks: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Positions of events that are not as a mark says, with a sentence each; events and marks in their order."""
    known = {event["position"]: event for event in events}
    found = []
    for mark in marks:
        position = mark["position"]
        if position not in known:
            found.append((position, f"event {position}: it is missing; a sealed mark says that it was there"))
        elif known[position]["hash"] != mark["hash"]:
            where = f"event {position} (command {known[position]['command_id']})"
            found.append((position, f"{where}: it, or one before it, was written anew; a sealed mark says otherwise"))
    return found
