"""Weather as it was forecast, in two times. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE = "weather_issues"


def upgrade() -> None:
    """Create the table, and the triggers that keep it append-only."""
    op.create_table(
        TABLE,
        sa.Column("site_id", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("issued_at_utc", sa.String(27), primary_key=True),
        sa.Column("content_sha256", sa.String(64), primary_key=True, comment="Of steps and values"),
        sa.Column("available_at_utc", sa.String(27), nullable=False, comment="From when on it could be known here"),
        sa.Column("start_utc", sa.String(27), nullable=False),
        sa.Column("end_utc", sa.String(27), nullable=False),
        sa.Column("step_minutes", sa.Integer, nullable=False),
        sa.Column("is_synthetic", sa.Boolean, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("weather", sa.Text, nullable=False, comment="Name of WEATHER_UNITS -> a value a step, null unknown"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_weather_issues_span", "site_id", "end_utc"),
    )
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        name = f"{TABLE}_no_{verb.lower()}"
        if op.get_bind().dialect.name == "postgresql":
            each = "STATEMENT" if verb == "TRUNCATE" else "ROW"
            # The function is of revision 0001.
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {TABLE} FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )
        # SQLite has no such statement.
        elif verb != "TRUNCATE":
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {TABLE} "
                f"BEGIN SELECT RAISE(ABORT, '{TABLE} is append-only'); END"
            )
