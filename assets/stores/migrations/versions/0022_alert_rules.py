"""Versions of alert rules. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the triggers that keep it append-only."""
    op.create_table(
        "alert_rules",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, comment="1: the first text of the rule"),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("rule", sa.Text, comment="As the site file says it; null: it was taken out"),
        sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: found changed in the site file"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_alert_rules_rule", "site_id", "rule_id"),
    )
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        _refuse("alert_rules", verb)


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
