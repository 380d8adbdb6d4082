"""A version of a baseline is approved or rejected. Frozen: it imports nothing of ours, a test holds its SHA-256."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was decided before is an approval, and null says that."""
    op.add_column("baseline_approvals", sa.Column("outcome", sa.String(16), comment="Null: approved; or rejected"))
