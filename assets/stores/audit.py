"""The whole store against its seals and signatures: what `meterloom doctor` and the daily check ask.

Unlike trust.py, which stops at the first doubt, this names every bad row.
"""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from assets.stores.actions import Signature, is_signed
from assets.stores.schema.tables_reports import signatures
from assets.stores.schema.tables_seals import row_seals
from assets.stores.seals import GENESIS, Key, as_raw, key_of, link_hash, raw_columns, raw_select, row_sha256
from assets.stores.tables import PROTECTED
from assets.stores.transactions import Store
from assets.stores.trust import ACTS, CHANGED, REMOVED, UNSEALED, Trust, add_marks
from data_quality.contracts.model import Model

Raw = Mapping[str, Any]


class BadRow(Model):
    """One row that is not what the program wrote. key: of its primary key, parts joined by a slash."""

    table: str
    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.table} {self.key}: {self.what}"


def bad_rows(store: Store) -> list[BadRow]:
    """Every protected row that is not as it was sealed or not signed as it must be, and every seal that is bent."""
    seals, marks, found = _content(store)
    trust = Trust(store.public_keys)
    # Before signatures are judged: it says up to which seal acts need none of their own (`vouched`).
    trust.refresh(store.rows, ACTS)
    heads = {each["position"]: each["hash"] for each in seals}
    # People get new keys over the years: what was found by a migration, or adopted since, may be by a former one.
    old = {key for key, (_, position) in marks[signatures.name].items() if position <= trust.vouched}
    # In a broken chain no act is proven: each would be named beside the one cause.
    return [*found, *_bad_signatures(store, heads, old), *([] if trust.broken else _bad_acts(store, trust))]


def bad_content(store: Store) -> list[BadRow]:
    """The same without signatures."""
    return _content(store)[2]


def _content(store: Store) -> tuple[list[dict[str, Any]], dict[str, dict[Key, tuple[str, int]]], list[BadRow]]:
    seals = store.rows(raw_select(row_seals).order_by(row_seals.c.position))
    marks: dict[str, dict[Key, tuple[str, int]]] = {table.name: {} for table in PROTECTED}
    found = [*_bad_links(seals), *_bad_marks(seals, marks)]
    for table in PROTECTED:
        found += _bad_content(store, table, marks[table.name])
    return seals, marks, found


def _bad_links(seals: list[dict[str, Any]]) -> list[BadRow]:
    found: list[BadRow] = []
    before = GENESIS
    for position, link in enumerate(seals, start=1):
        # Every later position would be off as well, so one missing seal ends the list.
        if link["position"] != position:
            return [*found, BadRow(table="row_seals", key=str(position), what="the seal was removed")]
        if link["hash"] != link_hash(before, link):
            found.append(BadRow(table="row_seals", key=str(position), what="its hash does not fit its content"))
        # The stored hash, not the one it should be: one bent seal is one fault, and not also the fault of all that
        # follow.
        before = link["hash"]
    return found


def _bad_marks(seals: list[dict[str, Any]], marks: dict[str, dict[Key, tuple[str, int]]]) -> list[BadRow]:
    found = []
    for link in seals:
        known = marks.get(link["table_name"])
        if known is None:
            what = "it names a table that is not sealed"
        else:
            what = add_marks(known, link["table_name"], link["position"], link["rows"], link["rows_sha256"])
        if what:
            found.append(BadRow(table="row_seals", key=str(link["position"]), what=what))
    return found


def _bad_content(store: Store, table: sa.Table, marks: dict[Key, tuple[str, int]]) -> list[BadRow]:
    found, left = [], dict(marks)
    for row in store.rows(sa.select(*raw_columns(table))):
        key = key_of(table, row)
        mark = left.pop(key, None)
        if mark is None:
            found.append(_bad(table, key, UNSEALED))
        elif mark[0] != row_sha256(table, row):
            found.append(_bad(table, key, CHANGED))
    return [*found, *(_bad(table, key, REMOVED) for key in left)]


def _bad_signatures(store: Store, heads: Mapping[int, str], old: set[Key]) -> list[BadRow]:
    """Signatures that do not hold, and those that were given on another chain of seals than the present one.

    old: those that may be by a key which the people file no longer has.
    """
    found = []
    # A project in which nobody signs has none, and needs no cryptography.
    for row in store.rows(raw_select(signatures)):
        # Unvalidated: a bent row must end as "does not hold", not as an error of the model.
        signed = Signature.model_construct(**row)
        key = (signed.action_sha256,)
        if not is_signed(signed):
            found.append(_bad(signatures, key, "the signature does not hold"))
            continue
        keys = store.public_keys
        if keys is not None and key not in old and keys.get(signed.person_id) != signed.public_key:
            what = f"signed by a key that the people file does not have of {signed.person_id!r}"
            found.append(_bad(signatures, key, what))
        position, head = _pin(signed)
        if position and heads.get(position) != head:
            what = f"{signed.person_id!r} signed on another seal {position}: the chain was rewritten"
            found.append(_bad(signatures, key, what))
    return found


def _pin(signed: Signature) -> tuple[int, str]:
    """Position and hash of the seal that it was given on; (0, "") where it says none: it is older, or by anybody."""
    said = json.loads(signed.action)["facts"].get("seals")
    is_pin = isinstance(said, list) and len(said) == 2 and isinstance(said[0], int)
    return (said[0], said[1]) if is_pin else (0, "")


def _bad_acts(store: Store, trust: Trust) -> list[BadRow]:
    """Acts whose row stands as sealed, and which nobody of the people file signed."""
    found = []
    for table in (each for each in PROTECTED if each.name in ACTS):
        for row in store.rows(raw_select(table)):
            what = trust.unsigned(table, row)
            if what:
                found.append(_bad(table, key_of(table, as_raw(table, row)), what))
    return found


def _bad(table: sa.Table, key: Key, what: str) -> BadRow:
    return BadRow(table=table.name, key="/".join(map(str, key)), what=what)
