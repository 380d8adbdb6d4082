"""Marks on the chain of command events: how long it was and with which hash, sealed with everything else and under the
signatures of people. Without them a chain could be cut, or written anew from any place on, with hashes that fit.

Who can write to the whole database can write marks and seals anew as well, or put an older state back. So the same is
written down a second time outside of it, once an hour: a line in a file of the site, an anchor.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import AwareDatetime, ValidationError

from assets.stores.anchors import FILE as LEDGER_FILE
from assets.stores.event_chain import chain_head
from assets.stores.schema.tables_control import chain_marks
from assets.stores.schema.tables_seals import row_seals
from assets.stores.seals import append_row, head_of
from assets.stores.transactions import Connection, Store, reaching, read_rows, select_rows
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

ANCHOR_EVERY = timedelta(hours=1)
MARK, ANCHOR = "a sealed mark", "an anchor outside the database"


class Anchor(Model):
    """Ends of two chains at an instant: the site's events and the store's seals, each by position and hash."""

    at_utc: AwareDatetime
    position: int
    hash: str
    seal: int
    seal_hash: str


def mark_chain(connection: Connection, site_id: str, at_utc: datetime) -> None:
    """Write down where the site's chain ends now, in the caller's transaction; nothing where that is known."""
    position, head = chain_head(connection, site_id)
    known = chain_marks.select().where(chain_marks.c.site_id == site_id, chain_marks.c.position == position)
    if position and not select_rows(connection, known):
        append_row(connection, chain_marks, site_id=site_id, position=position, hash=head, recorded_at_utc=at_utc)


def anchor_chain(store: Store, site_id: str, folder: Path, at_utc: datetime) -> Finding | None:
    """Append where both chains end now to the site's file, an hour after the last line at the earliest.

    A Finding where the file cannot be read or written: what was released stands. Raises Unreachable (store).
    """
    with store.reading() as connection:
        (position, head), (seal, seal_hash) = chain_head(connection, site_id), head_of(connection)
    anchor = Anchor(at_utc=at_utc, position=position, hash=head, seal=seal, seal_hash=seal_hash)
    try:
        _append(_file(folder, site_id), anchor, anchors_of(folder, site_id)[0])
    # A share that is gone has errors of its own, which no disk of this machine has.
    except (Unreachable, OSError) as fault:
        message = f"where the ledger of {site_id} ended was not noted outside the database: {fault}"
        return Finding(code="chain_not_anchored", message=message, scope=site_id)
    return None


def _append(file: Path, anchor: Anchor, known: Sequence[Anchor]) -> None:
    # A clock that was set back must not end it: a line of the future counts as old.
    is_young = bool(known) and timedelta(0) <= anchor.at_utc - known[-1].at_utc < ANCHOR_EVERY
    # A site without events has no end to note.
    if anchor.position and not is_young:
        with reaching(""):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with file.open("a", encoding="utf-8") as lines:
                lines.write(anchor.model_dump_json() + "\n")


def anchors_of(folder: Path, site_id: str) -> tuple[list[Anchor], list[str]]:
    """The site's anchors in the order of the file, and a sentence for each line that is none. Raises Unreachable."""
    file, found, problems = _file(folder, site_id), [], []
    with reaching(""):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(Anchor.model_validate_json(line))
        except ValidationError:
            problems.append(f"{file}, line {number}: it is no anchor; the file was changed, or its disk failed")
    return found, problems


def anchored_sites(folder: Path) -> set[str]:
    """The sites of which there is a file."""
    return {file.stem for file in folder.glob("*.jsonl")} - {Path(LEDGER_FILE).stem}


def off_anchors(
    store: Store, anchors: Sequence[Anchor], events: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[int, str]], list[str]]:
    """The first event and the first seal that differ from an anchor: after it every later one differs as well."""
    seals = {
        row["position"]: row["hash"] for row in read_rows(store, sa.select(row_seals.c.position, row_seals.c.hash))
    }
    bent = next((each.seal for each in anchors if each.seal and seals.get(each.seal) != each.seal_hash), None)
    problem = f"seal {bent}: it, or one before it, was removed or rewritten; {ANCHOR} says otherwise"
    return off_marks([dict(each) for each in anchors], events, by=ANCHOR)[:1], [] if bent is None else [problem]


def _file(folder: Path, site_id: str) -> Path:
    return folder / f"{site_id}.jsonl"


def off_marks(
    marks: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], by: str = MARK
) -> list[tuple[int, str]]:
    """Positions of events that differ from a mark, with a sentence each; events and marks in their order."""
    known = {event["position"]: event for event in events}
    found = []
    for mark in marks:
        position = mark["position"]
        if position not in known:
            found.append((position, f"event {position}: it is missing; {by} says that it was there"))
        elif known[position]["hash"] != mark["hash"]:
            where = f"event {position} (command {known[position]['command_id']})"
            found.append((position, f"{where}: it, or one before it, was rewritten; {by} says otherwise"))
    return found
