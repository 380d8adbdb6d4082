"""What stopped writers and merges left where the lake's files are kept: found, and taken away."""

from datetime import datetime

from assets.stores.lake.files import Kept
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import READINGS, SWEPT_AFTER
from assets.stores.lake.merges import MERGES, Places, known_paths, merged_entry


def leftovers(lake: Lake, *, now_utc: datetime) -> list[Kept]:
    """Files that no manifest row names and that no writer can still be at work on, and those whose rows stand in a
    merged file so long that nobody can still be reading them, by key. Raises Unreachable.
    """
    # The files first: one whose batch is recorded in between is in the manifest by then.
    standing = list(lake.kept.list(f"{READINGS}/"))
    named = set(known_paths(lake.store)) - _merged(lake, {each.key for each in standing}, now_utc)
    return sorted(each for each in standing if each.key not in named and now_utc - each.changed_utc > SWEPT_AFTER)


def _merged(lake: Lake, standing: set[str], now_utc: datetime) -> set[str]:
    """Those whose merged file is as it was written, here and where it is kept."""
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


def sweep(lake: Lake, *, now_utc: datetime) -> list[Kept]:
    """Delete the leftovers. Returns them. Raises Unreachable."""
    found = leftovers(lake, now_utc=now_utc)
    for each in found:
        lake.kept.delete(each.key)
    return found
