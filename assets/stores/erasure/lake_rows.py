"""Readings of a meter in the lake: files are written again without them, and the manifest says where the rest stands.

That is a merge of one file (merges.py): the manifest keeps its hash, and nothing of the meter is behind it any more.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import polars as pl

from assets.stores.lake.lake import Lake, path_of
from assets.stores.lake.lake_block import block_of, write_block
from assets.stores.lake.lake_files import READINGS
from assets.stores.lake.merges import read_rows
from assets.stores.lake.set_aside import FOLDER

_SUFFIX = ".parquet"


class FileWithReadings(NamedTuple):
    """A file of the lake that holds readings of the meter. is_named: the manifest finds rows in it now; batches: id ->
    rows of the meter, and of all.
    """

    key: str
    rows: int
    size_bytes: int
    is_named: bool
    batches: dict[str, tuple[int, int]]


def files_with_readings(lake: Lake, site_id: str, meter_id: str) -> Iterator[FileWithReadings]:
    """Files of the site, also those that were merged since or set aside, with readings of the meter."""
    named = {str(entry["path"]) for entry in lake.manifest(site_id)}
    for key in sorted(_keys(lake, site_id)):
        if not (path := lake.root / key).exists():
            lake.kept.fetch(key, path)
        counts = (
            pl.scan_parquet(path, hive_partitioning=False)
            .group_by("batch_id")
            .agg(own=(pl.col("meter_id") == meter_id).sum(), all=pl.len())
            .collect()
        )
        found = {batch: (own, every) for batch, own, every in counts.iter_rows() if own}
        if found:
            yield FileWithReadings(key, sum(own for own, _ in found.values()), path.stat().st_size, key in named, found)


def written_without(lake: Lake, site_id: str, meter_id: str, held: set[str]) -> list[dict[str, Any]]:
    """Write the files that hold rows now again, without the meter's; answers the rows of `lake_merges` to record, but
    for their time. Raises Unreachable for a file that is damaged.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in lake.manifest(site_id):
        if str(entry["path"]) in held:
            groups.setdefault(str(entry["path"]), []).append(entry)
    found = []
    for path, entries in groups.items():
        rows = read_rows(lake.files(entries))
        month = entries[0]["day"].replace(day=1)
        key = path_of(site_id, month, uuid4().hex)
        written = lake.kept.put_new(key, partial(write_block, block_of(rows.filter(pl.col("meter_id") != meter_id))))
        found.append({
            "path": path, "site_id": site_id, "month": month, "merged_path": key, "merged_sha256": written,
            "newest_utc": max(entry["recorded_at_utc"] for entry in entries),
        })  # fmt: skip
    return found


def delete_files(lake: Lake, keys: list[str]) -> None:
    """Delete files here and where they are kept. Raises OSError, Unreachable."""
    for key in keys:
        lake.kept.delete(key)
        (lake.root / key).unlink(missing_ok=True)


def _keys(lake: Lake, site_id: str) -> set[str]:
    part = f"{READINGS}/site={site_id}/"
    found = {each.key for prefix in (part, f"{FOLDER}/") for each in lake.kept.list(prefix)}
    found |= {path.relative_to(lake.root).as_posix() for path in (lake.root / part).rglob(f"*{_SUFFIX}")}
    return {each for each in found if each.endswith(_SUFFIX) and part in each}
