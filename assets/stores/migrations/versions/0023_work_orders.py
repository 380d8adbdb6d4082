"""Work orders, instances of workflows, and the kind of a notice. Frozen: it imports nothing of ours, a test holds its
SHA-256.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, the triggers that keep them append-only, and the column."""
    op.create_table(
        "work_orders",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("order_id", sa.String(32), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("priority", sa.String(2), nullable=False, comment="P1 to P4"),
        sa.Column("state", sa.String(16), nullable=False, comment="open, assigned, done or cancelled"),
        sa.Column("due", sa.Date, comment="Local day of the site"),
        sa.Column("assignee", sa.String(64), nullable=False, comment="Empty: nobody"),
        sa.Column("source_kind", sa.String(16), nullable=False, comment="finding, workflow, recommendation or empty"),
        sa.Column("source_id", sa.String(64), nullable=False),
        sa.Column("figure_ids", sa.Text, nullable=False),
        sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: a workflow"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_work_orders_order", "site_id", "order_id"),
    )
    op.create_table(
        "workflow_instances",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("instance_id", sa.String(32), nullable=False, comment="Of workflow, site and subject"),
        sa.Column("workflow", sa.String(64), nullable=False),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column(
            "subject", sa.String(128), nullable=False, comment="What set it off: a finding's case, a day, a bill"
        ),
        sa.Column("state", sa.String(16), nullable=False, comment="watching, running, asked, done, refused or lapsed"),
        sa.Column("steps", sa.Text, nullable=False, comment="Each with its state and what came of it"),
        sa.Column("order_id", sa.String(32), nullable=False, comment="Of the work order that it made; empty: none"),
        sa.Column("person_id", sa.String(64), nullable=False, comment="Who approved, refused or ran it; empty: nobody"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_workflow_instances_instance", "site_id", "instance_id"),
    )
    # What notices were of until now.
    said = "finding, order or workflow: what finding_id names"
    op.add_column(
        "notice_events", sa.Column("kind", sa.String(16), nullable=False, server_default="finding", comment=said)
    )
    for table in ("work_orders", "workflow_instances"):
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
