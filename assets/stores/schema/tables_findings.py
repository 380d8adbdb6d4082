"""Tables of findings: what people did about them, anomaly events with causes that people say, and alert rules."""

import sqlalchemy as sa

from assets.stores.schema.column_types import JsonText, UtcDateTime
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

anomaly_events = append_only(
    "anomaly_events",
    sa.Column("event_id", sa.String(32), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("meter_id", sa.String(64), nullable=False),
    sa.Column("register_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("cause", sa.String(32), comment="Null: nothing classified it"),
    sa.Column("confidence", sa.Float),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("start_utc", UtcDateTime, nullable=False),
    sa.Column("end_utc", UtcDateTime, nullable=False),
    sa.Column("kwh", sa.Float, comment="Measured less expected; null where kWh are not counted"),
    sa.Column("cost", sa.Float, comment="Null: see cost_finding"),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("cost_finding", sa.String(64)),
    sa.Column("params_version", sa.String(16), nullable=False),
    sa.Column("evidence", JsonText, nullable=False, comment="Figures: name, value, unit"),
    sa.Column("is_withdrawn", sa.Boolean, nullable=False, comment="The detectors no longer find it"),
    sa.Index("ix_anomaly_events_site", "site_id", "event_id"),
)

anomaly_labels = append_only(
    "anomaly_labels",
    sa.Column("event_id", sa.String(32), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("cause", sa.String(32), nullable=False),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("ix_anomaly_labels_event", "site_id", "event_id"),
)

alert_rules = append_only(
    "alert_rules",
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("rule_id", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False, comment="1: the first text of the rule"),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("rule", JsonText, comment="As the site file says it; null: it was taken out"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: found changed in the site file"),
    sa.Index("ix_alert_rules_rule", "site_id", "rule_id"),
)
