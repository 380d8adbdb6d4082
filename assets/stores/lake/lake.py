"""The readings lake: immutable Parquet files, made visible by one manifest transaction (trace.md, ADR 0001)."""

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from pydantic import Field

from assets.stores.journal import AppendOnly
from assets.stores.lake.files import FileStore
from assets.stores.lake.lake_block import LAKE_SCHEMA, Block, blocks_of, part_sha256, write_block
from assets.stores.lake.lake_files import (
    ORDER,
    READINGS,
    LakeFile,
    SeenFiles,
    expect_in_time,
    faults,
    history_in,
    is_as_written,
    newest_of,
    open_files,
    sha256_of,
    writing,
)
from assets.stores.lake.lake_ledger import expect_own, note_progress
from assets.stores.lake.merges import (
    Places,
    as_written,
    batches_of_source,
    digest_of,
    merged_entry,
    named_batches,
    newest_entry,
    newest_query,
    take_out,
)  # fmt: skip
from assets.stores.lake.set_aside import tidy
from assets.stores.schema.tables_readings import batches as batch_table
from assets.stores.schema.tables_readings import lake_manifest
from assets.stores.seals import append, append_row
from assets.stores.transactions import Store, next_known_at, next_recorded_at
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

KEY = list(ORDER)
RULES_VERSION = "1"
_MANIFEST = AppendOnly(lake_manifest, dict, order=("day", "id"))


class BatchInfo(Model):
    """Source of a batch: one accepted file, one hand-over, one person's edit."""

    site_id: str
    source_name: str
    source_sha256: str = Field(min_length=64, max_length=64)
    reader: str
    reader_version: str
    accepted_rows: int
    rejected_rows: int
    is_synthetic: bool
    mapping: dict[str, object] | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Decided:
    """Decided changes of a batch, given what the lake holds: see Lake.write_batch."""

    changes: pl.DataFrame
    unchanged_rows: int


@dataclass(frozen=True)
class Stamp:
    """Stamp of every row of a batch."""

    batch_id: str
    recorded_at_utc: datetime


@dataclass(frozen=True)
class BlockPlan:
    """Planned changes of a batch, as blocks made while they are written; counts are full once the blocks are out.

    blocks: Blocks of LAKE_SCHEMA columns, marked with the stamp that the plan was made for.
    """

    blocks: Iterable[Block]
    counts: dict[str, int] = field(default_factory=lambda: {"new_rows": 0, "corrected_rows": 0, "unchanged_rows": 0})


@dataclass(frozen=True)
class Damage:
    """A file of the lake that is missing or was altered, and the file that it came from."""

    path: str
    fault: str
    source_name: str


class BatchResult(Model):
    """Changes by a batch. `days` are the UTC days (lake partitions) that got a file."""

    batch_id: str
    recorded_at_utc: datetime | None
    new_rows: int
    corrected_rows: int
    unchanged_rows: int
    days: tuple[date, ...]
    is_repeat: bool = False


class Lake:
    """Readings of all sites under one folder, described by the manifest in the store.

    known_at_utc: for reading only, as known then, whatever instant is asked; None: as known now. kept: where the files
    are kept, in copies of which the folder consists; None: at the address, or, where that is empty, in the folder.
    """

    def __init__(
        self,
        root: Path,
        store: Store,
        *,
        known_at_utc: datetime | None = None,
        kept: FileStore | None = None,
        address: str = "",
    ) -> None:
        self.root, self.store, self.known_at_utc = root, store, known_at_utc
        # A client of a bucket costs its certificates to make; the lake is opened with every look at it.
        self.kept = kept or store.cache.once("file_stores", (root, address), lambda: open_files(root, address))
        self.seen: SeenFiles = store.cache.place("lake_files")
        self.digest_of = digest_of

    def known_batch(self, site_id: str, source_sha256: str) -> str | None:
        """The batch that brought this very file for this site, if any did."""
        found = batches_of_source(self.store, site_id=site_id, source_sha256=source_sha256)
        return found[-1]["batch_id"] if found else None

    def known_sources(self) -> dict[str, set[str]]:
        """Site -> SHA-256 of every file that its batches brought; one question for all."""
        found: dict[str, set[str]] = {}
        for row in self.store.rows(sa.select(batch_table.c.site_id, batch_table.c.source_sha256).distinct()):
            found.setdefault(str(row["site_id"]), set()).add(row["source_sha256"])
        return found

    def write_batch(self, info: BatchInfo, changes: pl.DataFrame, *, unchanged_rows: int, clock: Clock) -> BatchResult:
        """Write the rows that change something and commit their manifest, or nothing at all.

        changes: LAKE_SCHEMA without batch_id and recorded_at_utc, plus `is_correction`; unique by KEY.
        """
        return self.write_decided(info, lambda: Decided(changes=changes, unchanged_rows=unchanged_rows), clock=clock)

    def write_decided(self, info: BatchInfo, decide: Callable[[], Decided], *, clock: Clock) -> BatchResult:
        """As write_batch, for changes that depend on what the lake holds: `decide` reads it and says what changes.

        See write_blocks for when it is asked.
        """
        return self.write_blocks(info, lambda stamp: planned(decide(), stamp), clock=clock)

    def write_blocks(self, info: BatchInfo, plan: Callable[[Stamp], BlockPlan], *, clock: Clock) -> BatchResult:
        """Write what `plan` says and commit its manifest, or nothing at all.

        The files are written before the transaction, which then holds the writers' lock only for the manifest. Where
        another batch was recorded in between, `plan` is asked again: as often as `FileStore.rounds` says outside of
        the transaction, then inside, when no other writer can be. Two processes with overlapping files never store a
        value twice.
        """
        with self.writing():
            return self._write_batch(info, plan, clock=clock)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the place of a writer, whose files no manifest row names yet. Raises Unreachable where the lake is not
        this store's: nothing has changed then.
        """
        expect_own(self.store, self.kept)
        # Kept where it was called: the first time in a process that no other writes.
        once = partial(self.store.cache.once, "lakes_tidied", self.root, lambda: tidy(self.store, self.kept))
        with writing(self.root, once):
            yield
            note_progress(self.store, self.kept)

    def _write_batch(self, info: BatchInfo, plan: Callable[[Stamp], BlockPlan], *, clock: Clock) -> BatchResult:
        began_utc, written, is_named = clock.now_utc(), _Written(), False
        try:
            for left in reversed(range(self.kept.rounds)):
                # Before the plan reads the lake: whatever is recorded after this makes it be asked again.
                seen = newest_entry(self.store, info.site_id)
                stamp = Stamp(uuid.uuid4().hex, next_known_at(self.store, clock.now_utc()))
                self._write_files(info, stamp, plan, written)
                with self.store.begin() as connection:
                    recorded_at = next_recorded_at(connection, stamp.recorded_at_utc)
                    # The stamp stands in every row of the files: with another recorded time they are others. Null: the
                    # first of a site.
                    newest = connection.execute(newest_query(info.site_id)).scalar()
                    if is_overtaken := recorded_at != stamp.recorded_at_utc or newest != (seen or None):
                        self._discard(written)
                        stamp = Stamp(uuid.uuid4().hex, recorded_at)
                        if not left:
                            self._write_files(info, stamp, plan, written)
                    if not (is_overtaken and left):
                        expect_in_time(began_utc, clock.now_utc())
                        if written.entries:
                            append(connection, lake_manifest, written.entries)
                        named = {"batch_id": stamp.batch_id, "recorded_at_utc": stamp.recorded_at_utc}
                        append_row(connection, batch_table, **named, **info.model_dump(), **written.counts)
                        # Whether a commit that fails from here on was taken, nobody knows: the files stay.
                        is_named = True
                        break
        except BaseException:
            if not is_named:
                self._discard(written)
            raise
        days = tuple(sorted({entry["day"] for entry in written.entries}))
        return BatchResult(batch_id=stamp.batch_id, recorded_at_utc=recorded_at, days=days, **written.counts)

    def _write_files(
        self, info: BatchInfo, stamp: Stamp, plan: Callable[[Stamp], BlockPlan], written: "_Written"
    ) -> None:
        """One file a UTC month, one manifest row a UTC day in it."""
        planned = plan(stamp)
        for block in planned.blocks:
            days = list(block.days())
            relative = path_of(info.site_id, days[0][0], stamp.batch_id)
            # The second would take the first one's place, and the manifest would name days that no file holds.
            if relative in written.paths:
                raise ValueError(f"two blocks of one batch are of one month: {relative}")
            written.paths.append(relative)
            file_sha256 = self.kept.put_new(relative, partial(write_block, block))
            written.entries += [
                {
                    "site_id": info.site_id,
                    "day": day,
                    "path": relative,
                    "batch_id": stamp.batch_id,
                    "rows": end - start,
                    "file_sha256": file_sha256,
                    "content_sha256": part_sha256(block, start, end),
                    "source_sha256": info.source_sha256,
                    "reader_version": info.reader_version,
                    "rules_version": RULES_VERSION,
                    "is_synthetic": info.is_synthetic,
                    "recorded_at_utc": stamp.recorded_at_utc,
                }
                for day, start, end in days
            ]
        written.counts = dict(planned.counts)

    def _discard(self, written: "_Written") -> None:
        for relative in written.paths:
            # Named before it was written, so it may not be there yet.
            # What a bucket does not give back now is swept later; the reason why the batch fails must not be replaced.
            with suppress(Unreachable):
                self.kept.delete(relative)
        written.paths.clear()
        written.entries.clear()

    def manifest(
        self,
        site_id: str,
        *,
        start_utc: datetime | None = None,
        end_utc: datetime | None = None,
        as_of_utc: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Manifest rows of the UTC days that the span touches, recorded at or before `as_of_utc`, in order; path and
        digest are those of the file that holds the rows now (`Places`).
        """
        # An end is exclusive: a span up to midnight does not touch the day that begins then.
        first = None if start_utc is None else start_utc.astimezone(UTC).date()
        last = None if end_utc is None else (end_utc.astimezone(UTC) - timedelta(microseconds=1)).date()
        # Before the rows: whatever is merged by then is in the manifest, so that no file holds more than these name.
        places = Places(self.store, site_id, (first, last))
        known_utc = self._known(as_of_utc)
        query = _MANIFEST.select(site_id=site_id, as_of_utc=known_utc)
        query = query if first is None else query.where(lake_manifest.c.day >= first)
        query = query if last is None else query.where(lake_manifest.c.day <= last)
        return places.placed(self.store.rows(query), known_utc)

    def _known(self, as_of_utc: datetime | None) -> datetime | None:
        return min((each for each in (as_of_utc, self.known_at_utc) if each is not None), default=None)

    def batches(
        self, site_id: str, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
    ) -> list[dict[str, Any]]:
        """The batches whose files hold the UTC days that the span touches, as known at T, oldest first."""
        entries = self.manifest(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
        return named_batches(self.store, {str(entry["batch_id"]) for entry in entries})

    def files(self, entries: Sequence[Mapping[str, Any]]) -> list[Path]:
        """The files of manifest rows, each once: a file holds a month, and the manifest a row for each of its days.

        Raises Unreachable naming a file that is missing, or that is not the one that was written.
        """
        return list(dict.fromkeys(self.root / str(entry["path"]) for entry in self._standing(entries)))

    def _standing(self, entries: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        entries, wrong = self.mended(entries)
        for each in self._damage(entries, wrong):
            raise Unreachable(
                f"the lake's file {each.path} {each.fault}, and no figure is made of it: ingest {each.source_name} "
                "again, which writes it as it was, or restore it from a backup"
            )
        return entries

    def mended(self, entries: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Mapping[str, Any]], dict[str, str]]:
        """Manifest rows with files that stand, and path -> what is wrong with those that do not: of a merged file that
        is damaged, what was merged; what was merged, is wanted by itself and is gone is taken out of it again.
        """
        wrong = self.faults(entries)
        if not wrong:
            return entries, wrong
        entries = [as_written(each) if each["path"] in wrong else each for each in entries]
        wrong, places = self.faults(entries), Places(self.store)
        merges = {path: found for path in wrong if (found := places.last(path)) is not None}
        into = {path: str(found["merged_path"]) for path, found in merges.items()}
        whole = set(into.values()) - set(self.faults([merged_entry(each) for each in merges.values()]))
        for merged in whole:
            rows = {path: _MANIFEST.rows(self.store, path=path) for path in into if into[path] == merged}
            # Named files alone, so it is no matter whose lake it is; another who is alone sees a writer.
            with writing(self.root):
                take_out(self.root, merged, rows)
        return entries, self.faults(entries) if whole else wrong

    def changed_files(self, after_ids: Mapping[str, int]) -> dict[str, dict[Path, int]]:
        """Site -> the files that manifest rows above its id name, each with the newest of them; sites without are left
        out. One question for all. Raises Unreachable as `files`.
        """
        table, found = lake_manifest, dict[str, dict[Path, int]]()
        columns = [table.c.site_id, table.c.path, table.c.file_sha256]
        query = sa.select(*columns, sa.func.max(table.c.id).label("newest")).group_by(*columns)
        for row in self.store.rows(query.where(table.c.id > min(after_ids.values(), default=0))):
            site_id, path = str(row["site_id"]), self.root / str(row["path"])
            if row["newest"] > after_ids.get(site_id, row["newest"]):
                if not is_as_written(path, row["file_sha256"], self.seen):
                    # By its rows then, which may be all there under another digest, or be what an erasure left.
                    rows = _MANIFEST.rows(self.store, path=row["path"])
                    [path] = self.files(Places(self.store, site_id).placed(rows) if self.mended(rows)[1] else rows)
                found.setdefault(site_id, {})[path] = row["newest"]
        return found

    def named(self, site_ids: Collection[str], *, as_of_utc: datetime | None = None) -> list[Path]:
        """The files of whole sites as the manifest names them, whether or not they are there: nobody looks at them."""
        if not site_ids:
            return []
        table, known_utc, places, wanted = lake_manifest, self._known(as_of_utc), Places(self.store), set(site_ids)
        query = sa.select(table.c.site_id, table.c.path, table.c.file_sha256).distinct().order_by(table.c.path)
        query = query if known_utc is None else query.where(table.c.recorded_at_utc <= known_utc)
        rows = places.placed((row for row in self.store.rows(query) if row["site_id"] in wanted), known_utc)
        return list(dict.fromkeys(self.root / str(row["path"]) for row in rows))

    def parts(
        self,
        site_id: str,
        *,
        start_utc: datetime | None = None,
        end_utc: datetime | None = None,
        as_of_utc: datetime | None = None,
    ) -> tuple[LakeFile, ...]:
        """The files that hold the UTC days of the span as known at T, each once. Raises Unreachable, as `files`."""
        entries = self.manifest(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
        found: dict[Path, list[Mapping[str, Any]]] = {}
        for entry in self._standing(entries):
            found.setdefault(self.root / str(entry["path"]), []).append(entry)
        return tuple(
            LakeFile(
                path=path,
                key="" if self.kept.address == str(self.root) else str(rows[0]["path"]),
                address="" if self.kept.address == str(self.root) else self.kept.address,
                sha256=sha256_of(path, self.seen),
                first=min(row["day"] for row in rows),
                last=max(row["day"] for row in rows),
            )
            for path, rows in found.items()
        )

    def damage(self, site_id: str) -> list[Damage]:
        """Files of the site that are not what was written, here or where they are kept, the oldest first."""
        standing = {each.key: each.size_bytes for each in self.kept.list(f"{READINGS}/site={site_id}/")}
        entries, wrong = self.mended(self.manifest(site_id))
        return self._damage(entries, wrong | self.lost(entries, standing.get))

    def lost(self, entries: Sequence[Mapping[str, Any]], size_bytes: Callable[[str], int | None]) -> dict[str, str]:
        """Path -> what is wrong where it is kept, of the files that are whole here. size_bytes: of a path, there."""
        paths = {str(row["path"]) for row in entries}
        found = {path: size_bytes(path) for path in paths if (self.root / path).exists()}
        return {
            path: "is missing" if size is None else "was altered"
            for path, size in sorted(found.items())
            if size != (self.root / path).stat().st_size
        }

    def _damage(self, entries: Sequence[Mapping[str, Any]], wrong: Mapping[str, str]) -> list[Damage]:
        if not wrong:
            return []
        batches = {str(entry["path"]): str(entry["batch_id"]) for entry in entries if entry["path"] in wrong}
        sources = {row["batch_id"]: str(row["source_name"]) for row in named_batches(self.store, batches.values())}
        return [Damage(path, fault, sources.get(batches[path], "its source")) for path, fault in wrong.items()]

    def faults(self, entries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Path -> what is wrong with it, after what is kept elsewhere was fetched."""
        wrong = faults(self.root, entries, self.seen)
        named = {str(row["path"]): row["file_sha256"] for row in entries if row["path"] in wrong}
        return faults(self.root, entries, self.seen) if wrong and self.kept.refresh(named) else wrong

    def before(self, batch_id: str) -> "Lake":
        """The lake as it was when that batch was decided on: for reading only."""
        recorded_at = named_batches(self.store, [batch_id])[0]["recorded_at_utc"]
        # A microsecond is the least step between two recorded times.
        return Lake(self.root, self.store, known_at_utc=recorded_at - timedelta(microseconds=1), kept=self.kept)

    def digest(self, site_id: str, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None) -> str:
        """Digest of the partitions that the span touches, at T: equal digests mean equal content."""
        return digest_of(self.manifest(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc))

    def history(
        self,
        site_id: str,
        *,
        start_utc: datetime | None = None,
        end_utc: datetime | None = None,
        as_of_utc: datetime | None = None,
        meters: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Every row ever recorded in the span (LAKE_SCHEMA, or `history_in`'s columns), superseded ones included."""
        parts = self.parts(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
        return history_in(parts, start_utc=start_utc, end_utc=end_utc, meters=meters, columns=columns)

    def current(
        self,
        site_id: str,
        *,
        start_utc: datetime | None = None,
        end_utc: datetime | None = None,
        as_of_utc: datetime | None = None,
        meters: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """The view at T: the latest row per key, sorted by key (LAKE_SCHEMA, or `history_in`'s columns)."""
        span = {"start_utc": start_utc, "end_utc": end_utc, "as_of_utc": as_of_utc}
        return newest_of(self.history(site_id, **span, meters=meters, columns=columns))

    def span(self, site_id: str, *, as_of_utc: datetime | None = None) -> tuple[date, date] | None:
        """First and last UTC day that the lake holds for the site."""
        day, query = lake_manifest.c.day, _MANIFEST.select(site_id=site_id, as_of_utc=self._known(as_of_utc))
        first_last = sa.func.min(day).label("first"), sa.func.max(day).label("last")
        [found] = self.store.rows(query.order_by(None).with_only_columns(*first_last, maintain_column_froms=True))
        return None if found["first"] is None else (found["first"], found["last"])

    def stream_spans(self, site_id: str) -> dict[str, tuple[datetime, datetime]]:
        """Start of the first and end of the last reading (UTC) of each meter and driver that has any."""
        entries = self.manifest(site_id)
        if not entries:
            return {}
        start = pl.col("interval_start_utc")
        end = start + pl.duration(minutes=pl.col("interval_minutes"))
        rows = pl.scan_parquet(self.files(entries), hive_partitioning=False)
        found = rows.group_by("meter_id").agg(start.min(), end.max().alias("end")).collect()
        return {name: (first, last) for name, first, last in found.iter_rows()}


def path_of(site_id: str, day: date, batch_id: str) -> str:
    """Path under the lake's root of a batch's file of the month of a day."""
    return f"{READINGS}/site={site_id}/m={day:%Y-%m}/part-{batch_id}.parquet"


def planned(decided: Decided, stamp: Stamp) -> BlockPlan:
    """The rows that a decided batch writes, as blocks with the stamp."""
    changes = decided.changes
    corrected = int(changes["is_correction"].sum()) if changes.height else 0
    rows = changes.drop("is_correction").with_columns(
        # Never -0.0: the digests hash one of values that are all equal, and it is other bytes than 0.0.
        value=pl.when(pl.col("value") == 0).then(0.0).otherwise("value"),
        batch_id=pl.lit(stamp.batch_id),
        recorded_at_utc=pl.lit(stamp.recorded_at_utc),
    )
    rows = rows.select(pl.col(name).cast(dtype) for name, dtype in LAKE_SCHEMA.items())
    counts = {"new_rows": rows.height - corrected, "corrected_rows": corrected}
    counts["unchanged_rows"] = decided.unchanged_rows
    return BlockPlan(blocks=blocks_of(rows), counts=counts)


@dataclass
class _Written:
    """Files of a batch that is not committed yet."""

    paths: list[str] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
