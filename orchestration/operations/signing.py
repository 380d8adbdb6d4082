"""Signing person and key of every command with --as PERSON."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.sites.edit_site import EditRecord, rewritten, text_sha256
from assets.sites.load_sites import load_site, site_file
from assets.stores.whole_file import unfinished_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import BadConfiguration
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


def edit_record(call: Call, site_id: str) -> EditRecord:
    """The record for the site's file, in the name of the person who acts, where the call knows one."""
    return EditRecord(call.project.store, call.places.site_texts_dir / site_id, call.person_id, call.clock.now_utc())


def people_record(call: Call, person_id: str) -> EditRecord:
    """The record for the people file, in the name of that person."""
    return EditRecord(call.project.store, call.places.data_dir / "people_texts", person_id, call.clock.now_utc())


def change_site_file(
    who: Actor,
    site_id: str,
    change: Callable[[str, str], str],
    act: str,
    subject: str,
    *,
    check: Callable[[Site], object] = lambda _: None,
    **facts: Any,
) -> Path:
    """Replace a site's file by its changed text, signed as it will be; the text before is kept. Returns the file.

    change: text and name of the file -> its new text; check raises BadInput for a site that must not be. Raises
    BadInput (faulty_text) for a text that is no site.
    """
    call = who.call
    path = site_file(call.places.sites_dir, site_id, call.project.cache)
    try:
        with rewritten(path, load_site, lambda text: change(text, path.name), edit_record(call, site_id)) as changed:
            check(changed)
            who.sign(act, f"{site_id}/{subject}", **facts, file_sha256=text_sha256(unfinished_of(path)))
    except BadConfiguration as fault:
        faults = "; ".join(each.message for each in fault.problems)
        raise BadInput(f"the site file would not hold: {faults}", reason="faulty_text") from fault
    return path


def actor(call: Call, role: Role | None = None) -> Actor:
    """The person of --as, if they hold the role (where one is asked for) and can sign. Raises BadInput."""
    person = call.known_person() if role is None else call.acting(role)
    return Actor(call, person, call.signer(person))


def pack_signer(call: Call) -> tuple["Signer", str]:
    """Signer of a pack: the person of --as with their key, else the project with its own, made when first needed."""
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
