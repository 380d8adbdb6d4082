"""Modes by capability, with an end and a second signature; manual holds; evidence that rises. Frozen: it imports
nothing of ours, a test holds its SHA-256.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Table, name, verb, when, what is said: the database refuses it.
RULES = (
    (
        "commands",
        "repeated",
        "UPDATE",
        """OLD.state = NEW.state AND OLD.state IN (
  'ACKED', 'DRIFTED', 'ISSUED', 'MISMATCH', 'PENDING', 'PROPOSED', 'RELEASED', 'UNKNOWN', 'VERIFIED') AND NOT (
  OLD.state = 'VERIFIED' AND coalesce(NEW.evidence_grade, -1) > coalesce(OLD.evidence_grade, -1)
  AND OLD.seq = NEW.seq AND OLD.epoch = NEW.epoch AND coalesce(OLD.mode_at_issue, '') = coalesce(NEW.mode_at_issue, ''))
""",
        "a command that stays where it is changes only by better evidence",
    ),
    (
        "mode_events",
        "two_people",
        "INSERT",
        """NEW.mode = 'FULL' AND (
  NEW.request_id IS NULL OR NEW.expires_utc IS NULL OR NEW.approved_by IS NULL OR NEW.approved_by = NEW.person_id)
""",
        "mode FULL needs a request, a second person and an end",
    ),
)


def upgrade() -> None:
    """Add the columns, the tables, and the triggers that keep them."""
    for name, kind in (
        ("capability", sa.String(64)),
        ("expires_utc", sa.String(27)),
        ("approved_by", sa.String(64)),
        ("request_id", sa.Integer),
    ):
        op.add_column("mode_events", sa.Column(name, kind))
    # A request is used once, whatever two processes think at the same moment.
    op.create_index("ux_mode_events_request", "mode_events", ["request_id"], unique=True)
    _create_tables()
    for table in ("mode_requests", "hold_events", "approval_events", "chain_marks"):
        for verb in ("UPDATE", "DELETE", "TRUNCATE"):
            _refuse_change(table, verb)
    for rule in RULES:
        _refuse_when(*rule)


def _create_tables() -> None:
    op.create_table(
        "mode_requests",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("capability", sa.String(64), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("expires_utc", sa.String(27), nullable=False, comment="Until when the mode is wanted"),
        sa.Column("seen_event", sa.Integer, nullable=False, comment="Newest mode event of the site then; 0: none"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
    )
    op.create_table(
        "hold_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("device_id", sa.String(64), nullable=False),
        sa.Column("capability", sa.String(64), nullable=False, comment="Empty: every one of the device"),
        sa.Column("is_set", sa.Boolean, nullable=False, comment="False: a person gave it back"),
        sa.Column("until_utc", sa.String(27)),
        sa.Column("value", sa.Float, comment="What a person set, in the capability's unit"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("command_id", sa.String(64)),
        sa.Column("person_id", sa.String(64)),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_hold_events_site", "site_id", "device_id"),
    )
    op.create_table(
        "approval_events",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, comment="PLAN_CLASS, RESIDUAL_RISK or MODE_REQUEST"),
        sa.Column("subject", sa.String(160), nullable=False, comment="device/capability, device, or number of request"),
        sa.Column("outcome", sa.String(16), nullable=False, comment="APPROVED, REVOKED or REFUSED"),
        sa.Column("person_id", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
        sa.Index("ix_approval_events_site", "site_id", "kind"),
    )
    op.create_table(
        "chain_marks",
        sa.Column("site_id", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.String(64), nullable=False, comment="Of the command event that stood there"),
        sa.Column("recorded_at_utc", sa.String(27), nullable=False),
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


def _refuse_when(table: str, name: str, verb: str, condition: str, sentence: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE FUNCTION {table}_{name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{sentence}'; END $$"
        )
        done = f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {table}_{name}()"
    else:
        done = f"WHEN {condition} BEGIN SELECT RAISE(ABORT, '{sentence}'); END"
    op.execute(f"CREATE TRIGGER {table}_{name} BEFORE {verb} ON {table} {done}")
