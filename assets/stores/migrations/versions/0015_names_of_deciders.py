"""Names of people beside their decisions on a report, as they were then. Frozen: it imports nothing of ours, a test
holds its SHA-256.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; rows from before it have none, and their seals leave out what is null."""
    op.add_column("report_decisions", sa.Column("names", sa.Text))
