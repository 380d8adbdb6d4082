"""What became of jobs, where a person must know. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the triggers that keep it append-only."""
    op.create_table(
        "job_outcomes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.String(64), nullable=False, comment="Empty: the job is of no single site"),
        sa.Column("job", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False, comment="succeeded, or the kind of its failure"),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("ended_utc", sa.String(27), nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_job_outcomes_site", "site_id", "job"),
    )
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        name = f"job_outcomes_no_{verb.lower()}"
        if op.get_bind().dialect.name == "postgresql":
            each = "STATEMENT" if verb == "TRUNCATE" else "ROW"
            # The function is of revision 0001.
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON job_outcomes FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )
        # SQLite has no such statement.
        elif verb != "TRUNCATE":
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON job_outcomes "
                "BEGIN SELECT RAISE(ABORT, 'job_outcomes is append-only'); END"
            )
