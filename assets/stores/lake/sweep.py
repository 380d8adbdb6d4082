"""Sweep of files that stopped writers and merges left among the lake's: writers' set aside, merges' deleted."""

from datetime import datetime
from typing import NamedTuple

from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import READINGS, SWEPT_AFTER
from assets.stores.lake.lake_ledger import expect_own
from assets.stores.lake.merges import MERGES, Places, known_paths, merged_entry
from assets.stores.lake.set_aside import LEFT, set_aside


class Leftover(NamedTuple):
    """A file that is no longer of use. is_merged: its rows stand in a merged file, which was looked at."""

    key: str
    size_bytes: int
    changed_utc: datetime
    is_merged: bool


def leftovers(lake: Lake, *, now_utc: datetime) -> list[Leftover]:
    """Files that no manifest row names and that no writer can still be at work on, and those whose rows stand in a
    merged file so long that nobody can still be reading them, by key. Raises Unreachable.
    """
    # The files first: one whose batch is recorded in between is in the manifest by then.
    standing = list(lake.kept.list(f"{READINGS}/"))
    merged, known = _merged(lake, {each.key for each in standing}, now_utc), set(known_paths(lake.store))
    old = [each for each in standing if now_utc - each.changed_utc > SWEPT_AFTER]
    return sorted(Leftover(*each, each.key in merged) for each in old if each.key in merged or each.key not in known)


def _merged(lake: Lake, standing: set[str], now_utc: datetime) -> set[str]:
    """Keys of files whose merged file is as it was written, here and where it is kept."""
    places, found = Places(lake.store), dict[str, set[str]]()
    merges = {}
    for row in MERGES.rows(lake.store, path=standing):
        last = places.last(str(row["path"]))
        if last is not None and now_utc - row["recorded_at_utc"] > SWEPT_AFTER:
            merges[str(last["merged_path"])] = last
            found.setdefault(str(last["merged_path"]), set()).add(str(row["path"]))
    entries = [merged_entry(merge) for merge in merges.values()]
    wrong = lake.faults(entries) | lake.lost(entries, lake.kept.size_bytes)
    return {path for merged, paths in found.items() if merged not in wrong for path in paths}


def sweep(lake: Lake, *, now_utc: datetime) -> list[Leftover]:
    """Delete what stands in a merged file, set aside what nobody names. Returns both. Raises Unreachable, also where
    the lake is not this store's: nothing has changed then.
    """
    expect_own(lake.store, lake.kept)
    found = leftovers(lake, now_utc=now_utc)
    set_aside(lake.kept, [each.key for each in found if not each.is_merged], LEFT)
    for each in found:
        if each.is_merged:
            lake.kept.delete(each.key)
    return found
