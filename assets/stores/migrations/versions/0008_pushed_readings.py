"""Keys of machines that push readings, and receipts for what they pushed. Frozen: it imports nothing of ours, a test
holds its SHA-256.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the triggers that keep them append-only."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False, comment="The secret itself is shown once"),
        sa.Column("person_id", sa.String(64), nullable=False, comment="Its owner: what they may not, it may not"),
        sa.Column("name", sa.String(128), nullable=False, comment="Of what holds it"),
        sa.Column("sites", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("expires_utc", sa.String(27), nullable=False),
        sa.Column("is_revoked", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_api_keys_key", "key_id"),
    )
    op.create_table(
        "push_receipts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("receipt_id", sa.String(32), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("idempotency_key", sa.String(128), nullable=False, comment="The body's SHA-256 where none was sent"),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("file_name", sa.String(128), nullable=False, comment="In the site's landing folder"),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_push_receipts_idempotency", "key_id", "idempotency_key"),
        sa.Index("ix_push_receipts_receipt", "receipt_id"),
    )
    for table in ("api_keys", "push_receipts"):
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
