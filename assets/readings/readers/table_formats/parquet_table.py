"""Parquet with the columns of the plain shape, or foreign ones with a column map.

Its pages are decoded in the limited child (F27); here only the rows that came out of it are read.
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

_READ_COLUMNS = "assets.readings.readers.table_formats.parquet_columns:read_columns"


class ParquetTable:
    """Reader of Parquet tables; `source_line` is the element, from 1."""

    name = "parquet"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """By magic number, or by name: a cut or broken Parquet file is one still."""
        return head.startswith(b"PAR1") or path.suffix == ".parquet"

    def header(self, path: Path) -> list[str]:
        """Column names. Raises BadInput."""
        return list(_columns(path, {}, None)["columns"])

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All rows. Raises BadInput."""
        return read_table(self.table(path, request), request)

    def table(self, path: Path, request: ReadRequest) -> RawTable:
        """The columns as found. Raises BadInput."""
        with tempfile.TemporaryDirectory(prefix="meterloom-") as folder:
            out = Path(folder) / "rows.arrow"
            _columns(path, request.mapping.where if request.mapping else {}, out)
            frame = pl.read_ipc(out)
        if frame.is_empty():
            raise BadInput("there are columns but no row", line=1, reason="no_rows")
        return RawTable(frame=frame)


def _columns(path: Path, where: dict[str, str], out: Path | None) -> dict[str, Any]:
    # Resolved: the child keeps the working folder that it was started in.
    arguments = {"path": str(path.resolve()), "where": where, "max_columns": MAX_COLUMNS, "out": out and str(out)}
    found: dict[str, Any] = run_limited(_READ_COLUMNS, arguments)
    return found
