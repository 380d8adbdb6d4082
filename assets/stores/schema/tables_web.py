"""Tables of the pages and of machines that push readings: keys, receipts, passwords, sign-ins, and who did what."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import ERASABLE, SEALED, append_only, metadata, usual

api_keys = append_only(
    "api_keys",
    sa.Column("key_id", sa.String(16), nullable=False),
    sa.Column("secret_sha256", sa.String(64), nullable=False, comment="The secret itself is shown once"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Its owner: what they may not, it may not"),
    sa.Column("name", sa.String(128), nullable=False, comment="Of what holds it"),
    sa.Column("sites", JsonText, nullable=False),
    sa.Column("scopes", JsonText, nullable=False),
    *usual("expires_utc", "is_revoked", "reason"),
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
    *usual("key_id", "site_id"),
    sa.Column("idempotency_key", sa.String(128), nullable=False, comment="The body's SHA-256 where none was sent"),
    sa.Column("body_sha256", sa.String(64), nullable=False),
    sa.Column("file_name", sa.String(128), nullable=False, comment="In the site's landing folder"),
    sa.Column("answer", JsonText, nullable=False),
    sa.Index("ix_push_receipts_idempotency", "key_id", "idempotency_key"),
    sa.Index("ix_push_receipts_receipt", "receipt_id"),
)

credentials = append_only(
    "credentials",
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, comment="password or invitation"),
    sa.Column("secret", sa.String(256), nullable=False, comment="argon2id of a password, SHA-256 of an invitation"),
    sa.Column("expires_utc", UtcDateTime, comment="Of an invitation; the next row of the person ends it before"),
    sa.Index("ix_credentials_person", "person_id"),
    sa.Index("ix_credentials_secret", "secret"),
)

# Of these three no row ever changes; they are not append-only, since a sign-in goes after 90 days (face.md, section 7).
logins = sa.Table(
    "logins",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True, comment="The token itself is in the cookie alone"),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("rights_sha256", sa.String(64), nullable=False, comment="Of roles, sites and tenants at sign-in"),
    sa.Column("opened_utc", UtcDateTime, nullable=False),
    sa.Column("seen_utc", UtcDateTime, nullable=False, comment="At sign-in; later uses stand in login_uses"),
    sa.Column("ended_utc", UtcDateTime, comment="Of before login_ends"),
    sa.Index("ix_logins_person", "person_id"),
    info=SEALED | ERASABLE,
)

login_ends = sa.Table(
    "login_ends",
    metadata,
    # The key, so that the seal alone says that the sign-in has ended, whatever becomes of the row.
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("ended_utc", UtcDateTime, nullable=False),
    info=SEALED | ERASABLE,
)

login_uses = sa.Table(
    "login_uses",
    metadata,
    sa.Column("token_sha256", sa.String(64), primary_key=True),
    sa.Column("seen_utc", UtcDateTime, primary_key=True, comment="Of its last request that a web process noted"),
    info=SEALED | ERASABLE,
)

# Not append-only: what a person likes is theirs to erase.
preferences = sa.Table(
    "preferences",
    metadata,
    sa.Column("person_id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", JsonText, nullable=False),
    info={"unsealed": "what a person likes to see: no figure, right or act follows from it"},
)

audit_events = append_only(
    "audit_events",
    sa.Column("person_id", sa.String(64), nullable=False, comment="Empty where nobody was known"),
    sa.Column("key_id", sa.String(16), nullable=False, comment="Of a machine, else empty"),
    sa.Column("method", sa.String(8), nullable=False),
    sa.Column("route", sa.String(256), nullable=False, comment="Its pattern, never the address as it was asked"),
    sa.Column("permission", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(256), nullable=False, comment="Site and scope, or the person it was about"),
    sa.Column("outcome", sa.String(64), nullable=False),
    sa.Column("body_sha256", sa.String(64), nullable=False, comment="Never the body itself"),
    sa.Index("ix_audit_events_person", "person_id"),
)
