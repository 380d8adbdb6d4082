"""Rows of a person: access and preferences go, comments and names are taken out, and what they decided stays by their
id.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from assets.stores.erasure.rows import GONE_WORD, PINNED, RowChange, changed, gone, named_in
from assets.stores.erasure.subject import Subject
from assets.stores.schema.tables_readings import batches
from assets.stores.schema.tables_reports import report_decisions, report_makers, signatures
from assets.stores.schema.tables_web import api_keys, credentials, key_uses, login_ends, login_uses, logins, preferences
from assets.stores.sign import REPLACE, canonical
from assets.stores.tables import TABLES
from assets.stores.transactions import Store
from assets.stores.trust import ADOPT, ERASE

# Of these rows of the person, what opens a door and where they were written to.
_EMPTIED: dict[str, tuple[str, ...]] = {
    "credentials": ("secret",),
    "api_keys": ("secret_sha256", "name"),
    "notice_events": ("address", "text", "reason", "link"),
}
# Signed facts in which words of people stand; without them the rest says what it said.
_WORDS = ("reason", "what")


def person_rows(store: Store, subject: Subject) -> Iterator[RowChange]:
    """Every change that the erasure of a person makes."""
    person_id = subject.own_id
    yield from gone("access", store, preferences, preferences.c.person_id == person_id)
    tokens = sa.select(logins.c.token_sha256).where(logins.c.person_id == person_id)
    for table in (login_uses, login_ends):
        yield from gone("access", store, table, table.c.token_sha256.in_(tokens))
    yield from gone("access", store, logins, logins.c.person_id == person_id)
    keys = sa.select(api_keys.c.key_id).where(api_keys.c.person_id == person_id)
    yield from gone("access", store, key_uses, key_uses.c.key_id.in_(keys))
    for table in TABLES:
        if "person_id" in table.c and table.name not in PINNED and table not in (logins, preferences, signatures):
            yield from _own_words(store, table, person_id)
    # Batches that edits of the person became are called by their reason.
    begin = f"edit by {person_id}"
    for row in store.rows(sa.select(batches).where(batches.c.source_name.startswith(f"{begin}:", autoescape=True))):
        yield from changed("words", batches, row, {"source_name": begin})
    yield from _signed(store, subject)
    for row in store.rows(sa.select(report_decisions)):
        if person_id in (row["names"] or {}):
            yield from changed("names", report_decisions, row, {"names": row["names"] | {person_id: person_id}})
    yield from named_in(store, subject)


def revisions_of(store: Store, person_id: str) -> list[tuple[str, int]]:
    """Revisions of reports in whose files the person is named: who prepared, reviewed or published them."""
    found = {
        (row["report_id"], row["revision"])
        for table in (report_decisions, report_makers)
        for row in store.rows(sa.select(table.c.report_id, table.c.revision).where(table.c.person_id == person_id))
    }
    return sorted(found)


def _own_words(store: Store, table: sa.Table, person_id: str) -> Iterator[RowChange]:
    emptied = _EMPTIED.get(table.name, ("reason",) if "reason" in table.c else ())
    name = "access" if table in (credentials, api_keys) else "words"
    for row in store.rows(sa.select(table).where(table.c.person_id == person_id)) if emptied else ():
        # An empty word stays empty: nothing was said.
        word = "" if name == "access" else GONE_WORD
        values: dict[str, Any] = {each: word for each in emptied if row[each]}
        if reason := row.get("reason"):
            # A document in the row may say the reason a second time.
            values |= {
                each: _without(row[each], reason) for each in row if isinstance(row[each], dict | list)
            }  # fmt: skip
        yield from changed(name, table, row, values)


def _without(value: Any, word: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(each, word) for key, each in value.items()}
    if isinstance(value, list):
        return [_without(each, word) for each in value]
    return GONE_WORD if value == word else value


def _signed(store: Store, subject: Subject) -> Iterator[RowChange]:
    """Signed acts: who did what on which rows stays, words and names go; the erasure vouches for the signature."""
    for row in store.rows(sa.select(signatures)):
        if row["kind"] in (REPLACE, ADOPT, ERASE):
            continue
        action = json.loads(row["action"])
        facts = action["facts"]
        if row["person_id"] == subject.own_id:
            facts = facts | {each: GONE_WORD for each in _WORDS if facts.get(each)}
        names = facts.get("names")
        if isinstance(names, dict) and subject.own_id in names:
            facts = facts | {"names": names | {subject.own_id: subject.own_id}}
        after = action | {"facts": subject.cleaned(facts)}
        if after != action:
            yield from changed("words", signatures, row, {"action": canonical(after).decode()})
