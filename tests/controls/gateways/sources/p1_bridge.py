"""A P1 bridge on the network: a real TCP server that plays a meter's telegrams to whoever listens."""

import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import TracebackType
from zoneinfo import ZoneInfo

from tests.controls.gateways.sources.live_sink import until

BEGIN_UTC = datetime(2025, 1, 1, tzinfo=UTC)


def crc16(body: bytes) -> int:
    """CRC16/ARC, bit by bit as the standard's text has it (DSMR 5.0.2, 6.2)."""
    crc = 0
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def telegram(
    at_utc: datetime,
    *,
    low_kwh: float = 100.0,
    high_kwh: float = 200.0,
    export_kwh: float = 10.0,
    power_kw: float = 0.244,
    gas_m3: float = 50.0,
    gas_at_utc: datetime = BEGIN_UTC,
    meter: str = "E0012345",
    has_crc: bool = True,
) -> bytes:
    """A telegram of DSMR 5 (Netherlands), as the meter sends it."""
    lines = (
        "/MLM5\\LIVE-METER",
        "",
        "1-3:0.2.8(50)",
        f"0-0:1.0.0({_stamp(at_utc)})",
        f"0-0:96.1.1({meter.encode().hex().upper()})",
        f"1-0:1.8.1({low_kwh:010.3f}*kWh)",
        f"1-0:1.8.2({high_kwh:010.3f}*kWh)",
        f"1-0:2.8.1({export_kwh:010.3f}*kWh)",
        "1-0:2.8.2(000000.000*kWh)",
        f"1-0:1.7.0({power_kw:06.3f}*kW)",
        "0-1:24.1.0(003)",
        "0-1:96.1.0(4730303039383736353433)",
        f"0-1:24.2.1({_stamp(gas_at_utc)})({gas_m3:09.3f}*m3)",
        "!",
    )
    body = "\r\n".join(lines).encode("ascii")
    return body + (f"{crc16(body):04X}".encode() if has_crc else b"") + b"\r\n"


def _stamp(at_utc: datetime) -> str:
    local = at_utc.astimezone(ZoneInfo("Europe/Amsterdam"))
    return f"{local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'}"


class P1Bridge:
    """Listens on a free port of the loopback. What is said goes to all who listen at that moment."""

    def __init__(self, port: int = 0) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        self.port: int = self._server.getsockname()[1]
        self._lines: list[socket.socket] = []
        self.visits = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> "P1Bridge":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            self._lines.append(line)
            self.visits += 1

    def wait_for_visits(self, count: int) -> None:
        """Until so many have connected since the start."""
        until(lambda: self.visits >= count)

    def say(self, data: bytes) -> None:
        """To all who listen; who has gone is forgotten."""
        for line in list(self._lines):
            try:
                line.sendall(data)
            except OSError:
                self._lines.remove(line)
                line.close()

    def drop(self) -> None:
        """Close all lines; the server goes on."""
        while self._lines:
            line = self._lines.pop()
            # The listener may have gone first.
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def close(self) -> None:
        """The bridge is gone."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()
        self.drop()


class PlayingMeter:
    """Says a telegram every beat until it is closed, each a second later and a little more consumed than the last."""

    def __init__(self, bridge: P1Bridge, *, beat_s: float) -> None:
        self._bridge, self._beat_s = bridge, beat_s
        self._end = threading.Event()
        self.said = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(self._beat_s):
            self.said += 1
            piece = telegram(BEGIN_UTC + timedelta(seconds=self.said), low_kwh=100 + self.said / 1000)
            self._bridge.say(piece)

    def close(self) -> None:
        """Say no more."""
        self._end.set()
        self._thread.join()
