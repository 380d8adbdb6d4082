"""Small files of the lake that were merged into one. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the triggers that keep it append-only."""
    op.create_table(
        "lake_merges",
        sa.Column("path", sa.Text, primary_key=True, comment="A file whose rows stand in another now"),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("month", sa.Date, nullable=False, comment="First UTC day"),
        sa.Column("merged_path", sa.Text, nullable=False),
        sa.Column(
            "merged_sha256", sa.String(64), nullable=False, comment="Of that file, as file_sha256 of the manifest"
        ),
        sa.Column("newest_utc", sa.String(27), nullable=False, comment="The newest recorded time of its rows"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_lake_merges_site_month", "site_id", "month"),
    )
    for verb in ("UPDATE", "DELETE", "TRUNCATE"):
        name = f"lake_merges_no_{verb.lower()}"
        if op.get_bind().dialect.name == "postgresql":
            each = "STATEMENT" if verb == "TRUNCATE" else "ROW"
            # The function is of revision 0001.
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON lake_merges FOR EACH {each} EXECUTE FUNCTION refuse_change()"
            )
        # SQLite has no such statement.
        elif verb != "TRUNCATE":
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON lake_merges "
                f"BEGIN SELECT RAISE(ABORT, 'lake_merges is append-only'); END"
            )
