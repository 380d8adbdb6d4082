"""Titles of work orders as sentences that are worded where they are read. Frozen: it imports nothing of ours, a test
holds its SHA-256.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; orders from before it have none, and their seals leave out what is null."""
    said = "The title as a sentence; null: a person's, or from before"
    op.add_column("work_orders", sa.Column("title_parts", sa.Text, comment=said))
