"""Gives everybody of a people file a key of their own: what a demonstration needs, and nothing else should do."""

from pathlib import Path

from assets.stores.sign import key_path, load_key, new_key
from data_quality.contracts.people import People


def give_keys(people_file: Path, people: People, keys_dir: Path) -> dict[str, str]:
    """Make the private keys that are missing and write the public ones into the people file, line by line.

    The file must name each person on one line in braces, as the demo's does; comments stay. Only people without a
    public key get one. Returns person to public key of those.
    """
    text = people_file.read_text(encoding="utf-8")
    given: dict[str, str] = {}
    for person in people.people:
        if person.public_key:
            continue
        # A private key without its public half is what a broken-off run leaves: the key is used, not made anew.
        has_key = key_path(keys_dir, person.person_id).exists()
        signer = load_key(keys_dir, person.person_id) if has_key else new_key(keys_dir, person.person_id)
        start = f"{{person_id: {person.person_id}, "
        if start in text:
            text = text.replace(start, f'{start}public_key: "{signer.public_key}", ', 1)
            given[person.person_id] = signer.public_key
    if given:
        unfinished = people_file.with_name(f".{people_file.name}.part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(people_file)
    return given
