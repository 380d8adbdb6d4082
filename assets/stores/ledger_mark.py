"""How far a ledger had come when something outside of it was written, and whether a store is that ledger and has come
as far. Imports nothing heavier than SQLAlchemy: the agent asks too.

The people file has the present key alone. From it the way leads back, change by change, to the keys before; without
the new key's word anybody could name a key of their own as a former one of somebody.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from math import inf
from typing import Any

import sqlalchemy as sa

from assets.stores.schema.tables_control import ledger_identity
from assets.stores.schema.tables_readings import batches
from assets.stores.schema.tables_reports import signatures
from assets.stores.schema.tables_seals import recorded_clock, row_seals
from assets.stores.sign import Signature, canonical, is_signed, is_valid
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


REPLACE = "keys replace"
KEY_DOMAIN = "meterloom/key/1"
# Person and key -> the place in the chain of seals up to which it was theirs.
FormerKeys = dict[tuple[str, str], float]


def key_statement(person_id: str, before: str, after: str) -> bytes:
    """What the new key signs: whose key it is from now on, and which it replaces (public keys, base64)."""
    return canonical({"person_id": person_id, "before": before, "after": after})


def is_vouched(person_id: str, before: str, after: str, vouched: str) -> bool:
    """True where `vouched` is the new key's signature over the change."""
    return is_valid(after, KEY_DOMAIN, key_statement(person_id, before, after), vouched)


def has_signed(store: Store, public_key: str) -> bool:
    """True where the store has a signature by that key, whoever's."""
    return bool(store.rows(sa.select(signatures.c.kind).where(signatures.c.public_key == public_key).limit(1)))


def signed_on(signed: Signature) -> float:
    """The place in the chain of seals that an act was signed on, as its text says; infinite where it says none."""
    found = json.loads(signed.action)["facts"].get("seals") if is_signed(signed) else None
    is_pin = isinstance(found, list) and len(found) == 2 and isinstance(found[0], int)
    return found[0] if found and is_pin else inf


def former_keys(
    signed: Iterable[Signature], public_keys: Mapping[str, str], place: Callable[[Signature], float]
) -> FormerKeys:
    """Keys that people had before their present ones, each with the place of the act that replaced it.

    place: of an act in the chain of seals. A key is asked back from the present one: each change lies before the next.
    """
    changes: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for each in signed:
        if each.kind != REPLACE or not is_signed(each):
            continue
        facts = json.loads(each.action)["facts"]
        after, vouched = str(facts.get("public_key")), str(facts.get("vouched"))
        if is_vouched(each.person_id, each.public_key, after, vouched):
            changes[each.person_id, after].append((place(each), each.public_key))
    found: FormerKeys = {}
    for person_id, key in public_keys.items():
        until, after = inf, key
        while before := [each for each in changes.get((person_id, after), ()) if each[0] < until]:
            # Twice, where a first try was broken off before it reached the people file.
            until, after = max(before)
            found.setdefault((person_id, after), until)
    return found
