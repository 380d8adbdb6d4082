"""Tables of readings that machines push: their keys, and receipts for what they sent."""

import sqlalchemy as sa

from assets.stores.schema.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import append_only, metadata

api_keys = append_only(
    "api_keys",
    sa.Column("key_id", sa.String(16), nullable=False),
    sa.Column("secret_sha256", sa.String(64), nullable=False, comment="The secret itself is shown once"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Its owner: what they may not, it may not"),
    sa.Column("name", sa.String(128), nullable=False, comment="Of what holds it"),
    sa.Column("sites", JsonText, nullable=False),
    sa.Column("scopes", JsonText, nullable=False),
    sa.Column("expires_utc", UtcDateTime, nullable=False),
    sa.Column("is_revoked", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("ix_api_keys_key", "key_id"),
)

# Not append-only: of each key one row, written anew.
key_uses = sa.Table(
    "key_uses",
    metadata,
    sa.Column("key_id", sa.String(16), primary_key=True),
    sa.Column("last_read_utc", UtcDateTime, nullable=False, comment="To the minute"),
    info={"unsealed": "when a key last read, for people to see: it opens and closes nothing"},
)

push_receipts = append_only(
    "push_receipts",
    sa.Column("receipt_id", sa.String(32), nullable=False),
    sa.Column("key_id", sa.String(16), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("idempotency_key", sa.String(128), nullable=False, comment="The body's SHA-256 where none was sent"),
    sa.Column("body_sha256", sa.String(64), nullable=False),
    sa.Column("file_name", sa.String(128), nullable=False, comment="In the site's landing folder"),
    sa.Column("answer", JsonText, nullable=False),
    sa.Index("ix_push_receipts_idempotency", "key_id", "idempotency_key"),
    sa.Index("ix_push_receipts_receipt", "receipt_id"),
)
