"""First tables. Until the first release this revision follows tables.py; afterwards it is frozen."""

from alembic import op

from assets.stores.tables import APPEND_ONLY, append_only_ddl, metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table, and the triggers that keep the append-only ones so."""
    bind = op.get_bind()
    metadata.create_all(bind)
    for table in APPEND_ONLY:
        for statement in append_only_ddl(table.name, bind.dialect.name):
            op.execute(statement)
