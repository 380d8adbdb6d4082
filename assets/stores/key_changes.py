"""A person's key replaced by another: the old key signs the act, the new one vouches for the old, so that what the old
one signed before still counts.

The people file has the present key alone. From it the way leads back, change by change, to the keys before; without
the new key's word anybody could name a key of their own as a former one of somebody.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from math import inf

import sqlalchemy as sa

from assets.stores.schema.tables_reports import signatures
from assets.stores.sign import Signature, canonical, is_signed, is_valid
from assets.stores.transactions import Store

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
