"""Disaggregations of circuits. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the triggers that keep it append-only."""
    op.create_table(
        "disaggregations",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("result_id", sa.String(16), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("circuit", sa.String(64), nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_disaggregations_site", "site_id", "result_id"),
    )
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        _refuse("disaggregations", verb)


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
