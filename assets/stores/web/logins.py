"""Sign-ins: of the token in a cookie only the SHA-256 is kept, and nobody can be signed in from what stands here."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from assets.stores.schema.tables_web import logins
from assets.stores.transactions import Store
from data_quality.contracts.model import Model

KEPT = timedelta(days=90)


class Login(Model):
    """One sign-in. seen_utc: of its last request that this store was told of."""

    token_sha256: str
    person_id: str
    rights_sha256: str
    opened_utc: datetime
    seen_utc: datetime
    ended_utc: datetime | None = None


class LoginStore:
    """Who is signed in."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def open(self, token: str, person_id: str, rights_sha256: str, now_utc: datetime) -> None:
        """Keep a new sign-in, and forget those that ended long ago."""
        login = Login(
            token_sha256=sha256(token),
            person_id=person_id,
            rights_sha256=rights_sha256,
            opened_utc=now_utc,
            seen_utc=now_utc,
        )
        with self.store.begin() as connection:
            connection.execute(logins.delete().where(logins.c.seen_utc < now_utc - KEPT))
            connection.execute(logins.insert().values(**login.model_dump()))

    def found(self, token: str) -> Login | None:
        """The sign-in of that token, ended or not."""
        rows = self.store.rows(sa.select(logins).where(logins.c.token_sha256 == sha256(token)))
        return Login.model_validate(rows[0]) if rows else None

    def person_of(self, token_sha256: str) -> str:
        """Whose sign-in that is or was; empty for none that is kept."""
        rows = self.store.rows(sa.select(logins.c.person_id).where(logins.c.token_sha256 == token_sha256))
        return str(rows[0]["person_id"]) if rows else ""

    def of_person(self, person_id: str) -> list[Login]:
        """The person's sign-ins that have not ended, the newest first."""
        query = sa.select(logins).where(logins.c.person_id == person_id, logins.c.ended_utc.is_(None))
        return [Login.model_validate(row) for row in self.store.rows(query.order_by(logins.c.opened_utc.desc()))]

    def end(self, now_utc: datetime, *, token_sha256: str = "", person_id: str = "") -> int:
        """End one sign-in, or all of a person. Returns how many."""
        which = logins.c.token_sha256 == token_sha256 if token_sha256 else logins.c.person_id == person_id
        query = logins.update().where(which, logins.c.ended_utc.is_(None)).values(ended_utc=now_utc)
        with self.store.begin() as connection:
            return int(connection.execute(query).rowcount)

    def seen(self, last: Mapping[str, datetime]) -> None:
        """Note when sign-ins were last used, by their token's SHA-256."""
        with self.store.begin() as connection:
            for token_sha256, at_utc in last.items():
                query = logins.update().where(logins.c.token_sha256 == token_sha256, logins.c.seen_utc < at_utc)
                connection.execute(query.values(seen_utc=at_utc))


def sha256(token: str) -> str:
    """As a token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()
