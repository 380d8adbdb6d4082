"""Row seals: the chain over every row on which safety, money or approval rests, begun over what is there.

Rows are sealed as they are found, so that from here on a change is seen; what was changed before is not known.
"""

import sqlalchemy as sa
from alembic import op

from assets.stores.seals import AS_FOUND, MOVING, raw_columns, seal
from assets.stores.tables import append_only_ddl

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "batches", "lake_manifest", "quarantine_resolutions", "baseline_versions", "baseline_approvals", "promotions",
    "plans", "mode_events", "site_versions", "report_revisions", "figures", "fault_events", "ledger_identity",
    "meter_events", "reading_edits", "meter_proposals", "meter_decisions", "adjustments", "baseline_shadows", "bills",
    "bill_lines", "bill_audits", "tariff_overrides", "emission_factors", "revision_inputs", "report_makers",
    "report_decisions", "signatures", "evidence_packs", "commands",
)  # fmt: skip
AT_ONCE = 5_000


def upgrade() -> None:
    """Create the table of seals, and seal every row that stands."""
    bind = op.get_bind()
    op.create_table(
        "row_seals",
        sa.Column(
            "position", sa.Integer, primary_key=True, autoincrement=False, comment="Place in the chain: 1, 2, 3 …"
        ),
        sa.Column("table_name", sa.String(64), nullable=False),
        sa.Column("note", sa.String(32), nullable=False, comment="Empty, or: as found by a migration"),
        sa.Column("rows", sa.Text, nullable=False, comment="A list a row: its key, then the SHA-256 of what it says"),
        sa.Column("rows_sha256", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, comment="Over this seal and the hash before it"),
        sa.Index("ix_row_seals_table", "table_name", "position"),
    )
    for statement in append_only_ddl("row_seals", bind.dialect.name):
        op.execute(statement)
    for name in TABLES:
        # As the database has it now: what later steps add is not there yet.
        table = sa.Table(name, sa.MetaData(), autoload_with=bind)
        beside = MOVING if name == "commands" else ()
        columns = [
            *raw_columns(table),
            *(sa.type_coerce(table.c[each], sa.types.NullType()).label(each) for each in beside),
        ]
        rows = bind.execute(sa.select(*columns).order_by(*table.primary_key.columns)).mappings()
        while found := rows.fetchmany(AT_ONCE):
            seal(bind, table, [dict(row) for row in found], note=AS_FOUND, beside=beside)
