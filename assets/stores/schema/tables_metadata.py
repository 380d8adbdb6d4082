"""The one collection of tables, which their modules share, and what all append-only tables have in common."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime

metadata = sa.MetaData()
# The newest revision of the migrations, of which these tables are: a new store begins there (revisions.py).
REVISION = "0039"
# Says of a table that its rows are written with a seal (seals.py).
SEALED = {"is_sealed": True}
# Its rows may be erased when they are old, which is sealed too (seals.erase).
ERASABLE = {"is_erasable": True}
# Names by their usual type; one that has another type in a table is a column of its own there.
_NAMES: tuple[tuple[Any, str], ...] = (
    (sa.Text, "account message reason source_name"),
    (sa.Integer, "epoch revision severity version"),
    (JsonText, "facts result"),
    (sa.String(16), "channel key_id mode reader_version result_id role rules_version status unit"),
    (sa.String(32), "cause event_id finding_id kind period"),
    (sa.String(64), "capability device_id meter_id person_id plan_hash register seu_id site_id source_id"),
    (sa.String(128), "baseline_id report_id target"),
)
_TYPES: dict[str, Any] = {name: kind for kind, names in _NAMES for name in names.split()}
# The same of names that end, or begin, so.
_ENDS: dict[str, Any] = {"_utc": UtcDateTime, "_sha256": sa.String(64), "_rows": sa.Integer, "is_": sa.Boolean}


def usual(*names: str) -> Iterator[sa.Column[Any]]:
    """Columns of the types that their names usually have, none of them null."""
    for name in names:
        ends = next((kind for end, kind in _ENDS.items() if name.endswith(end) or name.startswith(end)), None)
        yield sa.Column(name, _TYPES[name] if ends is None else ends, nullable=False)


def append_only(
    name: str, *parts: sa.schema.SchemaItem, unsealed: str = "", recorded: bool = True, comment: str | None = None
) -> sa.Table:
    """A table that refuses UPDATE, DELETE and TRUNCATE; its triggers stand in guards.py.

    Rows without a key among `parts` are numbered by the database. recorded: they say when they were recorded, last
    unless `parts` places it: a column that a migration added stands after it, as ALTER TABLE has put it in old stores.
    `append` of seals.py writes their seal. unsealed: why none is needed; every table has a seal or this reason.
    """
    columns: list[Any] = [part for part in parts if isinstance(part, sa.Column)]
    if not any(column.primary_key for column in columns):
        columns.insert(0, sa.Column("id", sa.Integer, primary_key=True, autoincrement=True))
    if recorded and all(column.name != "recorded_at_utc" for column in columns):
        columns.append(sa.Column("recorded_at_utc", UtcDateTime, nullable=False))
    rest = [part for part in parts if not isinstance(part, sa.Column)]
    info = {"is_append_only": True, "is_sealed": not unsealed, "unsealed": unsealed}
    return sa.Table(name, metadata, *columns, *rest, comment=comment, info=info)
