"""One meter file into the lake: refuse, quarantine or store, and say what changed. The file itself stays untouched."""

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.affected import affected_months
from assets.readings.bitemporal import classify
from assets.readings.closed import name_closed
from assets.readings.holds import canonical_rows, current_rows, hold_back
from assets.readings.parsed import bad_rows
from assets.readings.register_join import join_registers
from assets.readings.registers import counting_rules
from assets.readings.sniff import FileRead, SniffReport, read_file, refused
from assets.readings.streams import streams
from assets.stores.batches import batches_of_source
from assets.stores.lake import BatchInfo, Decided, Lake
from assets.stores.quarantine import QuarantineStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site import ColumnMap, Site
from data_quality.contracts.time import Clock


class IngestReport(SniffReport):
    """Keys of cli.md `ingest`. partitions: "SITE|YYYY-MM", the local months that the file changed."""

    batch_id: str | None = None
    new_rows: int = 0
    unchanged_rows: int = 0
    corrected_rows: int = 0
    partitions: tuple[str, ...] = ()
    is_repeat: bool = False


def ingest_file(
    path: Path,
    *,
    site: Site,
    lake: Lake,
    quarantine: QuarantineStore,
    clock: Clock,
    run_id: str | None = None,
    mapping: ColumnMap | None = None,
    dry_run: bool = False,
) -> IngestReport:
    """Bring one file into the lake. Row counts of the lake are quarter hours, accepted_rows are rows of the file.

    A file that cannot be used is kept in quarantine and reported with the verdict `reject`; nothing is raised.
    The same file read the same way again changes nothing. With dry_run nothing is written anywhere.
    """
    try:
        read = read_file(path, mapping=mapping, site=site, now_utc=clock.now_utc())
    except BadInput as fault:
        if not dry_run:
            quarantine.keep_file(path, fault, site_id=site.site_id, clock=clock)
        return IngestReport(**refused(path, fault).model_dump())
    interpretation = _interpretation(read, site)
    known = _same_reading_before(lake, site, read, interpretation)
    if known is not None:
        return IngestReport(**_fields(read.report), batch_id=known, is_repeat=True)
    try:
        read = join_registers(read, site=site, lake=lake, clock=clock, dry_run=dry_run)
        read = hold_back(read, site=site, lake=lake)
    except BadInput as fault:
        if not dry_run:
            quarantine.keep_file(path, fault, site_id=site.site_id, clock=clock)
        return IngestReport(**refused(path, fault).model_dump())
    if read.rejects.height and not dry_run:
        # Before the lake: a stop in between must not lose the rejects of a file that then counts as known.
        quarantine.keep_rows(
            path,
            bad_rows(read.rejects, path.name),
            counts=read.report.reasons,
            site_id=site.site_id,
            clock=clock,
        )
    return _store(
        read, site=site, lake=lake, clock=clock, run_id=run_id, interpretation=interpretation, dry_run=dry_run
    )


def _store(
    read: FileRead,
    *,
    site: Site,
    lake: Lake,
    clock: Clock,
    run_id: str | None,
    interpretation: dict[str, object],
    dry_run: bool,
) -> IngestReport:
    report = read.report
    canonical = canonical_rows(read, site)
    decided = Decided(changes=canonical.clear().with_columns(is_correction=pl.lit(value=False)), unchanged_rows=0)

    def decide() -> Decided:
        nonlocal decided
        changes, unchanged = classify(canonical, current_rows(lake, site, canonical))
        decided = Decided(changes=changes, unchanged_rows=unchanged)
        return decided

    if dry_run:
        decide()
        report = name_closed(report, decided.changes, site=site, store=lake.store)
        return IngestReport(**_fields(report), **_counts(site, decided))
    info = BatchInfo(
        site_id=site.site_id,
        source_name=Path(report.path).name,
        source_sha256=report.sha256,
        reader=read.reader.name,
        reader_version=read.reader.version,
        accepted_rows=report.accepted_rows,
        rejected_rows=report.rejected_rows,
        is_synthetic=read.is_synthetic,
        mapping=interpretation,
        run_id=run_id,
    )
    result = lake.write_decided(info, decide, clock=clock)
    report = name_closed(report, decided.changes, site=site, store=lake.store)
    return IngestReport(**_fields(report), **_counts(site, decided), batch_id=result.batch_id)


def _counts(site: Site, decided: Decided) -> dict[str, Any]:
    corrected = int(decided.changes["is_correction"].sum())
    return {
        "new_rows": decided.changes.height - corrected,
        "corrected_rows": corrected,
        "unchanged_rows": decided.unchanged_rows,
        "partitions": tuple(affected_months(site, decided.changes)),
    }


def _fields(report: SniffReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in SniffReport.model_fields}


def _interpretation(read: FileRead, site: Site) -> dict[str, object]:
    """What else than its bytes decides what a file means: the column map, the site's streams, registers and zone."""
    text = json.dumps([streams(site).rows(), site.time_zone, *counting_rules(site)])
    maps = [each.model_dump(mode="json") for each in read.maps]
    return {
        "column_map": maps[0] if len(maps) == 1 else maps or None,
        "streams_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def _same_reading_before(lake: Lake, site: Site, read: FileRead, interpretation: dict[str, object]) -> str | None:
    """The batch that brought this file for this site, read by the same reader in the same way."""
    wanted = (read.reader.name, read.reader.version, interpretation)
    for batch in batches_of_source(lake.store, site_id=site.site_id, source_sha256=read.report.sha256):
        if (batch["reader"], batch["reader_version"], batch["mapping"]) == wanted:
            return str(batch["batch_id"])
    return None
