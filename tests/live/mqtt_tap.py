"""A Mosquitto that can be killed, meters that publish to it, and a tap on the collector's line that counts for itself.

What was acknowledged is read off the wire: the PUBACKs that the collector sends, held against the messages they answer.
"""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from controls.gateways.ports import free_port, is_listening
from data_quality.contracts.time import Clock, SystemClock

TopicSeq = tuple[str, int]


class Broker:
    """Mosquitto that keeps nothing over a restart: what it held when it is killed is lost, and no one is told."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._file = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence false"]
        self._file.write_text("\n".join([*lines, "max_queued_messages 1000000", ""]))
        self._program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([self._program, "-c", str(self._file)], stderr=subprocess.DEVNULL)
        until_s = time.monotonic() + 10
        while not is_listening(self.port) and time.monotonic() < until_s:
            time.sleep(0.02)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Meters:
    """So many meters, published round and round over one socket with QoS 1; each numbers its own messages from 1.

    Plain bytes of MQTT 3.1.1 and no library: it must keep 5,000 a second beside what is measured. What a broker that
    died had not taken is not said again, as most meters do.
    """

    def __init__(self, count: int, *, per_s: float, port: int, clock: Clock | None = None) -> None:
        self.sent = [0] * count
        self._per_s, self._port, self._clock = per_s, port, clock or SystemClock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def rest(self) -> None:
        """Measure no more."""
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=2) as line:
                line.sendall(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x00\x00\x06meters")
                line.recv(4)
                self._publish(line)
            self._stop.wait(0.2)

    def _publish(self, line: socket.socket) -> None:
        line.settimeout(5)
        step_s, next_s, owed, number = 0.05, time.monotonic(), 0.0, 0
        while not self._stop.is_set():
            owed += self._per_s * step_s
            packets = [self._packet(number + each) for each in range(int(owed))]
            owed, number = owed - int(owed), number + int(owed)
            line.sendall(b"".join(packets))
            with suppress(BlockingIOError):
                # The acknowledgements: an end of the line is one that died.
                while len(came := line.recv(1 << 16, socket.MSG_DONTWAIT)) == 1 << 16:
                    pass
                if not came:
                    return
            next_s += step_s
            time.sleep(max(0.0, next_s - time.monotonic()))

    def _packet(self, number: int) -> bytes:
        which = number % len(self.sent)
        self.sent[which] += 1
        at_ms = round(self._clock.now_utc().timestamp() * 1000)
        fields = {"at": at_ms, "seq": self.sent[which], "kwh": self.sent[which] / 1000}
        topic = f"plant/m{which}".encode()
        mid = (number % 65535 + 1).to_bytes(2)
        body = len(topic).to_bytes(2) + topic + mid + json.dumps(fields).encode()
        assert len(body) < 128
        return b"\x32" + bytes([len(body)]) + body


class Tap:
    """Between the collector and the broker. acknowledged: (topic, number) of each message that the collector took."""

    def __init__(self, broker_port: int) -> None:
        self.acknowledged: set[TopicSeq] = set()
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self.port = self._listener.getsockname()[1]
        self._stop = threading.Event()
        self._lines: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._stop.set()
        self._threads[0].join(5)
        for each in self._lines:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(5)
        for each in [self._listener, *self._lines]:
            each.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            near.settimeout(None)
            self._lines.append(near)
            try:
                far = socket.create_connection(("127.0.0.1", self._broker_port), timeout=2)
            except OSError:
                near.shutdown(socket.SHUT_RDWR)
                continue
            far.settimeout(None)
            self._lines.append(far)
            open_: dict[int, TopicSeq] = {}
            pumps = [
                threading.Thread(target=self._pump, args=(*pair, open_), daemon=True)
                for pair in ((far, near), (near, far))
            ]
            self._threads += pumps
            for each in pumps:
                each.start()

    def _pump(self, source: socket.socket, target: socket.socket, open_: dict[int, TopicSeq]) -> None:
        rest = b""
        with suppress(OSError):
            while came := source.recv(1 << 16):
                rest += came
                for kind, body in (packets := Packets(rest)):
                    self._count(kind, body, open_)
                rest = rest[packets.end :]
                target.sendall(came)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _count(self, kind: int, body: bytes, open_: dict[int, TopicSeq]) -> None:
        if kind >> 4 == 3 and kind & 6:
            length = int.from_bytes(body[:2])
            topic, mid = body[2 : 2 + length].decode(), int.from_bytes(body[2 + length : 4 + length])
            if not topic.startswith("plant/"):
                return
            skipped, width = _varint(body, 4 + length)
            open_[mid] = (topic, json.loads(body[4 + length + width + skipped :])["seq"])
        # A reason of 0x80 and above is a refusal; none at all is a success.
        elif kind >> 4 == 4 and (len(body) < 3 or body[2] < 0x80):
            reported = open_.pop(int.from_bytes(body[:2]), None)
            self.acknowledged |= {reported} if reported is not None else set()


class Packets:
    """The whole MQTT packets in some bytes; end: behind the last of them."""

    def __init__(self, data: bytes) -> None:
        self._data, self.end = data, 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while self.end + 2 <= len(self._data):
            try:
                length, width = _varint(self._data, self.end + 1)
            except IndexError:
                return
            start = self.end + 1 + width
            if start + length > len(self._data):
                return
            kind, self.end = self._data[self.end], start + length
            yield kind, self._data[start : start + length]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for width in range(1, 5):
        byte = data[at + width - 1]
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, width
    raise AssertionError("no length of MQTT")
