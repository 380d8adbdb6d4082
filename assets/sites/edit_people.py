"""The people file with a person more, or roles, places or public key of one changed; every other character kept."""

import json
import re
from collections.abc import Sequence

from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People, Person, Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.yaml_file import parsed, with_item, with_key

# A list of plain words: within brackets, or a word a line.
_FLOW, _ITEM = re.compile(r"\[[\w\s,.\"-]*\]"), re.compile(r"\s*-\s+[\w.-]+\s*")
_KEY = re.compile(r"""(["']?)[A-Za-z0-9+/]{43}=\1""")


def with_words(text: str, person_id: str, key: str, words: Sequence[str], *, file: str = "") -> str:
    """The text of a people file with other roles, sites or tenants (key) of a person. Raises BadInput (cannot_patch)
    where they are written in a way that is left to a person.
    """
    by_hand = BadInput(
        f"the {key} of {person_id!r} cannot be changed safely; write '{key}: [{', '.join(words)}]' by hand",
        file=file, reason="cannot_patch",
    )  # fmt: skip
    before = parsed(text)
    entries = before["people"]
    at = next(at for at, entry in enumerate(entries) if entry["person_id"] == person_id)
    entry, lines, written = entries[at], text.splitlines(keepends=True), f"[{', '.join(map(_plain, words))}]"
    if key not in entry:
        return with_key(text, ("people", at), key, written, beside="person_id", file=file) if words else text
    line, column = entry.lc.value(key)
    start = sum(map(len, lines[:line])) + column
    if flow := _FLOW.match(text, start):
        changed = f"{text[:start]}{written}{text[flow.end() :]}"
    else:
        own = entry.lc.key(key)[0]
        last = line + len(entry[key])
        if not all(_ITEM.fullmatch(each) for each in lines[line:last]) or not lines[own].rstrip().endswith(":"):
            raise by_hand
        lines[own] = lines[own].replace(":", f": {written}", 1)
        changed = "".join(lines[: own + 1] + lines[last:])
    after = parsed(changed)
    entry[key] = list(words)
    if after != before:
        raise by_hand
    return changed


def with_person(text: str, person: Person, *, file: str = "") -> str:
    """The text of a people file with a person more, behind the others. Raises BadInput as `with_item`."""
    lists = {"roles": person.roles, "sites": person.sites, "tenants": person.tenants}
    written = f"{{person_id: {_plain(person.person_id)}, name: {_plain(person.name)}"
    written += "".join(f", {key}: [{', '.join(map(_plain, words))}]" for key, words in lists.items() if words) + "}"
    return with_item(text, "people", written, file=file)


def _plain(word: str) -> str:
    """The word as YAML in a list: plain where that reads as it, else within quotes."""
    # Other readers of YAML take the words of its older edition for yes and no.
    is_plain = re.fullmatch(r"(?!(?:y|n|yes|no|on|off)$)[a-z_][\w-]*", word) and parsed(f"[{word}]") == [word]
    return word if is_plain else json.dumps(word, ensure_ascii=False)


def with_public_key(text: str, person_id: str, public_key: str, *, file: str = "") -> str:
    """The text of a people file with another public key of a person who has one. Raises BadInput (cannot_patch) where
    it is written in a way that is left to a person.
    """
    before = parsed(text)
    entry = next(each for each in before["people"] if each["person_id"] == person_id)
    line, column = entry.lc.value("public_key")
    lines = text.splitlines(keepends=True)
    if written := _KEY.match(lines[line], column):
        lines[line] = f'{lines[line][:column]}"{public_key}"{lines[line][written.end() :]}'
    changed = "".join(lines)
    entry["public_key"] = public_key
    if not written or parsed(changed) != before:
        raise BadInput(
            f"the key of {person_id!r} cannot be changed safely; write 'public_key: \"{public_key}\"' by hand",
            file=file, reason="cannot_patch",
        )  # fmt: skip
    return changed


def expect_admin(people: People, changed: Person) -> None:
    """Raises BadInput (last_admin) where nobody who lets people in to all sites would be left."""
    left = [changed if each.person_id == changed.person_id else each for each in people.people]
    of_all = [
        [each for each in group if Role.ADMIN in each.roles and not each.sites] for group in (people.people, left)
    ]
    if of_all[0] and not of_all[1]:
        raise BadInput(
            Sentence("{0} is the last admin of all sites", changed.name), reason="last_admin",
            mend=Sentence("make somebody else one first"),
        )  # fmt: skip
