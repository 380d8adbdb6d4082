"""Signing person and key of every command with --as PERSON."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.sites.edit_site import as_in_file, keep_text, kept_texts, one_writer, site_text, text_tag
from assets.sites.load_sites import rewritten, site_file
from assets.stores.whole_file import sync_folder, unfinished_of
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
    with one_writer(path, text_tag(path)):
        _finish_killed(who, site_id, path)
        text = as_in_file(change(site_text(path), path.name), path)
        try:
            with rewritten(path, text) as changed, call.project.store.together():
                check(changed)
                digest = hashlib.sha256(text.encode()).hexdigest()
                who.sign(act, f"{site_id}/{subject}", **facts, file_sha256=digest)
                keep_text(path, call.places.site_texts_dir / site_id, who.person.person_id, call.clock.now_utc())
        except BadConfiguration as fault:
            faults = "; ".join(each.message for each in fault.problems)
            raise BadInput(f"the site file would not hold: {faults}", reason="faulty_text") from fault
    return path


def _finish_killed(who: Actor, site_id: str, path: Path) -> None:
    """Raises BadInput (changed_since) where an act was killed once it was signed and before the file was replaced: the
    text that it signed takes its place now, unless somebody has edited the file since.
    """
    left = unfinished_of(path)
    if not left.exists():
        return
    from assets.stores.published.publications import act_over

    signed = act_over(who.call.project.store, hashlib.sha256(left.read_bytes()).hexdigest())
    # A text that nobody signed is of an act that never was: this one writes over it.
    if signed is None:
        return
    kept = kept_texts(who.call.places.site_texts_dir / site_id)
    act = f"{signed.kind} of {signed.subject}, signed by {signed.person_id}, was cut off before {path.name} held it"
    if kept and f".{text_tag(path)[:12]}." in kept[0].name:
        left.replace(path)
        sync_folder(path.parent)
        raise BadInput(f"{act}; it holds it now: look at it, then do yours again", reason="changed_since")
    left.unlink()
    raise BadInput(f"{act}, and it was edited since: do both again where they are wanted", reason="changed_since")


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
