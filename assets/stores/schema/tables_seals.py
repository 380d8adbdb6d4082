"""Tables of the store itself: the clock of recorded times, and the content of sealed rows when they were written."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import append_only, metadata

# One row that moves: it says the last recorded time given, so that the next is later whatever the clock shows.
recorded_clock = sa.Table(
    "recorded_clock",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("last_utc", UtcDateTime, nullable=False),
    info={"unsealed": "moves with every row that is recorded; the audit compares it with the newest of them"},
)

# Which revisions the store was brought to, so that an alembic_version that is put back or forward shows (revisions.py).
store_revisions = append_only("store_revisions", sa.Column("revision", sa.String(32), nullable=False), recorded=False)

row_seals = append_only(
    "row_seals",
    # The writer counts: PostgreSQL's own numbers have holes after a rollback, and a hole here is a seal that was
    # removed.
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False, comment="Place in the chain: 1, 2, 3 …"),
    sa.Column("table_name", sa.String(64), nullable=False),
    sa.Column("note", sa.String(32), nullable=False, comment="Empty, or: as found by a migration"),
    sa.Column("rows", JsonText, nullable=False, comment="A list a row: its key, then the SHA-256 of what it says"),
    sa.Column("rows_sha256", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, comment="Over this seal and the hash before it"),
    sa.Index("ix_row_seals_table", "table_name", "position"),
    recorded=False,
    unsealed="it is the chain of seals",
)
