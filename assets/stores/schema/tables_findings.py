"""Table of what people did about findings: acknowledged, muted, explained, opened again."""

import sqlalchemy as sa

from assets.stores.schema.column_types import UtcDateTime
from assets.stores.schema.tables_metadata import append_only

alert_events = append_only(
    "alert_events",
    sa.Column("finding_id", sa.String(32), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("act", sa.String(16), nullable=False, comment="acknowledged, muted, explained or reopened"),
    sa.Column("until_utc", UtcDateTime, comment="Of a mute: when it ends"),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False, comment="The finding's sentence as the person saw it"),
    sa.Index("ix_alert_events_finding", "site_id", "finding_id"),
)
