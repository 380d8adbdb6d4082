"""The one collection of tables, which their modules share, and what all append-only tables have in common."""

from typing import Any

import sqlalchemy as sa

from assets.stores.schema.column_types import UtcDateTime

metadata = sa.MetaData()
# Says of a table that its rows are written with a seal (seals.py).
SEALED = {"is_sealed": True}
# Its rows may be erased when they are old, which is sealed too (seals.erase).
ERASABLE = {"is_erasable": True}


def append_only(
    name: str, *parts: sa.schema.SchemaItem, unsealed: str = "", recorded: bool = True, comment: str | None = None
) -> sa.Table:
    """A table that refuses UPDATE, DELETE and TRUNCATE; its triggers are the migrations' (tables.py: append_only_ddl).

    Rows without a key among `parts` are numbered by the database. recorded: they say last when they were recorded.
    `append` of seals.py writes their seal. unsealed: why none is needed; every table has a seal or this reason.
    """
    columns: list[Any] = [part for part in parts if isinstance(part, sa.Column)]
    if not any(column.primary_key for column in columns):
        columns.insert(0, sa.Column("id", sa.Integer, primary_key=True, autoincrement=True))
    if recorded:
        columns.append(sa.Column("recorded_at_utc", UtcDateTime, nullable=False))
    rest = [part for part in parts if not isinstance(part, sa.Column)]
    info = {"is_append_only": True, "is_sealed": not unsealed, "unsealed": unsealed}
    return sa.Table(name, metadata, *columns, *rest, comment=comment, info=info)
