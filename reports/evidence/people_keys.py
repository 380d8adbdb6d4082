"""Keys of the people file: the private half beside it, the public half in it; and one replaced by another."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from assets.sites.edit_people import with_public_key
from assets.sites.edit_site import EditRecord, rewritten, text_sha256
from assets.sites.load_sites import load_people
from assets.stores.sign import Signer, fingerprint, has_signed, is_vouched, key_path, load_key, new_key
from assets.stores.transactions import Store
from assets.stores.whole_file import unfinished_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People, Role
from data_quality.contracts.yaml_file import with_key


def give_key(people_file: Path, person_id: str, keys_dir: Path, record: EditRecord | None = None) -> Signer:
    """Make the person's private key and write its public half into the people file, comments kept; both or neither.

    A private key without its public half in the file is what a broken-off run leaves: it is used, not made anew.
    record: as in `rewritten`. Raises BadInput for a person whom the file does not name, or who has a public key there.
    """
    _expect_no_key(load_people(people_file), people_file, person_id)
    has_key = key_path(keys_dir, person_id).exists()
    signer = load_key(keys_dir, person_id) if has_key else new_key(keys_dir, person_id)
    try:
        change = partial(_with_first_key, people_file, person_id, signer.public_key)
        with rewritten(people_file, load_people, change, record):
            pass
    except BaseException:
        if not has_key:
            # Nobody knows it yet: left behind it would look like a key that counts.
            with suppress(OSError):
                key_path(keys_dir, person_id).unlink()
        raise
    return signer


def register_key(people_file: Path, person_id: str, record: EditRecord, *, after: str, vouched: str) -> None:
    """Write the first public key of a person, whose private half stays with them, into the people file.

    vouched: the new key's signature over the key statement with no key before. Raises BadInput: key_exists, bad_key,
    key_used, wrong_signature; admin_first where it would be the first key of the project, from which on everybody
    signs, and the person is no admin.
    """

    def registered(text: str) -> str:
        people = load_people(people_file)
        _expect_no_key(people, people_file, person_id)
        if not any(people.public_keys.values()) and Role.ADMIN not in people.known(person_id).roles:
            raise BadInput(
                "with the first key of a project everybody has to sign, so an admin makes it", reason="admin_first",
                mend="ask an admin to make theirs first",
            )  # fmt: skip
        _expect_next_key(record.store, people, after)
        if not is_vouched(person_id, "", after, vouched):
            raise BadInput(
                "the new key did not sign that it is yours",
                reason="wrong_signature",
                mend="choose the file of the new key",
            )
        return _with_first_key(people_file, person_id, after, text)

    with rewritten(people_file, load_people, registered, record):
        pass


def _expect_no_key(people: People, people_file: Path, person_id: str) -> None:
    """Raises BadInput (key_exists) for a person with a public key."""
    if people.known(person_id).public_key:
        raise BadInput(
            f"{people.known(person_id).name} has a public key in the people file already",
            file=str(people_file),
            reason="key_exists",
            mend=f"'meterloom keys list' says whether its private half is here; for another key 'Replace key' on "
            f"the profile, or 'meterloom keys new {person_id} --out FOLDER' and 'meterloom keys replace'; where the "
            f"private half is lost, take the line public_key and {person_id}.key away first",
        )


def _expect_next_key(store: Store, people: People, after: str) -> None:
    """Raises BadInput (bad_key, key_used) for a text that is no public key, or one that is or was somebody's."""
    if not fingerprint(after):
        raise BadInput("expected an Ed25519 public key, base64 of 32 bytes", reason="bad_key")
    if after in people.public_keys.values():
        raise BadInput("this key is another person's", reason="key_used")
    # One that was replaced would sign for its time again; whose it was is not told.
    if has_signed(store, after):
        raise BadInput(
            "this key signed here before: a key that was replaced does not come back",
            reason="key_used", mend="make another one",
        )  # fmt: skip


def _with_first_key(people_file: Path, person_id: str, public_key: str, text: str) -> str:
    """The text of the file with a person's first public key. Raises BadInput: has_key, cannot_patch."""
    at = [person.person_id for person in load_people(people_file).people].index(person_id)
    return with_key(text, ("people", at), "public_key", f'"{public_key}"', beside="person_id", file=str(people_file))


def give_keys(people_file: Path, people: People, keys_dir: Path) -> dict[str, str]:
    """Give everybody without a public key one: what a demonstration needs, and nothing else should do.

    Returns person to public key of those.
    """
    return {
        person.person_id: give_key(people_file, person.person_id, keys_dir).public_key
        for person in people.people
        if not person.public_key
    }


def replace_key(
    people_file: Path, person_id: str, record: EditRecord, *, before: str, after: str, vouched: str,
    sign: Callable[[str], object],
) -> None:  # fmt: skip
    """Put another public key of a person into the people file, every other line kept, and sign that: both or neither.

    before: the key that the person thinks is theirs; vouched: the new key's word for it (key_changes.py); sign: by the
    key before, over the SHA-256 of the new file, in the store's transaction. Raises BadInput.
    """

    def changed(text: str) -> str:
        people = load_people(people_file)
        if people.known(person_id).public_key != before:
            raise BadInput("your public key was changed since: open the page again", reason="changed_since")
        if after == before:
            raise BadInput("the new key is the present one", reason="same_key")
        _expect_next_key(record.store, people, after)
        if not is_vouched(person_id, before, after, vouched):
            raise BadInput(
                "the new key did not sign that it replaces the present one", reason="wrong_signature",
                mend="choose the file of the new key",
            )  # fmt: skip
        return with_public_key(text, person_id, after, file=people_file.name)

    with rewritten(people_file, load_people, changed, record):
        sign(text_sha256(unfinished_of(people_file)))
