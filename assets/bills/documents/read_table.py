"""Bill files of cells, CSV or XLSX, as rows with their lines."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.readings.packed.bounded import content
from assets.readings.parsed import ReadRequest
from assets.readings.readers.table_formats.xlsx_table import XlsxTable
from data_quality.contracts.billing.supplier_bill import Place
from data_quality.contracts.errors import BadInput

MAX_BYTES, MAX_ROWS = 4 * 1024**2, 5_000


@dataclass(frozen=True)
class BillRow:
    """Cells of one line, stripped, none empty at the end."""

    place: Place
    cells: tuple[str, ...]


def csv_rows(path: Path) -> list[BillRow]:
    """Rows of a CSV bill; comma, semicolon or tab. Raises BadInput."""
    raw = content(path, max_bytes=MAX_BYTES)
    try:
        # Spreadsheets write a byte order mark in front of the first label.
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            "expected UTF-8 text", line=raw[: error.start].count(b"\n") + 1, reason="bad_encoding"
        ) from error
    if "\0" in text:
        raise BadInput("expected a bill as text; the file holds binary data", line=1, reason="unknown_format")
    # By the first lines: remarks further down may hold any number of commas.
    mark = max(",;\t", key=text[:4000].count)
    # Without `strict` a quote that does not end takes the rest of the bill into one cell.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    found = []
    try:
        for cells in reader:
            found.append(_row(reader.line_num, cells))
            if len(found) > MAX_ROWS:
                raise BadInput(f"more than {MAX_ROWS} lines: no bill has so many", line=MAX_ROWS, reason="too_large")
    except csv.Error as error:
        raise BadInput("a quoted cell does not end", line=reader.line_num, reason="bad_csv") from error
    return [row for row in found if row.cells]


def xlsx_rows(path: Path) -> list[BillRow]:
    """Rows of the first sheet of a workbook, as stored. Raises BadInput."""
    frame = XlsxTable().table(path, ReadRequest()).frame
    if frame.height > MAX_ROWS:
        raise BadInput(f"more than {MAX_ROWS} rows: no bill has so many", line=MAX_ROWS, reason="too_large")
    columns = [name for name in frame.columns if name != "_line"]
    # The reader of tables takes the first row for a header; on a bill it is a row as others are.
    first = ["" if name.startswith("column_") else name for name in columns]
    found = [_row(int(frame["_line"].to_list()[0]) - 1, first)]
    found += [_row(int(line), cells) for line, *cells in frame.select("_line", *columns).iter_rows()]
    return [row for row in found if row.cells]


def _row(line: int, cells: Sequence[str | None]) -> BillRow:
    stripped = [(cell or "").strip() for cell in cells]
    while stripped and not stripped[-1]:
        stripped.pop()
    return BillRow(Place(line=line), tuple(stripped))
