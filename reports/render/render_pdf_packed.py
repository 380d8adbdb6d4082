"""The PDF's objects, packed: the library's finished file read as it writes it, and written with more objects in it.

Source: ISO 32000-1 §7.5.7 (object streams), §7.5.8 (cross-reference streams). An element of the tree takes six to ten
bytes so, and some hundred as an object by itself.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Sequence

# Objects of a stream; bytes of a line, in which ten places stand (a reference each): ten counted numbers differ from
# those of the line above in their tens alone, and so in the same bytes on every line.
_IN_A_STREAM, LINE, PLACE = 800, 120, 12


def found(pattern: bytes, bodies: Iterable[bytes]) -> bytes:
    """The first group of the pattern in the first of the bodies that has it."""
    return next(match[1] for body in bodies if (match := re.search(pattern, body)))


def read_objects(data: bytes) -> tuple[dict[int, bytes], int]:
    """Bodies of the library's objects by their numbers, and which of them is the information dictionary."""
    table = int(data[data.rindex(b"startxref") + 9 :].split()[0])
    offsets = [int(each) for each in re.findall(rb"(\d{10}) 00000 n", data[table:])]
    ends = dict(zip(sorted(offsets), [*sorted(offsets)[1:], table], strict=True))
    bodies = {}
    for number, start in enumerate(offsets, start=1):
        raw = data[start : ends[start]]
        bodies[number] = raw[raw.index(b"obj") + 4 : raw.rindex(b"endobj")].strip(b"\n")
    for body in list(bodies.values()):
        if letters := re.search(rb"/ToUnicode (\d+) 0 R", body):
            bodies[int(letters[1])] = _mended(bodies[int(letters[1])])
    return bodies, int(found(rb"/Info (\d+) 0 R", [data[table:]]))


def extended(body: bytes, entries: str) -> bytes:
    """A dictionary with more entries."""
    return body[: body.rindex(b">>")] + entries.encode("latin-1") + b">>"


def _mended(body: bytes) -> bytes:
    """A map of codes to letters: the library maps codes of none to U+0000, and halves no letter above U+FFFF."""
    start = body.index(b"stream\n") + 7
    text = zlib.decompress(body[start : body.rindex(b"endstream")])
    text = re.sub(rb"<\w+> <0000>\n", b"", text)
    text = re.sub(rb"<(\w{5})>", lambda high: b"<%b>" % chr(int(high[1], 16)).encode("utf-16-be").hex().encode(), text)
    text = re.sub(rb"\d+ beginbfchar", b"%d beginbfchar" % len(re.findall(rb"> <\w{4,}>\n", text)), text)
    packed = zlib.compress(text)
    return b"<</Filter/FlateDecode/Length %d>>\nstream\n%b\nendstream" % (len(packed), packed)


class PdfFile:
    """Objects on their way into a file: streams plain, all others packed."""

    def __init__(self, free: int) -> None:
        self.bodies: dict[int, bytes] = {}
        self._free = free

    def number(self) -> int:
        """A number that no object has."""
        self._free += 1
        return self._free - 1

    def put(self, body: bytes) -> int:
        """Number of a new object."""
        self.bodies[number := self.number()] = body
        return number

    def written(self, head: bytes, root: int, info: int, identity: bytes) -> bytes:
        """Bytes of the file, its table of objects compressed too."""
        out, rows = bytearray(b"%PDF-1.7" + head[8:]), dict[int, tuple[int, int, int]]()
        # The information dictionary stays plain: whoever is given a file reads its name there without unpacking it.
        packed = [each for each in self.bodies if b"stream\n" not in self.bodies[each] and each != info]
        packed.sort()
        for start in range(0, len(packed), _IN_A_STREAM):
            part = packed[start : start + _IN_A_STREAM]
            into = self.put(_packed([(each, self.bodies[each]) for each in part]))
            rows |= {each: (2, into, place) for place, each in enumerate(part)}
        for number, body in sorted(self.bodies.items()):
            if number not in rows:
                rows[number] = (1, len(out), 0)
                out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
        table = self.number()
        rows[table] = (1, len(out), 0)
        lines = b"".join(struct.pack(">BIH", *rows.get(each, (0, 0, 65535))) for each in range(table + 1))
        keys = b"/Type/XRef/W[1 4 2]/Size %d/Root %d 0 R/Info %d 0 R/ID%b" % (table + 1, root, info, identity)
        body = _stream(keys, lines, 7)
        return bytes(out) + b"%d 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (table, body, rows[table][1])


def _stream(keys: bytes, data: bytes, columns: int) -> bytes:
    """A packed stream of lines, each as its difference from the one above where half of it is the same (as in PNG)."""
    import numpy as np

    lines = np.frombuffer(data, dtype=np.uint8).reshape(-1, columns)
    above = np.vstack([np.zeros((1, columns), dtype=np.uint8), lines[:-1]])
    is_like = (lines == above).sum(axis=1, keepdims=True) * 2 >= columns
    moved = np.hstack([is_like * np.uint8(2), np.where(is_like, lines - above, lines)]).astype(np.uint8)
    packed = zlib.compress(moved.tobytes())
    keys += b"/DecodeParms<</Predictor 15/Columns %d>>/Filter/FlateDecode/Length %d" % (columns, len(packed))
    return b"<<%b>>\nstream\n%b\nendstream" % (keys, packed)


def _packed(objects: Sequence[tuple[int, bytes]]) -> bytes:
    places, bodies, at = list[bytes](), list[bytes](), 0
    for number, body in objects:
        places.append(b" %5d %5d" % (number, at))
        bodies.append(body.ljust(-(-(len(body) + 1) // LINE) * LINE))
        at += len(bodies[-1])
    head = b"".join(places)
    head = head.ljust(-(-(len(head) + 1) // LINE) * LINE)
    keys = b"/Type/ObjStm/N %d/First %d" % (len(objects), len(head))
    return _stream(keys, head + b"".join(bodies), LINE)


def pdf_text(words: str) -> str:
    """A text string of PDF (§7.9.2.2), written as Latin-1."""
    # Of the two encodings that a string may have, the short one is the same as Latin-1 in these letters.
    if re.fullmatch("[ -~\u00a1-\u00ac\u00ae-\u00ff]*", words):
        return "(" + re.sub(r"[\\()]", r"\\\g<0>", words) + ")"
    return "<FEFF" + words.encode("utf-16-be").hex() + ">"
