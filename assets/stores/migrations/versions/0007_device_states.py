"""What devices were measured to do, and how often they were written. Frozen: it imports nothing of ours, a test holds
its SHA-256.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the triggers that keep it append-only."""
    op.create_table(
        "device_states",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("capability", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False, comment="switched, seen (still so) or write"),
        sa.Column("is_on", sa.Boolean, comment="Null for a write"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_device_states_site", "site_id", "recorded_at_utc"),
    )
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        name = f"device_states_no_{verb.lower()}"
        if op.get_bind().dialect.name == "postgresql":
            each = "STATEMENT" if verb == "TRUNCATE" else "ROW"
            # The function is of revision 0001.
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON device_states FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )
        # SQLite has no such statement.
        elif verb != "TRUNCATE":
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON device_states "
                "BEGIN SELECT RAISE(ABORT, 'device_states is append-only'); END"
            )
