"""Does anything that could move a device leave a process? Frames are told by their bytes, whoever sent them."""

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Write coil, register, coils, registers, mask a register, read and write registers.
MODBUS_WRITES = (5, 6, 15, 16, 22, 23)
_PUBLISH = 3
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})+)"')


def write_frames(data: bytes) -> list[str]:
    """The frames in these bytes that tell a device to change something: Modbus writes, MQTT commands."""
    return [*_modbus(data), *_mqtt(data)]


def _modbus(data: bytes) -> Iterator[str]:
    while len(data) >= 8:
        _, protocol, length, unit, code = struct.unpack(">HHHBB", data[:8])
        if protocol != 0 or not 2 <= length <= 254 or len(data) < 6 + length:
            return
        if code in MODBUS_WRITES:
            yield f"Modbus function {code} to unit {unit}"
        data = data[6 + length :]


def _mqtt(data: bytes) -> Iterator[str]:
    while len(data) >= 2:
        length, size = 0, 1
        while True:
            length |= (data[size] & 0x7F) << (7 * (size - 1))
            size += 1
            if not data[size - 1] & 0x80 or size > 4 or size >= len(data):
                break
        body = data[size : size + length]
        if data[0] >> 4 == _PUBLISH and len(body) > 2:
            topic = body[2 : 2 + int.from_bytes(body[:2], "big")].decode("utf-8", "replace")
            if topic.startswith("cmd/"):
                yield f"MQTT message on {topic}"
        data = data[size + length :]


def frames_of_trace(path: Path) -> list[str]:
    """Write frames in what strace (-xx) recorded of a process's sends."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        for text in _HEX.findall(line):
            found += write_frames(bytes.fromhex(text.replace("\\x", "")))
    return found


@contextmanager
def audited() -> Iterator[list[str]]:
    """While this is open, write frames that this process sends are listed."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("send", "sendall"):
            real = getattr(socket.socket, name)

            def noted(self: socket.socket, data: Any, *args: Any, real: Any = real) -> Any:
                found.extend(write_frames(bytes(data)))
                return real(self, data, *args)

            patch.setattr(socket.socket, name, noted)
        yield found
