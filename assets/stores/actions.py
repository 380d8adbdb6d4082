"""What a named person did, signed with that person's key: the policy who must sign, and the signature itself."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.stores.sign import ACTION_DOMAIN, Signer, canonical, fingerprint, is_valid, load_key
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import People, Person


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
    # One key in the file and everybody must sign: else whoever wants no proof of an act would leave out the key.
    if any(each.public_key for each in people.people) and not person.public_key:
        raise BadInput(
            f"{person.name} has no public key in the people file, and others have: an unsigned act is refused",
            reason="no_public_key",
            mend=f"meterloom keys new {person.person_id}",
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
    said = (action.get("kind"), action.get("subject"), action.get("person_id"))
    # Queries find a signature by these columns, but only the text is signed: they must say the same.
    return said == (signed.kind, signed.subject, signed.person_id)
