"""Acts of advice. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the triggers that keep it append-only."""
    op.create_table(
        "advice_acts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("act", sa.String(8), nullable=False, comment="start, draw, stop, forget or word"),
        sa.Column("about", sa.String(64), nullable=False, comment="The trial, the kind or the recommendation"),
        sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: a run"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("said", sa.Text, nullable=False, comment="The act whole: design, drawn arms, or wordings"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_advice_acts_about", "act", "about"),
    )
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        _refuse("advice_acts", verb)


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
