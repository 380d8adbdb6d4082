"""Files of the lake that no manifest row names: set aside in a folder of their own, never deleted, and given back their
place where a store comes back that names them.
"""

import json
import os
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import polars as pl

from assets.stores.lake.files import FileStore
from assets.stores.lake.lake_files import READINGS, fault_of, orphans
from assets.stores.lake.merges import entries_of, known_paths, take_out
from assets.stores.transactions import Store
from data_quality.contracts.time import SystemClock

FOLDER, WHY = "set-aside", "why.json"
LEFT = "no manifest row names them: a writer was stopped before it recorded its batch"


def set_aside(kept: FileStore, keys: Iterable[str], why: str) -> tuple[str, ...]:
    """Move files into a new folder next to the readings, with a line of who did it and why. Returns their new keys."""
    given = list(keys)
    if not given:
        return ()
    # The machine's own time, as the files have it.
    at_utc = SystemClock().now_utc()
    folder = f"{FOLDER}/{at_utc:%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
    by = f"process {os.getpid()} on {socket.gethostname()}"
    note = {"at_utc": at_utc.isoformat(), "by": by, "why": why, "files": given}
    # Before the first file moves: with each file there the reason is there too.
    kept.note(f"{folder}/{WHY}", json.dumps(note, indent=1).encode())
    for key in given:
        kept.move(key, f"{folder}/{key}")
    return tuple(f"{folder}/{key}" for key in given)


def bring_back(store: Store, kept: FileStore) -> tuple[str, ...]:
    """Give files that were set aside their place back, where the store names them, they are what it names and nothing
    stands there. Returns their keys.
    """
    found: dict[str, list[str]] = {}
    for each in kept.list(f"{FOLDER}/"):
        own = each.key.split("/", 2)[2]
        if own != WHY:
            found.setdefault(own, []).append(each.key)
    returned = []
    for key, entries in entries_of(store, found).items():
        if kept.size_bytes(key) is None and (aside := _whole(store, kept, found[key], entries)):
            kept.move(aside, key)
            returned.append(key)
    return tuple(sorted(returned))


def _whole(store: Store, kept: FileStore, keys: Sequence[str], entries: Sequence[Mapping[str, Any]]) -> str:
    for key in keys:
        kept.refresh({key: str(entries[0]["file_sha256"])})
        if not fault_of(kept.root / key, entries, store.cache.place("lake_files")):
            return key
    return ""


def take_out_of_others(store: Store, kept: FileStore, missing: Collection[str]) -> tuple[str, ...]:
    """Files that the store names and that are gone, out of files which hold their rows among others: what was merged
    and swept since, of which an older store knows nothing. Only what the manifest names appears. Returns their keys.
    """
    months: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for key, entries in entries_of(store, missing).items():
        # Of a merged file there is no manifest row to go by.
        if "batch_id" in entries[0]:
            months.setdefault(key.rpartition("/")[0], {})[key] = entries
    standing = [each.key for prefix in (f"{FOLDER}/", f"{READINGS}/") for each in kept.list(prefix)]
    for key in (each for each in standing if each.endswith(".parquet")) if months else ():
        own = key.split("/", 2)[2] if key.startswith(f"{FOLDER}/") else key
        if wanted := {path: rows for path, rows in months.get(own.rpartition("/")[0], {}).items() if path != own}:
            if not (kept.root / key).exists():
                kept.fetch(key, kept.root / key)
            # One that is damaged gives nothing.
            with suppress(pl.exceptions.PolarsError):
                take_out(kept.root, key, wanted)
    found = sorted(path for rows in months.values() for path in rows if (kept.root / path).exists())
    for path in found:
        kept.reupload(path)
    return tuple(found)


def tidy(store: Store, kept: FileStore) -> None:
    """Set aside the files that a stopped writer left on this machine; bring back those that the store names."""
    bring_back(store, kept)
    set_aside_here(kept, known_paths(store), LEFT)


def set_aside_here(kept: FileStore, known: Collection[str], why: str) -> tuple[str, ...]:
    """Set aside files of this machine's folder that nobody names: of a lake in a bucket, copies."""
    left = [path.relative_to(kept.root).as_posix() for path in orphans(kept.root, known)]
    return set_aside(FileStore(kept.root), left, why)
