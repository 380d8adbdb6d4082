"""Cases of findings, and notices of them. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables, and the triggers that keep them append-only."""
    op.create_table(
        "finding_cases",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("finding_id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False, comment="1: the first case of the finding"),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_finding_cases_site", "site_id", "finding_id"),
    )
    op.create_table(
        "notice_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("notice_id", sa.String(32), nullable=False),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("finding_id", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("cause", sa.Text, nullable=False, comment="Notices of the same go together"),
        sa.Column("text", sa.Text, nullable=False, comment="In the person's language"),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("per_hour", sa.Integer, nullable=False, comment="Letters an hour that the person wants at most"),
        sa.Column(
            "letter_id", sa.String(32), nullable=False, comment="Of the letter that it goes with; the same each try"
        ),
        sa.Column("state", sa.String(8), nullable=False, comment="queued, retrying, sent or dead"),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_utc", sa.String(27), comment="Not before; null: it is sent or dead"),
        sa.Column("reason", sa.Text, nullable=False, comment="Why the last try failed; empty otherwise"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_notice_events_notice", "notice_id"),
        sa.Index("ix_notice_events_person", "person_id", "recorded_at_utc"),
    )
    for table in ("finding_cases", "notice_events"):
        for verb in ("UPDATE", "DELETE", "TRUNCATE"):
            name = f"{table}_no_{verb.lower()}"
            if op.get_bind().dialect.name == "postgresql":
                each = "STATEMENT" if verb == "TRUNCATE" else "ROW"
                # The function is of revision 0001.
                op.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH {each} EXECUTE FUNCTION refuse_change()"
                )
            # SQLite has no such statement.
            elif verb != "TRUNCATE":
                op.execute(
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
