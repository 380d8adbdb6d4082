"""Emission factors in two times: when they hold, and when they were recorded."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText
from assets.stores.schema.tables_metadata import append_only

emission_factors = append_only(
    "emission_factors",
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
    sa.Index("ix_emission_factors_tenant", "tenant", "recorded_at_utc"),
)
