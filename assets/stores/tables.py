"""Tables of the transactional store. Those in APPEND_ONLY refuse UPDATE and DELETE by trigger."""

import sqlalchemy as sa

from assets.stores.tables_adjustments import ADJUSTMENT_TABLES
from assets.stores.tables_bills import BILL_TABLES
from assets.stores.tables_factors import FACTOR_TABLES
from assets.stores.tables_metadata import metadata
from assets.stores.tables_publications import PUBLICATION_TABLES
from assets.stores.tables_seals import row_seals
from assets.stores.types import JsonText, UtcDateTime

recorded_clock = sa.Table(
    "recorded_clock",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("last_utc", UtcDateTime, nullable=False),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("batch_id", sa.String(32), primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("source_name", sa.Text, nullable=False),
    sa.Column("source_sha256", sa.String(64), nullable=False),
    sa.Column("reader", sa.String(64), nullable=False),
    sa.Column("reader_version", sa.String(16), nullable=False),
    sa.Column("accepted_rows", sa.Integer, nullable=False),
    sa.Column("rejected_rows", sa.Integer, nullable=False),
    sa.Column("new_rows", sa.Integer, nullable=False),
    sa.Column("corrected_rows", sa.Integer, nullable=False),
    sa.Column("unchanged_rows", sa.Integer, nullable=False),
    sa.Column("is_synthetic", sa.Boolean, nullable=False),
    sa.Column("mapping", JsonText),
    sa.Column("run_id", sa.String(64)),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_batches_source", "site_id", "source_sha256"),
)

lake_manifest = sa.Table(
    "lake_manifest",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("path", sa.Text, nullable=False, comment="A file of one UTC month; one row a day in it"),
    sa.Column("batch_id", sa.String(32), nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("file_sha256", sa.String(64), nullable=False),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("source_sha256", sa.String(64), nullable=False),
    sa.Column("reader_version", sa.String(16), nullable=False),
    sa.Column("rules_version", sa.String(16), nullable=False),
    sa.Column("is_synthetic", sa.Boolean, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.UniqueConstraint("path", "day"),
    sa.Index("ix_lake_manifest_site_day", "site_id", "day"),
)

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("item_id", sa.String(32), primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False, comment="file or row"),
    sa.Column("source_name", sa.Text, nullable=False),
    sa.Column("source_sha256", sa.String(64), nullable=False),
    sa.Column("kept_path", sa.Text, nullable=False, comment="Copy of the file in the quarantine folder"),
    sa.Column("line", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("row_count", sa.Integer, nullable=False, server_default="1", comment="Rows that the item stands for"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_quarantine_site", "site_id", "recorded_at_utc"),
)

quarantine_resolutions = sa.Table(
    "quarantine_resolutions",
    metadata,
    sa.Column("item_id", sa.String(32), primary_key=True),
    sa.Column("batch_id", sa.String(32), nullable=False, comment="Batch that brought what was refused; may be empty"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

baseline_versions = sa.Table(
    "baseline_versions",
    metadata,
    sa.Column("baseline_id", sa.String(128), primary_key=True, comment="site/seu/type"),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("seu_id", sa.String(64), nullable=False),
    sa.Column("baseline_type", sa.String(16), nullable=False),
    sa.Column("mlflow_run_id", sa.String(64), nullable=False),
    sa.Column("model_checksum", sa.String(64), nullable=False),
    sa.Column("dataset_digest", sa.String(64), nullable=False),
    sa.Column("fitted_by", sa.String(64), nullable=False),
    sa.Column("baseline", JsonText, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

baseline_approvals = sa.Table(
    "baseline_approvals",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("baseline_id", sa.String(128), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("waivers", JsonText, nullable=False),
    sa.Column("dataset_digest", sa.String(64), nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.UniqueConstraint("baseline_id", "version"),
)

forecasts = sa.Table(
    "forecasts",
    metadata,
    sa.Column("forecast_id", sa.String(64), primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("target", sa.String(128), nullable=False),
    sa.Column("issued_at_utc", UtcDateTime, nullable=False),
    sa.Column("forecast", JsonText, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_forecasts_site", "site_id", "target", "issued_at_utc"),
)

promotions = sa.Table(
    "promotions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("model_name", sa.String(128), nullable=False),
    sa.Column("decision", JsonText, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("plan_id", sa.String(64), primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("plan_hash", sa.String(64), nullable=False),
    sa.Column("input_digest", sa.String(64), nullable=False),
    sa.Column("plan", JsonText, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.UniqueConstraint("site_id", "version"),
)

mode_events = sa.Table(
    "mode_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("device_id", sa.String(64), nullable=False, comment="Empty: the whole site"),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

commands = sa.Table(
    "commands",
    metadata,
    sa.Column("command_id", sa.String(64), primary_key=True),
    sa.Column("idempotency_key", sa.String(256), nullable=False, unique=True),
    sa.Column("plan_id", sa.String(64), nullable=False),
    sa.Column("plan_hash", sa.String(64), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("capability", sa.String(64), nullable=False),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("unit", sa.String(16), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("valid_from_utc", UtcDateTime, nullable=False),
    sa.Column("valid_until_utc", UtcDateTime, nullable=False),
    sa.Column("ttl_s", sa.Float, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("mode_at_issue", sa.String(16)),
    sa.Column("evidence_grade", sa.Integer),
    sa.Column("facts", JsonText, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_commands_site_state", "site_id", "state"),
)

command_events = sa.Table(
    "command_events",
    metadata,
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("command_id", sa.String(64), nullable=False),
    sa.Column("from_state", sa.String(16)),
    sa.Column("to_state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("facts", JsonText, nullable=False),
    sa.Column("at_utc", UtcDateTime, nullable=False),
    sa.Column("prev_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

device_leases = sa.Table(
    "device_leases",
    metadata,
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("expires_utc", UtcDateTime, nullable=False),
)

site_versions = sa.Table(
    "site_versions",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("site", JsonText, nullable=False, comment="The site file as a report was made with it"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

report_revisions = sa.Table(
    "report_revisions",
    metadata,
    sa.Column("report_id", sa.String(128), primary_key=True, comment="name/site/period"),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("period", sa.String(32), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("content_sha256", sa.String(64), nullable=False),
    sa.Column("content", JsonText, nullable=False),
    sa.Column("as_of_utc", UtcDateTime, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

figures = sa.Table(
    "figures",
    metadata,
    sa.Column("figure_id", sa.String(32), primary_key=True),
    sa.Column("report_id", sa.String(128), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("figure", JsonText, nullable=False, comment="Its own part of figure and trace; see trace_rows.py"),
    sa.Column("position", sa.Integer, nullable=False, comment="Place in the site's chain"),
    sa.Column("hash", sa.String(64), nullable=False, comment="Over the whole figure and the hash before it"),
    sa.UniqueConstraint("site_id", "position"),
    sa.Index("ix_figures_report", "report_id", "revision"),
)

fault_events = sa.Table(
    "fault_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("device_id", sa.String(64), nullable=False),
    sa.Column("is_set", sa.Boolean, nullable=False, comment="False: a person acknowledged it"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("command_id", sa.String(64)),
    sa.Column("person_id", sa.String(64)),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_fault_events_site", "site_id", "device_id"),
)

ledger_identity = sa.Table(
    "ledger_identity",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("ledger_id", sa.String(32), nullable=False, comment="Names this ledger; a replaced one has another"),
)

meter_events = sa.Table(
    "meter_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.String(32), nullable=False, comment="Says what happened where and when"),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("meter_id", sa.String(64), nullable=False),
    sa.Column("register", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("at_utc", UtcDateTime, nullable=False),
    sa.Column("event", JsonText, nullable=False),
    sa.Column("origin", sa.String(16), nullable=False, comment="site_file or person"),
    sa.Column("is_withdrawn", sa.Boolean, nullable=False, comment="True: from now on it no longer applies"),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_meter_events_site", "site_id", "event_id"),
)

register_reads = sa.Table(
    "register_reads",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("meter_id", sa.String(64), nullable=False),
    sa.Column("register", sa.String(64), nullable=False),
    sa.Column("series", sa.String(128), nullable=False),
    sa.Column("at_utc", UtcDateTime, nullable=False),
    sa.Column("value", sa.String(40), nullable=False, comment="State of the display, exact decimal, in `unit`"),
    sa.Column("unit", sa.String(16), nullable=False),
    sa.Column("is_synthetic", sa.Boolean, nullable=False),
    sa.Column("source_sha256", sa.String(64), nullable=False),
    sa.Column("source_line", sa.Integer, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_register_reads_stream", "site_id", "meter_id", "register", "series", "at_utc"),
)

reading_edits = sa.Table(
    "reading_edits",
    metadata,
    sa.Column("edit_sha256", sa.String(64), primary_key=True, comment="source_sha256 of the batch that it became"),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("meter_id", sa.String(64), nullable=False),
    sa.Column("register", sa.String(64), nullable=False),
    sa.Column("start_utc", UtcDateTime, nullable=False),
    sa.Column("end_utc", UtcDateTime, nullable=False),
    sa.Column("edit", JsonText, nullable=False),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("reopened", JsonText, nullable=False, comment="Published reports whose period it touches"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_reading_edits_site", "site_id", "recorded_at_utc"),
)

month_validations = sa.Table(
    "month_validations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("month", sa.Date, nullable=False, comment="First local day"),
    sa.Column("rules_version", sa.String(16), nullable=False),
    sa.Column("input_digest", sa.String(64), nullable=False, comment="Readings and rules that it judged"),
    sa.Column("score", sa.Float, comment="0 to 1; null where nothing was due"),
    sa.Column("coverage", sa.Float, comment="0 to 1; null where nothing was due"),
    sa.Column("findings", JsonText, nullable=False),
    sa.Column("scores", JsonText, nullable=False, comment="Per stream: score and its parts, mean of the month"),
    sa.Column("batch_id", sa.String(32), comment="Estimates in place of excluded readings"),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
    sa.Index("ix_month_validations_site", "site_id", "month"),
)

meter_proposals = sa.Table(
    "meter_proposals",
    metadata,
    sa.Column("proposal_id", sa.String(32), primary_key=True),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("child", sa.String(64), nullable=False),
    sa.Column("parent", sa.String(64), nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("facts", JsonText, nullable=False),
    sa.Column("readings_digest", sa.String(64), nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

meter_decisions = sa.Table(
    "meter_decisions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("proposal_id", sa.String(32), nullable=False, unique=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("recorded_at_utc", UtcDateTime, nullable=False),
)

APPEND_ONLY = (
    batches,
    lake_manifest,
    quarantine,
    quarantine_resolutions,
    baseline_versions,
    baseline_approvals,
    forecasts,
    promotions,
    plans,
    mode_events,
    site_versions,
    command_events,
    report_revisions,
    figures,
    fault_events,
    ledger_identity,
    meter_events,
    register_reads,
    reading_edits,
    month_validations,
    meter_proposals,
    meter_decisions,
    row_seals,
    *ADJUSTMENT_TABLES,
    *BILL_TABLES,
    *FACTOR_TABLES,
    *PUBLICATION_TABLES,
)


def append_only_ddl(table: str, dialect: str) -> list[str]:
    """Statements that make one table refuse UPDATE and DELETE on that dialect."""
    statements = []
    if dialect == "postgresql":
        statements.append(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for verb in ("UPDATE", "DELETE"):
        name = f"{table}_no_{verb.lower()}"
        if dialect == "postgresql":
            statements.append(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )
        else:
            statements.append(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    return statements
