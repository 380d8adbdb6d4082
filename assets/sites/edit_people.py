"""The people file with roles or public key of one person changed, and every other character kept."""

import re

from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import People, Person, Role
from data_quality.contracts.yaml_file import parsed

# A list of plain words: within brackets, or a word a line.
_FLOW, _ITEM = re.compile(r"\[[\w\s,]*\]"), re.compile(r"\s*-\s+\w+\s*")
_KEY = re.compile(r"""(["']?)[A-Za-z0-9+/]{43}=\1""")


def with_roles(text: str, person_id: str, roles: tuple[Role, ...], *, file: str = "") -> str:
    """The text of a people file with other roles of a person. Raises BadInput (cannot_patch) where they are written in
    a way that is left to a person.
    """
    by_hand = BadInput(
        f"the roles of {person_id!r} cannot be changed safely; write 'roles: [{', '.join(roles)}]' by hand",
        file=file, reason="cannot_patch",
    )  # fmt: skip
    before = parsed(text)
    entries = before["people"]
    at = next(at for at, entry in enumerate(entries) if entry["person_id"] == person_id)
    entry, lines = entries[at], text.splitlines(keepends=True)
    line, column = entry.lc.value("roles")
    start, written = sum(map(len, lines[:line])) + column, f"[{', '.join(roles)}]"
    if flow := _FLOW.match(text, start):
        changed = f"{text[:start]}{written}{text[flow.end() :]}"
    else:
        key = entry.lc.key("roles")[0]
        last = line + len(entry["roles"])
        if not all(_ITEM.fullmatch(each) for each in lines[line:last]) or not lines[key].rstrip().endswith(":"):
            raise by_hand
        lines[key] = lines[key].replace(":", f": {written}", 1)
        changed = "".join(lines[: key + 1] + lines[last:])
    after = parsed(changed)
    entry["roles"] = list(roles)
    if after != before:
        raise by_hand
    return changed


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
    if not any(Role.ADMIN in each.roles and not each.sites for each in left):
        raise BadInput(
            f"{changed.name} is the last admin of all sites", reason="last_admin", mend="make somebody else one first"
        )
