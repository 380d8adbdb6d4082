"""Keys of machines and receipts for what they pushed. Of a secret only the SHA-256 is kept: 256 bits of chance need no
slow hash, and nobody can show it twice.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import text_sha256
from assets.stores.journal import AppendOnly, Ledger
from assets.stores.schema.tables_web import api_keys, key_uses, push_receipts
from assets.stores.transactions import Repository
from data_quality.contracts.access.api_key import MOST_DAYS, PREFIX, ApiKey, Scope
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

_KEYS = Ledger(api_keys, ApiKey, is_proven=True)
_RECEIPTS = AppendOnly(push_receipts, dict, order=("id",))
# How long the answer to an idempotency key is repeated (face.md, section 4).
REMEMBERED = timedelta(hours=24)


class ApiKeyStore(Repository):
    """Keys of machines, and what they were answered."""

    def issue(
        self,
        person_id: str,
        *,
        name: str,
        sites: Sequence[str],
        scopes: Sequence[Scope],
        days: int,
        clock: Clock,
        chance: str = "",
    ) -> tuple[ApiKey, str]:
        """Record a new key. Returns it and its text, mlk_<id>_<secret>, which is shown only once.

        chance: a text of at least 256 bits of chance, used once, from which id and secret are made; else one is drawn.
        """
        if not 1 <= days <= MOST_DAYS:
            raise BadInput(f"a key lasts 1 to {MOST_DAYS} days, got {days}", reason="bad_expiry")
        if not 1 <= len(name) <= 128 or not name.isprintable():
            raise BadInput("the name of a key has 1 to 128 printable characters", reason="bad_name")
        chance = chance or secrets.token_urlsafe(32)
        key = ApiKey(
            key_id=text_sha256(f"id {chance}")[:12],
            person_id=person_id,
            name=name,
            sites=tuple(sites),
            scopes=tuple(scopes),
            expires_utc=clock.now_utc() + timedelta(days=days),
        )
        secret = urlsafe_b64encode(hashlib.sha256(f"secret {chance}".encode()).digest()).decode().rstrip("=")
        with self.store.together():
            if _KEYS.newest(self.store, key_id=key.key_id) is not None:
                raise BadInput("this form has made its key already", reason="exists", mend="open the page again")
            _KEYS.put(self.store, clock, key, secret_sha256=text_sha256(secret))
        return key, f"{PREFIX}_{key.key_id}_{secret}"

    def revoke(self, key_id: str, *, person_id: str, reason: str, clock: Clock) -> ApiKey:
        """Let a key open nothing any more. Raises BadInput for one that is unknown or revoked already."""
        with self.store.together():
            row = _KEYS.newest(self.store, key_id=key_id)
            if row is None or row["is_revoked"]:
                what = "is revoked already" if row else "is not known; 'meterloom keys list' names them"
                raise BadInput(f"key {key_id!r} {what}", reason="unknown_key")
            changes = {"is_revoked": True, "reason": reason, "person_id": person_id}
            row = {name: row[name] for name in row if name not in ("id", "recorded_at_utc")} | changes
            _KEYS.add(self.store, clock, row)
        return _KEYS.read(row)

    def recorded(self) -> list[ApiKey]:
        """All keys as they stand, in the order in which they were issued."""
        return _KEYS.all_as_of(self.store, "key_id")

    def last_used(self) -> dict[str, datetime]:
        """When each key last brought or read something."""
        table = push_receipts
        query = sa.select(table.c.key_id, sa.func.max(table.c.recorded_at_utc).label("last")).group_by(table.c.key_id)
        found: dict[str, datetime] = {row["key_id"]: row["last"] for row in self.store.rows(query)}
        for row in self.store.rows(sa.select(key_uses)):
            found[row["key_id"]] = max(row["last_read_utc"], found.get(row["key_id"], row["last_read_utc"]))
        return found

    def note_read(self, key_id: str, at_utc: datetime) -> None:
        """Keep when the key last read: one row a key, written anew; nothing rests on it."""
        with self.store.begin() as connection:
            connection.execute(key_uses.delete().where(key_uses.c.key_id == key_id))
            connection.execute(key_uses.insert().values(key_id=key_id, last_read_utc=at_utc))

    def opened_by(self, text: str, now_utc: datetime) -> ApiKey | None:
        """The good key that this text is; None for any other text, and for a key that is revoked or has expired."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        row = _KEYS.newest(self.store, key_id=key_id) if prefix == PREFIX and key_id and secret else None
        # Compared in any case, so that an unknown id takes as long as a wrong secret.
        is_secret = hmac.compare_digest(text_sha256(secret), row["secret_sha256"] if row else text_sha256(""))
        if row is None or not is_secret:
            return None
        key = _KEYS.read(row)
        return key if key.state(now_utc) == "good" else None

    def answered(self, key_id: str, idempotency_key: str, now_utc: datetime) -> dict[str, Any] | None:
        """The receipt of what this key sent under that idempotency key within the last day."""
        row = _RECEIPTS.newest(self.store, key_id=key_id, idempotency_key=idempotency_key)
        return row if row and now_utc - row["recorded_at_utc"] < REMEMBERED else None

    def receipt(self, receipt_id: str) -> dict[str, Any] | None:
        """The last receipt of that id."""
        return _RECEIPTS.newest(self.store, receipt_id=receipt_id)

    def note(self, clock: Clock, **row: Any) -> None:
        """Keep a receipt: the columns of push_receipts."""
        _RECEIPTS.add(self.store, clock, row)
