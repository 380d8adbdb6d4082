"""Seals over the rows that had none, sign-ins among them; digests of rendered files; the store's own revisions.

Rows are sealed as they are found, so that from here on a change is seen; what was changed before is not known.
"""

import sqlalchemy as sa
from alembic import op

from assets.stores.seals import AS_FOUND, raw_columns, seal

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = (
    "quarantine", "month_validations", "register_reads", "forecasts", "forecast_scores", "forecast_drifts",
    "notifications", "delivery_events", "weather_issues", "push_receipts", "logins",
)  # fmt: skip
AT_ONCE = 5_000


def upgrade() -> None:
    """Create the tables, and seal every row that stands."""
    _create_tables()
    for name in ("store_revisions", "rendered_files"):
        for verb in ("UPDATE", "DELETE", "TRUNCATE"):
            _refuse_change(name, verb)
    bind = op.get_bind()
    for name in TABLES:
        # As the database has it now: what later steps add is not there yet.
        table = sa.Table(name, sa.MetaData(), autoload_with=bind)
        rows = bind.execute(sa.select(*raw_columns(table)).order_by(*table.primary_key.columns)).mappings()
        while found := rows.fetchmany(AT_ONCE):
            seal(bind, table, [dict(row) for row in found], note=AS_FOUND)


def _create_tables() -> None:
    op.create_table(
        "store_revisions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("revision", sa.String(32), nullable=False),
    )
    op.create_table(
        "rendered_files",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("path", sa.Text, nullable=False, comment="In the project's reports folder"),
        sa.Column("report_id", sa.String(128), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, comment="Of the file's bytes as they were written"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_rendered_files_path", "path"),
    )
    op.create_table(
        "login_ends",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("ended_utc", sa.String(27), nullable=False),
    )
    op.create_table(
        "login_uses",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("seen_utc", sa.String(27), primary_key=True, comment="Of its last request that a web process noted"),
    )


def _refuse_change(table: str, verb: str) -> None:
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
