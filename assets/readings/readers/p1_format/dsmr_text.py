"""A file of P1 telegrams as telegrams: from '/' to '!', their checksum, their lines as OBIS objects.

A checksum proves a telegram. One without (DSMR 2.2 and 3, some German meters) must look exactly as the meter sent it:
every line an object, line ends CRLF; a line end that was changed on the way shows that bytes were.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from data_quality.contracts.errors import BadInput

MAX_TELEGRAM = 64 << 10
# A day of one telegram a second, and some more.
MAX_TELEGRAMS = 100_000
_CODE = rb"\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(?:[*.]\d{1,3})?"
_BRACKETS = rb"(?:\([^()\r\n]*\))++"
_START = re.compile(rb"(?m)^/")
# A meter that sends now sends one at a time; so few need no library, which each listener would have to load.
_WORTH_NUMPY = 8
# A telegram ends with '!' at the begin of a line; up to four hex digits of its checksum follow.
_END = re.compile(rb"(?m)^!([^\r\n]*)(\r\n|\r|\n|\Z)")
_LINE = re.compile(rb"(" + _CODE + rb")?(" + _BRACKETS + rb")")
# Whole telegrams of nothing but objects; possessive, so that a wrong one is seen in one pass.
_ONLY_OBJECTS = re.compile(
    rb"/[^\r\n]*+(?:\r\n|\r|\n)(?:(?:(?:" + _CODE + rb")?+" + _BRACKETS + rb")?+(?:\r\n|\r|\n))*+!"
)
_OBJECT = re.compile(rb"(?m)^" + _CODE + rb"\(")
_BRACKET = re.compile(r"\(([^()]*)\)")
_CRC = re.compile(rb"[0-9A-Fa-f]{1,4}")
_UNIT = re.compile(r"[A-Za-z][A-Za-z0-9]{0,7}")
# Telegrams of these versions end with a checksum; without one they are cut.
_VERSION = re.compile(rb"(?m)^(?:1-3:0\.2\.8|0-0:96\.1\.4)\(\d{1,6}\)")
# What may stand below an object: the value of a gas meter before DSMR 4.
_CONTINUED = re.compile(rb"(?m)^([^\r\n]*)\r\n\(")
_MAY_CONTINUE = re.compile(rb"0-\d{1,3}:24\.3\.0\(")
# Line ends other than CRLF.
_BARE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True)
class Field:
    """One bracket of an object. position: its number, or `cont` for one on the continuation line below."""

    obis: str
    position: str
    value: str
    unit: str
    line: int


@dataclass(frozen=True)
class Telegram:
    """One telegram that may be trusted. number: place in the file, from 0; line: of its '/'; body: '/' to '!'."""

    number: int
    line: int
    body: bytes

    @property
    def header(self) -> str:
        """The identification behind '/', harmless to print."""
        text = re.split(rb"[\r\n]", self.body, maxsplit=1)[0][1:].decode("latin-1")
        return "".join(each if each.isprintable() else "?" for each in text)[:100]


@dataclass(frozen=True)
class Refusal:
    """One telegram that may not be trusted, and why."""

    line: int
    reason: str
    expected: str
    got: str


@dataclass
class TelegramFile:
    """Content of a file. cut: the last telegram, where the file ends before it does; warnings: counts by code."""

    telegrams: list[Telegram] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    warnings: dict[str, int] = field(default_factory=dict)
    cut: Refusal | None = None

    def warn(self, code: str) -> None:
        """Count something that a person should know."""
        self.warnings[code] = self.warnings.get(code, 0) + 1


@dataclass(frozen=True)
class _Piece:
    """Bytes of one telegram: '/' to '!' inclusive, and what stands behind the '!'; None where there is none."""

    number: int
    line: int
    body: bytes
    check: bytes | None
    is_whole: bool


def read_telegrams(data: bytes) -> TelegramFile:
    """All telegrams of a file's bytes. Raises BadInput for more than MAX_TELEGRAMS."""
    found = TelegramFile()
    pieces = list(_pieces(data, found))
    checks = checksums([piece.body for piece in pieces])
    for piece, computed in zip(pieces, checks, strict=True):
        if not piece.is_whole:
            refusal = Refusal(piece.line, "no_end_marker", "'!' at the end of the telegram", "none")
            if piece is pieces[-1] and piece.check is None:
                found.cut = refusal
            else:
                found.refusals.append(refusal)
            continue
        answer = _telegram(piece, computed, found)
        if isinstance(answer, Telegram):
            found.telegrams.append(answer)
        else:
            found.refusals.append(answer)
    return found


def checksums(bodies: list[bytes]) -> list[int]:
    """CRC16 of each (polynomial 0x8005 reflected, start 0), all at once."""
    if len(bodies) < _WORTH_NUMPY:
        return [_checksum(body) for body in bodies]
    # Here, since every file that is looked at asks every reader, and most are of another format.
    import numpy as np

    table = np.array(_crc_table(), dtype=np.uint16)
    order = sorted(range(len(bodies)), key=lambda place: len(bodies[place]))
    sums = [0] * len(bodies)
    # Sorted by length, a group needs little padding.
    for first in range(0, len(order), 512):
        group = order[first : first + 512]
        width = max(len(bodies[place]) for place in group)
        # Leading zeros leave a checksum that starts at 0 as it is, so all can be aligned to the right.
        padded = b"".join(bodies[place].rjust(width, b"\0") for place in group)
        columns = np.frombuffer(padded, dtype=np.uint8).reshape(len(group), width).T.astype(np.uint16)
        crc = np.zeros(len(group), dtype=np.uint16)
        for column in columns:
            crc = (crc >> 8) ^ table[(crc ^ column) & 0xFF]
        for place, value in zip(group, crc.tolist(), strict=True):
            sums[place] = value
    return sums


def _pieces(data: bytes, found: TelegramFile) -> Iterator[_Piece]:
    """The telegrams' bytes; bytes outside of them are counted."""
    position, line, counted, number = 0, 1, 0, 0
    while (start := _START.search(data, position)) is not None:
        line += data.count(b"\n", counted, start.start())
        counted = start.start()
        _outside(data, position, start.start(), found)
        following = _START.search(data, start.end())
        limit = following.start() if following else len(data)
        end = _END.search(data, start.end(), limit)
        is_whole = end is not None and end.start() - start.start() <= MAX_TELEGRAM
        stop = end.end() if end is not None else limit
        body = data[start.start() : (end.start() + 1 if end is not None else start.start())]
        yield _Piece(number, line, body if is_whole else b"", end[1] if end is not None else None, is_whole)
        position, number = stop, number + 1
        if number > MAX_TELEGRAMS:
            raise BadInput(f"more than {MAX_TELEGRAMS} telegrams", line=line, reason="too_large")
    _outside(data, position, len(data), found)


def _outside(data: bytes, start: int, end: int, found: TelegramFile) -> None:
    """Count what stands between telegrams; objects there are of one that lost its head, and are refused as such."""
    if not data[start:end].strip():
        return
    found.warn("outside_telegram")
    lost = _OBJECT.search(data, start, end)
    if lost is not None:
        line = data.count(b"\n", 0, lost.start()) + 1
        got = ascii(lost[0].decode("latin-1"))
        found.refusals.append(Refusal(line, "garbled_lines", "'/' at the begin of a telegram, before its objects", got))


def _telegram(piece: _Piece, computed: int, found: TelegramFile) -> Telegram | Refusal:
    """The telegram, or why it cannot be trusted."""
    check = (piece.check or b"").strip()
    if not check:
        return _unproven(piece, found)
    if not _CRC.fullmatch(check):
        return Refusal(piece.line, "crc_mismatch", "a checksum of four hex digits", check[:20].decode("latin-1"))
    stated = int(check, 16)
    if stated != computed:
        # Mail and editors change line ends; the checksum was made over CRLF, and proves the rest.
        restored = re.sub(rb"\r?\n", b"\r\n", piece.body)
        if restored == piece.body or checksums([restored])[0] != stated:
            expected = f"checksum {computed:04X}, as computed from the telegram"
            return Refusal(piece.line, "crc_mismatch", expected, check.decode("ascii"))
        found.warn("line_ends_changed")
    if len(check) < 4:
        found.warn("unpadded_checksum")
    if _ONLY_OBJECTS.fullmatch(piece.body) is None:
        found.warn("unknown_line")
    return Telegram(piece.number, piece.line, piece.body)


def _unproven(piece: _Piece, found: TelegramFile) -> Telegram | Refusal:
    """A telegram without checksum."""
    if _VERSION.search(piece.body) is not None:
        return Refusal(piece.line, "no_end_marker", "the checksum that this version of telegram has", "none behind '!'")
    changed = _BARE_END.search(piece.body)
    if changed is not None:
        line = piece.line + piece.body.count(b"\n", 0, changed.start())
        expected = "line ends CRLF as the meter sent them, in a telegram without checksum"
        return Refusal(line, "garbled_lines", expected, "another line end")
    if _ONLY_OBJECTS.fullmatch(piece.body) is None or not piece.body.isascii():
        lines = piece.body.split(b"\r\n")[1:-1]
        wrong = [(n, each) for n, each in enumerate(lines, 1) if each and not _LINE.fullmatch(each)]
        place, text = wrong[0] if wrong else (0, lines[0] if lines else b"")
        expected = "an OBIS code and values in brackets"
        return Refusal(piece.line + place, "garbled_lines", expected, ascii(text[:60].decode("latin-1")))
    stray = next((each for each in _CONTINUED.finditer(piece.body) if not _MAY_CONTINUE.match(each[1])), None)
    if stray is not None:
        line = piece.line + piece.body.count(b"\n", 0, stray.start()) + 1
        return Refusal(line, "garbled_lines", "an OBIS code before the value", "a line of values alone")
    found.warn("no_checksum")
    return Telegram(piece.number, piece.line, piece.body)


def fields_of(telegram: Telegram, wanted: re.Pattern[bytes] | None = None) -> list[Field]:
    """The telegram's values in its order. wanted: what the begin of a line must match to be read; None reads all."""
    fields: list[Field] = []
    obis = ""
    # Lines are counted by line feeds, as everywhere; a bare carriage return ends a text, not a line.
    lines = enumerate(telegram.body.split(b"\n"))
    texts = [(place, text) for place, line in lines for text in line.removesuffix(b"\r").split(b"\r")]
    for place, text in texts[1:-1]:
        is_more = bool(obis) and text.startswith(b"(")
        if not text or (wanted is not None and not is_more and not wanted.match(text)):
            obis = ""
            continue
        found = _LINE.fullmatch(text)
        if found is None or (found[1] is None and not obis):
            continue
        is_object = found[1] is not None
        obis = found[1].decode("latin-1") if is_object else obis
        brackets = _BRACKET.findall(found[2].decode("latin-1"))
        line = telegram.line + place
        fields += [_field(obis, str(n) if is_object else "cont", each, line) for n, each in enumerate(brackets)]
    return fields


def _field(obis: str, position: str, text: str, line: int) -> Field:
    value, mark, unit = text.rpartition("*")
    if mark and _UNIT.fullmatch(unit):
        return Field(obis, position, value, unit, line)
    return Field(obis, position, text, "", line)


def _checksum(body: bytes) -> int:
    table, crc = _crc_table(), 0
    for byte in body:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


@cache
def _crc_table() -> tuple[int, ...]:
    table = list(range(256))
    for _ in range(8):
        # 0xA001 is 0x8005 with its bits in reverse order.
        table = [(each >> 1) ^ 0xA001 if each & 1 else each >> 1 for each in table]
    return tuple(table)
