"""A refused file read again, after the site file or a column map was mended: what changed, and what is resolved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assets.readings.ingest.ingest_file import AcceptedScale, IngestReport, ingest_file
from assets.readings.parsed import MAX_BAD_ROWS
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore, reason_totals
from data_quality.contracts.errors import BadInput, BadRow
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.time import Clock


class RetryReport(Model):
    """before, after: refused rows of the file per reason, before and after it was read again (a file refused whole
    counts as one); resolved: items that are closed now.
    """

    file: IngestReport
    before: dict[str, int]
    after: dict[str, int]
    resolved: int


def retry_item(
    item: dict[str, Any],
    *,
    site: Site,
    lake: Lake,
    quarantine: QuarantineStore,
    clock: Clock,
    mapping: ColumnMap | None = None,
    accepted: AcceptedScale | None = None,
) -> RetryReport:
    """Bring in the kept file of a quarantine item; items of this file that are no longer refused are noted as resolved.

    The whole file is read, as at first: a row cannot be judged without its neighbours. Raises BadInput where no copy
    was kept (a directory, a missing file).
    """
    path = quarantine.root / item["kept_path"]
    if not item["kept_path"] or not path.is_file():
        raise BadInput(f"no copy of {item['source_name']!r} was kept; ingest it again", reason="no_such_file")
    return ingest_quarantined(
        path, item["source_sha256"], site=site, lake=lake, quarantine=quarantine, clock=clock, mapping=mapping,
        accepted=accepted,
    )  # fmt: skip


def ingest_quarantined(
    path: Path,
    sha256: str,
    *,
    site: Site,
    lake: Lake,
    quarantine: QuarantineStore,
    clock: Clock,
    mapping: ColumnMap | None = None,
    tz: str | None = None,
    accepted: AcceptedScale | None = None,
) -> RetryReport:
    """As ingest_file, of a file with items in quarantine: those that are no longer refused are noted as resolved."""
    of_file: dict[str, Any] = {"source_sha256": sha256, "is_open": True}
    before = quarantine.items(site.site_id, **of_file)
    watching = _Watching(quarantine)
    report = ingest_file(
        path, site=site, lake=lake, quarantine=watching, clock=clock, mapping=mapping, tz=tz, accepted=accepted
    )
    # A file that is known already was not judged anew: what it had refused still stands.
    if not report.is_repeat:
        gone = [each["item_id"] for each in before if watching.no_longer_refuses(each, report)]
        if gone:
            quarantine.resolve(gone, batch_id=report.batch_id or "", clock=clock)
    after = quarantine.items(site.site_id, **of_file)
    # Some may be resolved by the ingestion itself: a word on the scale was given.
    still_open = {each["item_id"] for each in after}
    resolved = sum(each["item_id"] not in still_open for each in before)
    return RetryReport(file=report, before=reason_totals(before), after=reason_totals(after), resolved=resolved)


class _Watching(QuarantineStore):
    """The same quarantine, which remembers what one file had refused this time."""

    restates = True

    def __init__(self, quarantine: QuarantineStore) -> None:
        super().__init__(quarantine.root, quarantine.store)
        self._kept: set[str] = set()
        self._last_line = 0

    def keep_file(self, path: Path, fault: BadInput, *, site_id: str, clock: Clock) -> str:
        """As the store's."""
        item_id = super().keep_file(path, fault, site_id=site_id, clock=clock)
        self._kept.add(item_id)
        return item_id

    def keep_rows(
        self, path: Path, rows: Sequence[BadRow], *, counts: dict[str, int], site_id: str, clock: Clock
    ) -> list[str]:
        """As the store's."""
        ids = super().keep_rows(path, rows, counts=counts, site_id=site_id, clock=clock)
        self._kept.update(ids)
        self._last_line = max((row.line for row in rows), default=0)
        return ids

    def no_longer_refuses(self, item: dict[str, Any], report: IngestReport) -> bool:
        """True for what was refused and is not any more, and for a count of rows that another one has replaced.

        Nothing is said of single rows beyond those that are kept singly now.
        """
        if item["item_id"] in self._kept:
            return False
        if report.verdict == "reject":
            # Another fault stopped the reader before it came to the rows.
            return bool(item["kind"] == "file")
        is_seen = report.rejected_rows <= MAX_BAD_ROWS or item["line"] <= self._last_line
        return item["kind"] == "file" or is_seen
