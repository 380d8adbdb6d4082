"""Passwords, sign-ins and preferences of people, and who did what in the pages. Frozen: it imports nothing of ours, a
test holds its SHA-256.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, and the triggers that keep two of them append-only."""
    op.create_table(
        "credentials",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="password or invitation"),
        sa.Column("secret", sa.String(256), nullable=False, comment="argon2id of a password, SHA-256 of an invitation"),
        sa.Column("expires_utc", sa.String(27), comment="Of an invitation; the next row of the person ends it before"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_credentials_person", "person_id"),
        sa.Index("ix_credentials_secret", "secret"),
    )
    op.create_table(
        "logins",
        sa.Column("token_sha256", sa.String(64), primary_key=True, comment="The token itself is in the cookie alone"),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("rights_sha256", sa.String(64), nullable=False, comment="Of roles, sites and tenants at sign-in"),
        sa.Column("opened_utc", sa.String(27), nullable=False),
        sa.Column("seen_utc", sa.String(27), nullable=False),
        sa.Column("ended_utc", sa.String(27)),
        sa.Index("ix_logins_person", "person_id"),
    )
    op.create_table(
        "preferences",
        sa.Column("person_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("person_id", sa.String(64), nullable=False, comment="Empty where nobody was known"),
        sa.Column("key_id", sa.String(16), nullable=False, comment="Of a machine, else empty"),
        sa.Column("method", sa.String(8), nullable=False),
        sa.Column("route", sa.String(256), nullable=False, comment="Its pattern, never the address as it was asked"),
        sa.Column("permission", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(256), nullable=False, comment="Site and scope, or the person it was about"),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False, comment="Never the body itself"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_audit_events_person", "person_id"),
    )
    for table in ("credentials", "audit_events"):
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
