"""Figures computed on request: kept under their ids for a while, so that each can be traced.

A SQLite file of its own next to the project's data. Nobody cites it: who wants to cite a number keeps it as a report's
are kept. An id is of what it says, so the same number requested again has the same id, and what is lost is recomputed.
"""

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from assets.stores.read_only import ReadOnlyFile
from assets.stores.transactions import cannot_be_written
from data_quality.contracts.reporting.figure import Figure

FOLDER, FILE = "asked", "figures.db"
# And to the end of that day (UTC), so that who asks again and again writes once a day.
KEPT_FOR = timedelta(days=30)
# Of one answer; a longer list has the addresses of its numbers alone.
MOST_AT_ONCE = 20_000
# About a kilobyte each, an answer of a command some tens of bytes a number. Beyond one of the two those go first that
# were asked for longest ago.
MOST_KEPT, MOST_BYTES = 500_000, 1_000_000_000
BUSY_S = 5.0
_DAY_S = 86_400
# The index is for what is over, and to count without reading every figure.
_SCHEMA = (
    "create table if not exists figures (figure_id text primary key, until_s real, figure text)",
    "create index if not exists figures_by_end on figures (until_s)",
)
_HELD = "select figure_id from figures where until_s >= ? and figure_id in (select value from json_each(?))"
_PUT = "insert into figures values (?, ?, ?) on conflict do update set until_s = max(until_s, excluded.until_s)"
_OVER = "delete from figures where until_s < ?"
_COUNT = "select count(*) from figures"
_USED = (
    "select (page_count - freelist_count) * page_size"
    " from pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
)
_EXCESS = "delete from figures where figure_id in (select figure_id from figures order by until_s limit ?)"

Figures = Sequence[Figure]


def renamed(figures: Sequence[Figure]) -> dict[str, Figure]:
    """Figures under ids of what they say and rest on, by the ids that they had; inputs before what is made of them.

    Instants are in no id: what the same readings say is the same number.
    """
    found: dict[str, Figure] = {}
    for each in figures:
        inputs = tuple(
            given.model_copy(update={"id": found[given.id].figure_id}) if given.id in found else given
            for given in each.trace.inputs
        )
        facts = [each.figure_id, str(each.value), each.status, *each.findings, each.trace.code_sha256]
        facts += [f"{given.id}={given.sha256 or given.value}" for given in inputs]
        figure_id = hashlib.sha256("\x1f".join(facts).encode()).hexdigest()[:16]
        trace = each.trace.model_copy(update={"inputs": inputs})
        found[each.figure_id] = each.model_copy(update={"figure_id": figure_id, "trace": trace})
    return found


class Ids(NamedTuple):
    """Figures under the ids that they are kept by, by those that they had. until_utc: None where nothing was kept."""

    figures: dict[str, Figure]
    until_utc: datetime | None

    def of(self, figure: Figure) -> str:
        """The id that `trace` takes; empty where the figure is not kept."""
        return self.figures[figure.figure_id].figure_id if self.until_utc is not None else ""


class RequestedFigures:
    """The requested figures of a project. data_dir: its folder of data."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FOLDER / FILE

    def keep(self, figures: Mapping[str, Figure] | Sequence[Figure], *, now_utc: datetime) -> datetime | None:
        """Keep figures (as `renamed` gives them) and say until when; None where they are too many, or none can be."""
        every = list(figures.values()) if isinstance(figures, Mapping) else list(figures)
        if len(every) > MOST_AT_ONCE:
            return None
        until_s = math.ceil((now_utc + KEPT_FOR).timestamp() / _DAY_S) * _DAY_S
        try:
            try:
                self._put(every, until_s, now_utc.timestamp())
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                # No database, or a broken one: nobody cites what was in it, and without a new one no number had an id.
                self._file.unlink()
                self._put(every, until_s, now_utc.timestamp())
        except (sqlite3.Error, OSError):
            # Of a project that cannot be written numbers are shown all the same, without an id.
            return None
        return datetime.fromtimestamp(until_s, UTC)

    def _put(self, figures: Sequence[Figure], until_s: float, now_s: float) -> None:
        with self._open(is_writing=True) as db:
            held = {name for (name,) in db.execute(_HELD, (until_s, json.dumps([each.figure_id for each in figures])))}
            rows = [(one.figure_id, until_s, one.model_dump_json()) for one in figures if one.figure_id not in held]
            if not rows:
                return
            db.executemany(_PUT, rows)
            # What is over goes whenever something comes.
            db.execute(_OVER, (now_s,))
            many, used = (int(db.execute(sql).fetchone()[0]) for sql in (_COUNT, _USED))
            # Of what takes too much room a tenth goes, so that not every answer waits for it.
            if excess := max(many - MOST_KEPT, min(many - 1, max(many // 10, 1)) if used > MOST_BYTES else 0):
                db.execute(_EXCESS, (excess,))

    def figure(self, figure_id: str, *, now_utc: datetime) -> Figure | None:
        """The figure of that id, or None for one that was never requested, or too long ago."""
        if not self._file.is_file():
            return None
        try:
            with self._open(is_writing=False) as db:
                row = db.execute(
                    "select figure from figures where figure_id = ? and until_s >= ?", (figure_id, now_utc.timestamp())
                ).fetchone()
                try:
                    return None if row is None else Figure.model_validate_json(row[0])
                except ValidationError:
                    # One of another release goes, so that a new request for the number stores it again.
                    db.execute("delete from figures where figure_id = ?", (figure_id,))
                    return None
        except (sqlite3.Error, OSError):
            return None

    @contextmanager
    def _open(self, *, is_writing: bool) -> Iterator[sqlite3.Connection]:
        if is_writing:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        elif cannot_be_written(self._file):
            with closing(ReadOnlyFile(self._file)) as held, closing(held.connect()) as db:
                yield db
            return
        with closing(sqlite3.connect(self._file, timeout=BUSY_S)) as db:
            if is_writing:
                db.execute("pragma journal_mode = wal")
                for each in _SCHEMA:
                    db.execute(each)
            with db:
                yield db
