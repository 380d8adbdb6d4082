"""Signing person and key of every command with --as PERSON."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from orchestration.operations.operation import Call

if TYPE_CHECKING:
    from assets.stores.sign import Signer

PROJECT_KEY = "project"


@dataclass(frozen=True)
class Actor:
    """A person with the key that they sign with; no key where the people file names none for anybody."""

    call: Call
    person: Person
    signer: "Signer | None"

    def sign(self, kind: str, subject: str, **facts: Any) -> bool:
        """Sign what this transaction did and keep the signature; False where nobody signs in this project."""
        from assets.stores.published.publications import sign_act

        store, clock = self.call.project.store, self.call.clock
        return sign_act(store, self.signer, self.person, kind=kind, subject=subject, facts=facts, clock=clock)


def actor(call: Call, role: Role | None = None) -> Actor:
    """The person of --as, if they hold the role (where one is asked for) and can sign. Raises BadInput."""
    person = call.known_person() if role is None else call.acting(role)
    return Actor(call, person, call.signer(person))


def pack_signer(call: Call) -> tuple["Signer", str]:
    """Who seals a pack: the person of --as with their key, else the project with its own, made when first needed."""
    from assets.stores.sign import fingerprint, key_path, load_key, new_key, signer_of

    folder = call.keys_dir
    if call.person:
        person = call.known_person()
        signer = signer_of(person, call.project.people, folder)
        # A project without keys may act unsigned; a pack without a known key would prove nothing.
        if signer is None:
            raise BadInput(
                f"{person.name} has no public key in the people file, so this signature could not be verified",
                reason="no_public_key",
                mend=f"meterloom keys new {person.person_id}",
            )
        return signer, person.person_id
    if key_path(folder, PROJECT_KEY).exists():
        return load_key(folder, PROJECT_KEY), PROJECT_KEY
    signer = new_key(folder, PROJECT_KEY)
    call.say(f"made the project's own key, {fingerprint(signer.public_key)}, in {folder}")
    return signer, PROJECT_KEY
