"""From the spool to the landing folder: the samples of each source as one file for each quarter hour that is over.

Everything here is a union of lines, so a drain that was killed is simply run again: the same samples make the same
file, under the same name. Samples that come late make a further file that holds the earlier ones too, so every file
tells all that was known of its quarter hour, and the later one is read later.
"""

import errno
import gzip
import hashlib
import json
import logging
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from assets.stores.whole_file import write_whole
from controls.collector.spool import GRACE, Spool, begun_utc, read_piece
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample_line import (
    HEAD_LINES,
    QUARTER_US,
    SampleHead,
    file_quarter_us,
    head_of,
    micros,
    refusal_line,
)
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

logger = logging.getLogger("meterloom.collector")
# So often is looked whether a quarter hour is over, and a full disk tried again.
LOOK_S = 2.0
# A state so long after the end closes the quarter hour: by interpolation nothing of it is lost.
_CLOSER_US = 60_000_000
_COUNTED = ("register", "pulses")
_UNKNOWN: tuple[str, int | None] = ("", None)
_GRACE_US = int(GRACE.total_seconds() * 1e6)
# Samples as objects take five times their bytes: so much is drained at once, and a quarter hour of more by points in
# turns.
_AT_ONCE_BYTES = 48 << 20


class Drained(NamedTuple):
    """Counts of one drain. live_only: samples of points that only the live board shows; carried: lines that wait for
    the end of their quarter hour.
    """

    files: tuple[Path, ...] = ()
    samples: int = 0
    refusals: int = 0
    live_only: int = 0
    carried: int = 0

    def plus(self, other: "Drained") -> "Drained":
        """Both."""
        counts = (mine + others for mine, others in zip(self[1:], other[1:], strict=True))
        return Drained(self.files + other.files, *counts)


class DrainState(NamedTuple):
    """Totals drained since the process began, and the backlog. waiting: lines of quarter hours that are
    not over; oldest_s: age of the oldest sample in the spool or among them; behind_s: by how much it is older than a
    drain in time lets it grow.
    """

    files: int = 0
    samples: int = 0
    refusals: int = 0
    live_only: int = 0
    waiting: int = 0
    oldest_s: float = 0.0
    behind_s: float = 0.0


class _Key(NamedTuple):
    source_id: str
    quarter_us: int


# Lines of a source and quarter hour.
_Lines = tuple[_Key, set[bytes]]


class _Turn(NamedTuple):
    """Of a drain in several turns, the points of one."""

    number: int
    of: int

    def takes(self, point: bytes) -> bool:
        return self.of == 1 or zlib.crc32(point) % self.of == self.number


class _Groups:
    """Lines by source and quarter hour. closers: of each, the first state of every counter within its first minute."""

    def __init__(self) -> None:
        self.lines: dict[_Key, set[bytes]] = defaultdict(set)
        self.closers: dict[_Key, dict[bytes, tuple[int, bytes]]] = defaultdict(dict)

    def close_by(self, key: _Key, point: bytes, at_us: int, line: bytes) -> None:
        """With a counter's state so early in a quarter hour its amount is known up to the end of the one before."""
        if 0 <= at_us - key.quarter_us <= _CLOSER_US:
            firsts = self.closers[key]
            firsts[point] = min(firsts.get(point, (at_us, line)), (at_us, line))

    def of(self, key: _Key) -> set[bytes]:
        """Lines of a quarter hour's file: its own, and those that close it."""
        after = self.closers.get(key._replace(quarter_us=key.quarter_us + QUARTER_US), {})
        return self.lines[key] | {line for _, line in after.values()}


class Drain:
    """The drain of one site's spool. landing: the site's folder; carry: one of our own, for quarter hours that are not
    over.
    """

    def __init__(self, site: Site, spool: Spool, *, landing: Path, carry: Path) -> None:
        self._site, self._spool, self._landing, self._carry = site, spool, landing, carry
        self._points = {
            (source.source_id.encode(), point.point.encode()): (point.what, point.interval_minutes)
            for source in site.sources
            for point in source.points
        }
        self._synthetic = {source.source_id for source in site.sources if source.is_synthetic}
        self._done_us = -1
        self._counted = DrainState()
        self._carried_since_us: int | None = None

    def state(self, *, now_utc: datetime) -> DrainState:
        """Its state now; from any thread."""
        spooled_utc, carried_us = self._spool.oldest_utc(), self._carried_since_us
        since_us = [micros(spooled_utc)] if spooled_utc is not None else []
        since_us += [carried_us] if carried_us is not None else []
        oldest_s = max(0.0, (micros(now_utc) - min(since_us)) / 1e6) if since_us else 0.0
        behind_s = max(0.0, oldest_s - (QUARTER_US / 1e6 + GRACE.total_seconds() + LOOK_S))
        return self._counted._replace(oldest_s=oldest_s, behind_s=behind_s)

    def run_due(self, *, now_utc: datetime) -> Drained:
        """Once for every quarter hour that is over, and once at the beginning; raises as `run`."""
        over_us = micros(now_utc - GRACE) // QUARTER_US
        if over_us == self._done_us:
            return Drained()
        found = self.run(now_utc=now_utc)
        self._done_us = over_us
        return found

    def run(self, *, now_utc: datetime) -> Drained:
        """Land what is over, carry the rest, and only then remove the pieces from the spool.

        Raises OSError where the disk cannot take it: nothing is lost, the pieces are drained again.
        """
        pieces, carried = self._spool.pieces(), sorted(self._carry.glob("*.samples"))
        if not pieces and not carried:
            return Drained()
        due_us = micros(now_utc) - _GRACE_US - QUARTER_US
        batches = _batches(pieces)
        # As many turns for all, so that a drain behind a kill makes the same files.
        of = 1 + max(_bytes_of([*batch, *carried]) for batch in batches) // _AT_ONCE_BYTES
        turns = [_Turn(number, of) for number in range(of)]
        found, kept, since_us = Drained(), set[Path](), list[int]()
        left = [each for path in carried for each in _carried(path)]
        for batch, after in pairwise([*batches, None]):
            # Of what came before the next batch, a drain in time would have landed so much.
            over_us = due_us if after is None else min(due_us, _begun_us(after[0]) - _GRACE_US - QUARTER_US)
            given, left = left, []
            for turn, landed, waiting in self._drained(batch or (), given, over_us, turns):
                found = found.plus(landed)
                if after is not None:
                    left += waiting
                    continue
                found = found.plus(Drained(carried=sum(len(lines) for _, lines in waiting)))
                kept |= {self._keep_for_later(key, lines, turn) for key, lines in waiting}
                since_us += [_first_us(key, lines) for key, lines in waiting]
        for path in carried:
            if path not in kept:
                path.unlink(missing_ok=True)
        for piece in pieces:
            self._spool.discard(piece)
        done = self._counted
        self._counted = DrainState(
            files=done.files + len(found.files),
            samples=done.samples + found.samples,
            refusals=done.refusals + found.refusals,
            live_only=done.live_only + found.live_only,
            waiting=found.carried,
        )
        self._carried_since_us = min(since_us, default=None)
        return found

    def _drained(
        self, pieces: Sequence[Path], left: Sequence[_Lines], over_us: int, turns: Iterable[_Turn]
    ) -> Iterator[tuple[_Turn, Drained, list[_Lines]]]:
        """Land the quarter hours up to over_us; of each turn the others' lines."""
        for turn in turns:
            groups, counted = self._grouped(pieces, left, turn)
            files = [self._land(key, groups, turn) for key in sorted(groups.lines) if key.quarter_us <= over_us]
            landed = tuple(path for path in files if path is not None)
            waiting = [(key, lines) for key, lines in groups.lines.items() if key.quarter_us > over_us]
            yield turn, counted._replace(files=landed), waiting

    def _grouped(self, pieces: Iterable[Path], left: Iterable[_Lines], turn: _Turn) -> tuple[_Groups, Drained]:
        """The lines of each source and quarter hour, of the points whose turn it is."""
        groups = _Groups()
        for key, lines in left:
            source = key.source_id.encode()
            groups.lines[key] |= (taken := {line for line in lines if turn.takes(line.partition(b",")[0])})
            for line in taken:
                point, at, _ = line.split(b",", 2)
                if self._points.get((source, point), _UNKNOWN)[0] in _COUNTED:
                    groups.close_by(key, point, int(at), line)
        counted = Drained()
        for piece in pieces:
            content = read_piece(piece)
            counted = counted.plus(self._group_samples(content.lines, groups, turn))
            for text in content.refusals.splitlines() if turn.number == 0 else ():
                source_id, name, received, reason, excerpt = json.loads(text)
                counted = counted.plus(Drained(refusals=1))
                key = _Key(source_id, received // QUARTER_US * QUARTER_US)
                groups.lines[key].add(refusal_line(name, received, reason, excerpt).encode())
        return groups, counted

    def _group_samples(self, content: bytes, groups: _Groups, turn: _Turn) -> Drained:
        """Group the samples of a piece. This walks over every sample, so all that is of a point is looked up once."""
        known: dict[tuple[bytes, bytes], tuple[str, int | None] | None] = {}
        sets: dict[tuple[bytes, int], set[bytes]] = {}
        samples = live_only = 0
        for row in content.split(b"\n")[:-1]:
            source, point, at, _, _, received, _ = row.split(b",", 6)
            name = (source, point)
            if name not in known:
                # A point that the site file lost meanwhile is reported by ingestion, and not dropped here.
                known[name] = self._points.get(name, _UNKNOWN) if turn.takes(point) else None
            if (entry := known[name]) is None:
                continue
            what, interval_minutes = entry
            if what == "live":
                live_only += 1
                continue
            samples += 1
            at_us, line = int(at), row[len(source) + 1 :]
            quarter_us = file_quarter_us(at_us, int(received), interval_minutes)
            if (place := (source, quarter_us)) not in sets:
                sets[place] = groups.lines[_Key(source.decode(), quarter_us)]
            sets[place].add(line)
            if what in _COUNTED and at_us - quarter_us <= _CLOSER_US:
                groups.close_by(_Key(source.decode(), quarter_us), point, at_us, line)
        return Drained(samples=samples, live_only=live_only)

    def _land(self, key: _Key, groups: _Groups, turn: _Turn) -> Path | None:
        """Write the quarter hour's file, or nothing where one of that content exists."""
        stem = f"{_utc(key.quarter_us):%Y%m%dT%H%MZ}.{key.source_id}"
        lines = groups.of(key)
        # Late samples join those in time: a mean is one of all its samples.
        for earlier in self._landing.glob(f"{stem}.*.samples.gz"):
            lines |= {line for line in _landed(earlier) if turn.takes(line.partition(b",")[0])}
        content = self._content(key, lines)
        path = self._landing / f"{stem}.{hashlib.sha256(content).hexdigest()[:16]}.samples.gz"
        if path.exists():
            return None
        write_whole(path, gzip.compress(content, 3, mtime=0))
        return path

    def _content(self, key: _Key, lines: Iterable[bytes]) -> bytes:
        is_synthetic = key.source_id in self._synthetic
        head = SampleHead(self._site.site_id, key.source_id, _utc(key.quarter_us), is_synthetic=is_synthetic)
        return head.lines().encode() + b"".join(line + b"\n" for line in sorted(lines))

    def _keep_for_later(self, key: _Key, lines: Iterable[bytes], turn: _Turn) -> Path:
        """A quarter hour that is not over, on the disk before its pieces leave the spool."""
        path = self._carry / f"{key.source_id}.{key.quarter_us}.{turn.number}of{turn.of}.samples"
        content = self._content(key, lines)
        if not path.exists() or path.read_bytes() != content:
            write_whole(path, content)
        return path


class Drainer:
    """Drains in a thread of its own, so that live values do not wait for it. broken: what ended it, where something
    other than the disk did; whoever runs us must see that.
    """

    def __init__(self, drains: Mapping[str, Drain], *, clock: Clock) -> None:
        self._drains, self._clock = drains, clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)
        self.broken: BaseException | None = None

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._thread.start()

    def stop(self) -> None:
        """End after the drain that runs; what is not drained waits in the spool."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        trouble = ""
        try:
            while not self._stop.wait(LOOK_S):
                for site_id, drain in self._drains.items():
                    try:
                        self._log(site_id, drain.run_due(now_utc=self._clock.now_utc()))
                        trouble = ""
                    except OSError as fault:
                        if fault.errno == errno.EIO:
                            raise
                        # Once, and again only after something else: the pieces stay in the spool.
                        if trouble != (trouble := f"{site_id}: nothing can be landed: {fault}"):
                            logger.warning("%s", trouble)
        except BaseException as fault:
            self.broken = fault
            raise

    def _log(self, site_id: str, done: Drained) -> None:
        if done.files or done.refusals:
            message = "%s: %d samples and %d refusals drained into %d files; %d lines wait for their quarter hour"
            logger.info(message, site_id, done.samples, done.refusals, len(done.files), done.carried)


def _batches(pieces: Sequence[Path]) -> list[Sequence[Path]]:
    """Pieces in order, as many at once as fit memory; those of one quarter hour stay together."""
    found: list[list[Path]] = [[]]
    size = 0
    for _, each in groupby(pieces, lambda piece: (_begun_us(piece) - _GRACE_US) // QUARTER_US):
        quarter = list(each)
        added = _bytes_of(quarter)
        if found[-1] and size + added > _AT_ONCE_BYTES:
            found.append([])
            size = 0
        found[-1] += quarter
        size += added
    return [*found]


def _bytes_of(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _begun_us(piece: Path) -> int:
    return micros(begun_utc(piece))


def _first_us(key: _Key, lines: Iterable[bytes]) -> int:
    """The first time within the quarter hour among these lines; else its start."""
    # A refusal tells none, and its point is quoted: that may hold a comma.
    times = (int(line.split(b",", 2)[1]) for line in lines if not line.startswith(b'"'))
    return min((at for at in times if at >= key.quarter_us), default=key.quarter_us)


def _carried(path: Path) -> Iterator[_Lines]:
    data = path.read_bytes()
    try:
        head = head_of("\n".join(data.decode(errors="replace").split("\n", HEAD_LINES)[:HEAD_LINES]))
    except BadInput as fault:
        # Written whole or not at all: the disk spoilt it. Kept for a person, and no stop of what follows.
        logger.error("%s is damaged (%s); kept as it is", path, fault)
        path.rename(path.with_suffix(".damaged"))
        return
    yield _Key(head.source_id, micros(head.quarter_start_utc)), _lines_of(data)


def _landed(path: Path) -> set[bytes]:
    try:
        return _lines_of(gzip.decompress(path.read_bytes()))
    except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
        logger.warning("%s is no longer what was landed (%s); what comes late stands without it", path, fault)
        return set()


def _lines_of(data: bytes) -> set[bytes]:
    return set(data.split(b"\n")[HEAD_LINES:-1])


def _utc(epoch_us: int) -> datetime:
    return datetime.fromtimestamp(epoch_us // 1_000_000, UTC)
