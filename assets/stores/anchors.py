"""Anchors: what was decided, published and accepted, written down a second time outside of the store, so that a store
that was put back, or whose tail was cut, is seen (ADR 0032).

A file of lines (JSON), each with a hash over itself and the hash of the line before. A line names one seal of the store
and the rows under it; since seals are a chain, it stands for everything before it too. Lines are made of the store, so
that whoever writes next adds what another could not. Imports nothing heavier than SQLAlchemy: the agent writes too.
"""

import fcntl
import json
import logging
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import sqlalchemy as sa
from pydantic import ValidationError

from assets.stores.column_types import text_sha256
from assets.stores.schema.tables_seals import row_seals
from assets.stores.seals import ADOPT, GENESIS, Mark, gap, key_of, ledger_of, mark_now
from assets.stores.tables import BY_NAME
from assets.stores.transactions import Store, reaching
from assets.stores.whole_file import sync_folder
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.model import Model

FILE, ADOPTED = "ledger.jsonl", "adopted"
# Acts of people and what is handed out: where no anchor can be written, they are refused.
ACTS = frozenset({
    "mode_requests", "baseline_approvals", "adjustments", "report_decisions", "evidence_packs", "tariff_overrides",
    "meter_decisions", "emission_factors", "promotions", "erasures",
})  # fmt: skip
# What must never wait for a disk: readings, what makes a plant safer, what takes a right away. Its anchor is written as
# soon as it can be. To raise a mode asks beforehand (controls/ledger/blockers.py).
ANCHORED = ACTS | {
    "batches", "report_revisions", "baseline_versions", "mode_events", "approval_events", "hold_events", "fault_events",
    "holiday_events", "reading_edits", "meter_events", "api_keys", "credentials",
}  # fmt: skip
# Rows of one seal that a line names; the seal's hash is over all of them.
NAMED = 20
_TAIL_BYTES = 1 << 16
logger = logging.getLogger("meterloom.stores")


class Line(Model):
    """One seal over rows of a table (kind), or an adoption. rows: how many; keys: of the first of them, site_ids: of
    those. hash: over all other fields and the hash of the line before.
    """

    number: int
    ledger: str
    kind: str
    seal: int
    seal_hash: str
    rows: int
    keys: tuple[tuple[str | int | float | None, ...], ...]
    site_ids: tuple[str, ...]
    recorded_at_utc: str
    hash: str

    @property
    def mark(self) -> Mark:
        """The newest position of the ledger then."""
        return Mark(ledger=self.ledger, seal=self.seal, seal_hash=self.seal_hash, until_utc=self.recorded_at_utc)

    def __str__(self) -> str:
        keys = ", ".join("/".join(map(str, key)) for key in self.keys[:3])
        more = f" and {self.rows - 3} more" if self.rows > 3 else ""
        where = f" of {', '.join(filter(None, self.site_ids))}" if any(self.site_ids) else ""
        return f"{self.kind} {keys}{more}{where} ({self.recorded_at_utc})"


class Place(NamedTuple):
    """The file of anchors in one folder."""

    folder: Path

    @property
    def file(self) -> Path:
        """Its path."""
        return self.folder / FILE

    def last(self) -> Line | None:
        """The last whole line; None before the first. Raises OSError, Unreachable where it is none of ours."""
        try:
            with self.file.open("rb") as file:
                return _last(file, self.file)
        except FileNotFoundError:
            return None

    def lines(self) -> tuple[list[Line], list[str]]:
        """Every line, and a sentence for the first that is not as it was written. Raises OSError."""
        if not self.file.exists():
            return [], []
        found, before = list[Line](), GENESIS
        *texts, _ = self.file.read_bytes().split(b"\n")
        for number, text in enumerate(texts, start=1):
            line = _line(text)
            if line is None or (line.number, line.hash) != (number, _hash(before, line)):
                return found, [f"{self.file}, line {number}: it is not as it was written, or one before it was removed"]
            found.append(line)
            before = line.hash
        return found, []

    @contextmanager
    def appending(self) -> Iterator[tuple[BinaryIO, Line | None]]:
        """The file for this process alone, and its last line. Raises OSError, Unreachable."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_new = not self.file.exists()
        with self.file.open("a+b") as file:
            if is_new:
                self.file.chmod(0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            last = _last(file, self.file)
            # The half of a line whose writer was killed: what it said is still to be written.
            if (end := _whole_bytes(file)) < file.seek(0, os.SEEK_END):
                file.truncate(end)
            yield file, last
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self.folder)


class Anchors:
    """The anchors of one store in one place or more; each place is a chain of its own."""

    def __init__(self, store: Store, folders: Iterable[Path]) -> None:
        self.store, self.places = store, tuple(map(Place, folders))
        self._fits: dict[Place, tuple[int, int, int]] = {}

    def check(self, tables: Collection[str]) -> None:
        """Before a commit that seals rows of these tables. Raises Unreachable for an act that could not be anchored."""
        if not ACTS.isdisjoint(tables):
            self.expect_writable()

    def expect_writable(self) -> None:
        """Raises Unreachable where an act could not be anchored: a place cannot be written, or the store is not the
        one that it knows.
        """
        for place in self.places:
            try:
                place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                place.file.open("ab").close()
            except OSError as fault:
                raise Unreachable(
                    f"{place.file} cannot be written ({fault.strerror}), and without an anchor outside the store "
                    "nothing is approved, raised or published: correct paths.anchors, or make room"
                ) from fault
        if flaw := self.off():
            raise Unreachable(flaw)

    def note(self, tables: Collection[str]) -> None:
        """After a commit that sealed rows of these tables: whatever goes wrong now, they stand."""
        if ANCHORED.isdisjoint(tables):
            return
        try:
            self.catch_up()
        except (Unreachable, OSError) as fault:
            logger.warning("not anchored outside the store yet: %s", fault)

    def catch_up(self) -> None:
        """Write a line for each seal that has none. Raises Unreachable, OSError."""
        for place in self.places:
            with reaching(""), place.appending() as (file, last):
                is_known = self._fits.get(place) == _state(os.fstat(file.fileno()))
                if last is not None and not is_known and (flaw := gap(self.store, last.mark, str(place.file))):
                    raise Unreachable(f"{flaw}; {ADOPT}")
                for line in _chained(last, _made(self.store, 0 if last is None else last.seal)):
                    file.write(_text(line))
                file.flush()
                # Our own lines are of this store.
                self._fits[place] = _state(os.fstat(file.fileno()))

    def off(self) -> str:
        """Why the store is not the one that the anchors know, or has not come as far: one sentence, empty where it is.

        A place that cannot be read says nothing: it is `meterloom doctor` who tells of it.
        """
        for place in self.places:
            try:
                known = _state(place.file.stat())
                if self._fits.get(place) == known:
                    continue
                last = place.last()
            except OSError:
                continue
            except Unreachable as fault:
                return str(fault)
            # The line first, the store after it: what was committed in between is there.
            if last is not None and (flaw := gap(self.store, last.mark, str(place.file))):
                return f"{flaw}; {ADOPT}"
            self._fits[place] = known
        return ""

    def adopt(self) -> None:
        """Write down that from here on this store goes on; earlier lines stay. Raises Unreachable, OSError."""
        mark = mark_now(self.store)
        for place in self.places:
            with reaching(""), place.appending() as (file, last):
                made = _Made(mark.ledger, ADOPTED, mark.seal, mark.seal_hash, 0, (), (), mark.until_utc)
                [line] = _chained(last, [made])
                file.write(_text(line))
                # Where the chains of commands ended, by the hour, in what was before (controls/ledger/chain_marks.py).
                for former in set(place.folder.glob("*.jsonl")) - {place.file}:
                    former.rename(former.with_name(f"{former.name}.before-line-{line.number}"))

    def findings(self) -> list[str]:
        """A sentence for each line of any place that the store does not have, of all sites, also of those that it
        lacks; and for a file that was cut, edited or cannot be read. Raises Unreachable.
        """
        query = sa.select(row_seals.c.position, row_seals.c.hash)
        seals = {row["position"]: row["hash"] for row in self.store.rows(query)}
        ledger, found, reported = ledger_of(self.store), list[str](), set[tuple[str, int]]()
        for place in self.places:
            try:
                lines, problems = place.lines()
            except OSError as fault:
                problems, lines = [f"{place.file} cannot be read ({fault.strerror})"], []
            found += problems
            for line in _standing(lines):
                by, key = f"says line {line.number} of {place.file}", (line.ledger, line.seal)
                # Of two places one is enough.
                if key not in reported and line.ledger != ledger:
                    found.append(f"{line} is of another ledger ({line.ledger[:8]}), {by}")
                elif key not in reported and line.seal and seals.get(line.seal) != line.seal_hash:
                    found.append(f"{line} is not in the store any more, {by}")
                reported.add(key)
        return found

    def close(self) -> None:
        """Nothing to give back."""


class ThreadedAnchors(Anchors):
    """The same from a thread of its own: a place that hangs, as a share does, holds up nobody. For the agent, which is
    never refused anything for an anchor that could not be written: what it does makes devices safe, or was approved.
    """

    def __init__(self, store: Store, folders: Iterable[Path], *, every_s: float = 1.0) -> None:
        super().__init__(store, folders)
        self._every_s, self._said, self._is_due = every_s, "", False
        self._wake, self._looked, self._ended = threading.Event(), threading.Event(), threading.Event()
        threading.Thread(target=self._run, name="anchors", daemon=True).start()
        # Whatever the first look finds holds before the first command; a place that hangs is not waited for.
        self._looked.wait(every_s)

    def check(self, tables: Collection[str]) -> None:
        """Nothing is refused."""

    def note(self, tables: Collection[str]) -> None:
        """Soon, and not here."""
        if not ANCHORED.isdisjoint(tables):
            self._is_due = True
            self._wake.set()

    def off(self) -> str:
        """As of the last look."""
        return self._said

    def close(self) -> None:
        """End the thread; what it writes just now is not waited for longer than a look takes."""
        self._ended.set()
        self._wake.set()

    def _run(self) -> None:
        while True:
            is_last = self._ended.is_set()
            try:
                self._said = super().off()
                if self._is_due:
                    self._is_due = False
                    super().note(ANCHORED)
            # The store's faults are reported by its own readers.
            except Exception as fault:
                logger.warning("anchors were not looked at: %s", fault)
            self._looked.set()
            if is_last:
                return
            self._wake.wait(self._every_s)
            self._wake.clear()


def expect_anchored(store: Store) -> None:
    """Before an act that raises a right. Raises Unreachable where it could not be noted outside of the store."""
    if store.anchors is not None:
        store.anchors.expect_writable()


class _Made(NamedTuple):
    """A line before it has a place in a file."""

    ledger: str
    kind: str
    seal: int
    seal_hash: str
    rows: int
    keys: tuple[tuple[Any, ...], ...]
    site_ids: tuple[str, ...]
    recorded_at_utc: str


def _standing(lines: Sequence[Line]) -> list[Line]:
    """Lines that the store must have: an adoption voids those of other ledgers, and of its own those beyond it."""
    found: list[Line] = []
    for line in lines:
        if line.kind == ADOPTED:
            found = [each for each in found if each.ledger == line.ledger and each.seal <= line.seal]
        found.append(line)
    return found


def _made(store: Store, after: int) -> Iterator[_Made]:
    columns = [row_seals.c[name] for name in ("position", "hash", "table_name", "rows")]
    query = sa.select(*columns).where(row_seals.c.position > after, row_seals.c.table_name.in_(sorted(ANCHORED)))
    links = store.rows(query.order_by(row_seals.c.position))
    ledger, facts = ledger_of(store), dict[str, Mapping[tuple[Any, ...], tuple[str, str]]]()
    for name in {link["table_name"] for link in links}:
        size = len(BY_NAME[name].primary_key.columns)
        keys = {tuple(mark[:size]) for link in links if link["table_name"] == name for mark in link["rows"][:NAMED]}
        facts[name] = _facts(store, BY_NAME[name], keys)
    for link in links:
        known = facts[link["table_name"]]
        size = len(BY_NAME[link["table_name"]].primary_key.columns)
        named = tuple(tuple(mark[:size]) for mark in link["rows"][:NAMED])
        rows = [known.get(key, ("", "")) for key in named]
        sites, newest = tuple(sorted({site for site, _ in rows})), max((at for _, at in rows), default="")
        head = (ledger, link["table_name"], link["position"], link["hash"], len(link["rows"]))
        yield _Made(*head, named, sites, newest)


def _facts(store: Store, table: sa.Table, keys: Collection[tuple[Any, ...]]) -> Mapping[Any, tuple[str, str]]:
    """Key -> site and recorded time, where the table has them."""
    additional = [table.c[name] for name in ("site_id", "recorded_at_utc") if name in table.c]
    columns: list[Any] = [
        sa.type_coerce(each, sa.types.NullType()).label(each.name)
        for each in dict.fromkeys([*table.primary_key, *additional])
    ]
    query = sa.select(*columns)
    if len(keys) <= 500:
        query = query.where(next(iter(table.primary_key)).in_([key[0] for key in keys]))
    return {
        key: (str(row.get("site_id") or ""), str(row.get("recorded_at_utc") or ""))
        for row in store.rows(query)
        if (key := key_of(table, row)) in keys
    }


def _chained(last: Line | None, made: Iterable[_Made]) -> Iterator[Line]:
    number, before = (0, GENESIS) if last is None else (last.number, last.hash)
    for each in made:
        number += 1
        line = Line(number=number, hash="", **each._asdict())
        line = line.model_copy(update={"hash": _hash(before, line)})
        before = line.hash
        yield line


def _hash(before: str, line: Line) -> str:
    return text_sha256(before + json.dumps(line.model_dump(mode="json", exclude={"hash"}), sort_keys=True))


def _text(line: Line) -> bytes:
    return line.model_dump_json().encode() + b"\n"


def _line(text: bytes) -> Line | None:
    try:
        return Line.model_validate_json(text)
    except ValidationError:
        return None


def _state(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _whole_bytes(file: BinaryIO) -> int:
    """Offset of the end of the last whole line."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _TAIL_BYTES)
    file.seek(start)
    return start + file.read().rfind(b"\n") + 1


def _last(file: BinaryIO, path: Path) -> Line | None:
    end = _whole_bytes(file)
    if not end:
        return None
    start = max(0, end - _TAIL_BYTES)
    file.seek(start)
    texts = file.read(end - start)[:-1].split(b"\n")
    line, before = _line(texts[-1]), _line(texts[-2]) if len(texts) > 1 else None
    # The line before it is cut off where a file is longer than what is read.
    if line is None or ((line.number == 1 or before) and line.hash != _hash(before.hash if before else GENESIS, line)):
        raise Unreachable(f"{path}: its last line is not as it was written: the file was changed, or its disk failed")
    return line
