"""Alembic's entry: runs on the connection that assets/stores/revisions.py hands over."""

from alembic import context

from assets.stores.schema.tables_metadata import metadata

# No engine of its own: all steps run in the one transaction under whose lock the copy was made.
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
