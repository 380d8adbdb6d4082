"""Backups of a place beyond the newest ones, taken away with the contents that none of those needs."""

from contextlib import suppress
from typing import NamedTuple

from assets.stores.backup.place import LISTS, OBJECTS, BackupPlace, list_in, object_key
from assets.stores.seals import Mark, gap
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput


class Pruned(NamedTuple):
    """Former backups and contents that went, and the bytes of these."""

    lists: int = 0
    files: int = 0
    bytes: int = 0


def prune(place: BackupPlace, made: str, store: Store, *, keep: int) -> Pruned:
    """Remove all backups of a place but `keep` of them, and every content that these do not need.

    place: open for writing by this process alone; made: name of the list that is kept whatever the clock said when it
    was made, with the newest of the others. Raises BadInput where one that stays cannot be read, or one is of what the
    store never was, before anything goes; OSError, Unreachable: the next call takes what is left.
    """
    others = [name for name in place.lists() if name != made]
    first = max(len(others) - keep + 1, 0)
    go, stay = others[:first], [*others[first:], made]
    bodies = {name: list_in(place, name).body for name in stay}
    needed = {object_key(each.sha256) for body in bodies.values() for each in body.files}
    for name in go:
        # One that cannot be read is nobody's way back.
        with suppress(BadInput):
            bodies[name] = list_in(place, name).body
    for name, body in bodies.items():
        mark = Mark(ledger=body.ledger, seal=body.seal, seal_hash=body.seal_hash, until_utc=body.made_utc)
        if fault := gap(store, mark, f"{place.address}/{LISTS}/{name}"):
            raise BadInput(
                f"no former backup is removed, the new one is kept: {fault}", reason="other_history",
                mend="back a restored copy up into a folder of its own, and take its lists away here",
            )  # fmt: skip
    # First: a list never names what is gone. What was broken off leaves contents that nobody names.
    for name in go:
        place.files.delete(f"{LISTS}/{name}")
    gone = [each for each in place.files.list(f"{OBJECTS}/") if each.key not in needed]
    for each in gone:
        place.files.delete(each.key)
    return Pruned(len(go), len(gone), sum(each.size_bytes for each in gone))
