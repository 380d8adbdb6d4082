"""Upkeep of the lake's files: many small ones of a site and month become one, which changes no answer nor the batch of
a reading, and files that stopped writers and merges left are swept.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa

from assets.stores.lake.lake import Lake, path_of
from assets.stores.lake.lake_block import block_of, write_block
from assets.stores.lake.lake_files import READINGS, SWEPT_AFTER, expect_in_time
from assets.stores.lake.lake_ledger import expect_own
from assets.stores.lake.merges import (
    MERGES,
    Places,
    as_written,
    is_part,
    known_paths,
    merged_entry,
    parts_of,
    read_rows,
)
from assets.stores.lake.set_aside import LEFT, set_aside
from assets.stores.schema.tables_readings import lake_manifest, lake_merges
from assets.stores.seals import append
from assets.stores.transactions import next_recorded_at
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import Clock

# A year's file with a correction and estimates stays as it is; deliveries by the quarter hour make 2,976 of a month.
FEWEST = 4
# A file of more rows is not small, and what is merged at once fits into memory.
SMALL_ROWS, ROWS_AT_ONCE = 1_000_000, 4_000_000
Entry = dict[str, Any]


class Merged(NamedTuple):
    """Files of a site and UTC month that became one, and their bytes before and after."""

    site_id: str
    month: date
    files: int
    bytes_before: int
    bytes_after: int


def compact(lake: Lake, *, clock: Clock, is_dry_run: bool = False) -> Iterator[Merged]:
    """Merge small files month by month, each at once or not at all. The merged ones are swept a day later.

    is_dry_run: say what would be merged. Raises Unreachable for a file that is damaged.
    """
    for row in lake.store.rows(sa.select(lake_manifest.c.site_id).distinct().order_by(lake_manifest.c.site_id)):
        for group in _groups(lake.manifest(str(row["site_id"]))):
            found = _merge(lake, group, clock=clock, is_dry_run=is_dry_run)
            if found is not None:
                yield found


def _groups(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Manifest rows of the small files of a month, the oldest batches first; FEWEST files at least."""
    months: dict[date, dict[str, list[Entry]]] = {}
    for entry in sorted(entries, key=lambda each: each["recorded_at_utc"]):
        months.setdefault(entry["day"].replace(day=1), {}).setdefault(str(entry["path"]), []).append(entry)
    for _, files in sorted(months.items()):
        group: list[list[Entry]] = []
        rows = 0
        for each in files.values():
            size = sum(entry["rows"] for entry in each)
            if size < SMALL_ROWS and rows + size <= ROWS_AT_ONCE:
                group, rows = [*group, each], rows + size
        if len(group) >= FEWEST:
            yield [entry for each in group for entry in each]


def _merge(lake: Lake, entries: list[Entry], *, clock: Clock, is_dry_run: bool) -> Merged | None:
    """None where a file could not be taken out again as it was written, or another merged one of them meanwhile."""
    began_utc, month, site_id = clock.now_utc(), entries[0]["day"].replace(day=1), str(entries[0]["site_id"])
    files = lake.files(entries)
    rows = read_rows(files)
    written: dict[str, list[Entry]] = {}
    for entry in map(as_written, entries):
        written.setdefault(str(entry["batch_id"]), []).append(entry)
    parts = parts_of(rows)
    if set(parts) != set(written) or not all(is_part(parts[batch], each) for batch, each in written.items()):
        return None
    before, write = sum(path.stat().st_size for path in files), partial(write_block, block_of(rows))
    if is_dry_run:
        with TemporaryDirectory() as folder:
            write(Path(folder) / "merged")
            return Merged(site_id, month, len(files), before, (Path(folder) / "merged").stat().st_size)
    key = path_of(site_id, month, uuid4().hex)
    stated = {"site_id": site_id, "month": month, "merged_path": key}
    stated["newest_utc"] = max(entry["recorded_at_utc"] for entry in entries)
    paths = sorted({path.relative_to(lake.root).as_posix() for path in files})
    with lake.writing():
        is_recorded = False
        try:
            stated["merged_sha256"] = lake.kept.put_new(key, write)
            with lake.store.begin() as connection:
                # Taken first: of two who merge one file at the same moment the second sees what the first recorded.
                stated["recorded_at_utc"] = next_recorded_at(connection, clock.now_utc())
                taken = connection.execute(sa.select(lake_merges.c.path).where(lake_merges.c.path.in_(paths))).first()
                expect_in_time(began_utc, clock.now_utc())
                if taken is None:
                    append(connection, lake_merges, [{"path": path, **stated} for path in paths])
                    # Whether a commit that fails from here on was taken, nobody knows: the file stays.
                    is_recorded = True
        finally:
            if not is_recorded:
                # What a bucket does not give back now is swept later.
                with suppress(Unreachable):
                    lake.kept.delete(key)
    return Merged(site_id, month, len(files), before, (lake.root / key).stat().st_size) if is_recorded else None


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
