"""Alembic's entry: runs on the connection that assets/stores/revisions.py hands over."""

import sqlalchemy as sa
from alembic import context

from assets.stores.schema.tables_metadata import metadata
from assets.stores.schema.tables_seals import store_revisions
from assets.stores.seals import append_row

# No engine of its own: all steps run in the one transaction under whose lock the copy was made.
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
    # The store itself notes under seal how far it was brought, from revision 0014 on.
    if sa.inspect(connection).has_table(store_revisions.name):
        reached = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        append_row(connection, store_revisions, revision=reached)
