"""First tables. Until the first release this revision follows tables.py; afterwards it is frozen."""

from uuid import uuid4

from alembic import op

from assets.stores.command_states import command_state_ddl
from assets.stores.tables import APPEND_ONLY, append_only_ddl, ledger_identity
from assets.stores.tables_metadata import metadata
from assets.stores.trace_rows import trace_view_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table, and the triggers that keep the append-only ones so."""
    bind = op.get_bind()
    first = [table for table in metadata.sorted_tables if table.name != "row_seals"]
    metadata.create_all(bind, tables=first)
    for table in (each for each in APPEND_ONLY if each in first):
        for statement in append_only_ddl(table.name, bind.dialect.name):
            op.execute(statement)
    for statement in [*command_state_ddl(bind.dialect.name), *trace_view_ddl(bind.dialect.name)]:
        op.execute(statement)
    op.execute(ledger_identity.insert().values(id=1, ledger_id=uuid4().hex))
