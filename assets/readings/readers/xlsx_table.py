"""XLSX worksheets with the columns of the plain shape, or foreign ones with a column map.

Cells come as they are stored: a formula by its last value, never evaluated; a text that looks like one is a text. The
archive is measured before it is opened, so that a small file cannot become a large one (F11, F27).
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.readers.csv_text import MAX_COLUMNS
from assets.readings.table import RawTable, read_table
from data_quality.contracts.errors import BadInput

ZIP_MAGIC = b"PK\x03\x04"
# Worksheets pack well, since every cell repeats the same markup: a bomb packs a thousandfold.
MAX_ENTRIES, MAX_BYTES, MAX_RATIO, RATIO_FROM_BYTES = 1000, 256 * 1024**2, 100, 16 * 1024**2
_CHUNK_BYTES = 1024**2
_WORKBOOK = "xl/workbook.xml"


class XlsxTable:
    """Reader of workbooks; `source_line` is the row of the sheet, the header's being the first that is not empty."""

    name = "xlsx"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """A ZIP archive that begins like an office document, or whose directory holds a workbook; no name counts."""
        if not head.startswith(ZIP_MAGIC):
            return False
        if any(mark in head[:2048] for mark in (b"[Content_Types].xml", b"xl/", b"_rels/")):
            return True
        try:
            with zipfile.ZipFile(path) as archive:
                return _WORKBOOK in archive.namelist()
        except (zipfile.BadZipFile, OSError, ValueError):
            return False

    def header(self, path: Path) -> list[str]:
        """Column names of the first sheet; one without a name where it is empty (a cover). Raises BadInput."""
        try:
            return [name for name in _cells(path, None).columns if name != "_line"]
        except BadInput as fault:
            if fault.reason != "no_rows":
                raise
            return ["column_1"]

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All rows of the sheet. Raises BadInput for a file that cannot be used as a whole."""
        return read_table(self.table(path, request), request)

    def table(self, path: Path, request: ReadRequest) -> RawTable:
        """The columns as found. Raises BadInput."""
        frame = _cells(path, request.mapping.sheet if request.mapping else None)
        if frame.is_empty():
            raise BadInput("there is a header but no row", line=1, reason="no_rows")
        return RawTable(frame=frame, allows_comma=True, reading={"sheet": _sheet_name(path, request)})


def _sheet_name(path: Path, request: ReadRequest) -> str:
    return (request.mapping.sheet if request.mapping else None) or _workbook(path).sheet_names[0]


def _cells(path: Path, sheet: str | None) -> pl.DataFrame:
    """The sheet as text columns named by its header row, with `_line`."""
    book = _workbook(path)
    if not book.sheet_names:
        raise BadInput("the workbook has no sheet", line=1, reason="no_rows")
    if sheet is not None and sheet not in book.sheet_names:
        names = ", ".join(book.sheet_names)
        raise BadInput(f"no sheet {sheet!r}; the workbook has {names}", line=1, reason="no_such_sheet")
    try:
        cells: pl.DataFrame = book.load_sheet(
            sheet if sheet is not None else 0, header_row=None, skip_rows=0, dtypes="string"
        ).to_polars()
    except (_fault(), pl.exceptions.PolarsError) as error:
        raise _broken() from error
    # A workbook may declare a million empty columns: those without any text are not of the table.
    if cells.width > MAX_COLUMNS:
        raise BadInput(f"{cells.width} columns; expected at most {MAX_COLUMNS}", line=1, reason="too_many_columns")
    cells = cells.with_row_index("_line", offset=1)
    columns = [name for name in cells.columns if name != "_line"]
    filled = cells.filter(~pl.all_horizontal(pl.col(columns).is_null())) if columns else cells
    if filled.is_empty():
        raise BadInput("the sheet is empty", line=1, reason="no_rows")
    first, rest = filled.row(0), filled.slice(1)
    return rest.rename(dict(zip(rest.columns[1:], _header(first[1:], int(first[0])), strict=True)))


def _header(cells: tuple[str | None, ...], line: int) -> list[str]:
    names = [(cell or "").strip() or f"column_{place}" for place, cell in enumerate(cells, start=1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"column {twice!r} stands twice in the header", line=line, reason="duplicate_column")
    return names


def _workbook(path: Path) -> Any:
    """The opened workbook, after its archive was measured. Raises BadInput."""
    import fastexcel

    _measure(path)
    try:
        return fastexcel.read_excel(path)
    except fastexcel.FastExcelError as error:
        raise _broken() from error


def _fault() -> type[Exception]:
    import fastexcel

    fault: type[Exception] = fastexcel.FastExcelError
    return fault


def _measure(path: Path) -> None:
    """Unpack every entry once, a chunk at a time, counting: what the directory says is not believed (F11)."""
    packed_bytes, size = path.stat().st_size, 0
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise _too_large(f"{len(entries)} entries")
            if sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise _too_large("more than 256 MiB")
            if _WORKBOOK not in archive.namelist():
                raise BadInput("a ZIP archive that holds no workbook", line=1, reason="unknown_format")
            for entry in entries:
                if entry.flag_bits & 1:
                    raise BadInput("the workbook is encrypted", line=1, reason="encrypted")
                size += _measured(archive, entry, size, packed_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
        raise _broken() from error


def _measured(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, before: int, packed_bytes: int) -> int:
    """Bytes of one entry. Raises BadInput at the limits, and for a document type declaration (XML bomb, F12)."""
    size, is_xml, tail = 0, entry.filename.lower().endswith((".xml", ".rels", ".vml")), b""
    with archive.open(entry) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(chunk)
            total = before + size
            if total > MAX_BYTES or (total > RATIO_FROM_BYTES and total > MAX_RATIO * packed_bytes):
                raise _too_large(f"more than 256 MiB, or more than {MAX_RATIO} times its size")
            if is_xml and (b"<!DOCTYPE" in tail + chunk or b"<!ENTITY" in tail + chunk):
                raise BadInput("the workbook declares XML entities; none are read", line=1, reason="xml_entities")
            tail = chunk[-9:]
    return size


def _too_large(what: str) -> BadInput:
    return BadInput(f"the archive unpacks to {what}: no meter file does", line=1, reason="too_large")


def _broken() -> BadInput:
    return BadInput("not a whole workbook: cut or broken", line=1, reason="truncated")
