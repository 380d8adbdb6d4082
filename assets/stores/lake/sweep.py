"""What stopped writers left where the lake's files are kept: found, and taken away."""

from datetime import datetime

from assets.stores.lake.files import Kept
from assets.stores.lake.lake import Lake, known_paths
from assets.stores.lake.lake_files import READINGS, SWEPT_AFTER


def leftovers(lake: Lake, *, now_utc: datetime) -> list[Kept]:
    """Files that no manifest row names and that no writer can still be at work on, by key. Raises Unreachable."""
    # The files first: one whose batch is recorded in between is in the manifest by then.
    standing = list(lake.kept.list(f"{READINGS}/"))
    named = set(known_paths(lake.store))
    return sorted(each for each in standing if each.key not in named and now_utc - each.changed_utc > SWEPT_AFTER)


def sweep(lake: Lake, *, now_utc: datetime) -> list[Kept]:
    """Delete the leftovers. Returns them. Raises Unreachable."""
    found = leftovers(lake, now_utc=now_utc)
    for each in found:
        lake.kept.delete(each.key)
    return found
