"""A body of pushed readings: judged as ingestion will judge it, kept as a file of the landing folder, or not at all.

It is named by its content: sent again after any interruption it is the same file, and the lake takes it once.
"""

import fcntl
import hashlib
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import polars as pl

from assets.readings.parsed import bad_rows
from assets.readings.sniff_files import FileRead, read_file
from assets.stores.live.live_store import LiveStore
from assets.stores.whole_file import whole_file
from controls.collector.live_board import Board
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.model import Model
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from data_quality.contracts.units import unit_of

UNFINISHED = ".push-"
_FIELDS = ("meter_id", "register", "at_utc", "value", "unit", "source_line")
# So many refused rows are named in an answer; all are counted.
MOST_NAMED = 1000
# A driver's register has a name of its own in the lake, and none in the site file.
_OF_DRIVER = "value"
logger = logging.getLogger("meterloom.push")


class NewestRow(Model):
    """The newest good row of a stream's register in a body. at_utc: of an amount the end of its interval."""

    meter_id: str
    register_id: str
    at_utc: datetime
    value: float
    unit: str
    quality_code: int = int(QualityCode.RAW)


class PushedBoard:
    """The boards of the sites that are pushed to; from any thread. The store is shared with the collector."""

    def __init__(self, folder: Path) -> None:
        self._store = LiveStore(folder)
        self._boards: dict[str, tuple[Site, Board]] = {}
        self._lock = threading.Lock()

    def show(self, site: Site, rows: Iterable[NewestRow], received_utc: datetime) -> None:
        """Put them on the site's board. A store that cannot be written now is no reason to refuse what is kept."""
        drivers = {driver.driver_id for driver in site.drivers}
        points = {
            (point.stream, _OF_DRIVER if point.stream in drivers else point.register_id): (source.source_id, point)
            for source in site.sources
            if source.kind == "push"
            for point in source.points
            if point.what != "live"
        }
        with self._lock:
            known, board = self._boards.get(site.site_id, (None, Board(site)))
            # A changed site file begins anew: a point of the board may exist no more.
            board = board if known == site else Board(site)
            self._boards[site.site_id] = (site, board)
            for row in rows:
                if (found := points.get((row.meter_id, row.register_id))) is not None:
                    source_id, point = found
                    stated, own = unit_of(row.unit), unit_of(point.unit)
                    value = (row.value * stated.factor + stated.offset - own.offset) / own.factor
                    quality = "doubtful" if row.quality_code == QualityCode.QUESTIONABLE else "measured"
                    sample = Sample(point.point, row.at_utc, value, point.unit, received_utc, None, quality)
                    board.take(source_id, [sample])
            try:
                self._store.put(board.changed())
            except Unreachable as fault:
                board.mark_all_changed()
                logger.warning("what was pushed is kept, and not on the live board: %s", fault)

    def close(self) -> None:
        """Let the store go."""
        self._store.close()


class RefusedRow(Model):
    """One row that is no reading. row: its place in `readings`, from 1."""

    row: int
    reason: str
    expected: str
    got: str


class StoredBody(Model):
    """Outcome of a body. file_name: in the site's landing folder; empty where no row of it is good.

    accepted, rejected and doubled are rows of the body, and together all of them: a doubled one says what another says.
    newest: what the live board may show of it.
    """

    sha256: str
    file_name: str
    accepted: int
    rejected: int
    doubled: int
    rejects: tuple[RefusedRow, ...]
    newest: tuple[NewestRow, ...] = ()


def store_body(body: bytes, *, site: Site, landing: Path, clock: Clock) -> StoredBody:
    """Judge a body and make it durable: it is on the disk, by name, when this returns.

    Raises BadInput where it cannot be used as a whole, OSError where it cannot be kept.
    """
    folder, digest = landing / site.site_id, hashlib.sha256(body).hexdigest()
    name = f"push-{digest[:32]}.json"
    # Two senders of the same bytes must not write into one file.
    with whole_file(folder / name, unfinished=folder / f"{UNFINISHED}{uuid4().hex}.json") as unfinished:
        unfinished.write_bytes(body)
        try:
            found = read_file(unfinished, site=site, now_utc=clock.now_utc(), may_hold_none=True)
        except BadInput as fault:
            # Of a file that the sender never heard of.
            raise BadInput(fault.message, line=fault.line, reason=fault.reason, mend=fault.mend) from fault
        bad = set(found.rejects["source_line"].to_list())
        good = {*found.rows["source_line"].to_list(), *found.states["source_line"].to_list()} - bad
        if not good:
            unfinished.unlink()
    refused = [
        RefusedRow(row=each.line, reason=each.reason, expected=each.expected, got=each.got)
        for each in bad_rows(found.rejects, name, limit=MOST_NAMED)
    ]
    return StoredBody(
        sha256=digest,
        file_name=name if good else "",
        accepted=len(good),
        rejected=len(bad),
        doubled=found.report.warnings.get("duplicate_rows", 0),
        rejects=tuple(refused),
        newest=_newest(found, bad),
    )


def _newest(found: FileRead, bad: set[int]) -> tuple[NewestRow, ...]:
    """Newest reading of each register: an amount has the time of its interval's end."""
    ends = pl.col("interval_start_utc") + pl.duration(minutes="source_minutes")
    amounts = found.rows.with_columns(at_utc=ends).select(*_FIELDS, "quality_code")
    states = found.states.with_columns(pl.col("value").cast(pl.Float64)).select(*_FIELDS)
    rows = pl.concat([amounts, states], how="diagonal").filter(~pl.col("source_line").is_in(sorted(bad)))
    newest = rows.sort("at_utc").group_by("meter_id", "register", maintain_order=True).last()
    return tuple(
        NewestRow(
            meter_id=row["meter_id"],
            register_id=row["register"],
            at_utc=row["at_utc"],
            value=row["value"],
            unit=row["unit"],
            quality_code=int(QualityCode.RAW) if row["quality_code"] is None else row["quality_code"],
        )
        for row in newest.iter_rows(named=True)
    )


@contextmanager
def cleared_before(landing: Path, lock: Path) -> Iterator[int]:
    """Remove what processes that were killed were writing, and be known as a door of the project until the block ends.

    Gives how many; none while another door runs, whose bodies they may be. lock: a file, of this machine alone.
    """
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock.open("a") as held:
        found: list[Path] = []
        with suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # They were never acknowledged.
            found = list(landing.glob(f"*/{UNFINISHED}*.json"))
            for path in found:
                path.unlink(missing_ok=True)
        fcntl.flock(held, fcntl.LOCK_SH)
        yield len(found)
