"""The readings lake: immutable Parquet files, made visible by one manifest transaction (trace.md, ADR 0001)."""

import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from pydantic import Field

from assets.stores import tables
from assets.stores.transactions import Store, next_recorded_at
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

KEY = ["site_id", "meter_id", "register", "interval_start_utc"]
LAKE_SCHEMA: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "meter_id": pl.String(),
    "register": pl.String(),
    "interval_start_utc": pl.Datetime("us", "UTC"),
    "interval_minutes": pl.Int32(),
    "source_minutes": pl.Int32(),
    "value": pl.Float64(),
    "unit": pl.String(),
    "quality_code": pl.Int32(),
    "source_line": pl.Int64(),
    "is_synthetic": pl.Boolean(),
    "batch_id": pl.String(),
    "recorded_at_utc": pl.Datetime("us", "UTC"),
}
RULES_VERSION = "1"


class BatchInfo(Model):
    """Where a batch comes from: one accepted file, one hand-over, one person's edit."""

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
    """What a batch changes, given what the lake holds: see Lake.write_batch."""

    changes: pl.DataFrame
    unchanged_rows: int


class BatchResult(Model):
    """What a batch changed. `days` are the UTC days (lake partitions) that got a file."""

    batch_id: str
    recorded_at_utc: datetime | None
    new_rows: int
    corrected_rows: int
    unchanged_rows: int
    days: tuple[date, ...]
    is_repeat: bool = False


class Lake:
    """Readings of all sites under one folder, described by the manifest in the store."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store = root, store

    def known_batch(self, site_id: str, source_sha256: str) -> str | None:
        """The batch that brought this very file for this site, if any did."""
        batches = tables.batches
        found = self.store.rows(
            sa.select(batches.c.batch_id).where(batches.c.site_id == site_id, batches.c.source_sha256 == source_sha256)
        )
        return found[0]["batch_id"] if found else None

    def write_batch(self, info: BatchInfo, changes: pl.DataFrame, *, unchanged_rows: int, clock: Clock) -> BatchResult:
        """Write the rows that change something and commit their manifest, or nothing at all.

        changes: LAKE_SCHEMA without batch_id and recorded_at_utc, plus `is_correction`; unique by KEY.
        """
        return self.write_decided(info, lambda: Decided(changes=changes, unchanged_rows=unchanged_rows), clock=clock)

    def write_decided(self, info: BatchInfo, decide: Callable[[], Decided], *, clock: Clock) -> BatchResult:
        """As write_batch, for changes that depend on what the lake holds: `decide` reads it and says what changes.

        It is asked before the transaction and, where another batch of the site came in between, again inside it,
        when no other writer can: two processes with overlapping files never store a value twice.
        """
        batch_id = uuid.uuid4().hex
        seen = newest_entry(self.store, info.site_id)
        decided = decide()
        with self.store.begin() as connection:
            # Takes the writers' lock on PostgreSQL; SQLite's transaction holds it from its first statement.
            recorded_at = next_recorded_at(connection, clock.now_utc())
            if connection.execute(_newest(info.site_id)).scalar() != (seen or None):
                decided = decide()
            changes, unchanged_rows = decided.changes, decided.unchanged_rows
            corrected = int(changes["is_correction"].sum()) if changes.height else 0
            rows = changes.drop("is_correction").with_columns(
                batch_id=pl.lit(batch_id), recorded_at_utc=pl.lit(recorded_at)
            )
            rows = rows.select(pl.col(name).cast(dtype) for name, dtype in LAKE_SCHEMA.items()).sort(KEY)
            entries = self._write_files(rows, info, batch_id, recorded_at)
            if entries:
                connection.execute(tables.lake_manifest.insert(), entries)
            counts = {
                "new_rows": rows.height - corrected,
                "corrected_rows": corrected,
                "unchanged_rows": unchanged_rows,
            }
            connection.execute(
                tables.batches.insert().values(
                    batch_id=batch_id, recorded_at_utc=recorded_at, **info.model_dump(), **counts
                )
            )
        days = tuple(sorted({entry["day"] for entry in entries}))
        return BatchResult(batch_id=batch_id, recorded_at_utc=recorded_at, days=days, **counts)

    def _write_files(
        self, rows: pl.DataFrame, info: BatchInfo, batch_id: str, recorded_at: datetime
    ) -> list[dict[str, Any]]:
        if rows.is_empty():
            return []
        entries: list[dict[str, Any]] = []
        by_day = rows.with_columns(_day=pl.col("interval_start_utc").dt.date()).partition_by(
            "_day", as_dict=True, include_key=False
        )
        for (day,), part in sorted(by_day.items()):
            relative = f"readings/site={info.site_id}/d={day}/part-{batch_id}.parquet"
            entries.append(
                {
                    "site_id": info.site_id,
                    "day": day,
                    "path": relative,
                    "batch_id": batch_id,
                    "rows": part.height,
                    "file_sha256": write_atomic(part, self.root / relative),
                    "content_sha256": content_sha256(part),
                    "source_sha256": info.source_sha256,
                    "reader_version": info.reader_version,
                    "rules_version": RULES_VERSION,
                    "is_synthetic": info.is_synthetic,
                    "recorded_at_utc": recorded_at,
                }
            )
        return entries

    def manifest(
        self,
        site_id: str,
        *,
        start_utc: datetime | None = None,
        end_utc: datetime | None = None,
        as_of_utc: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Manifest rows of the UTC days that the span touches, recorded at or before `as_of_utc`, in order."""
        table = tables.lake_manifest
        query = sa.select(table).where(table.c.site_id == site_id).order_by(table.c.day, table.c.id)
        if start_utc is not None:
            query = query.where(table.c.day >= start_utc.astimezone(UTC).date())
        if end_utc is not None:
            query = query.where(table.c.day <= (end_utc.astimezone(UTC) - timedelta(microseconds=1)).date())
        if as_of_utc is not None:
            query = query.where(table.c.recorded_at_utc <= as_of_utc)
        return self.store.rows(query)

    def digest(self, site_id: str, *, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None) -> str:
        """Digest of the partitions that the span touches, at T: equal digests mean equal content."""
        entries = self.manifest(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
        hashes = sorted(f"{entry['day']}:{entry['content_sha256']}" for entry in entries)
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def history(
        self,
        site_id: str,
        *,
        start_utc: datetime | None = None,
        end_utc: datetime | None = None,
        as_of_utc: datetime | None = None,
        meters: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Every row ever recorded in the span (LAKE_SCHEMA), superseded ones included."""
        entries = self.manifest(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
        if not entries:
            return pl.DataFrame(schema=LAKE_SCHEMA)
        frame = pl.scan_parquet([self.root / str(entry["path"]) for entry in entries], hive_partitioning=False)
        if start_utc is not None:
            frame = frame.filter(pl.col("interval_start_utc") >= start_utc)
        if end_utc is not None:
            frame = frame.filter(pl.col("interval_start_utc") < end_utc)
        if meters is not None:
            frame = frame.filter(pl.col("meter_id").is_in(list(meters)))
        return frame.sort([*KEY, "recorded_at_utc"]).collect()

    def current(
        self,
        site_id: str,
        *,
        start_utc: datetime | None = None,
        end_utc: datetime | None = None,
        as_of_utc: datetime | None = None,
        meters: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """The view at T: the latest row per key, sorted by key (LAKE_SCHEMA)."""
        rows = self.history(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc, meters=meters)
        return rows.unique(subset=KEY, keep="last", maintain_order=True)

    def span(self, site_id: str, *, as_of_utc: datetime | None = None) -> tuple[date, date] | None:
        """First and last UTC day that the lake holds for the site."""
        entries = self.manifest(site_id, as_of_utc=as_of_utc)
        if not entries:
            return None
        days = [entry["day"] for entry in entries]
        return min(days), max(days)


def write_atomic(frame: pl.DataFrame, path: Path) -> str:
    """Write Parquet so that the name appears whole or not at all. Returns the file's SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".tmp-{uuid.uuid4().hex}"
    try:
        frame.write_parquet(temporary, compression="zstd")
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return digest


def content_sha256(rows: pl.DataFrame) -> str:
    """Hash of the rows' content in key order, free of how the file was written."""
    text = rows.sort([*KEY, "recorded_at_utc"]).select(list(LAKE_SCHEMA)).write_csv()
    return hashlib.sha256(text.encode()).hexdigest()


def newest_entry(store: Store, site_id: str | None = None) -> int:
    """Id of the newest manifest row of the site, or of any; 0 where there is none."""
    found = store.rows(_newest(site_id))
    return int(found[0]["newest"] or 0)


def _newest(site_id: str | None) -> sa.Select[Any]:
    query = sa.select(sa.func.max(tables.lake_manifest.c.id).label("newest"))
    return query if site_id is None else query.where(tables.lake_manifest.c.site_id == site_id)
