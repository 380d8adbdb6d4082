"""When a key last read, apart from what people like; and the month of a job that failed. Frozen: it imports nothing of
ours, a test holds its SHA-256.
"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table with what stood among the preferences; failures from before are of no month."""
    uses = op.create_table(
        "key_uses",
        sa.Column("key_id", sa.String(16), primary_key=True),
        sa.Column("last_read_utc", sa.String(27), nullable=False),
    )
    before = sa.table("preferences", sa.column("person_id"), sa.column("name"), sa.column("value"))
    of_keys = before.c.person_id.startswith("key:")
    for person_id, text in op.get_bind().execute(sa.select(before.c.person_id, before.c.value).where(of_keys)):
        at_utc = datetime.fromisoformat(json.loads(str(text))).astimezone(UTC)
        written = at_utc.isoformat(timespec="microseconds")[:-6] + "Z"
        op.execute(uses.insert().values(key_id=str(person_id).removeprefix("key:"), last_read_utc=written))
    op.execute(before.delete().where(of_keys))
    op.add_column("job_outcomes", sa.Column("part", sa.String(16)))
