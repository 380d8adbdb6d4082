"""Check a site's history of commands: is every event where it was put, does it end where the rows say, and are the
rows of commands, modes and faults those that were written, by whom they name?
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import canonical_json
from assets.stores.event_chain import event_hash
from assets.stores.ledgers.command_states import PAIRS
from assets.stores.schema.tables_control import (
    approval_events,
    chain_marks,
    command_events,
    commands,
    fault_events,
    hold_events,
    holiday_events,
    mode_events,
    mode_requests,
)
from assets.stores.seals import MOVING, off_chain, raw_select, unsealed_columns
from assets.stores.transactions import Store, read_rows
from assets.stores.trust import proven
from controls.ledger.as_of import columns_after
from controls.ledger.chain_marks import anchors_of, off_anchors, off_marks
from controls.ledger.states import is_better
from data_quality.contracts.control.command import CommandState

# Rows that say what may go and who said so.
SIGNED = (
    commands, mode_events, mode_requests, approval_events, hold_events, holiday_events, fault_events, chain_marks,
)  # fmt: skip
# Position of the event, and what is wrong there.
Broken = tuple[int, str]
UNREADABLE = "unreadable"


def verify_chain(store: Store, site_id: str, anchors: Path | None = None) -> list[str]:
    """Sentences for everything that is wrong, the first broken event first; empty where the chain holds. Raises
    Unreachable.

    anchors: folder of what was written down outside the database; without it, one that was put back is not seen.

    Checked: positions count 1, 2, 3 …; each hash follows from the one before; each step is allowed and starts where
    the command stood; the chain is at its sealed marks what it was; what moves in each command's row is what its
    events say; and the rows of commands, modes, approvals, holds, holidays and faults fit their seals and signatures.
    """
    events = _raw(store, command_events, site_id)
    for event in events:
        event["facts"] = _parsed(event["facts"])
    marks = _raw(store, chain_marks, site_id)
    broken = [*_broken_links(events), *_bad_steps(events), *off_marks(marks, events)]
    anchored: list[str] = []
    if anchors is not None:
        known, anchored = anchors_of(anchors, site_id)
        off_events, off_seals = off_anchors(store, known, events)
        broken, anchored = [*broken, *off_events], [*anchored, *off_seals]
    return [
        # In the chain's own order: the first sentence is where to look.
        *(sentence for _, sentence in sorted(broken, key=lambda each: each[0])),
        *anchored,
        *_bad_rows(store, site_id, events),
        *(problem for table in SIGNED for problem in proven(store, table, _raw(store, table, site_id))[1]),
    ]


def _raw(store: Store, table: sa.Table, site_id: str) -> list[dict[str, Any]]:
    """Rows as the database holds them, so that a tampered one is reported and raises nothing; in order of their key."""
    return read_rows(store, raw_select(table).where(table.c.site_id == site_id).order_by(*table.primary_key))


def _parsed(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return {UNREADABLE: text}
    return value if isinstance(value, dict) else {UNREADABLE: text}


def _broken_links(events: list[dict[str, Any]]) -> list[Broken]:
    problems: list[Broken] = []
    for expected, is_missing in off_chain(events, _linked):
        event = events[expected - 1]
        problem = f"event {expected} (command {event['command_id']}): the hash does not fit its content"
        if is_missing:
            problem = f"event {event['position']}: expected position {expected}; an event is missing"
        problems.append((event["position"], problem))
    return problems


def _linked(before: str, event: Mapping[str, Any]) -> str | None:
    """The hash that the event must have; none where it names another predecessor."""
    return event_hash(before, event) if event["prev_hash"] == before else None


def _bad_steps(events: list[dict[str, Any]]) -> list[Broken]:
    problems: list[Broken] = []
    states: dict[str, str] = {}
    grades: dict[str, int | None] = {}
    for event in events:
        name, old, new, what = event["command_id"], event["from_state"], event["to_state"], ""
        if old != states.get(name):
            what = f"command {name} was at {states.get(name)}, not {old}"
        elif old is None and new != CommandState.PROPOSED:
            what = f"command {name} starts as {new}"
        elif old is not None and (old, new) not in PAIRS:
            what = f"{old} cannot become {new}"
        elif old == new and not is_better(grades.get(name), _grade(event)):
            what = f"command {name} stays {new} without better evidence"
        if what:
            problems.append((event["position"], f"event {event['position']}: {what}"))
        # As the event says, right or wrong: one bad step must not make every later one look bad.
        states[name] = new
        grades[name] = _grade(event) if _grade(event) is not None else grades.get(name)
    return problems


def _grade(event: dict[str, Any]) -> int | None:
    grade = event["facts"].get("evidence_grade")
    return grade if isinstance(grade, int) else None


def _bad_rows(store: Store, site_id: str, events: list[dict[str, Any]]) -> list[str]:
    by_command: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_command.setdefault(event["command_id"], []).append(event)
    rows, kept, problems = _raw(store, commands, site_id), unsealed_columns(store, commands), []
    for row in rows:
        name = row["command_id"]
        if name not in by_command:
            problems.append(f"command {name}: the row says {row['state']}, the last event None")
            continue
        last = columns_after(by_command[name], kept.get((name,)))
        for column in MOVING:
            # Facts are compared as stored text: a parsed number may be equal and yet have been rewritten.
            value = canonical_json(last[column]) if column == "facts" else last[column]
            if row[column] != value:
                what = "the row" if column == "state" else f"{column} of the row"
                problems.append(f"command {name}: {what} says {row[column]}, the last event {value}")
    known = {row["command_id"] for row in rows}
    problems += [f"command {name}: it has events, but no row" for name in by_command if name not in known]
    return problems
