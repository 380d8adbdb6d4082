"""One meter file into the lake: refuse, quarantine or store, and say what changed. The file itself stays untouched."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.bulk.read import RegularFile
from assets.readings.bulk.store import is_suspected, plan_of, times_of
from assets.readings.bulk.table_blocks import in_blocks
from assets.readings.changes.bitemporal import affected_months, classify
from assets.readings.changes.holds import OF_SCALE, SUSPECTED, canonical_rows, current_rows, hold_back, refuse_slip
from assets.readings.cumulative.register_intervals import counting_rules
from assets.readings.cumulative.register_join import join_registers
from assets.readings.ingest.published_reports import closed_periods, name_closed
from assets.readings.parsed import Reader, bad_rows
from assets.readings.readers.live_format.sample_rows import points_by_line
from assets.readings.readers.live_format.samples import Samples
from assets.readings.sniff_files import REGULAR_FROM_BYTES, FileRead, SniffReport, read_file, refused
from assets.readings.streams import streams
from assets.stores.lake.lake import BatchInfo, BlockPlan, Decided, Lake, Stamp, planned
from assets.stores.lake.lake_ledger import expect_own
from assets.stores.lake.merges import batches_of_source
from assets.stores.lake.restore_batch import restore_batch
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.text import file_name
from data_quality.contracts.time import Clock

_INCOMPLETE = "incomplete_quarter"
# In a batch's mapping: who vouched for the size of its readings.
ACCEPTED = "accepted_scale"


class IngestReport(SniffReport):
    """Keys of cli.md `ingest`. partitions: "SITE|YYYY-MM", the local months that the file changed. restored: files of
    the lake that were missing or altered, and are as they were again.
    """

    batch_id: str | None = None
    new_rows: int = 0
    unchanged_rows: int = 0
    corrected_rows: int = 0
    partitions: tuple[str, ...] = ()
    is_repeat: bool = False
    restored: tuple[str, ...] = ()


class AcceptedScale(Model):
    """A person's word that the readings of a file have their right size, whatever was known. Who: empty where nobody
    was named; when: the batch says.
    """

    person_id: str = ""


@dataclass(frozen=True)
class _Given:
    """Input of an ingestion, and where it writes."""

    path: Path
    site: Site
    lake: Lake
    quarantine: QuarantineStore
    clock: Clock
    run_id: str | None
    dry_run: bool
    accepted: AcceptedScale | None
    tz: str | None = None

    def refuse(self, fault: BadInput) -> IngestReport:
        """The report of a file that is refused whole; it is kept in quarantine."""
        if not self.dry_run:
            self.quarantine.keep_file(self.path, fault, site_id=self.site.site_id, clock=self.clock)
        return IngestReport(**refused(self.path, fault).model_dump())

    def keep_rejects(self, rejects: pl.DataFrame, reasons: dict[str, int]) -> None:
        """Rejected rows into quarantine. Before the lake: a stop in between must not lose the rejects of a file that
        then counts as known.
        """
        if rejects.height and not self.dry_run:
            rows = bad_rows(rejects, file_name(self.path))
            self.quarantine.keep_rows(self.path, rows, counts=reasons, site_id=self.site.site_id, clock=self.clock)

    def interpretation(self, maps: Sequence[ColumnMap]) -> dict[str, object]:
        """Interpretation of a file other than its bytes: the column map and the site's streams and zone."""
        gas = [
            (meter.meter_id, [each.model_dump(mode="json") for each in meter.gas_factors]) for meter in self.site.meters
        ]
        points = [source.model_dump(mode="json") for source in self.site.sources]
        rules = [[each for each in gas if each[1]], *counting_rules(self.site), *points]
        text = json.dumps([streams(self.site).rows(), self.site.time_zone, *rules])
        dumped = [each.model_dump(mode="json") for each in maps]
        return {
            "column_map": dumped[0] if len(dumped) == 1 else dumped or None,
            "streams_sha256": hashlib.sha256(text.encode()).hexdigest(),
            **({"tz": self.tz} if self.tz is not None else {}),
        }

    def known_batch(self, report: SniffReport, reader: Reader, maps: Sequence[ColumnMap]) -> str | None:
        """The batch that brought this file for this site, read by the same reader in the same way; none while rows of
        it wait for the word that is given now.
        """
        if self.accepted is not None and self.waiting(report):
            return None
        wanted = (reader.name, reader.version, self.interpretation(maps))
        for batch in self.batches(report):
            mapping = {name: value for name, value in (batch["mapping"] or {}).items() if name != ACCEPTED}
            if (batch["reader"], batch["reader_version"], mapping) == wanted:
                return str(batch["batch_id"])
        return None

    def batches(self, report: SniffReport) -> list[dict[str, Any]]:
        """Batches that brought this very file, the newest first."""
        return batches_of_source(self.lake.store, site_id=self.site.site_id, source_sha256=report.sha256)

    def waiting(self, report: SniffReport) -> list[str]:
        """Open quarantine items of the file that a word on its scale takes."""
        items = self.quarantine.items(self.site.site_id, source_sha256=report.sha256, is_open=True)
        return [item["item_id"] for item in items if item["reason"] in OF_SCALE]

    def batch(self, report: SniffReport, reader: Reader, maps: Sequence[ColumnMap], *, is_synthetic: bool) -> BatchInfo:
        """The batch that the file becomes."""
        accepted = {} if self.accepted is None else {ACCEPTED: self.accepted.model_dump()}
        return BatchInfo(
            site_id=self.site.site_id,
            source_name=file_name(self.path),
            source_sha256=report.sha256,
            reader=reader.name,
            reader_version=reader.version,
            accepted_rows=report.accepted_rows,
            rejected_rows=report.rejected_rows,
            is_synthetic=is_synthetic,
            mapping=self.interpretation(maps) | accepted,
            run_id=self.run_id,
        )


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
    accepted: AcceptedScale | None = None,
    tz: str | None = None,
    regular_from_bytes: int = REGULAR_FROM_BYTES,
) -> IngestReport:
    """Bring one file into the lake. Row counts of the lake are quarter hours, accepted_rows are rows of the file.

    A file that cannot be used is kept in quarantine and reported with the verdict `reject`; nothing is raised.
    The same file read the same way again changes nothing. With dry_run nothing is written anywhere. A regular table
    of `regular_from_bytes` or more is read in blocks, in bounded memory, with the same result. accepted: what is held
    for its size alone is taken. tz: zone of times without offset where no column map names one. Raises Unreachable
    where the lake is not the store's: then nothing was looked at.
    """
    if not dry_run:
        expect_own(lake.store, lake.kept)
    given = _Given(path, site, lake, quarantine, clock, run_id, dry_run, accepted, tz)
    with in_blocks(
        path, site=site, mapping=mapping, now_utc=clock.now_utc(), tz=tz, from_bytes=regular_from_bytes
    ) as file:
        if file is not None:
            known = given.known_batch(file.report, file.shape.reader, file.shape.maps)
            if known is not None:
                restored = _restored_regular(file, given, known)
                return IngestReport(**_fields(file.report), batch_id=known, is_repeat=True, restored=restored)
            if accepted is not None or not is_suspected(file, site=site, lake=lake):
                return _settled(_store_regular(file, given), given)
    return _settled(_ingest_whole(given, mapping), given)


def _settled(report: IngestReport, given: _Given) -> IngestReport:
    """The report; what the file had waiting for a word on its scale is resolved by the batch that brought it."""
    if given.accepted is not None and report.batch_id is not None and not report.is_repeat:
        given.quarantine.resolve(given.waiting(report), batch_id=report.batch_id, clock=given.clock)
    return report


def _read(given: _Given, mapping: ColumnMap | None) -> FileRead:
    """The file's rows. Raises BadInput.

    Rows that a reader suspects by their size alone may correct a meter: then the file stops as a whole, and says it.
    """

    def read(*, is_scale_vouched: bool) -> FileRead:
        now_utc = given.clock.now_utc()
        return read_file(
            given.path,
            mapping=mapping,
            site=given.site,
            tz=given.tz,
            now_utc=now_utc,
            is_scale_vouched=is_scale_vouched,
        )

    is_accepted, doubt = given.accepted is not None, None
    try:
        found = read(is_scale_vouched=is_accepted)
        if is_accepted or SUSPECTED not in found.report.reasons:
            return found
    except BadInput as fault:
        if is_accepted or fault.reason != SUSPECTED:
            raise
        doubt = fault
    # Read as if somebody vouched for it: only so can be seen whether the doubted rows would correct a meter.
    vouched = read(is_scale_vouched=True)
    # A word once given holds for the very same file.
    if any(ACCEPTED in (batch["mapping"] or {}) for batch in given.batches(vouched.report)):
        return vouched
    refuse_slip(vouched, site=given.site, lake=given.lake)
    if doubt is not None:
        raise doubt
    return found


def _ingest_whole(given: _Given, mapping: ColumnMap | None) -> IngestReport:
    try:
        read = _read(given, mapping)
        known = given.known_batch(read.report, read.reader, read.maps)
        if known is not None:
            restored = _restored(read, given, known)
            return IngestReport(**_fields(read.report), batch_id=known, is_repeat=True, restored=restored)
        # Registers first: what is held back is judged by amounts, and states only become some here.
        read = join_registers(read, site=given.site, lake=given.lake, clock=given.clock, dry_run=given.dry_run)
        read = hold_back(read, site=given.site, lake=given.lake, accept_scale=given.accepted is not None)
    except BadInput as fault:
        return given.refuse(fault)
    given.keep_rejects(read.rejects, read.report.reasons)
    site, lake, canonical = given.site, given.lake, canonical_rows(read, given.site)
    # From here on the canonical rows stand for them: a long table is not held twice.
    read = replace(read, rows=read.rows.clear())
    decided = Decided(changes=canonical.clear().with_columns(is_correction=pl.lit(value=False)), unchanged_rows=0)

    def decide() -> Decided:
        nonlocal decided
        changes, unchanged = classify(canonical, current_rows(lake, site, canonical))
        decided = Decided(changes=changes, unchanged_rows=unchanged)
        return decided

    batch_id = None
    if given.dry_run:
        decide()
    else:
        info = given.batch(read.report, read.reader, read.maps, is_synthetic=read.is_synthetic)
        batch_id = lake.write_decided(info, decide, clock=given.clock).batch_id
        resolve_completed(
            given.path, read, site_id=site.site_id, quarantine=given.quarantine, batch_id=batch_id, clock=given.clock
        )
    report = name_closed(read.report, decided.changes, site=site, store=lake.store)
    return IngestReport(**_fields(report), **_counts(site, decided), batch_id=batch_id)


def _restored(read: FileRead, given: _Given, batch_id: str) -> tuple[str, ...]:
    """Files of the batch that this file brought, written again where they are not as they were."""
    if given.dry_run:
        return ()
    # What the batch changed depends on what was known then, not on what came after it.
    lake = given.lake.before(batch_id)
    is_accepted = any(
        ACCEPTED in (batch["mapping"] or {}) for batch in given.batches(read.report) if batch["batch_id"] == batch_id
    )

    def plan(stamp: Stamp) -> BlockPlan:
        again = join_registers(read, site=given.site, lake=lake, clock=given.clock, dry_run=True)
        canonical = canonical_rows(hold_back(again, site=given.site, lake=lake, accept_scale=is_accepted), given.site)
        changes, unchanged = classify(canonical, current_rows(lake, given.site, canonical))
        return planned(Decided(changes=changes, unchanged_rows=unchanged), stamp)

    return restore_batch(given.lake, batch_id, plan)


def _restored_regular(file: RegularFile, given: _Given, batch_id: str) -> tuple[str, ...]:
    if given.dry_run:
        return ()
    lake = given.lake.before(batch_id)
    return restore_batch(
        given.lake, batch_id, lambda stamp: plan_of(file, site=given.site, lake=lake, stamp=stamp, touched=[])
    )


def _store_regular(file: RegularFile, given: _Given) -> IngestReport:
    given.keep_rejects(file.rejects, file.report.reasons)
    touched: list[pl.DataFrame] = []

    def plan(stamp: Stamp) -> BlockPlan:
        return plan_of(file, site=given.site, lake=given.lake, stamp=stamp, touched=touched)

    batch_id = None
    if given.dry_run:
        planned = plan(Stamp("", given.clock.now_utc()))
        # The counts are made while blocks are; nothing keeps the blocks.
        for _ in planned.blocks:
            pass
        counts = planned.counts
    else:
        info = given.batch(file.report, file.shape.reader, file.shape.maps, is_synthetic=False)
        result = given.lake.write_blocks(info, plan, clock=given.clock)
        counts = {name: getattr(result, name) for name in ("new_rows", "corrected_rows", "unchanged_rows")}
        batch_id = result.batch_id
    report = file.report
    if closed_periods(given.lake.store, given.site):
        report = name_closed(report, times_of(touched, per_row=True), site=given.site, store=given.lake.store)
    months = tuple(affected_months(given.site, times_of(touched)))
    return IngestReport(**_fields(report), **counts, partitions=months, batch_id=batch_id)


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


def resolve_completed(
    path: Path, read: FileRead, *, site_id: str, quarantine: QuarantineStore, batch_id: str, clock: Clock
) -> int:
    """Resolve items of earlier files of the same quarter hour whose points this one refuses no more. How many.

    A later file of live samples holds all that the earlier ones of its source and quarter hour held, and more.
    """
    if read.reader.name != Samples.name:
        return 0
    name = file_name(path)
    stem = ".".join(name.split(".")[:2]) + "."
    waiting = [
        item
        for item in quarantine.items(site_id, is_open=True, reason=_INCOMPLETE)
        if item["source_name"].startswith(stem) and item["source_name"] != name and item["kept_path"]
    ]
    if not waiting:
        return 0
    points = points_by_line(path)
    lines = read.rejects.filter(read.rejects["reason"] == _INCOMPLETE)["source_line"]
    still = {points[line] for line in lines if line in points}
    done = []
    for item in waiting:
        try:
            before = points_by_line(quarantine.root / item["kept_path"])
        except (BadInput, OSError):
            # A copy that is gone or spoilt proves nothing: the item stays for a person.
            continue
        # A file that was refused whole, and a count of rows, stand for all of its points.
        mine = {before[item["line"]]} if item["kind"] == "row" and item["line"] in before else set(before.values())
        if mine <= set(points.values()) and not mine & still:
            done.append(item["item_id"])
    return quarantine.resolve(done, batch_id=batch_id, clock=clock)
