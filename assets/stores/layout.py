"""Check that the tables, indexes and triggers of a store are those that its migrations made. What keeps rows from being
changed may have been dropped, disabled or replaced. Run by the audit.

SQLite keeps the words of every object, which are compared with those of an empty store. PostgreSQL rewrites them:
there the names are compared, that triggers are on, and that each calls a function that refuses.
"""

import functools
import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores import revisions
from assets.stores.schema.tables_control import commands
from assets.stores.tables import APPEND_ONLY
from assets.stores.transactions import Store, connect_store

# Kind (table, index, trigger or view) and name, to the table that it belongs to and its words without spaces.
Objects = dict[tuple[str, str], tuple[str, str]]
_REFUSES = re.compile(r"BEGIN RAISE EXCEPTION '[^']*'(, TG_TABLE_NAME)?; END")
_TRIGGERS = sa.text(
    "SELECT t.tgname, c.relname, t.tgenabled, p.prosrc FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid "
    "WHERE NOT t.tgisinternal AND n.nspname = current_schema()"
)
DROPPED, CHANGED, FOREIGN = "it was dropped", "it is not the one that the program made", "the program made none"


def off_layout(store: Store) -> list[tuple[str, str, str]]:
    """Objects that are not as the migrations made them: the table's name, the object's kind and name, the fault."""
    wanted, is_sqlite = _made(revisions.FOLDER), store.engine.dialect.name == "sqlite"
    if not is_sqlite:
        kept = [table.name for table in (*APPEND_ONLY, commands)]
        wanted = wanted | {("trigger", f"{name}_no_truncate"): (name, "") for name in kept}
    with store.reading() as connection:
        found = _sqlite(connection) if is_sqlite else _postgresql(connection, wanted)
    off = []
    for key, (table, words) in wanted.items():
        if key not in found:
            off.append((table, " ".join(key), DROPPED))
        elif found[key] != (table, words):
            off.append((table, " ".join(key), CHANGED))
    # Somebody's own view or index changes nothing; a trigger may write.
    foreign = [key for key in found if key[0] == "trigger" and key not in wanted]
    return off + [(found[key][0], " ".join(key), FOREIGN) for key in foreign]


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
