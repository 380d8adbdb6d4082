"""Anomaly events and the causes that people say. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the triggers that keep them append-only."""
    op.create_table(
        "anomaly_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("meter_id", sa.String(64), nullable=False),
        sa.Column("register_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("cause", sa.String(32), comment="Null: nothing classified it"),
        sa.Column("confidence", sa.Float),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("start_utc", sa.String(27), nullable=False),
        sa.Column("end_utc", sa.String(27), nullable=False),
        sa.Column("kwh", sa.Float, comment="Measured less expected; null where kWh are not counted"),
        sa.Column("cost", sa.Float, comment="Null: see cost_finding"),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("cost_finding", sa.String(64)),
        sa.Column("params_version", sa.String(16), nullable=False),
        sa.Column("evidence", sa.Text, nullable=False, comment="Figures: name, value, unit"),
        sa.Column("is_withdrawn", sa.Boolean, nullable=False, comment="The detectors no longer find it"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_anomaly_events_site", "site_id", "event_id"),
    )
    op.create_table(
        "anomaly_labels",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("cause", sa.String(32), nullable=False),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_anomaly_labels_event", "site_id", "event_id"),
    )
    for table in ("anomaly_events", "anomaly_labels"):
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
