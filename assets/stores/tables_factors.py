"""Emission factors in two times: when they hold, and when they were recorded. Append-only."""

import sqlalchemy as sa

from assets.stores.tables_metadata import metadata
from assets.stores.types import JsonText, UtcDateTime

emission_factors = sa.Table(
    "emission_factors",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("set_id", sa.String(32), nullable=False, comment="Of the rows that were recorded together"),
    sa.Column("tenant", sa.String(64), nullable=False, comment="Site that they are for; empty: all"),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("supplier", sa.Text, nullable=False),
    sa.Column("basis", sa.String(16), nullable=False),
    sa.Column("scope", sa.Integer, nullable=False),
    sa.Column("activity", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("factor_id", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False, comment="Exclusive"),
    sa.Column("source_sha256", sa.String(64), nullable=False),
    sa.Column("factor", JsonText, nullable=False, comment="Factor; numbers as text"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_emission_factors_tenant", "tenant", "recorded_at_utc"),
)

FACTOR_TABLES = (emission_factors,)
