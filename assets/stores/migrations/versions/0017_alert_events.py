"""What people did about findings. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the triggers that keep it append-only."""
    op.create_table(
        "alert_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("finding_id", sa.String(32), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("act", sa.String(16), nullable=False, comment="acknowledged, muted, explained or reopened"),
        sa.Column("until_utc", sa.String(27), comment="Of a mute: when it ends"),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False, comment="The finding's sentence as the person saw it"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_alert_events_finding", "site_id", "finding_id"),
    )
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        name = f"alert_events_no_{verb.lower()}"
        if op.get_bind().dialect.name == "postgresql":
            each = "STATEMENT" if verb == "TRUNCATE" else "ROW"
            # The function is of revision 0001.
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON alert_events FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )
        # SQLite has no such statement.
        elif verb != "TRUNCATE":
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON alert_events "
                "BEGIN SELECT RAISE(ABORT, 'alert_events is append-only'); END"
            )
