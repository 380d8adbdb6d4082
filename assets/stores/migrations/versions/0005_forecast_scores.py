"""How good forecasts were, and what drifted. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the triggers that keep them append-only."""
    op.create_table(
        "forecast_scores",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("target", sa.String(128), nullable=False),
        sa.Column("local_day", sa.Date, nullable=False),
        sa.Column("lead", sa.String(8), nullable=False),
        sa.Column("model_name", sa.String(128), nullable=False),
        sa.Column("model_version", sa.String(16), nullable=False),
        sa.Column("is_shadow", sa.Boolean, nullable=False),
        sa.Column("score", sa.Text, nullable=False, comment="ForecastScore"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_forecast_scores_day", "site_id", "target", "local_day"),
    )
    op.create_table(
        "forecast_drifts",
        sa.Column("site_id", sa.String(64), primary_key=True),
        sa.Column("target", sa.String(128), primary_key=True),
        sa.Column("local_day", sa.Date, primary_key=True),
        sa.Column("drift", sa.Text, nullable=False, comment="ForecastDrift"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
    )
    for table in ("forecast_scores", "forecast_drifts"):
        _protect(table)


def _protect(table: str) -> None:
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
