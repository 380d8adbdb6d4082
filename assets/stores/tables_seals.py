"""The table of seals: what the rows on which safety, money or approval rests said when they were written."""

import sqlalchemy as sa

from assets.stores.tables_metadata import metadata
from assets.stores.types import JsonText

row_seals = sa.Table(
    "row_seals",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False, comment="Place in the chain: 1, 2, 3 …"),
    sa.Column("table_name", sa.String(64), nullable=False),
    sa.Column("note", sa.String(32), nullable=False, comment="Empty, or: as found by a migration"),
    sa.Column("rows", JsonText, nullable=False, comment="A list a row: its key, then the SHA-256 of what it says"),
    sa.Column("rows_sha256", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, comment="Over this seal and the hash before it"),
    sa.Index("ix_row_seals_table", "table_name", "position"),
)
