"""XLSX worksheets with the columns of the plain shape, or foreign ones with a column map.

A workbook is an archive of XML that its sender made: it is taken apart in the limited child (F11, F27), never here.
"""

import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.packed.csv_text import MAX_COLUMNS
from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.readers.child import run_limited
from assets.readings.tables.judged_table import RawTable, read_table
from data_quality.contracts.errors import BadInput

ZIP_MAGIC = b"PK\x03\x04"
_MARKS = (b"[Content_Types].xml", b"xl/", b"_rels/")
_READ_CELLS = "assets.readings.readers.table_formats.xlsx_table_cells:read_cells"
_READ_SHEETS = "assets.readings.readers.table_formats.xlsx_table_cells:read_sheets"
# The directory of an archive stands at its end; that of a workbook of a thousand parts is under 100 kB.
_TAIL_BYTES = 1 << 18


class XlsxTable:
    """Reader of workbooks; `source_line` is the row of the sheet, the header's being the first that is not empty."""

    name = "xlsx"
    version = "2"

    def recognises(self, head: bytes, path: Path) -> bool:
        """A ZIP archive that begins like an office document, or whose directory holds a workbook; no name counts."""
        if not head.startswith(ZIP_MAGIC):
            return False
        if any(mark in head[:2048] for mark in _MARKS):
            return True
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return b"xl/workbook.xml" in file.read()

    def header(self, path: Path) -> list[str]:
        """Column names of the first sheet; one without a name where it is empty (a cover). Raises BadInput."""
        try:
            return list(_cells(path, None, None, None)["columns"])
        except BadInput as fault:
            if fault.reason != "no_rows":
                raise
            # A cover sheet: by this name only maps fit that say which sheet they mean.
            return ["column_1"]

    def sheets(self, path: Path) -> list[str]:
        """The names of the sheets, in order. Raises BadInput."""
        return list(run_limited(_READ_SHEETS, {"path": str(path.resolve())})["sheets"])

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All rows of the sheet. Raises BadInput for a file that cannot be used as a whole."""
        return read_table(self.table(path, request), request)

    def table(self, path: Path, request: ReadRequest) -> RawTable:
        """The columns as found. Raises BadInput."""
        sheet, line = (request.mapping.sheet, request.mapping.header_line) if request.mapping else (None, None)
        with tempfile.TemporaryDirectory(prefix="meterloom-") as folder:
            out = Path(folder) / "rows.arrow"
            facts = _cells(path, sheet, line, out)
            if not facts["has_rows"]:
                raise BadInput("there is a header but no row", line=1, reason="no_rows")
            return RawTable(frame=pl.read_ipc(out), allows_comma=True, reading={"sheet": facts["sheet"]})


def _cells(path: Path, sheet: str | None, line: int | None, out: Path | None) -> dict[str, Any]:
    arguments = {
        # The child keeps the working folder that it was started in.
        "path": str(path.resolve()),
        "sheet": sheet,
        "header_line": line,
        "max_columns": MAX_COLUMNS,
        "out": out and str(out),
    }
    found: dict[str, Any] = run_limited(_READ_CELLS, arguments)
    return found
