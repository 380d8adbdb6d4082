"""Tables of a report's life: reviews, publications, signatures, evidence packs, deliveries. All append-only."""

import sqlalchemy as sa

from assets.stores.tables_metadata import metadata
from assets.stores.types import JsonText, UtcDateTime

revision_inputs = sa.Table(
    "revision_inputs",
    metadata,
    sa.Column("report_id", sa.String(128), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False, comment="lake, version, run; figure of another revision"),
    sa.Column("id", sa.String(256), nullable=False),
    sa.Column("role", sa.String(64), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("value", sa.Text, nullable=False, comment="In words: versions of a calendar, a run's name"),
    comment="What the traces of a revision name, each once; see trace_rows.py",
)

report_makers = sa.Table(
    "report_makers",
    metadata,
    sa.Column("report_id", sa.String(128), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

report_decisions = sa.Table(
    "report_decisions",
    metadata,
    sa.Column("report_id", sa.String(128), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("step", sa.String(16), primary_key=True, comment="reviewed or published"),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("period", sa.String(32), nullable=False),
    sa.Column("is_synthetic", sa.Boolean, nullable=False, comment="Published with a watermark, never as plain"),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("content_sha256", sa.String(64), nullable=False, comment="Of the revision that was decided on"),
    sa.Column("allowed", JsonText, nullable=False, comment="Findings that were let pass, by code"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_report_decisions_site", "site_id", "step"),
)

signatures = sa.Table(
    "signatures",
    metadata,
    sa.Column("action_sha256", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False, comment="What was done, e.g. reports publish"),
    sa.Column("subject", sa.String(256), nullable=False, comment="On what, e.g. name/site/period@1"),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("public_key", sa.String(44), nullable=False),
    sa.Column("signature", sa.String(88), nullable=False),
    sa.Column("action", sa.Text, nullable=False, comment="The canonical JSON that is signed"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_signatures_subject", "kind", "subject"),
)

evidence_packs = sa.Table(
    "evidence_packs",
    metadata,
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, comment="Place in the site's chain of packs"),
    sa.Column("report_id", sa.String(128), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("signer", sa.String(64), nullable=False),
    sa.Column("body_sha256", sa.String(64), nullable=False, comment="Of the manifest without its place in the chain"),
    sa.Column("previous_sha256", sa.String(64), nullable=False, comment="Manifest of the pack before it"),
    sa.Column("manifest_sha256", sa.String(64), nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

delivery_events = sa.Table(
    "delivery_events",
    metadata,
    sa.Column("delivery_id", sa.String(64), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, comment="0: asked for; then one row a try"),
    sa.Column("state", sa.String(8), nullable=False, comment="pending, sent or failed"),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("report_id", sa.String(128), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, comment="Why it failed; empty otherwise"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_delivery_events_report", "report_id", "revision"),
)

PUBLICATION_TABLES = (revision_inputs, report_makers, report_decisions, signatures, evidence_packs, delivery_events)
