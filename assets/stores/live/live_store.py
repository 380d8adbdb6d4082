"""The live store: a SQLite file of its own next to the project's data, written by one collector, read by any number.

It holds nothing that is not received again in a minute, so it waits for no disk, and a broken file is begun anew.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from data_quality.contracts.errors import Unreachable
from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.live.source_state import SourceState

FILE = "live.db"
# A reader that copies the file must not stop the collector for longer.
BUSY_S = 2.0
# The collector writes the state of its sources every second: what is older is of one that has ended.
FRESH = timedelta(seconds=10)
FIELDS = tuple(LiveValue.model_fields)
_INSTANTS = {"at_utc", "received_utc", "minute_utc"}
# site_id, then the fields of LiveValue in their order; instants as seconds since 1970.
Row = tuple[str | float | int, ...]
_SCHEMA = f"""
create table if not exists points (site_id, {", ".join(FIELDS)}, primary key (site_id, source_id, point))
    without rowid;
create table if not exists sources (site_id, source_id, told_s, state, primary key (site_id, source_id)) without rowid;
"""
# Source and point are the first two columns.
_VALUES = f"select {', '.join(FIELDS)} from points where site_id = ? order by source_id, point"  # noqa: S608 - our names
_MARKS = ", ".join("?" * (len(FIELDS) + 1))


class LiveStore:
    """The writing side, for one thread. Raises Unreachable where the file cannot be written now."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._db: sqlite3.Connection | None = None

    def put(self, rows: Iterable[Row]) -> None:
        """Newest values, in place of those before."""
        with self._writing() as db:
            db.executemany(f"insert or replace into points values ({_MARKS})", rows)  # noqa: S608 - our own marks

    def put_states(self, site_id: str, states: Iterable[SourceState], *, now_utc: datetime) -> None:
        """The state of every source of a site, in place of those before."""
        rows = [(site_id, each.source_id, now_utc.timestamp(), each.model_dump_json()) for each in states]
        with self._writing() as db:
            db.execute("delete from sources where site_id = ?", (site_id,))
            db.executemany("insert into sources values (?, ?, ?, ?)", rows)

    def keep_only(self, site_id: str, known: Collection[tuple[str, str]]) -> None:
        """Points (source, point) of a site that its file no longer has, go."""
        with self._writing() as db:
            held = db.execute("select source_id, point from points where site_id = ?", (site_id,)).fetchall()
            gone = [(site_id, *each) for each in held if each not in known]
            db.executemany("delete from points where site_id = ? and source_id = ? and point = ?", gone)

    def close(self) -> None:
        """Let the file go; safe to call twice."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._db = self._db or self._opened()
            with db:
                yield db
        except (sqlite3.Error, OSError) as error:
            self.close()
            # Busy and full pass by themselves; a file that is no database does not.
            if not isinstance(error, sqlite3.OperationalError | OSError):
                for path in self._file.parent.glob(f"{FILE}*"):
                    path.unlink(missing_ok=True)
            raise Unreachable(f"{self._file}: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        db = sqlite3.connect(self._file, timeout=BUSY_S, check_same_thread=False)
        db.execute("pragma journal_mode=wal")
        # No fsync: after a power cut the board is empty for a second, and no evidence is lost.
        db.execute("pragma synchronous=off")
        db.executescript(_SCHEMA)
        return db


class LiveReader:
    """The reading side, for pages and the agent; opens the file for each question, so that it may come and go."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def values(self, site_id: str) -> list[LiveValue]:
        """The newest value of every point of a site; none where no collector has run. Raises Unreachable."""
        return [_value(row) for row in self._select(_VALUES, site_id)]

    def changed(self, site_id: str, seen: dict[tuple[str, str], tuple[Any, ...]]) -> list[LiveValue]:
        """The values that differ from those in `seen` (source and point -> row), which is brought up to date.

        Whoever asks four times a second reads what moved alone. Raises Unreachable.
        """
        fresh = []
        for row in self._select(_VALUES, site_id):
            key = (row[0], row[1])
            if seen.get(key) != row:
                seen[key] = row
                fresh.append(row)
        return [_value(row) for row in fresh]

    def states(self, site_id: str) -> list[tuple[datetime, SourceState]]:
        """Every source of a site, and when the collector last wrote its state. Raises Unreachable."""
        query = "select told_s, state from sources where site_id = ? order by source_id"
        return [
            (datetime.fromtimestamp(written_s, UTC), SourceState.model_validate_json(state))
            for written_s, state in self._select(query, site_id)
        ]

    def _select(self, question: str, site_id: str) -> list[tuple[Any, ...]]:
        if not self._file.exists():
            return []
        try:
            with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True, timeout=BUSY_S)) as db:
                return db.execute(question, (site_id,)).fetchall()
        except sqlite3.Error as error:
            raise Unreachable(f"{self._file}: {error}") from error


def _value(row: tuple[Any, ...]) -> LiveValue:
    named = dict(zip(FIELDS, row, strict=True))
    return LiveValue(
        **{name: datetime.fromtimestamp(each, UTC) if name in _INSTANTS else each for name, each in named.items()}
    )
