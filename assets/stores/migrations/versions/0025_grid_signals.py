"""Signals of the grid, and when each source was heard last. Frozen: it imports nothing of ours, a test holds its
SHA-256.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the triggers that keep the signals append-only."""
    op.create_table(
        "grid_signals",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("source_id", sa.String(64), nullable=False),
        sa.Column("programme", sa.String(128), nullable=False),
        sa.Column("event_id", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("modification", sa.Integer, nullable=False, comment="1: as received first"),
        sa.Column("unit", sa.String(32), nullable=False),
        sa.Column("intervals", sa.Text, nullable=False),
        sa.Column("refused", sa.Text, nullable=False, comment="Why nothing follows from it; empty: it is understood"),
        sa.Column("is_withdrawn", sa.Boolean, nullable=False),
        sa.Column("is_synthetic", sa.Boolean, nullable=False),
        sa.Column("matters_until_utc", sa.String(27), comment="Latest end of any modification; null: open"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_grid_signals_site", "site_id", "matters_until_utc"),
    )
    op.create_table(
        "signal_sources",
        sa.Column("site_id", sa.String(64), primary_key=True),
        sa.Column("source_id", sa.String(64), primary_key=True),
        sa.Column("heard_at_utc", sa.String(27), nullable=False),
    )
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        _refuse("grid_signals", verb)


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
