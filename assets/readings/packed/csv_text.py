"""The bytes of a separated text file: unpacked, decoded, header and separator found. Rows are read in csv_table.py."""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from assets.readings.packed.bounded import GZIP_MAGIC
from data_quality.contracts.errors import BadInput

# In order of trust, since the first of equal counts wins: commas also stand in names and numbers.
SEPARATORS = (";", "\t", ",")
# A packed file that grows beyond this, or by this factor once it has a size that counts, is no meter file (F11).
MAX_PACKED_BYTES, MAX_RATIO, RATIO_FROM_BYTES = 512 * 1024**2, 100, 16 * 1024**2
# A line of a meter file is short; one without end would be parsed whole in memory (F10).
MAX_LINE_BYTES = 1024**2
MAX_COLUMNS = 5000
_SHOWN_LINES = 100
_CHUNK_BYTES = 512 * 1024


@dataclass(frozen=True)
class CsvText:
    """header: column names; body: UTF-8 bytes after the header line; is_finished: the body ends with a line end;
    encoding: as found; line: of the first row in the file, where the header is not its first line.
    """

    header: list[str]
    separator: str
    body: bytes
    is_finished: bool
    encoding: str = "utf-8"
    warnings: dict[str, int] = field(default_factory=dict)
    line: int = 2


def open_text(path: Path, header_line: int = 1, encoding: str | None = None) -> CsvText:
    """The text of a file from its header on; encoding: as declared, of a text without a mark. Raises BadInput: broken
    gzip, bomb, endless line, not text, bad encoding, no header.
    """
    data, found, warnings = _decoded(_unpacked(path), encoding)
    if b"\n" not in data and b"\r" in data:
        # Line ends of old Macintosh programs: nothing else can be meant where there is no line feed at all.
        data, warnings = data.replace(b"\r", b"\n"), warnings | {"cr_line_ends": 1}
        _refuse_long_line(data)
    for _ in range(header_line - 1):
        data = data.partition(b"\n")[2]
    first, _, body = data.partition(b"\n")
    header, separator, unnamed = _header(first.decode(), header_line)
    header += _behind_the_last(body, separator, len(header))
    if unnamed:
        warnings = warnings | {"unnamed_columns": unnamed}
    is_finished = body.endswith(b"\n") or not body
    return CsvText(
        header=header,
        separator=separator,
        body=body,
        is_finished=is_finished,
        encoding=found,
        warnings=warnings,
        line=header_line + 1,
    )


def _behind_the_last(body: bytes, separator: str, width: int) -> list[str]:
    """Names for what stands behind a separator at the end of the lines, but not of the header: nothing, in a column."""
    lines = [each.decode(errors="replace") for each in body[:_CHUNK_BYTES].splitlines() if each.strip()][:_SHOWN_LINES]
    try:
        rows = list(csv.reader(lines, delimiter=separator))
    except csv.Error:
        return []
    # One such line may be a number whose decimal comma parts fields: most must be so.
    count = sum(len(fields) == width + 1 and not fields[-1].strip() for fields in rows)
    return [f"column_{width + 1}"] if 2 * count > len(rows) else []


def first_line(path: Path) -> tuple[list[str], str]:
    """Column names and separator of plain UTF-8 text, of which only the beginning is read. Raises BadInput."""
    with path.open("rb") as file:
        data = file.read(_CHUNK_BYTES)
    header, separator, _ = _header(_decoded(data.partition(b"\n")[0])[0].decode())
    return header, separator


def _header(text: str, line: int = 1) -> tuple[list[str], str, int]:
    """Column names, separator, and how many columns have no name. line: where the text stands in the file."""
    text = text.rstrip("\r")
    if not text.strip():
        message = f"expected a header of column names in line {line}, found nothing"
        raise BadInput(message, line=line, reason="no_header")
    separator = max(SEPARATORS, key=text.count)
    try:
        names = next(csv.reader([text], delimiter=separator))
    except csv.Error as error:
        raise BadInput("a field of the header is too long", line=line, reason="no_header") from error
    header, unnamed = _named(names, line)
    return header, separator, unnamed


def _named(names: list[str], line: int) -> tuple[list[str], int]:
    """Column names; one without a name is called by its place, as column_3. Returns also how many those are."""
    if len(names) > MAX_COLUMNS:
        raise BadInput(f"{len(names)} columns; expected at most {MAX_COLUMNS}", line=line, reason="too_many_columns")
    header = [name.strip() or f"column_{place}" for place, name in enumerate(names, start=1)]
    if not any(name.strip() for name in names):
        raise BadInput("no column of the header has a name", line=line, reason="no_header")
    refuse_own_name(header, line)
    twice = next((name for name, count in Counter(header).items() if count > 1), None)
    if twice is not None:
        raise BadInput(f"column {twice!r} appears twice in the header", line=line, reason="duplicate_column")
    return header, sum(not name.strip() for name in names)


def refuse_own_name(names: Iterable[str], line: int = 1) -> None:
    """Raises BadInput (duplicate_column) where a table has a column called as the number of a row is here, or by a
    pattern that stands for several columns (`*`, `^…$`).
    """
    for name in names:
        is_pattern = name == "*" or (name.startswith("^") and name.endswith("$"))
        if name == "_line" or is_pattern:
            means = "as a pattern of names is" if is_pattern else "as the number of a row is"
            message = f"a column is called {name[:64]!r}, {means} here; give it another name"
            raise BadInput(message, line=line, reason="duplicate_column")


def _unpacked(path: Path) -> bytes:
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        if not is_packed:
            # A wrong name is reported as such: as text the bytes would be refused for something else.
            if path.suffix == ".gz":
                raise BadInput("not a gzip file, though its name says so", line=1, reason="unknown_format")
            _refuse_endless_line(file)
            return path.read_bytes()
    data = b"".join(unpacked_chunks(path))
    _refuse_long_line(data)
    return data


def unpacked_chunks(path: Path) -> Iterator[bytes]:
    """The content of a gzip file in pieces. Raises BadInput: too_large, truncated."""
    packed_bytes, size = path.stat().st_size, 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > MAX_PACKED_BYTES or (size > RATIO_FROM_BYTES and size > MAX_RATIO * packed_bytes):
                    message = f"unpacks to more than {MAX_PACKED_BYTES >> 20} MiB, or than {MAX_RATIO} times its size"
                    raise BadInput(message, line=1, reason="too_large")
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput("the gzip file is cut or broken", line=1, reason="truncated") from error


def _refuse_endless_line(file: IO[bytes]) -> None:
    """Look for a line longer than MAX_LINE_BYTES without holding more than a chunk."""
    line, pending = 1, 0
    while chunk := file.read(_CHUNK_BYTES):
        line_end = chunk.find(b"\n")
        if line_end < 0:
            # No line feed: what ends its lines with carriage returns has them in every chunk.
            pending = len(chunk) - 1 - chunk.rfind(b"\r") if b"\r" in chunk else pending + len(chunk)
        elif pending + line_end <= MAX_LINE_BYTES:
            line += chunk.count(b"\n")
            pending = len(chunk) - 1 - chunk.rfind(b"\n")
            continue
        else:
            pending += line_end
        if pending > MAX_LINE_BYTES:
            raise _long_line(line)


def _refuse_long_line(data: bytes) -> None:
    start = 0
    while len(data) - start > MAX_LINE_BYTES:
        # The last line end within reach: from there the search goes on, so every byte is looked at once.
        line_end = data.rfind(b"\n", start, start + MAX_LINE_BYTES + 1)
        if line_end < 0 and b"\r" in data[start : start + MAX_LINE_BYTES] and b"\n" not in data:
            return
        if line_end < 0:
            raise _long_line(data.count(b"\n", 0, start) + 1)
        start = line_end + 1


def _long_line(line: int) -> BadInput:
    return BadInput("a line of more than 1 MiB; expected lines of a table", line=line, reason="line_too_long")


def _decoded(data: bytes, declared: str | None = None) -> tuple[bytes, str, dict[str, int]]:
    """UTF-8 without mark, the encoding as found, and the warnings that the way there earned."""
    # UTF-16 only by its mark: without one nothing tells it from bytes that are no text.
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = data.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise BadInput("cut or broken UTF-16 text", line=1, reason="bad_encoding") from error
        return text, "utf-16", {"utf16": 1}
    is_marked = data.startswith(b"\xef\xbb\xbf")
    if declared is not None and not is_marked:
        return _declared(data, declared), declared, {}
    encoding = "utf-8 with byte-order mark" if is_marked else "utf-8"
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data:
        raise BadInput("not a text file", line=data[: data.index(b"\0")].count(b"\n") + 1, reason="not_text")
    try:
        if not data.isascii():
            data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput("expected UTF-8 text", line=line, reason="bad_encoding") from error
    return data, encoding, {}


def _declared(data: bytes, encoding: str) -> bytes:
    """Text of a declared encoding as UTF-8."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"expected {encoding} text, as the column map says"
        raise BadInput(message, line=line, reason="bad_encoding") from error
    if "\0" in text:
        raise BadInput("not a text file", line=text[: text.index("\0")].count("\n") + 1, reason="not_text")
    return text.encode()
