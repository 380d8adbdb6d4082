"""The bytes of the spool, pure: frames of length and checksum around lines of text, and what can be read of them.

A frame is one commit: kind S, each line a source's id and a sample (contracts/live/sample_line.py), or kind R, refusals
as JSON arrays (source_id, point, received_us, reason, excerpt). Times are microseconds of UTC since 1970.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.live.sample_line import micros, sample_line

# 0xFF is in no UTF-8 text, so nothing that a line holds looks like the beginning of a frame.
MAGIC = b"\xffM"
SAMPLES, REFUSALS = b"S", b"R"
_HEADER = struct.Struct("<2scII")


class Content(NamedTuple):
    """Content of a spool piece. end: behind the last whole frame; damaged: bytes before it that are none."""

    lines: bytes
    refusals: bytes
    end: int
    damaged: int


def sample_lines(source_id: str, samples: Iterable[Sample]) -> bytes:
    """Samples as lines; the caller has looked that values are finite and names are those of the site file."""
    return "".join(f"{source_id},{sample_line(each)}\n" for each in samples).encode()


def refusal_lines(source_id: str, refusals: Iterable[Refusal]) -> bytes:
    """Refusals as lines, each a JSON array in ASCII."""
    return "".join(
        json.dumps([source_id, each.point, micros(each.received_utc), each.reason, each.excerpt]) + "\n"
        for each in refusals
    ).encode()


def frame(kind: bytes, payload: bytes) -> bytes:
    """The payload with its header."""
    return _HEADER.pack(MAGIC, kind, len(payload), zlib.crc32(payload, kind[0])) + payload


def read_frames(data: bytes) -> Content:
    """Everything whole in the bytes of a piece; what is torn or damaged is counted and stepped over."""
    found: dict[bytes, list[bytes]] = {SAMPLES: [], REFUSALS: []}
    end = whole = 0
    for start, kind, payload in _frames(data):
        found.setdefault(kind, []).append(payload)
        end = start + _HEADER.size + len(payload)
        whole += _HEADER.size + len(payload)
    return Content(b"".join(found[SAMPLES]), b"".join(found[REFUSALS]), end, end - whole)


def _frames(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    at = data.find(MAGIC)
    while 0 <= at <= len(data) - _HEADER.size:
        _, kind, length, crc = _HEADER.unpack_from(data, at)
        payload = data[at + _HEADER.size : at + _HEADER.size + length]
        if len(payload) == length and zlib.crc32(payload, kind[0]) == crc:
            yield at, kind, payload
            at += _HEADER.size + length
            continue
        at = data.find(MAGIC, at + 1)
