"""Tables of grid signals: what was received, and when each source was heard last."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import append_only, metadata, usual

grid_signals = append_only(
    "grid_signals",
    *usual("site_id", "source_id"),
    sa.Column("programme", sa.String(128), nullable=False),
    sa.Column("event_id", sa.String(128), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("modification", sa.Integer, nullable=False, comment="1: as received first"),
    sa.Column("unit", sa.String(32), nullable=False),
    sa.Column("intervals", JsonText, nullable=False),
    sa.Column("refused", sa.Text, nullable=False, comment="Why nothing follows from it; empty: it is understood"),
    *usual("is_withdrawn", "is_synthetic"),
    sa.Column("matters_until_utc", UtcDateTime, comment="Latest end of any modification; null: open"),
    sa.Index("ix_grid_signals_site", "site_id", "matters_until_utc"),
)

signal_sources = sa.Table(
    "signal_sources",
    metadata,
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("source_id", sa.String(64), primary_key=True),
    sa.Column("heard_at_utc", UtcDateTime, nullable=False),
    info={
        "unsealed": "a heartbeat that the listener renews every few seconds: lost or old, the failsafe ceiling holds; "
        "the limits themselves are sealed signals"
    },
)
