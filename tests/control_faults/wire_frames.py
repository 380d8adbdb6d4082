"""Frames that tell a device to change something, told by their bytes. Nothing but the standard library: an agent in a
process of its own loads it too (own_process).
"""

import struct
from collections.abc import Iterator

# Write coil, register, coils, registers, mask a register, read and write registers.
MODBUS_WRITES = (5, 6, 15, 16, 22, 23)
_PUBLISH = 3


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
