"""A small lake beside a naive one: files, corrections, kills and restarts in any order must leave both equal."""

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from assets.readings.ingest.ingest_file import AcceptedScale, IngestReport, ingest_file
from assets.stores.lake import lake as lake_module
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.schema import tables_readings
from assets.stores.transactions import Store, connect_store, open_store
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.time import FixedClock
from tests.readings.rooms import plant

SITE = plant(meters=(Meter(meter_id="main"), Meter(meter_id="press", parent="main")), drivers=())
# Four hours around midnight: two UTC days, so that a file touches one partition or two.
FIRST = datetime(2025, 1, 1, 22, tzinfo=UTC)
HOURS = 4
QUANTA_PER_MILLI = 10**6
MAPS = {minutes: ColumnMap(meter="meter", value="kwh", unit="kwh", interval_minutes=minutes) for minutes in (15, 60)}
POINTS = st.one_of(st.none(), st.integers(0, 9))
# Time passes, stands still, or somebody sets the clock back.
WAITS = st.sampled_from([1, 0, 86400, -3600])
# A process that dies loses no page of the file system: memory is as good as a disk here, and quicker.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
View = dict[tuple[str, datetime], tuple[int, int]]


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Fuse:
    """Ends the process at the n-th write point; None: never."""

    left: int | None = None
    is_blown: bool = False

    def tick(self) -> None:
        """One write point."""
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left, self.is_blown = None, True
            raise Killed


@dataclass(frozen=True)
class Line:
    """One row of a file: thousandths of a kWh from slot * minutes on."""

    meter: str
    slot: int
    milli: int


@dataclass(frozen=True)
class MeterFile:
    """Rows of one interval length."""

    minutes: int
    lines: tuple[Line, ...]

    def text(self) -> str:
        """The file as it lands."""
        rows = (f"{e.meter},{self.start(e):%Y-%m-%dT%H:%MZ},{e.milli / 1000}\n" for e in self.lines)
        return "meter,timestamp,kwh\n" + "".join(rows)

    def start(self, line: Line) -> datetime:
        """Start of a row's interval."""
        return FIRST + timedelta(minutes=self.minutes * line.slot)

    def accepted(self) -> dict[tuple[str, datetime], int]:
        """Value of every interval that has one value, and no negative one."""
        reported: dict[tuple[str, datetime], set[int]] = {}
        for line in self.lines:
            reported.setdefault((line.meter, self.start(line)), set()).add(line.milli)
        return {key: values.pop() for key, values in reported.items() if len(values) == 1 and min(values) >= 0}

    def applied_to(self, view: View) -> View:
        """The view when this file is the latest word."""
        after = dict(view)
        parts = self.minutes // 15
        for (meter, start), milli in self.accepted().items():
            quanta = milli * QUANTA_PER_MILLI
            for part in range(parts):
                share = quanta // parts + (1 if part < quanta % parts else 0)
                after[meter, start + timedelta(minutes=15 * part)] = (share, self.minutes)
        return after


def meter_files() -> st.SearchStrategy[MeterFile]:
    """Files of one to five rows; few values, so that corrections, repeats and conflicts are common."""

    def of(minutes: int) -> st.SearchStrategy[MeterFile]:
        line = st.builds(
            Line,
            meter=st.sampled_from(["main", "press"]),
            slot=st.integers(0, HOURS * 60 // minutes - 1),
            milli=st.sampled_from([0, 1, 1000, 1001, 2500, -1000]),
        )
        return st.builds(MeterFile, minutes=st.just(minutes), lines=st.lists(line, min_size=1, max_size=5).map(tuple))

    return st.sampled_from([15, 60]).flatmap(of)


@cache
def empty_store() -> bytes:
    """A store with its tables, made once: migrations cost more than a whole sequence."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        open_store(f"sqlite:///{path}").close()
        return path.read_bytes()


@dataclass
class Counts:
    """Counts of a run."""

    done: Counter[str] = field(default_factory=Counter)


class LakeMachine(RuleBasedStateMachine):
    """Files land, land again, processes die and start again; nothing else."""

    counts: ClassVar[Counts] = Counts()

    @initialize()
    def begin(self) -> None:
        """An empty lake and an empty view."""
        self.folder = Path(tempfile.mkdtemp(prefix="machine", dir=MEMORY))
        (self.folder / "store.db").write_bytes(empty_store())
        self.clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.fuse = Fuse()
        self.view: View = {}
        self.files: list[MeterFile] = []
        self.committed: set[tuple[str, int]] = set()
        self.views: dict[datetime, tuple[View, str]] = {}
        self.store = self.open()
        self.counts.done["sequences"] += 1

    def open(self) -> Store:
        """A process that starts."""
        store = connect_store(f"sqlite:///{self.folder / 'store.db'}")
        sa.event.listen(store.engine, "before_cursor_execute", self.before_statement)
        sa.event.listen(store.engine, "commit", lambda _connection: self.fuse.tick())
        return store

    def before_statement(self, *given: Any) -> None:
        """Every statement that writes is a write point."""
        if str(given[2]).startswith(("INSERT", "UPDATE")):
            self.fuse.tick()

    @property
    def lake(self) -> Lake:
        """The lake as this process sees it."""
        return Lake(self.folder / "lake", self.store)

    @rule(file=meter_files(), point=POINTS, seconds=WAITS)
    def land(self, file: MeterFile, point: int | None, seconds: int) -> None:
        """A new file or a correction, after a while, perhaps by a process that dies at some write point."""
        self.clock.advance(timedelta(seconds=seconds))
        self.files.append(file)
        if point is None:
            self.ingest(file)
        else:
            self.die(file, point)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), restarts=st.booleans())
    def land_again(self, data: st.DataObject, restarts: bool) -> None:
        """A file that was handed over before, perhaps to a new process."""
        if restarts:
            self.restart()
        self.ingest(data.draw(st.sampled_from(self.files)))
        self.counts.done["repeats"] += 1

    def die(self, file: MeterFile, point: int) -> None:
        """The process ends at that write point; nothing or all of the file may be there."""
        self.fuse.left, self.fuse.is_blown = point, False
        try:
            self.ingest(file)
        except Killed:
            self.counts.done["kills"] += 1
            self.restart()
            self.adopt(file)
        finally:
            self.fuse.left, self.fuse.is_blown = None, False

    def restart(self) -> None:
        """The process ends between two files, another one starts."""
        self.store.close()
        self.store = self.open()
        self.counts.done["restarts"] += 1

    def ingest(self, file: MeterFile) -> None:
        """Hand a file over, and expect what the naive lake says."""
        report = self.hand_over(file)
        self.counts.done["files"] += 1
        if not file.accepted():
            assert (report.verdict, report.batch_id) == ("reject", None)
            return
        is_known = self.key(file) in self.committed
        assert report.is_repeat == is_known
        if not is_known:
            self.commit(file)

    def hand_over(self, file: MeterFile) -> IngestReport:
        """Through the public door, with the write points of files under the fuse."""
        path = self.folder / "meters.csv"
        path.write_text(file.text())
        with self.watched():
            return ingest_file(
                path,
                site=SITE,
                lake=self.lake,
                quarantine=QuarantineStore(self.folder / "quarantine", self.store),
                clock=self.clock,
                mapping=MAPS[file.minutes],
                # Its corrections are of any size; what is held is told by test_rescaled.py.
                accepted=AcceptedScale(),
            )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Writing a Parquet file is a write point before and after."""
        write, discard = lake_module.write_block, Lake._discard

        def guarded(*given: Any) -> None:
            self.fuse.tick()
            write(*given)
            self.fuse.tick()

        def left_behind(lake: Lake, written: Any) -> None:
            # A process that has died takes nothing back.
            if not self.fuse.is_blown:
                discard(lake, written)

        with patch.object(lake_module, "write_block", guarded), patch.object(Lake, "_discard", left_behind):
            yield

    def key(self, file: MeterFile) -> tuple[str, int]:
        """Identity of a file: its bytes and how they are read."""
        return hashlib.sha256(file.text().encode()).hexdigest(), file.minutes

    def commit(self, file: MeterFile) -> None:
        """The file is the latest word; remember what was known at its recorded time."""
        self.committed.add(self.key(file))
        self.view = file.applied_to(self.view)
        newest = self.store.rows(sa.select(sa.func.max(tables_readings.batches.c.recorded_at_utc).label("at")))[0]["at"]
        moment = newest if isinstance(newest, datetime) else datetime.fromisoformat(newest)
        assert moment not in self.views
        self.views[moment] = (self.view, self.digest(moment))

    def adopt(self, file: MeterFile) -> None:
        """After a kill: the batch is there with all its rows, or nothing of it is."""
        query = sa.select(sa.func.count().label("n")).select_from(tables_readings.batches)
        batches = self.store.rows(query)[0]["n"]
        assert batches in {len(self.views), len(self.views) + 1}
        if batches > len(self.views):
            self.commit(file)
        assert self.current() == self.view

    def current(self, as_of_utc: datetime | None = None) -> View:
        """Current rows of the lake."""
        rows = self.lake.current(SITE.site_id, as_of_utc=as_of_utc)
        columns = rows.select("meter_id", "interval_start_utc", "value", "source_minutes").iter_rows()
        return {(meter, start): (round(value * 10**9), minutes) for meter, start, value, minutes in columns}

    def digest(self, as_of_utc: datetime) -> str:
        """Digest of the whole span as known then."""
        end = FIRST + timedelta(hours=HOURS)
        return self.lake.digest(SITE.site_id, start_utc=FIRST, end_utc=end, as_of_utc=as_of_utc)

    def teardown(self) -> None:
        """At the end: now, and every earlier moment, are as the naive lake says."""
        if not hasattr(self, "store"):
            return
        try:
            assert self.current() == self.view
            for moment, (view, digest) in self.views.items():
                assert self.current(moment) == view
                assert self.digest(moment) == digest
                self.counts.done["views"] += 1
        finally:
            self.store.close()
            shutil.rmtree(self.folder, ignore_errors=True)
