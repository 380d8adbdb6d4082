"""How far a ledger had come when something outside of it was written, and whether a store is that ledger and has come
as far. Imports nothing heavier than SQLAlchemy: the agent asks too.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.schema.tables_control import ledger_identity
from assets.stores.schema.tables_readings import batches
from assets.stores.schema.tables_seals import recorded_clock, row_seals
from assets.stores.transactions import Store
from data_quality.contracts.model import Model

ADOPT = "put the right store back, or go on with this one with 'meterloom lake adopt', which deletes no file"
_UNTIL = sa.select(recorded_clock.c.last_utc).where(recorded_clock.c.id == 1)


class Mark(Model):
    """A ledger's name, and position and hash of a seal in its chain. until_utc: its newest recorded time then, or when
    the sealed rows were recorded (ISO 8601).
    """

    ledger: str
    seal: int
    seal_hash: str
    until_utc: str


def ledger_of(store: Store) -> str:
    """The name of the store's ledger, which no other store shares; empty where it has none (damaged)."""
    # Asked with every batch, and the same as long as the store is open.
    if not store.ledger:
        found = store.rows(sa.select(ledger_identity.c.ledger_id))
        store.ledger = str(found[0]["ledger_id"]) if found else ""
    return store.ledger


def mark_now(store: Store) -> Mark:
    """How far the store has come."""
    until = _UNTIL.scalar_subquery().label("last_utc")
    newest = sa.select(row_seals.c.position, row_seals.c.hash, until).order_by(row_seals.c.position.desc()).limit(1)
    found: Mapping[str, Any] = next(iter(store.rows(newest)), {"position": 0, "hash": "", "last_utc": None})
    until_utc = _written(found["last_utc"])
    return Mark(ledger=ledger_of(store), seal=found["position"], seal_hash=found["hash"], until_utc=until_utc)


def gap(store: Store, mark: Mark, holder: str) -> str:
    """Why the store is not the ledger of the mark, or has not come as far; empty where it is and has.

    holder: what carries the mark, with its place. The answer is a clause; what to do about it is the caller's.
    """
    where = f"the store {store.place}"
    named = f"{holder} belongs to ledger {mark.ledger[:8]}, which had come to {_shown(mark.until_utc)}"
    if (present := ledger_of(store)) != mark.ledger:
        if not store.rows(sa.select(batches.c.batch_id).limit(1)):
            return f"{named}, and {where} is a new one without batches: the store was deleted, or database.url is wrong"
        return f"{named}, and {where} is ledger {present[:8]}: it is another project's, or database.url is wrong"
    link = store.rows(sa.select(row_seals.c.hash).where(row_seals.c.position == mark.seal))
    if mark.seal and not link:
        return f"{named}, and {where} ends at {_shown(_until(store))}: it is an older store, as after a restore"
    if mark.seal and link[0]["hash"] != mark.seal_hash:
        return f"{named}, and {where} has another history since: work went on with an older store, as after a restore"
    return ""


def _until(store: Store) -> str:
    found = store.rows(_UNTIL)
    return _written(found[0]["last_utc"] if found else None)


def _written(last_utc: datetime | None) -> str:
    return "" if last_utc is None else f"{last_utc:%Y-%m-%dT%H:%M:%SZ}"


def _shown(until_utc: str) -> str:
    return f"{until_utc[:10]} {until_utc[11:19]}Z" if until_utc else "no batch"
