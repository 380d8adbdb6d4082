"""Tables of what was taken away: erasures of a person or a meter, and files that retention removed."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import append_only

erasures = append_only(
    "erasures",
    sa.Column("erasure_id", sa.String(16), nullable=False),
    sa.Column("subject", sa.String(160), nullable=False, comment="person/ID or meter/SITE/ID"),
    sa.Column("step", sa.String(16), nullable=False, comment="recorded, replayed in a restored store, or finished"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Who erased"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("record", JsonText, nullable=False, comment="Counts and files; of a replay the record as it was signed"),
    sa.Index("ix_erasures_subject", "subject"),
)

removals = append_only(
    "removals",
    sa.Column("run_id", sa.String(16), nullable=False, comment="Of the command; one row a class"),
    sa.Column("class_name", sa.String(32), nullable=False),
    sa.Column("files", sa.Integer, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("oldest_utc", UtcDateTime, comment="When the oldest of them last changed"),
    sa.Column("newest_utc", UtcDateTime),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: the schedule"),
    sa.Column("reason", sa.Text, nullable=False),
)
