"""A ZIP in one fixed layout, so that every byte of a pack is either content or known beforehand.

Stored members only, no extra fields, no comments, one time stamp: nothing depends on a compressor, and nothing can be
hidden between, before or behind the members. `unzip` and every other tool reads it.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model

STRUCTURE = "archive structure"
# Above these the format needs fields of another layout; such inputs go by their digests.
MAX_BYTES = 2**32 - 2
MAX_MEMBERS = 2**16 - 2
MAX_NAME = 240
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=@+-]*(/[A-Za-z0-9_][A-Za-z0-9_.=@+-]*)*", re.ASCII)
# Local header, central header and end record, as APPNOTE 4.3.7, 4.3.12 and 4.3.16 lay them out.
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_CHUNK = 1 << 20
_VERSION, _MADE_BY, _DATE = 20, 3 << 8 | 20, 1 << 5 | 1  # 1 January 1980, the first day that the format knows
# An ordinary file of its owner alone, where an unpacker restores rights.
_MODE = 0o100600 << 16


class PackProblem(Model):
    """Problem of a pack. file: the altered member, or STRUCTURE for what is not in one."""

    file: str
    problem: str


class Member(Model):
    """One member as found. is_sound: its bytes have the CRC that its header states."""

    name: str
    start: int
    size: int
    crc32: int
    sha256: str
    is_sound: bool


@dataclass
class Archive:
    """Members of an archive, in its order. is_readable: its members could be told apart."""

    path: Path
    members: dict[str, Member] = field(default_factory=dict)
    problems: list[PackProblem] = field(default_factory=list)
    is_readable: bool = True

    def bytes_of(self, name: str, *, limit: int) -> bytes:
        """A member's bytes. Raises BadInput above `limit`, KeyError for none of that name."""
        member = self.members[name]
        if member.size > limit:
            raise BadInput(f"{name} has {member.size} bytes; at most {limit} are expected", reason="too_large")
        with self.path.open("rb") as file:
            file.seek(member.start)
            return file.read(member.size)

    def extract(self, name: str, target: Path) -> None:
        """Copy a member to a file."""
        member = self.members[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("rb") as file, target.open("wb") as out:
            file.seek(member.start)
            left = member.size
            while left and (chunk := file.read(min(left, _CHUNK))):
                out.write(chunk)
                left -= len(chunk)


class ArchiveWriter:
    """Writes members one after the other; `close` adds the directory."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._done: list[tuple[str, int, int, int]] = []

    def add(self, name: str, source: bytes | Path) -> tuple[int, str]:
        """Write a member. Returns its size and SHA-256. Raises BadInput for what the layout cannot hold."""
        if not is_member_name(name) or name in {each[0] for each in self._done}:
            raise BadInput(f"{name!r} cannot name a member of a pack", reason="bad_name")
        offset = self._out.tell()
        # Zeros hold the place: sum and size are known at the member's end, and a descriptor there is another layout.
        self._out.write(_local(name, 0, 0))
        crc, size, found = 0, 0, hashlib.sha256()
        for chunk in _chunks(source):
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
            found.update(chunk)
            self._out.write(chunk)
        end = self._out.tell()
        # The largest values of these fields say "see ZIP64", which this layout does not have.
        if end > MAX_BYTES or len(self._done) >= MAX_MEMBERS:
            raise BadInput(
                "the inputs are too many for one pack (4 GiB, 65,534 files)",
                reason="pack_too_large",
                mend="use --inputs digests",
            )
        self._out.seek(offset)
        self._out.write(_local(name, crc, size))
        self._out.seek(end)
        self._done.append((name, crc, size, offset))
        return size, found.hexdigest()

    def close(self) -> None:
        """Write the directory."""
        self._out.write(_directory(self._done, self._out.tell()))


def is_member_name(name: str) -> bool:
    """True for a relative path of plain names: never outside its folder, never hidden."""
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def read_archive(path: Path) -> Archive:
    """Tell the members apart, hash each, and account for every byte. Never raises for what a file may hold.

    Reads each byte once; memory stays at one chunk and the directory.
    """
    found = Archive(path=path)
    size = path.stat().st_size
    # Before anything is read: a file of terabytes must not keep us busy.
    if size > MAX_BYTES + _END.size:
        return _broken(found, "larger than a pack can be")
    entries: list[tuple[str, int, int, int]] = []
    with path.open("rb") as file:
        while (offset := file.tell()) < size:
            head = file.read(_LOCAL.size)
            if head[:4] != b"PK\x03\x04":
                file.seek(offset)
                break
            entry = _entry(file, head, size, found)
            if entry is None:
                return found
            name, crc, length = entry
            entries.append((name, crc, length, offset))
            if len(entries) > MAX_MEMBERS:
                return _broken(found, "more members than a pack can have")
        start = file.tell()
        wanted = _directory(entries, start)
        if size - start != len(wanted) or file.read(len(wanted) + 1) != wanted:
            found.problems.append(
                PackProblem(file=STRUCTURE, problem="the directory does not list the members as they are")
            )
    return found


def _entry(file: IO[bytes], head: bytes, size: int, found: Archive) -> tuple[str, int, int] | None:
    """Read one member behind its header; None where the rest cannot be split into members."""
    if len(head) < _LOCAL.size:
        _broken(found, "cut off in a header")
        return None
    crc, length, name_size = (_LOCAL.unpack(head)[place] for place in (6, 8, 9))
    raw = file.read(name_size)
    name = raw.decode("ascii", "replace")
    if not is_member_name(name) or name in found.members:
        _broken(found, f"{name[:80]!r} is no name of a member")
        return None
    if file.tell() + length > size:
        _broken(found, f"{name} ends behind the end of the file")
        return None
    # Written again and compared: flags, dates and extra fields have one value only, so nothing hides in them.
    if head + raw != _local(name, crc, length):
        found.problems.append(PackProblem(file=STRUCTURE, problem=f"the header of {name} is not as written"))
    start, left, actual, digest = file.tell(), length, 0, hashlib.sha256()
    while left:
        chunk = file.read(min(left, _CHUNK))
        left -= len(chunk)
        actual = zlib.crc32(chunk, actual)
        digest.update(chunk)
    found.members[name] = Member(
        name=name, start=start, size=length, crc32=crc, sha256=digest.hexdigest(), is_sound=actual == crc
    )
    return name, crc, length


def _broken(found: Archive, why: str) -> Archive:
    found.problems.append(PackProblem(file=STRUCTURE, problem=why))
    found.is_readable = False
    return found


def _local(name: str, crc: int, size: int) -> bytes:
    raw = name.encode("ascii")
    return _LOCAL.pack(b"PK\x03\x04", _VERSION, 0, 0, 0, _DATE, crc, size, size, len(raw), 0) + raw


def _directory(entries: Iterable[tuple[str, int, int, int]], start: int) -> bytes:
    """Central directory and end record of members (name, crc, size, offset), as they stand at `start`."""
    parts = []
    for name, crc, size, offset in entries:
        raw = name.encode("ascii")
        fields = (_MADE_BY, _VERSION, 0, 0, 0, _DATE, crc, size, size, len(raw), 0, 0, 0, 0, _MODE, offset)
        parts.append(_CENTRAL.pack(b"PK\x01\x02", *fields) + raw)
    listed = b"".join(parts)
    return listed + _END.pack(b"PK\x05\x06", 0, 0, len(parts), len(parts), len(listed), min(start, 2**32 - 1), 0)


def _chunks(source: bytes | Path) -> Iterable[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
