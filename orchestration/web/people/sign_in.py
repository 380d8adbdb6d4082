"""Asker of a request: a person by the cookie of a sign-in, or a machine by its key.

Passwords are argon2id texts; nothing else knows that library.
"""

import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from fastapi import Request

from assets.sites.load_sites import PeopleNow
from assets.stores.api_keys import ApiKeyStore
from assets.stores.web.credentials import CredentialStore
from assets.stores.web.logins import Login, LoginStore, sha256
from assets.stores.web.preferences import PreferenceStore
from data_quality.contracts.access.api_key import ApiKey
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.people import Person
from data_quality.contracts.time import Clock
from orchestration.open_project import OpenProject
from orchestration.web.request_context import SAFE, Allowances

MIN_LENGTH, MAX_LENGTH = 12, 256
# 19 MiB, two passes: what OWASP asks at the least, and four at once would be no burden for a small machine.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# One at a time: who floods the sign-in takes one core and 19 MiB, not the machine.
_ONE = threading.Lock()
# Of nobody's password; compared with where a person has none, so that both take as long.
_NOBODY = _HASHER.hash("nobody has this password")


def hashed(password: str, person_id: str) -> str:
    """The argon2id text of a new password. Raises BadInput for one that is too short, too long, or the person's id."""
    text = _plain(password)
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH or not text.isprintable():
        raise BadInput(f"a password has {MIN_LENGTH} to {MAX_LENGTH} printable characters", reason="bad_password")
    if person_id in text.casefold() or len(set(text)) < 5:
        raise BadInput("this password is too easy to guess", reason="bad_password", mend="four words of chance do well")
    with _ONE:
        return _HASHER.hash(text)


def is_right(argon2id: str, password: str) -> bool:
    """True where that is the password; an empty text needs as long and is false."""
    if len(password) > MAX_LENGTH:
        return False
    with _ONE:
        try:
            return _HASHER.verify(argon2id or _NOBODY, _plain(password)) and bool(argon2id)
        except (VerificationError, InvalidHashError):
            return False


def _plain(password: str) -> str:
    # The same letters, however a keyboard composes them.
    return unicodedata.normalize("NFKC", password)


logger = logging.getLogger("meterloom.web")
READ_NOTED_S = 60.0
# Preference of a person: the reset of their password that they know of.
SEEN = "reset_seen"
IDLE, LONGEST = timedelta(hours=12), timedelta(days=7)


@dataclass
class _Watched:
    """A sign-in as this process saw it: by the clock that nobody sets. age_s: how old it was at `since_s`."""

    since_s: float
    age_s: float
    last_s: float
    seen_utc: datetime


class SignIn:
    """Sign-ins and keys of one project. is_https: the cookie goes over TLS alone."""

    def __init__(
        self,
        project: OpenProject,
        clock: Clock,
        *,
        is_https: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock, self.monotonic = clock, monotonic
        self.people = PeopleNow(project.project.people_file, project.believing)
        self.allowances = Allowances(monotonic)
        self.credentials, self.logins = CredentialStore(project.store), LoginStore(project.store)
        self.preferences = PreferenceStore(project.store)
        self._keys = ApiKeyStore(project.store)
        self.is_https, self.cookie = is_https, "__Host-meterloom" if is_https else "meterloom"
        self.browser_cookie = f"{self.cookie}-browser"
        self._watched: dict[str, _Watched] = {}
        self._read_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def signed_in(self, request: Request) -> tuple[Person, str] | None:
        """The person, and the token of their acts (empty for a machine). Raises BadInput for two at once, TooMany."""
        token, header = request.cookies.get(self.cookie, ""), request.headers.get("authorization")
        if header is None:
            person = self._person(token) if token else None
            return None if person is None else (person, csrf_of(token))
        if token:
            raise BadInput("a key and a cookie in one request: send one of them", reason="two_credentials")
        machine = self._machine(request, header)
        return None if machine is None else (machine, "")

    def open(self, person_id: str, password: str, address: str, browser: str = "") -> str | None:
        """Sign in; the new cookie's token, or None. Somebody unknown needs as long. Raises TooMany.

        browser: what it kept of an earlier sign-in (`browser_of`): strangers' wrong passwords are not counted there.
        """
        if browser and self.logins.person_of(browser) == person_id:
            counted = {"wrong passwords of a browser": browser}
        else:
            account = person_id[:64]
            counted = {"wrong passwords": f"{address} {account}", "wrong passwords of a person": account}
            counted |= {"wrong passwords of an address": address}
        # Before it is looked at: many that come at once are not all looked at.
        for kind, name in counted.items():
            self.allowances.take(kind, name)
        person = self.people.known(person_id)
        stored = self.credentials.password_of(person_id) if person else ""
        if not stored:
            # The store looks whether a row is believed, which takes longer than the password: so it does here.
            self.credentials.password_of(self.credentials.anybody())
        if not is_right(stored, password) or person is None:
            return None
        for kind, name in counted.items():
            self.allowances.give_back(kind, name)
        return self._opened(person)

    def accept(self, invitation: str, password: str) -> str:
        """Set the invited person's password, end their other sign-ins and sign them in. Raises BadInput."""
        person = self.people.known(self.credentials.invited(invitation, self.clock))
        if person is None:
            raise BadInput("the people file does not name you any more", reason="unknown_person")
        self.credentials.accept(invitation, hashed(password, person.person_id), self.clock)
        self.logins.end(self.clock.now_utc(), person_id=person.person_id)
        return self._opened(person)

    def change(self, person: Person, present: str, password: str) -> str:
        """Set another password in place of the present one, end all sign-ins and sign in anew. Returns the new
        cookie's token. Raises BadInput (wrong_password, bad_password), TooMany.
        """
        self.expect_password(person, present)
        self.credentials.set_password(person.person_id, hashed(password, person.person_id), self.clock)
        self.logins.end(self.clock.now_utc(), person_id=person.person_id)
        return self._opened(person)

    def expect_password(self, person: Person, present: str) -> None:
        """Raises BadInput (wrong_password) for a text that is not the person's password, TooMany."""
        counted = ("wrong passwords of a browser", f"profile {person.person_id}")
        # Who found a browser open must not try passwords in it.
        self.allowances.take(*counted)
        if not is_right(self.credentials.password_of(person.person_id), present):
            raise BadInput("the present password is another one", reason="wrong_password")
        self.allowances.give_back(*counted)

    def is_reset_news(self, person_id: str) -> bool:
        """True where somebody reset the person's password, who has not said yet that they know."""
        reset = self.credentials.last_reset(person_id)
        return reset is not None and self.preferences.of_person(person_id).get(SEEN) != reset["id"]

    def end(self, request: Request) -> None:
        """End the sign-in of the request's cookie, if there is one."""
        if token := request.cookies.get(self.cookie):
            self.logins.end(self.clock.now_utc(), token_sha256=sha256(token))

    def rest(self) -> None:
        """Note when each sign-in was last used: to look at a page writes nothing."""
        self.logins.seen({token: each.seen_utc for token, each in self._watched.items()})

    def _opened(self, person: Person) -> str:
        token, now_utc = secrets.token_urlsafe(32), self.clock.now_utc()
        self.logins.open(token, person.person_id, _rights(person), now_utc)
        now_s = self.monotonic()
        with self._lock:
            self._watched[sha256(token)] = _Watched(now_s, 0.0, now_s, now_utc)
        return token

    def _person(self, token: str) -> Person | None:
        login = self.logins.found(token) if len(token) <= 64 else None
        person = self.people.known(login.person_id) if login else None
        # Whose roles changed signs in anew.
        if login is None or person is None or login.ended_utc or login.rights_sha256 != _rights(person):
            return None
        return person if self._holds(login) else None

    def _holds(self, login: Login) -> bool:
        """True where the sign-in is young enough, by the clock on the wall and by the one that nobody sets."""
        now_utc, now_s = self.clock.now_utc(), self.monotonic()
        with self._lock:
            watched = self._watched.get(login.token_sha256)
            if watched is None:
                # One from before this process: a clock that was set back since says nothing about its age.
                if now_utc < login.seen_utc:
                    return False
                idle_s = (now_utc - login.seen_utc).total_seconds()
                watched = _Watched(now_s, (now_utc - login.opened_utc).total_seconds(), now_s - idle_s, login.seen_utc)
            idle_s = max(now_s - watched.last_s, (now_utc - watched.seen_utc).total_seconds())
            age_s = max(watched.age_s + now_s - watched.since_s, (now_utc - login.opened_utc).total_seconds())
            if idle_s >= IDLE.total_seconds() or age_s >= LONGEST.total_seconds():
                return False
            watched.last_s, watched.seen_utc = now_s, max(now_utc, watched.seen_utc)
            self._watched[login.token_sha256] = watched
            if len(self._watched) > 10_000:
                self._watched = {t: each for t, each in self._watched.items() if now_s - each.last_s < 3600}
        return True

    def _good_key(self, text: str, now_utc: datetime) -> ApiKey | None:
        try:
            return self._keys.opened_by(text, now_utc)
        except BadInput as fault:
            # Nobody of the people file issued it, or somebody changed it in the store.
            logger.warning("a key is not believed: %s", fault.reason)
            return None

    def _machine(self, request: Request, header: str) -> Person | None:
        """The key's owner, no wider than the key: its sites; its scopes are asked of `request.state.scopes`."""
        scheme, _, text = header.partition(" ")
        now_utc, address = self.clock.now_utc(), request.client.host if request.client else ""
        # Read anew first: which acts are believed depends on who is known.
        self.people.people()
        is_bearer = scheme.lower() == "bearer" and len(text) < 200
        key = self._good_key(text.strip(), now_utc) if is_bearer else None
        owner = self.people.known(key.person_id) if key else None
        if key is None or owner is None:
            self.allowances.take("wrong keys of an address", address)
            return None
        request.state.key_id, request.state.scopes = key.key_id, key.lets(owner)
        request.state.headers = self.allowances.take("requests of a key", key.key_id)
        if request.method in SAFE:
            self._note_read(key.key_id, now_utc)
        sites = tuple(each for each in key.sites if not owner.sites or each in owner.sites)
        # No sites would mean all of them.
        return owner.model_copy(update={"sites": sites}) if sites else None

    def _note_read(self, key_id: str, now_utc: datetime) -> None:
        """Once a minute and key, so that reading stays cheap; a store that cannot be written hinders no reader."""
        now_s = self.monotonic()
        with self._lock:
            if now_s - self._read_s.get(key_id, -READ_NOTED_S) < READ_NOTED_S:
                return
            self._read_s[key_id] = now_s
        try:
            self._keys.note_read(key_id, now_utc)
        except Unreachable as fault:
            logger.warning("when key %s read is not noted: %s", key_id, fault)


def browser_of(token: str) -> str:
    """Mark that a browser keeps of a sign-in when that has ended: it opens nothing, and tells whose browser it is."""
    return sha256(token)


def csrf_of(token: str) -> str:
    """Token that the forms of a sign-in carry: it follows from the cookie, which no other page can read."""
    return hmac.new(token.encode(), b"meterloom forms", hashlib.sha256).hexdigest()


def _rights(person: Person) -> str:
    rights = [sorted(person.roles), sorted(person.sites), sorted(person.tenants)]
    return hashlib.sha256(json.dumps(rights).encode()).hexdigest()
