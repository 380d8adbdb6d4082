"""Passwords as argon2id texts: the only place that knows the library."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from data_quality.contracts.errors import BadInput

SHORTEST, LONGEST = 12, 256
# 19 MiB, two passes: what OWASP asks at the least, and four at once would be no burden for a small machine.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# One at a time: who floods the sign-in takes one core and 19 MiB, not the machine.
_ONE = threading.Lock()
# Of nobody's password; compared with where a person has none, so that both take as long.
_NOBODY = _HASHER.hash("nobody has this password")


def hashed(password: str, person_id: str) -> str:
    """The argon2id text of a new password. Raises BadInput for one that is too short, too long, or the person's id."""
    text = _plain(password)
    if not SHORTEST <= len(text) <= LONGEST or not text.isprintable():
        raise BadInput(f"a password has {SHORTEST} to {LONGEST} printable characters", reason="bad_password")
    if person_id in text.casefold() or len(set(text)) < 5:
        raise BadInput("this password is too easy to guess", reason="bad_password", mend="four words of chance do well")
    with _ONE:
        return _HASHER.hash(text)


def is_right(argon2id: str, password: str) -> bool:
    """Whether that is the password; an empty text needs as long and is false."""
    if len(password) > LONGEST:
        return False
    with _ONE:
        try:
            return _HASHER.verify(argon2id or _NOBODY, _plain(password)) and bool(argon2id)
        except (VerificationError, InvalidHashError):
            return False


def _plain(password: str) -> str:
    # The same letters, however a keyboard composes them.
    return unicodedata.normalize("NFKC", password)
