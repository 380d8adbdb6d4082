"""Present files of the lake's rows, and digests of its spans: of one, and of many at once, as staleness asks them.

Small files of a month are merged into one, and each can be taken out again. A merge changes no manifest row: it says of
a file in which other one its rows are; that file may be merged again.

Questions about the batches that the lake was written in: columns of their table, the oldest first.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from assets.stores.journal import AppendOnly, among
from assets.stores.lake.lake_block import LAKE_SCHEMA, ROW_ORDER, Block, block_of, part_sha256, write_block
from assets.stores.schema.tables_readings import batches, lake_manifest, lake_merges
from assets.stores.transactions import Store
from assets.stores.whole_file import appear_whole

_BATCHES = AppendOnly(batches, dict, order=("recorded_at_utc", "batch_id"))


def batches_of_source(store: Store, *, site_id: str, source_sha256: str) -> list[dict[str, Any]]:
    """Batches that brought this very file for this site, the newest first."""
    return _BATCHES.rows(store, site_id=site_id, source_sha256=source_sha256)[::-1]


def batches_of_reader(store: Store, site_id: str, reader: str) -> list[str]:
    """Ids of the site's batches that this reader wrote."""
    return [str(row["batch_id"]) for row in _BATCHES.rows(store, "batch_id", site_id=site_id, reader=reader)]


def named_batches(store: Store, batch_ids: Iterable[str]) -> list[dict[str, Any]]:
    """The batches of these ids."""
    return _BATCHES.rows(store, batch_id=sorted(set(batch_ids)))


def manifest_of_batch(store: Store, batch_id: str) -> list[dict[str, Any]]:
    """The manifest rows of one batch, in order."""
    return _MANIFEST.rows(store, batch_id=batch_id)


def days_recorded_after(
    store: Store, site_ids: Collection[str], moment_utc: datetime, *, before: date
) -> list[dict[str, Any]]:
    """The UTC days before `before` that anything was recorded of after a moment, by site: site_id, day, newest_utc."""
    table = lake_manifest
    query = sa.select(table.c.site_id, table.c.day, sa.func.max(table.c.recorded_at_utc).label("newest_utc"))
    query = query.where(table.c.recorded_at_utc > moment_utc, table.c.day < before)
    query = query.where(among(table.c.site_id, site_ids))
    return [row for row in store.rows(query.group_by(table.c.site_id, table.c.day)) if row["site_id"] in site_ids]


def newest_entry(store: Store, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> int:
    """Id of the newest manifest row of the site, or of any, recorded by then; 0 where there is none."""
    query = newest_query(site_id)
    if as_of_utc is not None:
        query = query.where(lake_manifest.c.recorded_at_utc <= as_of_utc)
    return int(store.rows(query)[0]["newest"] or 0)


# Every answer of the pages asks it, and to put the question costs more than to answer it.
@lru_cache(maxsize=256)
def newest_query(site_id: str | None) -> sa.Select[Any]:
    """Question for the id of the newest manifest row of the site, or of any."""
    query = sa.select(sa.func.max(lake_manifest.c.id).label("newest"))
    return query if site_id is None else query.where(lake_manifest.c.site_id == site_id)


Entry = Mapping[str, Any]
MERGES = AppendOnly(lake_merges, dict, order=("recorded_at_utc", "path"))
_MANIFEST = AppendOnly(lake_manifest, dict, order=("day", "id"))
# The manifest row of a file that stands in another, as it was written.
OWN = "own"


class Places:
    """Merges as they are recorded now, of a site or of all, and of months where they are given (their first days)."""

    def __init__(
        self, store: Store, site_id: str | None = None, months: tuple[date | None, date | None] = (None, None)
    ) -> None:
        query, month = MERGES.select(site_id=site_id), lake_merges.c.month
        if months[0] is not None:
            query = query.where(month >= months[0].replace(day=1))
        if months[1] is not None:
            query = query.where(month <= months[1])
        self._store, self._into = store, {str(row["path"]): row for row in store.rows(query)}

    def last(self, path: str, as_of_utc: datetime | None = None) -> dict[str, Any] | None:
        """The merge whose file holds the rows of that path; None where they are still there, or it is newer than that.

        as_of_utc: what was recorded later must not be in a file that is read whole.
        """
        found = None
        while (each := self._into.get(path)) is not None:
            found, path = each, str(each["merged_path"])
        return None if found is None or (as_of_utc is not None and found["newest_utc"] > as_of_utc) else found

    def now(self) -> set[str]:
        """Every file that holds rows now: those of the store's manifest, and the merged ones in place of theirs."""
        paths = {str(row["path"]) for row in self._store.rows(sa.select(lake_manifest.c.path).distinct())}
        return {str(found["merged_path"]) if (found := self.last(path)) else path for path in paths}

    def placed(self, entries: Iterable[Mapping[str, Any]], as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
        """Manifest rows with path and digest of the file that holds their rows now."""
        return [self._placed(dict(entry), as_of_utc) if self._into else dict(entry) for entry in entries]

    def _placed(self, entry: dict[str, Any], as_of_utc: datetime | None) -> dict[str, Any]:
        found = self.last(str(entry["path"]), as_of_utc)
        if found is None:
            return entry
        return entry | {"path": found["merged_path"], "file_sha256": found["merged_sha256"], OWN: entry}


def known_paths(store: Store) -> list[str]:
    """Every file that a manifest row or a merge names, of all sites."""
    columns = lake_manifest.c.path, lake_merges.c.merged_path
    return [str(value) for each in columns for row in store.rows(sa.select(each).distinct()) for value in row.values()]


def entries_of(store: Store, paths: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Path -> its manifest rows, or what stands for them of a merged file; paths that nobody names are left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    names = list(paths)
    # A statement carries so many names.
    for some in (names[start : start + 500] for start in range(0, len(names), 500)):
        for row in _MANIFEST.rows(store, path=some):
            found.setdefault(str(row["path"]), []).append(row)
        for row in MERGES.rows(store, merged_path=some):
            found.setdefault(str(row["merged_path"]), []).append(merged_entry(row))
    return found


def merged_entry(merge: Mapping[str, Any]) -> dict[str, Any]:
    """Entry of the merged file for `Lake.faults`."""
    return {"path": merge["merged_path"], "file_sha256": merge["merged_sha256"], "day": "", "content_sha256": ""}


def as_written(entry: Entry) -> dict[str, Any]:
    """A manifest row as it was recorded, wherever its rows stand now."""
    return dict(entry.get(OWN, entry))


def read_rows(paths: Sequence[Path]) -> pl.DataFrame:
    """All rows of files of the lake (LAKE_SCHEMA) in the order of a file."""
    # The folders site=… and m=… are no columns.
    frame = pl.concat([pl.read_parquet(path, hive_partitioning=False).select(list(LAKE_SCHEMA)) for path in paths])
    return frame.sort(*ROW_ORDER, "recorded_at_utc", "batch_id")


def parts_of(rows: pl.DataFrame) -> dict[str, Block]:
    """Batch -> what it brought, as it was written. rows: as `read_rows` gives them."""
    return {each["batch_id"][0]: block_of(each) for each in rows.partition_by("batch_id", maintain_order=True)}


def is_part(block: Block, entries: Sequence[Entry]) -> bool:
    """The block gives the very file of these manifest rows, or the very rows, by their digests."""
    days = {str(day): part_sha256(block, start, end) for day, start, end in block.days()}
    if days == {str(each["day"]): each["content_sha256"] for each in entries}:
        return True
    # Written by an earlier form of the digests: by its bytes then.
    rewritten = BytesIO()
    write_block(block, rewritten)
    return all(hashlib.sha256(rewritten.getvalue()).hexdigest() == each["file_sha256"] for each in entries)


def take_out(root: Path, merged: str, wanted: Mapping[str, Sequence[Entry]]) -> None:
    """Let files stand again under their own paths, out of the merged one. wanted: path -> its manifest rows.

    One that is not what its rows name is left out.
    """
    batches = {str(rows[0]["batch_id"]): (path, rows) for path, rows in wanted.items()}
    frame = pl.scan_parquet(root / merged, hive_partitioning=False).filter(pl.col("batch_id").is_in(list(batches)))
    for batch_id, block in parts_of(frame.collect().select(list(LAKE_SCHEMA)).sort(*ROW_ORDER)).items():
        path, rows = batches[batch_id]
        if is_part(block, rows):
            appear_whole(root / path, partial(write_block, block))


Span = tuple[str, datetime, datetime]


def digest_of(entries: Iterable[Mapping[str, Any]]) -> str:
    """Digest of the partitions that these manifest rows name."""
    # Sorted as below: both ways must give one digest, in whatever order batches were recorded.
    hashes = sorted(f"{entry['day']}:{entry['content_sha256']}" for entry in entries)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def digests_of(store: Store, spans: Iterable[Span], *, as_of_utc: datetime | None = None) -> dict[Span, str]:
    """For each (site_id, start_utc, end_utc) the digest that Lake.digest gives, by one look at the manifest."""
    by_site: defaultdict[str, set[Span]] = defaultdict(set)
    for span in spans:
        by_site[span[0]].add(span)
    found: dict[Span, str] = {}
    for site_id, (days, lines) in _lines(store, by_site, as_of_utc).items():
        for span in by_site[site_id]:
            first = span[1].astimezone(UTC).date().isoformat()
            # An end is exclusive: a span up to midnight does not touch the day that begins then.
            last = (span[2].astimezone(UTC) - timedelta(microseconds=1)).date().isoformat()
            part = lines[bisect_left(days, first) : bisect_right(days, last)]
            found[span] = hashlib.sha256("\n".join(part).encode()).hexdigest()
    return found


def _lines(store: Store, sites: Iterable[str], as_of_utc: datetime | None) -> dict[str, tuple[list[str], list[str]]]:
    """By site: days as texts, and `day:hash` of every manifest row, both sorted as Lake.digest sorts them."""
    table, wanted = lake_manifest, sorted(sites)
    # As text: a date made of every row would cost more than all the hashing.
    query = sa.select(table.c.site_id, sa.cast(table.c.day, sa.String), table.c.content_sha256)
    query = query.where(table.c.site_id.in_(wanted))
    if as_of_utc is not None:
        query = query.where(table.c.recorded_at_utc <= as_of_utc)
    lines: dict[str, list[str]] = {site_id: [] for site_id in wanted}
    # Past Store.rows: a dict for each of a hundred thousand rows would cost more than the query.
    with store.reading() as connection:
        for site_id, day, sha256 in connection.execute(query):
            lines[str(site_id)].append(f"{day}:{sha256}")
    for each in lines.values():
        each.sort()
    return {site_id: ([line[:10] for line in each], each) for site_id, each in lines.items()}
