"""A file that somebody dropped: of which report it calls itself, and where it differs from the one that was written.

Functions take and give plain JSON, so that they may run in a limited process: a file may be built to harm its reader.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from assets.bills.documents.read_pdf import page_drawings
from data_quality.contracts.errors import BadInput
from reports.evidence.archive import read_archive
from reports.evidence.manifest import MANIFEST
from reports.evidence.verify_pack import open_pack

# As render_pdf.py and render_xlsx.py write it; in JSON the identifier and the number stand apart.
_SAYS = re.compile(rb"([a-z0-9_]{1,60}/[a-zA-Z0-9_.-]{1,64}/[a-zA-Z0-9_./-]{1,40}) revision (\d{1,6})")
_SAYS_JSON = re.compile(rb'"report_id": "([^"]{1,128})".*?"revision": (\d{1,6})', re.DOTALL)
_SHEET = re.compile(r"xl/worksheets/sheet(\d+)\.xml")
_LARGEST_MEMBER, _HEAD = 64 << 20, 1 << 16
# A reader of a hostile file may fail with anything that its parts raise on odd objects.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, KeyError, RuntimeError, NotImplementedError)
MOST_PLACES, _ALIKE = 20, 0.9


def kind_of(data: bytes) -> str:
    """The kind by its first bytes: pdf, zip (a workbook or a pack), json; empty for any other."""
    starts = {b"%PDF": "pdf", b"PK\x03\x04": "zip", b"{": "json"}
    return next((kind for start, kind in starts.items() if data.startswith(start)), "")


def looked_at(path: str) -> dict[str, Any]:
    """{name, is_pack, manifest_sha256, problems}: which revision a file calls itself, empty where it names none; of a
    pack what is not as it was sealed.
    """
    file = Path(path)
    data, kind = file.read_bytes(), kind_of(file.read_bytes()[:8])
    found: dict[str, Any] = {"name": "", "is_pack": False, "manifest_sha256": "", "problems": []}
    if kind == "zip":
        members = _members(file)
        if MANIFEST in members:
            return found | _pack(file)
        named = _SAYS.search(members.get("docProps/core.xml") or b"")
    else:
        named = _SAYS.search(data) if kind == "pdf" else _SAYS_JSON.search(data[:_HEAD])
    return found | {"name": f"{named[1].decode(errors='replace')}@{int(named[2])}" if named else ""}


def _pack(file: Path) -> dict[str, Any]:
    opened, problems = open_pack(read_archive(file))
    files = [each.file for each in problems][:MOST_PLACES]
    if opened is None:
        return {"is_pack": True, "problems": files}
    report = opened.manifest.report
    name = f"{report.report_id}@{report.revision}"
    return {"is_pack": True, "name": name, "manifest_sha256": opened.manifest_sha256, "problems": files}


def places(given: str, written: str) -> list[str]:
    """Differing places of two files of one kind: pages, sheets, members; of nearly equal ones the first byte. Empty
    where that would tell more of the written file than the given one holds.
    """
    one, other = Path(given).read_bytes(), Path(written).read_bytes()
    compare = {"pdf": _pages, "zip": _entries}.get(kind_of(other))
    if compare is None or kind_of(one) != kind_of(other):
        return []
    try:
        found = list(dict.fromkeys(compare(Path(given), Path(written))))
    except (*_BROKEN, BadInput, RecursionError):
        found = []
    if found or not is_alike(one, other):
        return found[:MOST_PLACES]
    return [f"byte {at}" for at, (a, b) in enumerate(zip(one, other, strict=True), 1) if a != b][:1]


def is_alike(one: bytes, other: bytes) -> bool:
    """True where nine of ten blocks of two files of one length are the same."""
    size = max(len(one) // 1000, 16)
    blocks = range(0, len(one), size)
    same = sum(one[at : at + size] == other[at : at + size] for at in blocks)
    return len(one) == len(other) and same >= _ALIKE * len(blocks)


def _pages(given: Path, written: Path) -> Iterator[str]:
    pairs = zip_longest(page_drawings(given), page_drawings(written))
    yield from (f"page {number}" for number, (one, other) in enumerate(pairs, 1) if one is None or one != other)


def _entries(given: Path, written: Path) -> Iterator[str]:
    one, other = _members(given), _members(written)
    for name in [*other, *(each for each in one if each not in other)]:
        if name not in one or name not in other or one[name] is None or one[name] != other[name]:
            sheet = _SHEET.fullmatch(name)
            yield f"sheet {sheet[1]}" if sheet else name


def _members(file: Path) -> dict[str, bytes | None]:
    """Every member of an archive; None for one that cannot be read. Empty where the archive cannot."""
    found: dict[str, bytes | None] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for each in archive.infolist()[:4096]:
                found[each.filename[:200]] = None
                if each.file_size <= _LARGEST_MEMBER:
                    try:
                        found[each.filename[:200]] = archive.read(each)
                    except _BROKEN:
                        continue
    except _BROKEN:
        return {}
    return found
