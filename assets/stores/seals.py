"""Row seals: every row on which safety, money or approval rests is written together with its digest in one chain.

`append` is the only way into a protected table. A trigger keeps a row as long as nobody drops the trigger; a seal says
afterwards that the row is the one that was written. Imports nothing heavier than SQLAlchemy: the agent writes here too.

How far a ledger had come when something outside of it was written, and whether a store is that ledger and has come as
far. Imports nothing heavier than SQLAlchemy: the agent asks too.
"""

import functools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import canonical_json, text_sha256
from assets.stores.schema.tables_control import commands, ledger_identity
from assets.stores.schema.tables_readings import batches
from assets.stores.schema.tables_seals import recorded_clock, row_seals
from assets.stores.tables import BY_NAME
from assets.stores.transactions import Store, lock_recorded
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
    """The newest position of the store."""
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


GENESIS = "0" * 64
# Over rows of before there were seals: it says what stood there, not that this program wrote it.
AS_FOUND = "as found by a migration"
# Over rows of an erasable table that are gone from then on: a row with that key is none of this program.
ERASED = "erased"
# The same, and rows that say less from then on, by an erasure whose id follows: any table's (assets/stores/erasure).
ERASED_BY, REDACTED_BY = "erased by ", "redacted by "
# How far a command came: its chained events say it (controls/ledger/chain.py), so its seal does not.
MOVING = ("state", "facts", "mode_at_issue", "evidence_grade", "seq", "epoch")
Key = tuple[Any, ...]


@functools.cache
def sealed_columns(table: sa.Table) -> tuple[sa.Column[Any], ...]:
    """The columns that a seal covers, in the order of the table. Kept: every row needs them."""
    return tuple(column for column in table.c if table.name != commands.name or column.name not in MOVING)


@functools.cache
def _key_columns(table: sa.Table) -> tuple[sa.Column[Any], ...]:
    return tuple(table.primary_key.columns)


def raw_columns(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """The same columns as the database holds them: no text of a bent row can fail to be read."""
    return [sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in sealed_columns(table)]


@functools.cache
def raw_select(table: sa.Table) -> sa.Select[Any]:
    """Every column of a table as the database holds it. Made once a table: an agent asks several times a second."""
    columns: list[Any] = [sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in table.c]
    return sa.select(*columns)


@functools.cache
def raw_of_site(table: sa.Table, site_id: str) -> sa.Select[Any]:
    """The same of a site's rows, in the order of their numbers."""
    return raw_select(table).where(table.c.site_id == site_id).order_by(table.c.id)


def row_sha256(table: sa.Table, raw: Mapping[str, Any]) -> str:
    """Digest of a row as the database holds it: equal on every engine for equal values.

    What is null is left out, so that a column which a later migration adds leaves the digests of old rows as they are.
    """
    # The table's name is hashed with them: a row is no proof of one in another table with the same columns.
    values = {}
    for column in sealed_columns(table):
        value = raw[column.name]
        if value is not None:
            values[column.name] = value if isinstance(value, str) else _plain(value, column.type)
    return text_sha256(canonical_json([table.name, values]))


def key_of(table: sa.Table, row: Mapping[str, Any]) -> Key:
    """The row's primary key, as a seal names it."""
    return tuple(_plain(row[column.name], column.type) for column in _key_columns(table))


def as_raw(table: sa.Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as queries give it, in the form in which the database holds it; one in that form already stays as it is."""
    found = {}
    for column in sealed_columns(table):
        value = row[column.name]
        kind: Any = column.type
        # JSON columns hold objects and lists, so that a text in one is its stored form already.
        is_raw = isinstance(value, str | bytes | int | float) or not isinstance(kind, sa.TypeDecorator)
        found[column.name] = value if is_raw else kind.process_bind_param(value, None)
    return found


def append(connection: sa.Connection, table: sa.Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows into a table, together with their seal where the table is sealed, in the caller's transaction.

    A seal takes the lock of the recorded time: whoever also locks a site's chain of commands does that first.
    """
    given = [dict(row) for row in rows]
    if not given:
        return
    if not table.info.get("is_sealed"):
        connection.execute(table.insert(), given)
        return
    # Before the rows: one who inserts first and waits for the chain second could deadlock with one who does the
    # opposite.
    lock_recorded(connection)
    # A seal is over all columns, and one that a row leaves out is null.
    nothing = dict.fromkeys(column.name for column in table.c)
    if all(column.name in given[0] for column in table.primary_key):
        connection.execute(table.insert(), given)
        rows = [as_raw(table, nothing | row) for row in given]
    else:
        # With the numbers that the database gave, and as it holds them.
        written = connection.execute(table.insert().returning(*raw_columns(table)), given).mappings()
        # RETURNING promises no order, and the list under the seal must follow from the rows.
        rows = sorted((dict(row) for row in written), key=lambda row: str(key_of(table, row)))
    seal(connection, table, rows)


def append_row(connection: sa.Connection, table: sa.Table, **values: Any) -> None:
    """The same for one row."""
    append(connection, table, [values])


def seal(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    note: str = "",
    beside: Sequence[str] = (),
) -> None:
    """Seal rows that stand, as the database holds them: for `append` and for migrations.

    beside: columns that no seal covers, whose present values are written down after the digest.
    """
    marks: list[list[Any]] = [
        [*key_of(table, row), row_sha256(table, row), *([{name: row[name] for name in beside}] if beside else [])]
        for row in rows
    ]
    position, head = head_of(connection)
    text = canonical_json(marks)
    link = {
        "position": position + 1,
        "table_name": table.name,
        "note": note,
        # Of a bulk of readings it is long: it is encoded once, and as text it stays small until somebody signs.
        "rows": sa.literal(text, sa.Text),
        "rows_sha256": text_sha256(text),
    }
    connection.execute(row_seals.insert().values(**link, hash=link_hash(head, link)))
    # For the signature over this act, which is written later in the same transaction (`bound_facts`).
    connection.info.setdefault("sealed", []).append((table.name, text))


def erase(connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool], *, note: str = ERASED) -> None:
    """Delete rows of an erasable table in the caller's transaction, with a seal that says so."""
    lock_recorded(connection)
    rows = [dict(row) for row in connection.execute(raw_select(table).where(where)).mappings()]
    if rows:
        seal(connection, table, rows, note=note)
        connection.execute(table.delete().where(where))


def unsealed_columns(store: Store, table: sa.Table) -> dict[Key, dict[str, Any]]:
    """By key, what a migration wrote down of columns that no seal covers."""
    size = len(table.primary_key.columns)
    query = sa.select(row_seals.c.rows).where(row_seals.c.table_name == table.name, row_seals.c.note == AS_FOUND)
    return {tuple(mark[:size]): mark[size + 1] for row in store.rows(query) for mark in row["rows"]}


def head_of(
    connection: sa.Connection, table: sa.Table = row_seals, *which: sa.ColumnElement[bool]
) -> tuple[int, str]:  # fmt: skip
    """Position and hash of the newest seal, or of the newest row of another chain; (0, GENESIS) before the first."""
    query = sa.select(table.c.position, table.c.hash).where(*which).order_by(table.c.position.desc()).limit(1)
    last = connection.execute(query).first()
    return (0, GENESIS) if last is None else (last.position, last.hash)


def newest_seals(store: Store, of: Iterable[sa.Table]) -> tuple[int, ...]:
    """Place in the chain of the newest seal over each table, 0 for none: the same as long as nobody wrote to them.

    One look into an index a table, however long the chain is.
    """
    places = [
        sa.select(sa.func.max(row_seals.c.position)).where(row_seals.c.table_name == table.name).scalar_subquery()
        for table in of
    ]
    (found,) = store.rows(sa.select(*(place.label(f"at_{n}") for n, place in enumerate(places))))
    return tuple(int(each or 0) for each in found.values())


def link_hash(before: str, link: Mapping[str, Any]) -> str:
    """Hash of one seal that follows the hash `before`."""
    # The digest stands for the rows, so that the chain can be followed without reading every mark in it.
    return chained(before, [link[name] for name in ("position", "table_name", "note", "rows_sha256")])


def chained(before: str, content: Any) -> str:
    """Hash of a link of any chain: over its content, as canonical JSON, and the hash of the link before it."""
    return text_sha256(before + canonical_json(content))


def off_chain(
    links: Iterable[Mapping[str, Any]],
    hash_of: Callable[[str, Mapping[str, Any]], str | None],
    *,
    position: int = 0,
    before: str = GENESIS,
) -> Iterator[tuple[int, bool]]:
    """Places of links that are not as they were written, in a chain that follows this position and hash.

    True beside a place: its link is missing, and ends the list, since every later one would be off as well. Else the
    hash of that link does not fit; it is followed all the same, so that one bent link is one fault. hash_of: the hash
    that a link must have after the one before it; None where none would do.
    """
    for place, link in enumerate(links, start=position + 1):
        if link["position"] != place:
            yield place, True
            return
        expected = hash_of(before, link)
        if expected is None or link["hash"] != expected:
            yield place, False
        before = link["hash"]


def bound_facts(connection: sa.Connection) -> dict[str, Any]:
    """Facts that an act's signature binds besides its own: the rows sealed in this transaction, the chain's head."""
    rows = [[name, *mark] for name, text in connection.info.get("sealed", ()) for mark in json.loads(text)]
    return {"rows": rows, "seals": list(head_of(connection))}


def give_numbers_back(connection: sa.Connection) -> None:
    """Let the numbers of rows that this transaction sealed be given again after it is rolled back, as on SQLite they
    are: the same act, done once more, then has the same text under its signature.
    """
    if connection.dialect.name != "postgresql":
        return
    # Nobody else was given one since: the sealing transaction holds the lock until the end.
    for name, text in reversed(connection.info.get("sealed", ())):
        numbered = BY_NAME[name].autoincrement_column
        if numbered is not None:
            sequence = sa.func.pg_get_serial_sequence(name, numbered.name)
            connection.execute(sa.select(sa.func.setval(sequence, min(mark[0] for mark in json.loads(text)), False)))


def _plain(value: Any, kind: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) or (isinstance(kind, sa.Float) and isinstance(value, int)):
        # SQLite gives a whole number back as it was handed over, and later as it is kept.
        return float(value) if math.isfinite(value) else repr(value)
    # SQLite keeps a boolean as a number and a date as text.
    return int(value) if isinstance(value, int) else value.isoformat() if isinstance(value, date) else repr(value)
