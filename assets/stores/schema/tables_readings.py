"""Tables of the lake's manifest, of what was refused, edited and found in readings, and of meters."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import append_only, usual

batches = append_only(
    "batches",
    sa.Column("batch_id", sa.String(32), primary_key=True),
    *usual("site_id", "source_name", "source_sha256"),
    sa.Column("reader", sa.String(64), nullable=False),
    *usual(
        "reader_version",
        "accepted_rows",
        "rejected_rows",
        "new_rows",
        "corrected_rows",
        "unchanged_rows",
        "is_synthetic",
    ),
    # Null where the file needed none; the same file read again needs the same map.
    sa.Column("mapping", JsonText),
    sa.Column("run_id", sa.String(64)),
    # A file is known by its content: under another name it brings nothing.
    sa.Index("ix_batches_source", "site_id", "source_sha256"),
)

lake_manifest = append_only(
    "lake_manifest",
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("path", sa.Text, nullable=False, comment="A file of one UTC month; one row a day in it"),
    sa.Column("batch_id", sa.String(32), nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    # file: are these the bytes that were written? content: are these the same rows, whatever library wrote the file?
    *usual("file_sha256", "content_sha256", "source_sha256", "reader_version", "rules_version", "is_synthetic"),
    sa.UniqueConstraint("path", "day"),
    sa.Index("ix_lake_manifest_site_day", "site_id", "day"),
)

lake_merges = append_only(
    "lake_merges",
    # A file is merged once: of two who do it at the same moment the second is refused.
    sa.Column("path", sa.Text, primary_key=True, comment="A file whose rows stand in another now"),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("month", sa.Date, nullable=False, comment="First UTC day"),
    sa.Column("merged_path", sa.Text, nullable=False),
    sa.Column("merged_sha256", sa.String(64), nullable=False, comment="Of that file, as file_sha256 elsewhere"),
    sa.Column("newest_utc", UtcDateTime, nullable=False, comment="The newest recorded time of its rows"),
    sa.Index("ix_lake_merges_site_month", "site_id", "month"),
)

quarantine = append_only(
    "quarantine",
    sa.Column("item_id", sa.String(32), primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False, comment="file or row"),
    *usual("source_name", "source_sha256"),
    sa.Column("kept_path", sa.Text, nullable=False, comment="Copy of the file in the quarantine folder"),
    sa.Column("line", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("row_count", sa.Integer, nullable=False, server_default="1", comment="Rows that the item stands for"),
    sa.Index("ix_quarantine_site", "site_id", "recorded_at_utc"),
)

quarantine_resolutions = append_only(
    "quarantine_resolutions",
    sa.Column("item_id", sa.String(32), primary_key=True),
    sa.Column("batch_id", sa.String(32), nullable=False, comment="Batch that brought what was refused; may be empty"),
)

reading_edits = append_only(
    "reading_edits",
    sa.Column("edit_sha256", sa.String(64), primary_key=True, comment="source_sha256 of the batch that it became"),
    *usual("site_id", "meter_id", "register", "start_utc", "end_utc"),
    sa.Column("edit", JsonText, nullable=False),
    *usual("person_id", "role", "reason"),
    sa.Column("reopened", JsonText, nullable=False, comment="Published reports whose period it touches"),
    sa.Index("ix_reading_edits_site", "site_id", "recorded_at_utc"),
)

month_validations = append_only(
    "month_validations",
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("month", sa.Date, nullable=False, comment="First local day"),
    sa.Column("rules_version", sa.String(16), nullable=False),
    sa.Column("input_digest", sa.String(64), nullable=False, comment="Readings and rules that it judged"),
    sa.Column("score", sa.Float, comment="0 to 1; null where nothing was due"),
    sa.Column("coverage", sa.Float, comment="0 to 1; null where nothing was due"),
    sa.Column("findings", JsonText, nullable=False),
    sa.Column("scores", JsonText, nullable=False, comment="Per stream: score and its parts, mean of the month"),
    # Null where nothing had to be estimated.
    sa.Column("batch_id", sa.String(32), comment="Estimates in place of excluded readings"),
    sa.Index("ix_month_validations_site", "site_id", "month"),
)

register_reads = append_only(
    "register_reads",
    *usual("site_id", "meter_id", "register"),
    sa.Column("series", sa.String(128), nullable=False),
    sa.Column("at_utc", UtcDateTime, nullable=False),
    # Text, since SQLite would keep a decimal as a float, and a consumption is the small difference of two large
    # displays.
    sa.Column("value", sa.String(40), nullable=False, comment="State of the display, exact decimal, in `unit`"),
    *usual("unit", "is_synthetic", "source_sha256"),
    sa.Column("source_line", sa.Integer, nullable=False),
    sa.Index("ix_register_reads_stream", "site_id", "meter_id", "register", "series", "at_utc"),
)

meter_events = append_only(
    "meter_events",
    sa.Column("event_id", sa.String(32), nullable=False, comment="Says what happened where and when"),
    *usual("site_id", "meter_id", "register", "kind", "at_utc"),
    sa.Column("event", JsonText, nullable=False),
    sa.Column("origin", sa.String(16), nullable=False, comment="site_file or person"),
    sa.Column("is_withdrawn", sa.Boolean, nullable=False, comment="True: from now on it no longer applies"),
    *usual("person_id", "reason"),
    sa.Index("ix_meter_events_site", "site_id", "event_id"),
)

meter_proposals = append_only(
    "meter_proposals",
    sa.Column("proposal_id", sa.String(32), primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("child", sa.String(64), nullable=False),
    sa.Column("parent", sa.String(64), nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("facts", JsonText, nullable=False),
    sa.Column("readings_digest", sa.String(64), nullable=False),
)

meter_decisions = append_only(
    "meter_decisions",
    # Decided once: of two people who answer at the same moment the second is refused.
    sa.Column("proposal_id", sa.String(32), nullable=False, unique=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    *usual("person_id", "role", "reason"),
)
