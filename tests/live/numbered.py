"""A device that numbers its samples and a wire that acknowledges them: the independent count of a kill run.

The wire is a socket. The device sends `point value at_us seq` lines and keeps what was not acknowledged; the adapter
answers `seq` lines once the sink has said that they are durable. After a loss the device sends again, as any does.
"""

import math
import random
import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from controls.gateways.sources.adapter import Sink
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.time import Clock, SystemClock


class Wire:
    """The adapter: reads lines of a socket that the device opened, and answers with what is kept."""

    def __init__(self, source_id: str, port: int, *, clock: Clock | None = None) -> None:
        self.source_id, self._port, self._clock = source_id, port, clock or SystemClock()
        self._stop = threading.Event()
        self._accepted = 0
        self._last: datetime | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, sink: Sink) -> None:
        self._sink = sink
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def state(self) -> SourceState:
        return SourceState(
            source_id=self.source_id, kind="modbus", state="live", last_utc=self._last, accepted=self._accepted
        )

    def test(self, within_s: float) -> list[Sample]:
        raise NotImplementedError

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=1) as line:
                    self._listen(line)
            except OSError:
                self._stop.wait(0.1)

    def _listen(self, line: socket.socket) -> None:
        rest, sending = b"", threading.Lock()
        line.settimeout(0.5)
        while not self._stop.is_set():
            try:
                came = line.recv(1 << 16)
            except TimeoutError:
                continue
            if not came:
                return
            *lines, rest = (rest + came).split(b"\n")
            now = self._clock.now_utc()
            samples = []
            for each in lines:
                point, value, at_us, seq = each.decode().split()
                at = datetime.fromtimestamp(int(at_us) / 1e6, UTC)
                samples.append(Sample(point, at, float(value), "kwh", now, int(seq)))
            numbers = "".join(f"{each.seq}\n" for each in samples).encode()
            self._accepted, self._last = self._accepted + len(samples), now

            def done(is_kept: bool, numbers: bytes = numbers) -> None:
                if is_kept:
                    try:
                        with sending:
                            line.sendall(numbers)
                    except OSError:
                        return

            if samples:
                self._sink.take(self.source_id, samples, [], done)


class Device:
    """Many meters behind one socket. sent, acknowledged: numbers, up to `last`; whatever dies, this does not.

    waits_s: from the making of a sample to its acknowledgement.
    """

    def __init__(self, points: Sequence[str], *, per_s: float, last: float = math.inf) -> None:
        self._points, self._per_s, self._last = points, per_s, last
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self.port = self._listener.getsockname()[1]
        self.sent = 0
        self.acknowledged: set[int] = set()
        self.resent = 0
        self.waits_s: list[float] = []
        self._made_s: dict[int, float] = {}
        self._open: dict[int, bytes] = {}
        self._stop, self._rest = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._make, self._serve)]
        self._line: socket.socket | None = None

    def __enter__(self) -> "Device":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(5)
        self._listener.close()

    def rest(self, within_s: float) -> bool:
        """Measure no more, and wait until everything is acknowledged."""
        self._rest.set()
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            with self._lock:
                if not self._open:
                    return True
            time.sleep(0.1)
        return False

    def drop(self) -> None:
        """Cut the wire, as a broker that dies does."""
        line = self._line
        if line is not None:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def sample_of(self, number: int) -> tuple[str, float, int]:
        """Point, value and time (us since 1970) of the sample of this number, when it is made."""
        return self._points[number % len(self._points)], number // len(self._points) / 1000, time.time_ns() // 1000

    def _make(self) -> None:
        step_s, next_s, owed = 0.05, time.monotonic(), 0.0
        while not self._stop.is_set() and not self._rest.is_set():
            owed += self._per_s * step_s
            fresh = []
            for number in range(self.sent + 1, int(min(self.sent + owed, self._last)) + 1):
                point, value, at_us = self.sample_of(number)
                fresh.append((number, f"{point} {value!r} {at_us} {number}\n".encode()))
            owed -= int(owed)
            with self._lock:
                self._open.update(fresh)
                self._made_s.update(dict.fromkeys((number for number, _ in fresh), time.monotonic()))
                self.sent += len(fresh)
            self._send(b"".join(each for _, each in fresh))
            next_s += step_s
            time.sleep(max(0.0, next_s - time.monotonic()))

    def _send(self, data: bytes) -> None:
        line = self._line
        if line is not None and data:
            try:
                line.sendall(data)
            except OSError:
                self._line = None

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                line, _ = self._listener.accept()
            except TimeoutError:
                continue
            with line:
                line.settimeout(1)
                self._hear(line)
                self._line = None

    def _hear(self, line: socket.socket) -> None:
        with self._lock:
            second = list(self._open.values())
        self._line = line
        self.resent += len(second)
        rest, heard_s = b"", time.monotonic()
        self._send(b"".join(second))
        while not self._stop.is_set():
            try:
                came = line.recv(1 << 16)
            except TimeoutError:
                came = b" "
            except OSError:
                return
            if not came:
                return
            *numbers, rest = (rest + came.replace(b" ", b"")).split(b"\n")
            with self._lock:
                for number in map(int, numbers):
                    self.acknowledged.add(number)
                    self._open.pop(number, None)
                    heard_s = time.monotonic()
                    if (made_s := self._made_s.pop(number, None)) is not None:
                        self.waits_s.append(heard_s - made_s)
                is_stuck = bool(self._open) and time.monotonic() - heard_s > 3 + random.random()
            if is_stuck:
                # Refused, or lost on the way: said again on a new connection.
                return
