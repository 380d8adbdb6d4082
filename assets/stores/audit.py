"""Audit of the whole store: rows against seals and signatures, and tables, indexes and triggers against those that the
migrations made, since what keeps rows from being changed may have been dropped or replaced.

Unlike trust.py, which stops at the first doubt, this names every bad row.
"""

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores import revisions
from assets.stores.schema.tables_control import commands
from assets.stores.schema.tables_factors import emission_factors
from assets.stores.schema.tables_readings import batches, lake_merges, meter_events, quarantine, register_reads
from assets.stores.schema.tables_reports import report_decisions, report_revisions, signatures
from assets.stores.schema.tables_seals import recorded_clock, row_seals
from assets.stores.seals import (
    ERASED_BY,
    REDACTED_BY,
    Key,
    as_raw,
    key_of,
    link_hash,
    off_chain,
    raw_columns,
    raw_select,
    row_sha256,
)
from assets.stores.sign import Signature, former_keys, is_signed
from assets.stores.tables import APPEND_ONLY, PROTECTED
from assets.stores.transactions import Store, connect_store
from assets.stores.trust import ACTS, ADOPT, BENT, CHANGED, REMOVED, UNSEALED, Trust, add_marks
from data_quality.contracts.model import Model

Marks = dict[Key, tuple[str, int]]
# As the database holds them, so that a bent one is named and not stumbled over.
_LINKS = [
    sa.type_coerce(row_seals.c[name], sa.types.NullType()).label(name)
    for name in ("position", "table_name", "note", "rows_sha256", "hash")
]
# Tables whose rows are recorded at the time that the store's clock gives.
_CLOCKED = (
    batches, lake_merges, meter_events, quarantine, register_reads, emission_factors, report_revisions,
    report_decisions, signatures,
)  # fmt: skip


class BadRow(Model):
    """One row that is not what the program wrote. key: of its primary key, parts joined by a slash."""

    table: str
    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.table} {self.key}: {self.what}"


def has_acts_to_adopt(store: Store) -> bool:
    """True where acts stand in the store from before anybody signed, which nobody has adopted yet."""
    position, table = row_seals.c.position, row_seals.c.table_name
    first = sa.select(sa.func.min(position)).where(table == signatures.name).scalar_subquery()
    earlier = sa.select(position).where(table.in_(ACTS), sa.or_(first.is_(None), position < first)).limit(1)
    adopted = sa.select(signatures.c.kind).where(signatures.c.kind == ADOPT).limit(1)
    return bool(store.rows(earlier)) and not store.rows(adopted)


def bad_rows(store: Store) -> list[BadRow]:
    """Every protected row that is not as it was sealed or not signed as it must be, and every seal that is bent."""
    seals, signed, found = _content(store)
    trust = Trust(store.public_keys)
    # Before signatures are judged: it says up to which seal acts need none of their own (`vouched`).
    erased = {each["table_name"] for each in seals if str(each["note"]).startswith((ERASED_BY, REDACTED_BY))}
    trust.refresh(store.rows, {*ACTS, *erased & {table.name for table in PROTECTED}})
    heads = {each["position"]: each["hash"] for each in seals}
    places = {key: position for key, (_, position) in signed.items()}
    # In a broken chain no act is proven: each would be named in addition to the one cause.
    bad_acts = [] if trust.broken else _bad_acts(store, trust)
    found += _bad_signatures(store, heads, places, trust)
    # Rows alone show no erasure that nobody signed.
    cause = [_bad(row_seals, ("chain",), trust.broken)] if trust.broken and erased and not found else []
    return [*found, *cause, *bad_acts]


def bad_content(store: Store) -> list[BadRow]:
    """The same without signatures."""
    return _content(store)[2]


def _content(store: Store) -> tuple[list[dict[str, Any]], Marks, list[BadRow]]:
    """The seals without their marks, the marks of signatures, and everything that is not as it was written."""
    # One view: a row that somebody writes meanwhile must not be seen without its seal.
    with store.reading(is_one_view=True) as connection:
        seals = [dict(row) for row in connection.execute(sa.select(*_LINKS).order_by(_LINKS[0])).mappings()]
        found, signed = [*_bad_links(seals), *_bad_clock(connection)], Marks()
        for table in PROTECTED:
            # One table's at a time: of reads and rejected rows there may be millions.
            marks, problems = _marks_of(connection, table)
            found += [*problems, *_bad_content(connection, table, marks)]
            signed = marks if table is signatures else signed
    names = {table.name for table in PROTECTED}
    for link in seals:
        if link["table_name"] not in names:
            found.append(_bad(row_seals, (link["position"],), "it names a table that is not sealed"))
    off = [BadRow(table=table, key=name, what=what) for table, name, what in off_layout(store)]
    return seals, signed, found + off


def _bad_links(seals: list[dict[str, Any]]) -> list[BadRow]:
    return [
        _bad(row_seals, (position,), "the seal was removed" if is_missing else BENT)
        for position, is_missing in off_chain(seals, link_hash)
    ]


def _marks_of(connection: sa.Connection, table: sa.Table) -> tuple[Marks, list[BadRow]]:
    """Sealed marks of a table's rows, and the seals that do not hold."""
    marks, found = Marks(), []
    query = raw_select(row_seals).where(row_seals.c.table_name == table.name).order_by(row_seals.c.position)
    for link in connection.execute(query).yield_per(100).mappings():
        position, rows = link["position"], link["rows"]
        what = add_marks(marks, table.name, position, rows, link["rows_sha256"], note=link["note"])
        if what:
            found.append(_bad(row_seals, (position,), what))
    return marks, found


def _bad_content(connection: sa.Connection, table: sa.Table, marks: Marks) -> list[BadRow]:
    found, left = [], dict(marks)
    for each in connection.execute(sa.select(*raw_columns(table))).yield_per(5_000).mappings():
        row = dict(each)
        key = key_of(table, row)
        mark = left.pop(key, None)
        if mark is None:
            found.append(_bad(table, key, UNSEALED))
        elif mark[0] != row_sha256(table, row):
            found.append(_bad(table, key, CHANGED))
    return [*found, *(_bad(table, key, REMOVED) for key in left)]


def _bad_clock(connection: sa.Connection) -> list[BadRow]:
    """The clock of recorded times, where a row was recorded later than it says: the next would be as old as that one.

    Put forward, it gives later times than it should, each of which its row states under seal.
    """
    times = [sa.type_coerce(table.c.recorded_at_utc, sa.Text) for table in _CLOCKED]
    newest = [sa.select(sa.func.max(each)).scalar_subquery() for each in times]
    last = max((each for each in connection.execute(sa.select(*newest)).one() if each is not None), default="")
    clock = connection.execute(sa.select(sa.type_coerce(recorded_clock.c.last_utc, sa.Text))).scalar()
    if str(clock or "") >= str(last):
        return []
    return [_bad(recorded_clock, (1,), f"it says {clock or 'nothing'}, and a row was recorded at {last}")]


def _bad_signatures(
    store: Store, heads: Mapping[int, str], places: Mapping[Key, int], trust: Trust
) -> list[BadRow]:  # fmt: skip
    """Signatures that do not hold, and those that were given on another chain of seals than the present one.

    places: of signatures in the chain. Up to what the trust vouches for one may be by a key which the people file no
    longer has: it was found by a migration, or adopted since.
    """
    found, keys, vouched = [], store.public_keys, trust.vouched
    # Unvalidated: a bent row must end as "does not hold", not as an error of the model. A project in which nobody
    # signs has none, and needs no cryptography.
    given = [Signature.model_construct(**row) for row in store.rows(raw_select(signatures))]
    former = former_keys(given, keys or {}, lambda each: places.get((each.action_sha256,), 0))
    for signed in given:
        key = (signed.action_sha256,)
        place = places.get(key, 0)
        if not is_signed(signed) and not trust.is_redacted(signed):
            found.append(_bad(signatures, key, "the signature does not hold"))
            continue
        is_known = place <= max(vouched, former.get((signed.person_id, signed.public_key), 0)) and key in places
        if keys is not None and not is_known and keys.get(signed.person_id) != signed.public_key:
            what = f"signed by a key that the people file does not have of {signed.person_id!r}"
            found.append(_bad(signatures, key, what))
        # Position and hash of the seal that it was given on; (0, "") where it says none: it is older, or by anybody.
        pin = json.loads(signed.action)["facts"].get("seals")
        is_pin = isinstance(pin, list) and len(pin) == 2 and isinstance(pin[0], int)
        position, head = (pin[0], pin[1]) if is_pin else (0, "")
        if position and heads.get(position) != head:
            what = f"{signed.person_id!r} signed on another seal {position}: the chain was rewritten"
            found.append(_bad(signatures, key, what))
    return found


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


# Kind (table, index, trigger or view) and name, to the table that it belongs to and its words without spaces.
Objects = dict[tuple[str, str], tuple[str, str]]
_REFUSES = re.compile(r"BEGIN RAISE EXCEPTION '[^']*'(, TG_TABLE_NAME)?; END")
_TRIGGERS = sa.text(
    "SELECT t.tgname, c.relname, t.tgenabled, p.prosrc FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE NOT t.tgisinternal AND n.nspname = current_schema()"
)


def off_layout(store: Store) -> list[tuple[str, str, str]]:
    """Objects that are not as the migrations made them: the table's name, the object's kind and name, the fault.

    SQLite keeps the words of every object, which are compared with those of an empty store. PostgreSQL rewrites them:
    there the names are compared, that triggers are on, and that each calls a function that refuses.
    """
    wanted, is_sqlite = _made(revisions.FOLDER), store.engine.dialect.name == "sqlite"
    if not is_sqlite:
        kept = [table.name for table in (*APPEND_ONLY, commands)]
        wanted = wanted | {("trigger", f"{name}_no_truncate"): (name, "") for name in kept}
    with store.reading() as connection:
        found = _sqlite(connection) if is_sqlite else _postgresql(connection, wanted)
    off = []
    for key, (table, words) in wanted.items():
        if key not in found:
            off.append((table, " ".join(key), "it was dropped"))
        elif found[key] != (table, words):
            off.append((table, " ".join(key), "it is not the one that the program made"))
    # Somebody's own view or index changes nothing; a trigger may write.
    foreign = [key for key in found if key[0] == "trigger" and key not in wanted]
    return off + [(found[key][0], " ".join(key), "the program made none") for key in foreign]


@functools.cache
def _made(_folder: Path) -> Objects:
    """Objects of an empty SQLite store of the newest revision. Made once a process, and folder of revisions: 20 ms."""
    store = connect_store("sqlite:///:memory:")
    try:
        revisions.migrate(store.engine)
        with store.reading() as connection:
            return _sqlite(connection)
    finally:
        store.close()


def _sqlite(connection: sa.Connection) -> Objects:
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    return {
        (row["type"], row["name"]): (row["tbl_name"], "".join(row["sql"].split()))
        for row in connection.execute(sa.text(query)).mappings()
    }


def _postgresql(connection: sa.Connection, wanted: Objects) -> Objects:
    seen = sa.inspect(connection)
    names: dict[str, set[Any]] = {
        "table": set(seen.get_table_names()),
        "view": set(seen.get_view_names()),
        "index": {each["name"] for found in seen.get_multi_indexes().values() for each in found},
    }
    found = {key: wanted[key] for key in wanted if key[1] in names.get(key[0], ())}
    for row in connection.execute(_TRIGGERS).mappings():
        key, table = ("trigger", row["tgname"]), row["relname"]
        is_good = row["tgenabled"] == "O" and _REFUSES.fullmatch(" ".join(row["prosrc"].split()))
        found[key] = (table, wanted.get(key, (table, ""))[1] if is_good else "refuses nothing")
    return found
