"""Passwords and invitations of people, append-only and sealed: of a person's rows the last holds.

An invitation is good once because the password that it sets is a later row, and so is the next invitation. What the
secret of a password is, is the web process's affair: it comes and goes here as an argon2id text.
"""

import secrets
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import text_sha256
from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_web import credentials
from assets.stores.transactions import Repository
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

_ROWS = AppendOnly(credentials, dict, order=("id",), is_proven=True)
INVITED_FOR = timedelta(minutes=15)


class CredentialStore(Repository):
    """Store of passwords and invitations."""

    def password_of(self, person_id: str) -> str:
        """The argon2id text of the person's password; empty for somebody without one, or whose one was reset."""
        row = _ROWS.newest(self.store, person_id=person_id, kind=("password", "reset"))
        return str(row["secret"]) if row and row["kind"] == "password" else ""

    def last_reset(self, person_id: str) -> dict[str, Any] | None:
        """The last reset of the person's password, as a row of `credentials`; None before the first."""
        return _ROWS.newest(self.store, person_id=person_id, kind="reset")

    def anybody(self) -> str:
        """Somebody who has a password; empty where nobody has one."""
        query = sa.select(credentials.c.person_id).where(credentials.c.kind == "password").limit(1)
        return next((str(row["person_id"]) for row in self.store.rows(query)), "")

    def invite(self, person_id: str, clock: Clock, *, is_reset: bool = False) -> str:
        """A new invitation, which ends the one before. Returns its token, which is shown only once.

        is_reset: the password that the person has opens nothing from now on.
        """
        token, kind = secrets.token_urlsafe(32), "reset" if is_reset else "invitation"
        until = clock.now_utc() + INVITED_FOR
        row = {"person_id": person_id, "kind": kind, "secret": text_sha256(token), "expires_utc": until}
        _ROWS.add(self.store, clock, row)
        return token

    def invited(self, token: str, clock: Clock) -> str:
        """Whom the invitation is for. Raises BadInput (invitation_over) for one that holds no more, or never did."""
        row = _ROWS.newest(self.store, secret=text_sha256(token))
        last = _ROWS.newest(self.store, person_id=row["person_id"]) if row else None
        now_utc = clock.now_utc()
        # A clock that was set back makes no invitation longer.
        is_good = (
            row and last and last["id"] == row["id"] and -INVITED_FOR <= now_utc - row["expires_utc"] < timedelta()
        )
        if row is None or not is_good:
            minutes = int(INVITED_FOR.total_seconds() // 60)
            raise BadInput(
                f"this invitation holds no more: it is good once, for {minutes} minutes",
                reason="invitation_over",
                mend="'meterloom web invite PERSON' makes a new one",
            )
        return str(row["person_id"])

    def accept(self, token: str, argon2id: str, clock: Clock) -> str:
        """Let the password hold from now on, and the invitation no more. Returns the person. Raises BadInput."""
        # Asked and written in one transaction: of two who follow the same link one comes too late.
        with self.store.together():
            person_id = self.invited(token, clock)
            self.set_password(person_id, argon2id, clock)
        return person_id

    def set_password(self, person_id: str, argon2id: str, clock: Clock) -> None:
        """Let the password hold from now on."""
        row = {"person_id": person_id, "kind": "password", "secret": argon2id, "expires_utc": None}
        _ROWS.add(self.store, clock, row)
