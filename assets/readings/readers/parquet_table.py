"""Parquet with the columns of the plain shape, or foreign ones with a column map."""

from pathlib import Path

import polars as pl

from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.table import RawTable, read_table
from data_quality.contracts.errors import BadInput

# Real readings take more than a hundredth of a byte a cell; a table of equal cells takes next to nothing.
MAX_CELLS, CELLS_FROM, MAX_CELLS_PER_BYTE = 2 * 10**9, 20_000_000, 100


class ParquetTable:
    """Reader of Parquet tables; `source_line` is the element, from 1."""

    name = "parquet"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """By magic number, or by name: a cut or broken Parquet file is one still."""
        return head.startswith(b"PAR1") or path.suffix == ".parquet"

    def header(self, path: Path) -> list[str]:
        """Column names. Raises BadInput."""
        try:
            return list(pl.read_parquet_schema(path))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _truncated() from error

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All rows. Raises BadInput."""
        return read_table(self.table(path, request), request)

    def table(self, path: Path, request: ReadRequest) -> RawTable:
        """The columns as found. Raises BadInput."""
        frame = self._frame(path, request)
        if frame.is_empty():
            raise BadInput("there are columns but no row", line=1, reason="no_rows")
        return RawTable(frame=frame)

    def _frame(self, path: Path, request: ReadRequest) -> pl.DataFrame:
        names = self.header(path)
        self._refuse_bomb(path, len(names))
        where = request.mapping.where if request.mapping else {}
        try:
            rows = pl.scan_parquet(path).with_row_index("_line", offset=1)
            for column, wanted in where.items():
                if column in names:
                    rows = rows.filter(pl.col(column).cast(pl.String) == wanted)
            return rows.collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _truncated() from error

    def _refuse_bomb(self, path: Path, columns: int) -> None:
        """A dictionary page can stand for any number of equal cells: count them before they are made (F27)."""
        try:
            rows = int(pl.scan_parquet(path).select(pl.len()).collect().item())
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _truncated() from error
        cells = rows * columns
        if cells > MAX_CELLS or (cells > CELLS_FROM and cells > MAX_CELLS_PER_BYTE * path.stat().st_size):
            message = f"{rows} rows of {columns} columns in {path.stat().st_size} bytes: no meter file packs so well"
            raise BadInput(message, line=1, reason="too_large")


def _truncated() -> BadInput:
    return BadInput("not a whole Parquet file: cut or broken", line=1, reason="truncated")
