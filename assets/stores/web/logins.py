"""Sign-ins: of the token in a cookie only the SHA-256 is kept, and nobody can be signed in from what stands here.

Every row is sealed: one that was not written by this program, or was changed since, signs nobody in.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from assets.stores.schema.tables_web import login_ends, login_uses, logins
from assets.stores.seals import append, erase
from assets.stores.transactions import Repository
from assets.stores.trust import proven, trust_of
from data_quality.contracts.model import Model

logger = logging.getLogger("meterloom.stores")
KEPT = timedelta(days=90)
# When a sign-in ended whose row is gone.
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)


class Login(Model):
    """One sign-in. seen_utc: of its last request that reached this store."""

    token_sha256: str
    person_id: str
    rights_sha256: str
    opened_utc: datetime
    seen_utc: datetime
    ended_utc: datetime | None = None


class LoginStore(Repository):
    """Store of sign-ins."""

    def open(self, token: str, person_id: str, rights_sha256: str, now_utc: datetime) -> None:
        """Keep a new sign-in, and erase those of long ago."""
        login = Login(
            token_sha256=sha256(token),
            person_id=person_id,
            rights_sha256=rights_sha256,
            opened_utc=now_utc,
            seen_utc=now_utc,
        )
        with self.store.begin() as connection:
            # No sign-in lasts that long: those that were opened before then ended long ago.
            old = sa.select(logins.c.token_sha256).where(logins.c.opened_utc < now_utc - KEPT)
            for table in (login_uses, login_ends, logins):
                erase(connection, table, table.c.token_sha256.in_(old))
            append(connection, logins, [login.model_dump()])

    def found(self, token: str) -> Login | None:
        """The sign-in of that token, ended or not; None where its row is not believed."""
        rows = self.store.rows(sa.select(logins).where(logins.c.token_sha256 == sha256(token)))
        return next(iter(self._believed(rows)), None)

    def person_of(self, token_sha256: str) -> str:
        """Person of a sign-in, ended or not; empty for one that is not stored."""
        rows = self.store.rows(sa.select(logins.c.person_id).where(logins.c.token_sha256 == token_sha256))
        return str(rows[0]["person_id"]) if rows else ""

    def of_person(self, person_id: str) -> list[Login]:
        """The person's sign-ins that have not ended, the newest first."""
        query = sa.select(logins).where(logins.c.person_id == person_id).order_by(logins.c.opened_utc.desc())
        return [each for each in self._believed(self.store.rows(query)) if each.ended_utc is None]

    def end(self, now_utc: datetime, *, token_sha256: str = "", person_id: str = "") -> int:
        """End one sign-in, or all of a person. Returns how many."""
        which = logins.c.token_sha256 == token_sha256 if token_sha256 else logins.c.person_id == person_id
        with self.store.together(), self.store.begin() as connection:
            known = self._believed(self.store.rows(sa.select(logins).where(which)))
            ends = [{"token_sha256": each.token_sha256, "ended_utc": now_utc} for each in known if not each.ended_utc]
            append(connection, login_ends, ends)
        return len(ends)

    def seen(self, last: Mapping[str, datetime]) -> None:
        """Note when sign-ins were last used, by their token's SHA-256."""
        with self.store.together(), self.store.begin() as connection:
            known = self._believed(self.store.rows(sa.select(logins).where(logins.c.token_sha256.in_(last))))
            later = [each.token_sha256 for each in known if each.seen_utc < last[each.token_sha256]]
            append(connection, login_uses, [{"token_sha256": each, "seen_utc": last[each]} for each in later])

    def _believed(self, rows: Sequence[dict[str, Any]]) -> list[Login]:
        good, problems = proven(self.store, logins, rows)
        for problem in problems:
            logger.warning("a sign-in is not believed: %s", problem)
        tokens = [row["token_sha256"] for row in good]
        uses = sa.select(login_uses).where(login_uses.c.token_sha256.in_(tokens)).order_by(login_uses.c.seen_utc)
        noted = proven(self.store, login_uses, self.store.rows(uses))[0]
        seen = {row["token_sha256"]: {"seen_utc": row["seen_utc"]} for row in noted}
        ended = self._ended(tokens)
        return [Login(**row | seen.get(name, {}) | ended.get(name, {})) for name, row in zip(tokens, good, strict=True)]

    def _ended(self, tokens: Sequence[str]) -> dict[str, dict[str, datetime]]:
        """When sign-ins ended, by the rows and by the seals: to remove a row opens none of them again."""
        rows = self.store.rows(sa.select(login_ends).where(login_ends.c.token_sha256.in_(tokens)))
        sealed = trust_of(self.store, [login_ends]).marks[login_ends.name]
        gone = {each: {"ended_utc": _UNKNOWN} for each in tokens if (each,) in sealed}
        return gone | {row["token_sha256"]: {"ended_utc": row["ended_utc"]} for row in rows}


def sha256(token: str) -> str:
    """As a token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()
