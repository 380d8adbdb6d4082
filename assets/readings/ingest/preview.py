"""Preview of a file's changes: its report, the first refused rows, and the first of each change."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from assets.readings.bulk.table_blocks import in_blocks
from assets.readings.changes.bitemporal import classify
from assets.readings.changes.holds import canonical_rows, current_rows, hold_back
from assets.readings.cumulative.register_join import join_registers
from assets.readings.ingest.ingest_file import IngestReport, ingest_file
from assets.readings.parsed import bad_rows
from assets.readings.sniff_files import REGULAR_FROM_BYTES, read_file
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from data_quality.contracts.errors import BadInput, BadRow
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.text import file_name
from data_quality.contracts.time import Clock

MOST_REFUSED, MOST_OF_A_CHANGE = 20, 5
Change = Literal["new", "corrected", "unchanged"]
_KEY = ["site_id", "meter_id", "register", "interval_start_utc"]


@dataclass(frozen=True)
class RowChange:
    """One quarter hour of the file. line: where it stands; before: what the lake holds now, of a correction."""

    line: int
    start_utc: datetime
    meter_id: str
    register: str
    value: float
    unit: str
    change: Change
    before: float | None = None


@dataclass(frozen=True)
class FilePreview:
    """refused: the first refused rows; changes: the first quarter hours of each change, none of a long file."""

    report: IngestReport
    refused: tuple[BadRow, ...] = ()
    changes: tuple[RowChange, ...] = ()


def preview_file(
    path: Path,
    *,
    site: Site,
    lake: Lake,
    quarantine: QuarantineStore,
    clock: Clock,
    mapping: ColumnMap | None = None,
) -> FilePreview:
    """As ingest_file with dry_run, and with rows to look at. Nothing is written, nothing raised for a bad file."""
    report = ingest_file(path, site=site, lake=lake, quarantine=quarantine, clock=clock, mapping=mapping, dry_run=True)
    if report.verdict == "reject":
        return FilePreview(report)
    now_utc = clock.now_utc()
    if path.stat().st_size >= REGULAR_FROM_BYTES:
        with in_blocks(path, site=site, mapping=mapping, now_utc=now_utc) as file:
            if file is not None:
                return FilePreview(report, tuple(bad_rows(file.rejects, file_name(path), MOST_REFUSED)))
    try:
        read = read_file(path, mapping=mapping, site=site, now_utc=now_utc)
        read = join_registers(read, site=site, lake=lake, clock=clock, dry_run=True)
        read = hold_back(read, site=site, lake=lake)
    except BadInput:
        # Known already, and refused as it would be read now: the report says what holds.
        return FilePreview(report)
    canonical = canonical_rows(read, site)
    refused = tuple(bad_rows(read.rejects, file_name(path), MOST_REFUSED))
    return FilePreview(report, refused, tuple(_changes(canonical, current_rows(lake, site, canonical))))


def _changes(canonical: pl.DataFrame, current: pl.DataFrame) -> Iterator[RowChange]:
    """The first of each change, in the order of the file."""
    changed, _ = classify(canonical, current)
    marks = changed.select(*_KEY, change=pl.when("is_correction").then(pl.lit("corrected")).otherwise(pl.lit("new")))
    known = current.select(*_KEY, before="value")
    rows = canonical.join(marks, on=_KEY, how="left").join(known, on=_KEY, how="left")
    rows = rows.with_columns(pl.col("change").fill_null("unchanged")).sort("source_line", "interval_start_utc")
    for change in ("corrected", "new", "unchanged"):
        for row in rows.filter(pl.col("change") == change).head(MOST_OF_A_CHANGE).iter_rows(named=True):
            yield RowChange(
                row["source_line"], row["interval_start_utc"], row["meter_id"], row["register"], row["value"],
                row["unit"], change, row["before"] if change == "corrected" else None,
            )  # fmt: skip
