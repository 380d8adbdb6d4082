"""The limited child's part of reading a workbook: the archive measured, the cells of a sheet as text.

Cells come as they are stored: a formula by its last value, never evaluated; a text that looks like one is a text. The
archive is measured before it is opened, so that a small file cannot become a large one (F11, F27).
"""

import re
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any
from xml.parsers import expat

import polars as pl

from assets.readings.packed.csv_text import refuse_own_name
from data_quality.contracts.errors import BadInput

# Worksheets pack well, since every cell repeats the same markup: a bomb packs a thousandfold.
MAX_ENTRIES, MAX_BYTES, MAX_RATIO, RATIO_FROM_BYTES = 1000, 256 * 1024**2, 100, 16 * 1024**2
_CHUNK_BYTES = 1024**2
WORKBOOK = "xl/workbook.xml"
# Drawings and macros are none of ours, and often no XML either.
_READ_PARTS = re.compile(r"xl/(?:workbook|styles|sharedstrings|worksheets/[^/]+)\.xml|(?:xl/)?_rels/[^/]+\.rels")
# A cell to the right of the last column that a sheet can have; the library would make all columns up to it.
_BEYOND = re.compile(
    rb"""\br\s*=\s*["'](?:[A-Za-z]{4,}|[YZyz][A-Za-z]{2}|[Xx](?:[G-Zg-z][A-Za-z]|[Ff][E-Ze-z]))[0-9]"""
)
# A shared text by something that is no number, or too large a one: the library would take the first text of all.
_BAD_INDEX = re.compile(rb"""\bt\s*=\s*["']s["'][^<>]*>\s*<(?:\w+:)?v>(?!\s*[0-9]{1,7}\s*</)""")
# So much is carried from one chunk into the next, or a mark that lies across both would not be seen.
_LONGEST_CELL_BYTES = 512
# What a number with nine decimals may differ by from the one in the cell.
_ROUNDED = 1e-8
_PART_OF_SECOND = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d+$"
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError)


def read_cells(
    path: str, *, sheet: str | None, header_line: int | None, max_columns: int, out: str | None
) -> dict[str, Any]:
    """One sheet, the first where none is named. Answers its name, its columns (of the row `header_line`, else of the
    first row that is not empty), and whether there are rows; these, as text with `_line`, are written to `out`
    (Arrow IPC) where it is given. Raises BadInput.
    """
    book = _workbook(Path(path))
    if not book.sheet_names:
        raise BadInput("the workbook has no sheet", line=1, reason="no_rows")
    if sheet is not None and sheet not in book.sheet_names:
        names = ", ".join(book.sheet_names)
        raise BadInput(f"no sheet {sheet!r}; the workbook has {names}", line=1, reason="no_such_sheet")
    frame = _table(_sheet(book, sheet), header_line, max_columns)
    if out is not None:
        frame.write_ipc(out)
    columns = [name for name in frame.columns if name != "_line"]
    return {"sheet": sheet or book.sheet_names[0], "columns": columns, "has_rows": not frame.is_empty()}


def read_sheets(path: str) -> dict[str, Any]:
    """The names of a workbook's sheets, in order. Raises BadInput."""
    return {"sheets": list(_workbook(Path(path)).sheet_names)}


def _sheet(book: Any, sheet: str | None) -> pl.DataFrame:
    """The cells as texts, numbers with all their digits."""
    import fastexcel

    place = sheet if sheet is not None else 0
    texts: pl.DataFrame
    numbers: pl.DataFrame
    try:
        # Twice: texts for names and times, numbers for the digits that the library's texts leave out.
        texts, numbers = (
            book.load_sheet(place, header_row=None, skip_rows=0, dtypes=dtype).to_polars()
            for dtype in ("string", "float")
        )
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        raise _broken() from error
    return texts.with_columns(_whole(texts[name], numbers[name]) for name in texts.columns)


def _whole(texts: pl.Series, numbers: pl.Series) -> pl.Series:
    """The library writes numbers with nine decimals: those that have more are written anew. Times are days in a cell,
    and added up by quarter hours they drift by parts of a second: whole seconds are meant.
    """
    is_off = texts.str.contains(_PART_OF_SECOND).fill_null(value=False)
    if is_off.any():
        times = texts.set(~is_off, None).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
        texts = texts.zip_with(~is_off, times.dt.round("1s").dt.strftime("%Y-%m-%d %H:%M:%S"))
    rounded = texts.cast(pl.Float64, strict=False)
    is_cut = ((rounded != numbers) & ((rounded - numbers).abs() < _ROUNDED)).fill_null(value=False)
    return texts.zip_with(~is_cut, numbers.cast(pl.String)) if is_cut.any() else texts


def _table(cells: pl.DataFrame, header_line: int | None, max_columns: int) -> pl.DataFrame:
    """The rows below the header row, with `_line`."""
    # A workbook may declare a million empty columns: those without any text are not of the table.
    if cells.width > max_columns:
        raise BadInput(f"{cells.width} columns; expected at most {max_columns}", line=1, reason="too_many_columns")
    cells = cells.with_row_index("_line", offset=1)
    columns = [name for name in cells.columns if name != "_line"]
    filled = cells.filter(~pl.all_horizontal(pl.col(columns).is_null())) if columns else cells
    if header_line is not None:
        filled = filled.filter(pl.col("_line") >= header_line)
        if filled.is_empty() or filled["_line"][0] != header_line:
            raise BadInput(f"row {header_line} of the sheet is empty", line=header_line, reason="no_header")
    if filled.is_empty():
        raise BadInput("the sheet is empty", line=1, reason="no_rows")
    first, rest = filled.row(0), filled.slice(1)
    return rest.rename(dict(zip(rest.columns[1:], _header(first[1:], int(first[0])), strict=True)))


def _header(cells: tuple[str | None, ...], line: int) -> list[str]:
    names = [(cell or "").strip() or f"column_{place}" for place, cell in enumerate(cells, start=1)]
    refuse_own_name(names)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"column {twice!r} appears twice in the header", line=line, reason="duplicate_column")
    return names


def _workbook(path: Path) -> Any:
    """The opened workbook, after its archive was measured. Raises BadInput."""
    import fastexcel

    measure(path)
    try:
        return fastexcel.read_excel(path)
    except fastexcel.FastExcelError as error:
        raise _broken() from error


def measure(path: Path) -> None:
    """Unpack every entry once, a chunk at a time, counting: what the directory says is not believed (F11)."""
    packed_bytes, size = path.stat().st_size, 0
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise _too_large(f"{len(entries)} entries")
            if sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise _too_large("more than 256 MiB")
            # Parts differ by more than the case of their letters (ECMA-376-2); else each program reads another one.
            names = archive.namelist()
            known = Counter(name.lower() for name in names)
            twice = next((name for name in names if known[name.lower()] > 1), None)
            if twice is not None:
                message = f"two parts of the workbook have the name {twice!r}; expected one"
                raise BadInput(message, line=1, reason="truncated")
            if WORKBOOK not in archive.namelist():
                raise BadInput("a ZIP archive that holds no workbook", line=1, reason="unknown_format")
            for entry in entries:
                # Bit 0 of a ZIP entry: encrypted.
                if entry.flag_bits & 1:
                    raise BadInput("the workbook is encrypted", line=1, reason="encrypted")
                size += _measured(archive, entry, size, packed_bytes)
    except (*_ZIP_FAULTS, expat.ExpatError) as error:
        raise _broken() from error


def _measured(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, before: int, packed_bytes: int) -> int:
    """Bytes of one entry. Raises BadInput at the limits, and for a document type declaration (XML bomb, F12).

    Raises ExpatError where a part that cells are read from is no XML throughout: the library would take what it likes
    of a sheet that was cut or changed.
    """
    size, is_xml, tail = 0, entry.filename.lower().endswith((".xml", ".rels", ".vml")), b""
    parser = expat.ParserCreate(namespace_separator="}") if _READ_PARTS.fullmatch(entry.filename.lower()) else None
    with archive.open(entry) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(chunk)
            total = before + size
            if total > MAX_BYTES or (total > RATIO_FROM_BYTES and total > MAX_RATIO * packed_bytes):
                raise _too_large(f"more than 256 MiB, or more than {MAX_RATIO} times its size")
            # Before the parser sees the chunk, which would begin to expand them.
            if is_xml and (b"<!DOCTYPE" in tail + chunk or b"<!ENTITY" in tail + chunk):
                raise BadInput("the workbook declares XML entities; none are read", line=1, reason="xml_entities")
            if parser is not None and _BEYOND.search(tail + chunk):
                raise BadInput("a cell beyond the last column of a sheet", line=1, reason="too_many_columns")
            if parser is not None and _BAD_INDEX.search(tail + chunk):
                raise _broken()
            tail = chunk[-_LONGEST_CELL_BYTES:]
            if parser is not None:
                parser.Parse(chunk)
    if parser is not None:
        parser.Parse(b"", True)
    return size


def _too_large(what: str) -> BadInput:
    return BadInput(f"the archive unpacks to {what}: no meter file does", line=1, reason="too_large")


def _broken() -> BadInput:
    return BadInput("not a whole workbook: cut or broken", line=1, reason="truncated")
