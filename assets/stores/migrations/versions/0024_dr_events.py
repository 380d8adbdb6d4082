"""Events of demand response, votes on classes of them, and settlements. Frozen: it imports nothing of ours, a test
holds its SHA-256.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the triggers that keep them append-only."""
    op.create_table(
        "dr_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("programme", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source", sa.String(160), nullable=False, comment="Where the call came from; empty: a person"),
        sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: the clock or a guard"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False, comment="The event as the act left it"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_dr_events_event", "site_id", "event_id"),
    )
    op.create_table(
        "dr_class_votes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("class_id", sa.String(16), nullable=False, comment="Of site, programme, power and length"),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("is_yes", sa.Boolean, nullable=False),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("vote", sa.Text, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_dr_class_votes_class", "site_id", "class_id"),
    )
    op.create_table(
        "dr_settlements",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("settlement", sa.Text, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_dr_settlements_event", "site_id", "event_id"),
    )
    for table in ("dr_events", "dr_class_votes", "dr_settlements"):
        for verb in ("UPDATE", "DELETE", "TRUNCATE"):
            _refuse(table, verb)


def _refuse(table: str, verb: str) -> None:
    name = f"{table}_no_{verb.lower()}"
    if op.get_bind().dialect.name == "postgresql":
        each = "STATEMENT" if verb == "TRUNCATE" else "ROW"
        # The function is of revision 0001.
        op.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH {each} EXECUTE FUNCTION refuse_change()")
    # SQLite has no such statement.
    elif verb != "TRUNCATE":
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
