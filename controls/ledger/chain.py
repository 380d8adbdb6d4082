"""Check a site's history of commands: is every event where it was put, and does it end where the rows say?"""

from typing import Any

from assets.stores.access import read_rows
from assets.stores.chain import GENESIS_HASH, event_hash
from assets.stores.tables import command_events, commands
from assets.stores.transactions import Store
from controls.ledger.states import is_allowed
from data_quality.contracts.command import CommandState


def verify_chain(store: Store, site_id: str) -> list[str]:
    """Sentences for everything that is wrong; empty where the chain holds. Raises Unreachable.

    Checked: positions count 1, 2, 3 …; each hash follows from the one before; each step is allowed and starts where
    the command stood; the last step of each command is the state of its row.
    """
    events = read_rows(
        store, command_events.select().where(command_events.c.site_id == site_id).order_by(command_events.c.position)
    )
    rows = read_rows(store, commands.select().where(commands.c.site_id == site_id))
    problems = [*_broken_links(events), *_bad_steps(events)]
    last = {event["command_id"]: event["to_state"] for event in events}
    problems.extend(
        f"command {row['command_id']}: the row says {row['state']}, the last event {last.get(row['command_id'])}"
        for row in rows
        if last.get(row["command_id"]) != row["state"]
    )
    known = {row["command_id"] for row in rows}
    problems.extend(f"command {name}: it has events, but no row" for name in last if name not in known)
    return problems


def _broken_links(events: list[dict[str, Any]]) -> list[str]:
    problems, before = [], GENESIS_HASH
    for expected, event in enumerate(events, start=1):
        if event["position"] != expected:
            problems.append(f"event {event['position']}: expected position {expected}; an event is missing")
            return problems
        if event["prev_hash"] != before or event_hash(before, event) != event["hash"]:
            problems.append(f"event {expected} (command {event['command_id']}): the hash does not fit its content")
        before = event["hash"]
    return problems


def _bad_steps(events: list[dict[str, Any]]) -> list[str]:
    problems: list[str] = []
    stood: dict[str, str] = {}
    for event in events:
        name, old, new = event["command_id"], event["from_state"], event["to_state"]
        if old != stood.get(name):
            problems.append(f"event {event['position']}: command {name} stood at {stood.get(name)}, not {old}")
        elif old is None and new != CommandState.PROPOSED:
            problems.append(f"event {event['position']}: command {name} starts as {new}")
        elif old is not None and not is_allowed(CommandState(old), CommandState(new)):
            problems.append(f"event {event['position']}: {old} cannot become {new}")
        stood[name] = new
    return problems
