"""Ed25519 keys and signatures: the only place that knows the library.

A message is signed under a domain, so that a signature over one kind of thing is never one over another. What a named
person did is signed with that person's key: the policy who must sign, and the signature itself.

A person's key replaced by another: the old key signs the act, the new one vouches for the old, so that what the old
one signed before still counts.
"""

import base64
import binascii
import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from assets.stores.column_types import canonical_json
from assets.stores.schema.tables_reports import signatures
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import People, Person

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


# The number names the form of what is signed: a changed form gets the next, and no old signature fits it by chance.
PACK_DOMAIN = "meterloom/pack/1"
ACTION_DOMAIN = "meterloom/action/1"
# No slash and, below, no leading dot: the name comes from outside and becomes a path.
_NAME = re.compile(r"[a-z0-9_.-]+")
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64


class Signer:
    """A private key that can sign; it never leaves this object as text."""

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        self._key = key

    @property
    def public_key(self) -> str:
        """The public half, base64 of 32 bytes: what stands in the people file."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, domain: str, message: bytes) -> str:
        """Signature over domain and message, base64 of 64 bytes. The same message has the same signature."""
        return base64.b64encode(self._key.sign(_bound(domain, message))).decode()


def key_path(folder: Path, name: str) -> Path:
    """Path of the private key of a name. Raises BadInput for a name that is no file name."""
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise BadInput(f"{name!r} cannot name a key; expected letters a-z, digits, '_', '.', '-'", reason="bad_name")
    return folder / f"{name}.key"


def new_key(folder: Path, name: str) -> Signer:
    """Make a key and write its private half to the folder, readable by its owner alone.

    Raises BadInput where there is one: a key that is overwritten can never sign again for what it signed.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = key_path(folder, name)
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        # Made with its rights and only where none is: at no moment open to others, and no race of two can overwrite.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadInput(
            f"there is a key for {name!r} already", file=str(path), reason="key_exists", mend="move it away first"
        ) from None
    with os.fdopen(file, "wb") as out:
        out.write(text)
        out.flush()
        # The public half goes into the people file next; a private half lost in a power cut could never sign for it.
        os.fsync(out.fileno())
    return Signer(key)


def load_key(folder: Path, name: str) -> Signer:
    """The private key of a name. Raises BadInput: none there, open to others, or no Ed25519 key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = key_path(folder, name)
    if not path.is_file():
        raise BadInput(
            f"no private key of {name!r}", file=str(path), reason="no_key", mend=f"make one: meterloom keys new {name}"
        )
    # As ssh does it: a signature by a key that others can read proves nobody.
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise BadInput(
            f"the private key of {name!r} can be read by others",
            file=str(path),
            reason="open_key",
            mend=f"chmod 600 {path}",
        )
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError("a key of another kind")
    except (ValueError, TypeError) as error:
        raise BadInput("expected an Ed25519 private key in PEM", file=str(path), reason="bad_key") from error
    return Signer(key)


def is_valid(public_key: str, domain: str, message: bytes, signature: str) -> bool:
    """True where the signature is that key's over domain and message; False for anything malformed."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, sealed = _decoded(public_key, _KEY_BYTES), _decoded(signature, _SIGNATURE_BYTES)
    if key is None or sealed is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(sealed, _bound(domain, message))
    except (InvalidSignature, ValueError):
        return False
    return True


def fingerprint(public_key: str) -> str:
    """Short name of a public key that people can compare: SHA256 and 43 characters; empty for no key."""
    key = _decoded(public_key, _KEY_BYTES)
    if key is None:
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def canonical(document: Any) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8: one text for a value. Raises ValueError for NaN."""
    return canonical_json(document).encode()


def _bound(domain: str, message: bytes) -> bytes:
    # No domain holds a zero byte, so that domain and message cannot run into each other.
    return domain.encode() + b"\0" + message


def _decoded(text: str, size: int) -> bytes | None:
    """Bytes of a base64 text, or None where it is not the one spelling of that many bytes."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Spare bits at its end give base64 several texts for the same bytes; a key has one, or comparing texts would fail.
    return raw if len(raw) == size and base64.b64encode(raw).decode() == text else None


class Signature(Model):
    """A person's signature over the canonical JSON of what they did."""

    action_sha256: str
    kind: str
    subject: str
    person_id: str
    public_key: str
    signature: str
    action: str
    recorded_at_utc: datetime


def signer_of(person: Person, people: People, keys_dir: Path) -> Signer | None:
    """The person's key. None only where the people file names no public key at all: then nobody signs.

    Raises BadInput for a person without public key beside others who have one, and for a private key that is not
    there, open to others or not the one of the people file.
    """
    if not key_needed(person, people):
        return None
    signer = load_key(keys_dir, person.person_id)
    if signer.public_key != person.public_key:
        raise BadInput(
            f"the private key of {person.person_id!r} is not the one of the people file "
            f"({fingerprint(signer.public_key)} instead of {fingerprint(person.public_key) or 'no key'})",
            reason="wrong_key",
        )
    return signer


def key_needed(person: Person, people: People) -> str:
    """The public key that the person's acts are checked with; empty where nobody of this project signs.

    Raises BadInput for a person without public key beside others who have one.
    """
    # One key in the file and everybody must sign: else a key could be left out to avoid the proof of an act.
    if any(each.public_key for each in people.people) and not person.public_key:
        raise BadInput(
            f"{person.name} has no public key in the people file, and others have: an unsigned act is refused",
            reason="no_public_key",
            mend=f"make one on your profile page, or in a shell: meterloom keys new {person.person_id}",
        )
    return person.public_key


def sign_action(
    signer: Signer, person: Person, *, kind: str, subject: str, facts: Mapping[str, Any], at_utc: datetime
) -> Signature:
    """The signature over what was done: kind, subject, who, when, and the facts that it rests on (JSON)."""
    action = {
        "kind": kind,
        "subject": subject,
        "person_id": person.person_id,
        "facts": dict(facts),
        # One spelling of an instant: the text is what is signed, and a local offset would make another text.
        "at_utc": at_utc.astimezone(UTC).isoformat(),
    }
    text = canonical(action)
    return Signature(
        action_sha256=hashlib.sha256(text).hexdigest(),
        kind=kind,
        subject=subject,
        person_id=person.person_id,
        public_key=signer.public_key,
        signature=signer.sign(ACTION_DOMAIN, text),
        action=text.decode(),
        recorded_at_utc=at_utc,
    )


def is_signed(signed: Signature) -> bool:
    """True where the signature is that key's over exactly this action, and its row says what the action says."""
    text = signed.action.encode()
    if hashlib.sha256(text).hexdigest() != signed.action_sha256:
        return False
    if not is_valid(signed.public_key, ACTION_DOMAIN, text, signed.signature):
        return False
    # A text that a valid key signed may still be no JSON of ours: the question is answered, nothing is raised.
    try:
        action = json.loads(text)
    except ValueError:
        return False
    if not isinstance(action, dict) or not isinstance(action.get("facts"), dict):
        return False
    stated = (action.get("kind"), action.get("subject"), action.get("person_id"))
    # Queries find a signature by these columns, but only the text is signed: they must say the same.
    return stated == (signed.kind, signed.subject, signed.person_id)


REPLACE = "keys replace"
KEY_DOMAIN = "meterloom/key/1"
# Person and key -> the place in the chain of seals up to which it was theirs.
FormerKeys = dict[tuple[str, str], float]


def key_statement(person_id: str, before: str, after: str) -> bytes:
    """Statement that the new key signs: its person, the key it replaces and itself (public keys, base64)."""
    return canonical({"person_id": person_id, "before": before, "after": after})


def is_vouched(person_id: str, before: str, after: str, vouched: str) -> bool:
    """True where `vouched` is the new key's signature over the change."""
    return is_valid(after, KEY_DOMAIN, key_statement(person_id, before, after), vouched)


def has_signed(store: Store, public_key: str) -> bool:
    """True where the store has a signature by that key, of any person."""
    return bool(store.rows(sa.select(signatures.c.kind).where(signatures.c.public_key == public_key).limit(1)))


def signed_on(signed: Signature) -> float:
    """The place in the chain of seals that an act was signed on, as its text says; infinite where it says none."""
    found = json.loads(signed.action)["facts"].get("seals") if is_signed(signed) else None
    is_pin = isinstance(found, list) and len(found) == 2 and isinstance(found[0], int)
    return found[0] if found and is_pin else inf


def former_keys(
    signed: Iterable[Signature], public_keys: Mapping[str, str], place: Callable[[Signature], float]
) -> FormerKeys:
    """Keys that people had before their present ones, each with the place of the act that replaced it.

    place: of an act in the chain of seals. A key is asked back from the present one: each change lies before the next.
    """
    changes: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for each in signed:
        if each.kind != REPLACE or not is_signed(each):
            continue
        facts = json.loads(each.action)["facts"]
        after, vouched = str(facts.get("public_key")), str(facts.get("vouched"))
        if is_vouched(each.person_id, each.public_key, after, vouched):
            changes[each.person_id, after].append((place(each), each.public_key))
    found: FormerKeys = {}
    for person_id, key in public_keys.items():
        until, after = inf, key
        while before := [each for each in changes.get((person_id, after), ()) if each[0] < until]:
            # Twice, where a first try was broken off before it reached the people file.
            until, after = max(before)
            found.setdefault((person_id, after), until)
    return found
