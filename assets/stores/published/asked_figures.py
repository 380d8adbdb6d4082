"""Figures that were made because somebody asked: kept under their ids for a while, so that each can be traced.

A SQLite file of its own beside the project's data. Nobody cites it: who wants to cite a number keeps it as a report's
are kept. An id is of what it says, so the same number asked for again has the same id, and what is lost is made again.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from data_quality.contracts.reporting.figure import Figure

FOLDER, FILE = "asked", "figures.db"
KEPT_FOR = timedelta(days=30)
# Of one answer; a longer list has the addresses of its numbers alone.
MOST_AT_ONCE = 5_000
MOST_KEPT = 500_000
BUSY_S = 5.0
_SCHEMA = "create table if not exists figures (figure_id text primary key, until_s real, figure text) without rowid"
_PUT = "insert into figures values (?, ?, ?) on conflict do update set until_s = max(until_s, excluded.until_s)"
_OVER = "delete from figures where until_s < ?"
_EXCESS = "delete from figures where figure_id in (select figure_id from figures order by until_s limit ?)"


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
        said = [each.figure_id, str(each.value), each.status, *each.findings, each.trace.code_sha256]
        said += [f"{given.id}={given.sha256 or given.value}" for given in inputs]
        figure_id = hashlib.sha256("\x1f".join(said).encode()).hexdigest()[:16]
        trace = each.trace.model_copy(update={"inputs": inputs})
        found[each.figure_id] = each.model_copy(update={"figure_id": figure_id, "trace": trace})
    return found


class AskedFigures:
    """The asked figures of a project. data_dir: its folder of data."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / FOLDER / FILE

    def keep(self, figures: Mapping[str, Figure] | Sequence[Figure], *, now_utc: datetime) -> datetime | None:
        """Keep figures (as `renamed` gives them) and say until when; None where they are too many, or none can be."""
        every = list(figures.values()) if isinstance(figures, Mapping) else list(figures)
        if len(every) > MOST_AT_ONCE:
            return None
        until_utc = now_utc + KEPT_FOR
        rows = [(each.figure_id, until_utc.timestamp(), each.model_dump_json()) for each in every]
        try:
            with self._open(is_writing=True) as db:
                db.executemany(_PUT, rows)
                # What is over goes whenever something comes.
                db.execute(_OVER, (now_utc.timestamp(),))
                if (many := int(db.execute("select count(*) from figures").fetchone()[0])) > MOST_KEPT:
                    db.execute(_EXCESS, (many - MOST_KEPT,))
        except (sqlite3.Error, OSError):
            # Of a project that cannot be written numbers are shown all the same, without an id.
            return None
        return until_utc

    def figure(self, figure_id: str, *, now_utc: datetime) -> Figure | None:
        """The figure of that id, or None for one that was never asked for, or too long ago."""
        if not self._file.is_file():
            return None
        try:
            with self._open(is_writing=False) as db:
                row = db.execute(
                    "select figure from figures where figure_id = ? and until_s >= ?", (figure_id, now_utc.timestamp())
                ).fetchone()
            return None if row is None else Figure.model_validate_json(row[0])
        except (sqlite3.Error, OSError, ValidationError):
            # A broken file, or one of another release: whoever asks the number again has it again.
            return None

    @contextmanager
    def _open(self, *, is_writing: bool) -> Iterator[sqlite3.Connection]:
        if is_writing:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(self._file, timeout=BUSY_S)) as db:
            if is_writing:
                db.execute("pragma journal_mode = wal")
                db.execute(_SCHEMA)
            with db:
                yield db
