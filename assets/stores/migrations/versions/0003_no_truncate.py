"""On PostgreSQL, append-only tables and commands refuse TRUNCATE too. SQLite has no such statement.

Frozen: it imports nothing of ours, a test holds its SHA-256.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = """\
batches lake_manifest quarantine quarantine_resolutions baseline_versions baseline_approvals forecasts
promotions plans mode_events site_versions command_events report_revisions figures fault_events ledger_identity
meter_events register_reads reading_edits month_validations meter_proposals meter_decisions adjustments
baseline_shadows bills bill_lines bill_audits tariff_overrides notifications emission_factors revision_inputs
report_makers report_decisions signatures evidence_packs delivery_events row_seals
"""


def upgrade() -> None:
    """Create the triggers that are missing."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, function in (*((each, "refuse_change") for each in APPEND_ONLY.split()), ("commands", "commands_kept")):
        name = f"{table}_no_truncate"
        # Revision 0002 makes that of row_seals itself where a store is new.
        op.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
        op.execute(f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()")
