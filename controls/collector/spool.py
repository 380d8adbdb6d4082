"""The durable spool of one site: what is acknowledged stands on disk, in segments that only grow and are then drained.

One thread writes: it gathers what came for a moment and makes it durable with one fsync. Where it cannot (no room, a
full disk, too much at once) it says so and acknowledges nothing. A segment ends with its quarter hour, or at a size.
"""

import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from assets.stores.whole_file import sync_folder
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.source_state import Condition
from data_quality.contracts.live.spool_frames import REFUSALS, SAMPLES, Content, frame, read_frames
from data_quality.contracts.model import Model
from data_quality.contracts.settings import LiveSettings
from data_quality.contracts.time import Clock

# One fsync keeps what came in so long: twenty a second wear no disk out, and nobody waits a tenth of a second.
GATHER_S = 0.05
GATHER_SAMPLES = 5_000
# Behind the end of a quarter hour: what is late by less is still in its own piece, and a machine that tells every 30 s
# has told the state that closes it.
GRACE = timedelta(seconds=35)
SEGMENT_BYTES = 64 << 20
# What waits for the disk in memory: a minute of 5,000 samples a second.
PENDING_BYTES = 24 << 20
# A disk that was full is tried again after so long.
RETRY_S = 1.0
QUARTER = timedelta(minutes=15)
_EPOCH = datetime.fromtimestamp(0, UTC)
# No room, no quota, no longer file: the same to us. Any other fault of the disk ends the process.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
logger = logging.getLogger("meterloom.collector")
OPEN, CLOSED = ".open", ".seg"
_STEM = "%Y%m%dT%H%M%S%fZ"
Done = Callable[[bool], None]


class SpoolState(Model):
    """State of the spool, and its counters since it was opened. commit_s: their seconds in all.

    recovered, torn: bytes of an earlier process that were whole, and that were not.
    """

    state: Condition = "live"
    sentence: str = ""
    kept: int = 0
    refused: int = 0
    commits: int = 0
    commit_s: float = 0.0
    used_bytes: int = 0
    pending_bytes: int = 0
    recovered_bytes: int = 0
    torn_bytes: int = 0


class _Entry(NamedTuple):
    lines: bytes
    refusals: bytes
    samples: int
    done: Done


class Spool:
    """The spool in a folder, for one process. `put` from any thread. clock: only names and ends segments by it."""

    def __init__(self, folder: Path, *, clock: Clock, limits: LiveSettings) -> None:
        self._folder, self._clock, self._limits = folder, clock, limits
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._pending = 0
        self._file = -1
        self._path = folder
        self._length = 0
        self._quarter = _EPOCH
        self._retry_at_s = 0.0
        self._counted = SpoolState()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self.broken: BaseException | None = None

    def start(self) -> None:
        """Take over what an earlier process left, and begin. Raises BadInput where another process has the folder."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._held)
            raise BadInput("another collector keeps this spool", file=str(self._folder), reason="in_use") from error
        for left in sorted(self._folder.glob(f"*{OPEN}")):
            # Cut off what an earlier process did not end; everything before it may have been acknowledged.
            data = left.read_bytes()
            content = read_frames(data)
            os.truncate(left, content.end)
            self._close_file(left, content.end)
            self._add(recovered_bytes=content.end, torn_bytes=len(data) - content.end + content.damaged)
        self._add(used_bytes=sum(path.stat().st_size for path in self.pieces()))
        self._thread.start()

    def close(self) -> None:
        """Keep what waits, end the segment, and let the folder go; safe to call twice."""
        with self._lock:
            was_stopping, self._stopping = self._stopping, True
            self._queue.put(None)
        if not was_stopping:
            self._thread.join()
            os.close(self._held)

    def put(self, lines: bytes, refusals: bytes, count: int, done: Done) -> None:
        """Hand over `count` samples as lines; never blocks. done: once, True when they are durable."""
        size = len(lines) + len(refusals)
        with self._lock:
            is_behind = self._pending + size > PENDING_BYTES
            is_refused = is_behind or self._stopping or time.monotonic() < self._retry_at_s
            if not is_refused:
                self._pending += size
                # Inside of the lock: behind the last word of `close` nobody would answer it.
                self._queue.put(_Entry(lines, refusals, count, done))
        if is_refused:
            if is_behind:
                self._set_state("behind", "samples come faster than the disk keeps them; they are not acknowledged")
            self._add(refused=count)
            done(False)

    def state(self) -> SpoolState:
        """Its state now."""
        return self._counted.model_copy(update={"pending_bytes": self._pending})

    def pieces(self) -> list[Path]:
        """Closed segments, the oldest first: theirs is what a drain reads, and then discards."""
        return sorted(self._folder.glob(f"*{CLOSED}"), key=lambda each: (begun_utc(each), each.name))

    def oldest_utc(self) -> datetime | None:
        """When the first of what it holds came; none where it holds nothing."""
        found = [path for end in (OPEN, CLOSED) for path in self._folder.glob(f"*{end}")]
        return min(map(begun_utc, found), default=None)

    def discard(self, piece: Path) -> None:
        """Remove a piece whose content has reached its next durable place; safe to call twice."""
        with suppress(FileNotFoundError):
            size = piece.stat().st_size
            piece.unlink()
            self._add(used_bytes=-size)

    def _run(self) -> None:
        try:
            while self._turn():
                pass
            self._end_segment()
        # Whatever it is, who runs us must see it: a spool that is silently gone would acknowledge nothing for ever.
        except BaseException as fault:
            self.broken = fault
            raise

    def _turn(self) -> bool:
        """One commit, or half a second of waiting; False at the end."""
        batch: list[_Entry | None] = []
        with suppress(Empty):
            batch.append(self._queue.get(timeout=0.5))
            if batch[0] is not None and self._queue.qsize() < GATHER_SAMPLES:
                # One rest and not a wake-up for each that comes: at 5,000 a second those cost more than the disk.
                time.sleep(GATHER_S)
            count = 0
            while batch[-1] is not None and (count := count + max(1, batch[-1].samples)) < GATHER_SAMPLES:
                batch.append(self._queue.get_nowait())
        goes_on = None not in batch
        entries = [each for each in batch if each is not None]
        # An empty commit finds out whether there is room again: those who were refused may be waiting for that.
        if entries or (self._counted.state != "live" and time.monotonic() >= self._retry_at_s):
            is_kept = self._commit(entries)
            for entry in entries:
                entry.done(is_kept)
        if self._file >= 0 and (self._length >= SEGMENT_BYTES or self._quarter != self._now_quarter()):
            self._end_segment()
        return goes_on

    def _commit(self, entries: list[_Entry]) -> bool:
        samples, refusals = b"".join(each.lines for each in entries), b"".join(each.refusals for each in entries)
        blob = frame(SAMPLES, samples) + (frame(REFUSALS, refusals) if refusals else b"")
        count, began_s = sum(each.samples for each in entries), time.monotonic()
        with self._lock:
            self._pending -= len(samples) + len(refusals)
        state = self._no_room(len(blob))
        try:
            if state is None:
                self._append(blob)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            # After a write that failed: nothing behind the last durable byte may count, and no descriptor be trusted.
            if self._file >= 0:
                os.ftruncate(self._file, self._length)
                self._end_segment()
            state = ("disk_full", f"the disk takes no more ({error.strerror}); samples are not acknowledged")
        if state is not None:
            self._retry_at_s = time.monotonic() + RETRY_S
            self._set_state(*state)
            self._add(refused=count)
            return False
        self._set_state("live", "")
        self._add(kept=count, commits=1, commit_s=time.monotonic() - began_s, used_bytes=len(blob))
        return True

    def _no_room(self, wanted: int) -> tuple[Condition, str] | None:
        limit = self._limits.spool_mb << 20
        if self._counted.used_bytes + wanted > limit:
            message = f"the spool holds its {self._limits.spool_mb} MB and is not drained; samples are not acknowledged"
            return "behind", message
        disk = os.statvfs(self._folder)
        free_mb = disk.f_bavail * disk.f_frsize >> 20
        if free_mb < self._limits.keep_free_mb:
            # The ledger is on this disk too, and without a ledger no device is commanded.
            keeps = f"{self._limits.keep_free_mb} MB are left to the ledger"
            return "disk_full", f"the disk has {free_mb} MB free, of which {keeps}; samples are not acknowledged"
        return None

    def _append(self, blob: bytes) -> None:
        if self._file < 0:
            self._quarter = self._now_quarter()
            stem = f"{self._clock.now_utc():{_STEM}}"
            # A clock that was set back gives a name twice.
            taken = {path.name.partition(".")[0] for path in self._folder.iterdir()}
            stem = next(name for name in (f"{stem}-{number:02}" for number in range(10_000)) if name not in taken)
            self._path, self._length = self._folder / f"{stem}{OPEN}", 0
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
            sync_folder(self._folder)
        rest = memoryview(blob)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fdatasync(self._file)
        self._length += len(blob)

    def _end_segment(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._close_file(self._path, self._length)

    def _close_file(self, path: Path, length: int) -> None:
        if length:
            path.rename(path.with_suffix(CLOSED))
        else:
            path.unlink()
        sync_folder(self._folder)

    def _now_quarter(self) -> datetime:
        late = self._clock.now_utc() - GRACE
        return late - (late - _EPOCH) % QUARTER

    def _set_state(self, state: Condition, sentence: str) -> None:
        with self._lock:
            if (state, sentence) != (self._counted.state, self._counted.sentence):
                logger.warning("spool %s: %s", self._folder.name, sentence or "everything is kept again")
                self._counted = self._counted.model_copy(update={"state": state, "sentence": sentence})

    def _add(self, **more: float) -> None:
        with self._lock:
            changed = {name: getattr(self._counted, name) + each for name, each in more.items()}
            self._counted = self._counted.model_copy(update=changed)


def begun_utc(piece: Path) -> datetime:
    """When a segment was begun, by its name; one that a person called otherwise is as old as its last byte."""
    try:
        return datetime.strptime(piece.name.partition("-")[0], _STEM).replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(piece.stat().st_mtime, UTC)


def read_piece(piece: Path) -> Content:
    """Everything whole in a closed piece."""
    return read_frames(piece.read_bytes())
