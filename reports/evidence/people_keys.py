"""Keys of the people file: the private half beside it, the public half in it."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from assets.sites.load_sites import load_people, replaced
from assets.stores.sign import Signer, key_path, load_key, new_key
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People
from data_quality.contracts.yaml_file import load_yaml, with_key


def give_key(people_file: Path, person_id: str, keys_dir: Path) -> Signer:
    """Make the person's private key and write its public half into the people file, comments kept; both or neither.

    A private key without its public half in the file is what a broken-off run leaves: it is used, not made anew.
    Raises BadInput for a person whom the file does not name, or who has a public key there.
    """
    people = load_people(people_file)
    person = people.known(person_id)
    if person.public_key:
        raise BadInput(
            f"{person.name} has a public key in the people file already",
            file=str(people_file),
            reason="key_exists",
            mend=f"'meterloom keys list' says whether its private half is here; for a new key take the line public_key "
            f"and {key_path(keys_dir, person_id).name} away first",
        )
    has_key = key_path(keys_dir, person_id).exists()
    signer = load_key(keys_dir, person_id) if has_key else new_key(keys_dir, person_id)
    try:
        _write_public_key(people_file, person_id, signer.public_key)
    except BaseException:
        if not has_key:
            # Nobody knows it yet: left behind it would look like a key that counts.
            with suppress(OSError):
                key_path(keys_dir, person_id).unlink()
        raise
    return signer


def give_keys(people_file: Path, people: People, keys_dir: Path) -> dict[str, str]:
    """Give everybody without a public key one: what a demonstration needs, and nothing else should do.

    Returns person to public key of those.
    """
    return {
        person.person_id: give_key(people_file, person.person_id, keys_dir).public_key
        for person in people.people
        if not person.public_key
    }


def _write_public_key(people_file: Path, person_id: str, public_key: str) -> None:
    entries: Iterable[dict[str, object]] = load_yaml(people_file)["people"]
    at = next(at for at, entry in enumerate(entries) if entry["person_id"] == person_id)
    # The marks of an editor on Windows stay: the byte-order mark is no part of the first key, but of the file.
    text = people_file.read_bytes().decode("utf-8")
    mark, text = text[: text.startswith("\ufeff")], text.removeprefix("\ufeff")
    place = ("people", at)
    text = with_key(text, place, "public_key", f'"{public_key}"', beside="person_id", file=str(people_file))
    with replaced(people_file, mark + text, load_people):
        pass
