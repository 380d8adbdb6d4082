"""Backups of a place beyond the newest ones, taken away with the contents that none of those needs."""

from typing import NamedTuple

from assets.stores.backup.place import LISTS, OBJECTS, BackupPlace, list_in, object_key


class Pruned(NamedTuple):
    """Former backups and contents that went, and the bytes of these."""

    lists: int = 0
    files: int = 0
    bytes: int = 0


def prune(place: BackupPlace, made: str, *, keep: int) -> Pruned:
    """Remove all backups of a place but `keep` of them, and every content that these do not need.

    place: open for writing by this process alone; made: name of the list that is kept whatever the clock said when it
    was made, with the newest of the others. Raises BadInput where one that stays cannot be read, before anything
    goes; OSError, Unreachable: the next call takes what is left.
    """
    others = [name for name in place.lists() if name != made]
    first = max(len(others) - keep + 1, 0)
    go, stay = others[:first], [*others[first:], made]
    needed = {object_key(each.sha256) for name in stay for each in list_in(place, name).body.files}
    # First: a list never names what is gone. What was broken off leaves contents that nobody names.
    for name in go:
        place.files.delete(f"{LISTS}/{name}")
    gone = [each for each in place.files.list(f"{OBJECTS}/") if each.key not in needed]
    for each in gone:
        place.files.delete(each.key)
    return Pruned(len(go), len(gone), sum(each.size_bytes for each in gone))
