"""Tables of a baseline's life beside its versions: adjustments of expected energy, and recomputations in shadow."""

import sqlalchemy as sa

from assets.stores.tables_metadata import metadata
from assets.stores.types import JsonText, UtcDateTime

adjustments = sa.Table(
    "adjustments",
    metadata,
    sa.Column("adjustment_id", sa.String(16), primary_key=True),
    sa.Column("step", sa.String(16), primary_key=True, comment="proposed, approved or withdrawn; each at most once"),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("baseline_id", sa.String(128), nullable=False, comment="site/seu/type"),
    sa.Column("adjustment", JsonText, nullable=False, comment="Adjustment; the same in every step"),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False, comment="Of this step"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_adjustments_baseline", "baseline_id", "recorded_at_utc"),
)

baseline_shadows = sa.Table(
    "baseline_shadows",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("baseline_id", sa.String(128), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("comparison_sha256", sa.String(64), nullable=False),
    sa.Column("comparison", JsonText, nullable=False, comment="ShadowComparison"),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_baseline_shadows_site", "site_id", "baseline_id", "version"),
)

ADJUSTMENT_TABLES = (adjustments, baseline_shadows)
