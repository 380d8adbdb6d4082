"""Tables of a report's life: revisions, figures, traces, reviews, publications, signatures, packs, deliveries."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import append_only, usual

site_versions = append_only(
    "site_versions",
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("site", JsonText, nullable=False, comment="The site file as a report was made with it"),
)

# Of several the last is what the file says; a file that is put back is kept again.
organisation_versions = append_only(
    "organisation_versions",
    sa.Column("organisation", sa.String(64), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("document", JsonText, nullable=False, comment="organisation.yaml as it stood when it was seen"),
)

report_revisions = append_only(
    "report_revisions",
    sa.Column("report_id", sa.String(128), primary_key=True, comment="name/site/period"),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    *usual("site_id", "period", "status", "content_sha256"),
    sa.Column("content", JsonText, nullable=False),
    sa.Column("as_of_utc", UtcDateTime, nullable=False),
)

figures = append_only(
    "figures",
    sa.Column("figure_id", sa.String(32), primary_key=True),
    *usual("report_id", "revision", "site_id"),
    sa.Column("figure", JsonText, nullable=False, comment="Its own part of figure and trace; see trace_rows.py"),
    sa.Column("position", sa.Integer, nullable=False, comment="Place in the site's chain"),
    sa.Column("hash", sa.String(64), nullable=False, comment="Over the whole figure and the hash before it"),
    # Two writers cannot both take a place in the chain, whatever they locked.
    sa.UniqueConstraint("site_id", "position"),
    sa.Index("ix_figures_report", "report_id", "revision"),
    # Recorded with their revision.
    recorded=False,
)

revision_inputs = append_only(
    "revision_inputs",
    sa.Column("report_id", sa.String(128), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False, comment="lake, version, run; figure of another revision"),
    sa.Column("id", sa.String(256), nullable=False),
    sa.Column("role", sa.String(64), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("value", sa.Text, nullable=False, comment="In words: versions of a calendar, a run's name"),
    comment="What the traces of a revision name, each once; see trace_rows.py",
    recorded=False,
)

report_makers = append_only(
    "report_makers",
    sa.Column("report_id", sa.String(128), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("person_id", sa.String(64), nullable=False),
)

report_decisions = append_only(
    "report_decisions",
    sa.Column("report_id", sa.String(128), primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("step", sa.String(16), primary_key=True, comment="reviewed or published"),
    *usual("site_id", "period"),
    sa.Column("is_synthetic", sa.Boolean, nullable=False, comment="Published with a watermark, never as plain"),
    *usual("person_id", "role", "reason"),
    sa.Column("content_sha256", sa.String(64), nullable=False, comment="Of the revision that was decided on"),
    sa.Column("allowed", JsonText, nullable=False, comment="Findings that were let pass, by code"),
    *usual("recorded_at_utc"),
    sa.Column("names", JsonText, comment="Who had a part, by person_id, as the people file named them then"),
    sa.Index("ix_report_decisions_site", "site_id", "step"),
)

signatures = append_only(
    "signatures",
    sa.Column("action_sha256", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False, comment="What was done, e.g. reports publish"),
    sa.Column("subject", sa.String(256), nullable=False, comment="On what, e.g. name/site/period@1"),
    sa.Column("person_id", sa.String(64), nullable=False),
    # Base64 of 32 and of 64 bytes.
    sa.Column("public_key", sa.String(44), nullable=False),
    sa.Column("signature", sa.String(88), nullable=False),
    sa.Column("action", sa.Text, nullable=False, comment="The canonical JSON that is signed"),
    sa.Index("ix_signatures_subject", "kind", "subject"),
)

evidence_packs = append_only(
    "evidence_packs",
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, comment="Place in the site's chain of packs"),
    *usual("report_id", "revision"),
    sa.Column("signer", sa.String(64), nullable=False),
    sa.Column("body_sha256", sa.String(64), nullable=False, comment="Of the manifest without its place in the chain"),
    sa.Column("previous_sha256", sa.String(64), nullable=False, comment="Manifest of the pack before it"),
    sa.Column("manifest_sha256", sa.String(64), nullable=False),
)

delivery_events = append_only(
    "delivery_events",
    sa.Column("delivery_id", sa.String(64), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, comment="0: asked for; then one row a try"),
    sa.Column("state", sa.String(8), nullable=False, comment="pending, sent or failed"),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    *usual("report_id", "revision"),
    sa.Column("reason", sa.Text, nullable=False, comment="Why it failed; empty otherwise"),
    sa.Index("ix_delivery_events_report", "report_id", "revision"),
)

# Of one path the last row counts.
rendered_files = append_only(
    "rendered_files",
    sa.Column("path", sa.Text, nullable=False, comment="In the project's reports folder"),
    *usual("report_id", "revision"),
    sa.Column("sha256", sa.String(64), nullable=False, comment="Of the file's bytes as they were written"),
    sa.Index("ix_rendered_files_path", "path"),
)
