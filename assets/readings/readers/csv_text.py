"""The bytes of a separated text file: unpacked, decoded, header and separator found. Rows are read in csv_table.py."""

import csv
import gzip
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from data_quality.contracts.errors import BadInput

GZIP_MAGIC = b"\x1f\x8b"
SEPARATORS = (";", "\t", ",")
# A packed file that grows beyond this is no meter file.
MAX_BYTES = 4 * 1024**3


@dataclass(frozen=True)
class CsvText:
    """header: column names; body: UTF-8 bytes after the header line; is_finished: the body ends with a line end."""

    header: list[str]
    separator: str
    body: bytes
    is_finished: bool
    warnings: dict[str, int] = field(default_factory=dict)


def open_text(path: Path) -> CsvText:
    """The text of a file. Raises BadInput: broken gzip, not text, bad encoding, no header."""
    data, warnings = _decoded(_unpacked(path))
    first, _, body = data.partition(b"\n")
    line = first.decode().rstrip("\r")
    if not line.strip():
        raise BadInput("expected a header of column names in line 1, found nothing", line=1, reason="no_header")
    separator = max(SEPARATORS, key=line.count)
    header = [name.strip() for name in next(csv.reader([line], delimiter=separator))]
    if not all(header):
        raise BadInput("a column of the header has no name", line=1, reason="no_header")
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"column {twice!r} stands twice in the header", line=1, reason="duplicate_column")
    is_finished = body.endswith(b"\n") or not body
    return CsvText(header=header, separator=separator, body=body, is_finished=is_finished, warnings=warnings)


def _unpacked(path: Path) -> bytes:
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP_MAGIC
    if not is_packed:
        if path.suffix == ".gz":
            raise BadInput("not a gzip file, though its name says so", line=1, reason="unknown_format")
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            data = file.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput("the gzip file is cut or broken", line=1, reason="truncated") from error
    if len(data) > MAX_BYTES:
        raise BadInput("unpacks to more than 4 GiB", line=1, reason="too_large")
    return data


def _decoded(data: bytes) -> tuple[bytes, dict[str, int]]:
    """UTF-8 without mark, and the warnings that the way there earned."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16").encode(), {"utf16": 1}
        except UnicodeDecodeError as error:
            raise BadInput("cut or broken UTF-16 text", line=1, reason="bad_encoding") from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        raise BadInput("not a text file", line=data[: data.index(b"\0")].count(b"\n") + 1, reason="not_text")
    try:
        if not data.isascii():
            data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput("expected UTF-8 text", line=line, reason="bad_encoding") from error
    return data, {}
