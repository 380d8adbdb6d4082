"""The limited child's part of reading Parquet: a table of bounded size as an Arrow file, a piece at a time."""

from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.packed.csv_text import refuse_own_name
from data_quality.contracts.errors import BadInput

# Real readings take more than a hundredth of a byte a cell; a table of equal cells takes next to nothing.
MAX_CELLS, CELLS_FROM, MAX_CELLS_PER_BYTE = 2 * 10**9, 20_000_000, 100
# A dictionary stands for its texts at no cost, but to sort or compare a million of them costs for each.
MAX_TEXT_BYTES = 4096
# Days since 1970 of the years 1 and 9999; nanoseconds do not reach that far.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_STEPS_A_DAY = {"ms": 86_400_000, "us": 86_400_000_000}


def read_columns(path: str, *, where: dict[str, str], max_columns: int, out: str | None) -> dict[str, Any]:
    """Answers the columns; where `out` is given, rows of which the columns of `where` hold these texts are written to
    it (Arrow IPC) with their number from 1 as `_line`. Raises BadInput.
    """
    try:
        schema = pl.read_parquet_schema(path)
        names = list(schema)
        if len(names) > max_columns:
            raise BadInput(f"{len(names)} columns; expected at most {max_columns}", line=1, reason="too_many_columns")
        refuse_own_name(names)
        if out is not None:
            _refuse_bomb(Path(path), len(names))
            rows = pl.scan_parquet(path).select(_plain(name, dtype) for name, dtype in schema.items())
            rows = rows.with_row_index("_line", offset=1)
            for column, wanted in where.items():
                if column in names:
                    rows = rows.filter(pl.col(column).cast(pl.String) == wanted)
            rows.sink_ipc(out)
            # Of what was written: the pages of the Parquet file are not decoded a second time.
            refuse_long_texts(pl.scan_ipc(out))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput("not a whole Parquet file: cut or broken", line=1, reason="truncated") from error
    return {"columns": names}


def _plain(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as numbers, times or texts. Lists, structures and bare bytes are no readings, and unpack to any size."""
    if dtype.is_nested() or isinstance(dtype, pl.Binary | pl.Object | pl.Duration):
        return pl.lit(None, pl.String).alias(name)
    steps = _STEPS_A_DAY.get(getattr(dtype, "time_unit", "")) if isinstance(dtype, pl.Datetime) else 1
    if isinstance(dtype, pl.Datetime | pl.Date) and steps is not None:
        # Beyond the calendar the library breaks off where it writes a time as text.
        is_of_calendar = pl.col(name).to_physical().is_between(_FIRST_DAY * steps, _LAST_DAY * steps)
        return pl.when(is_of_calendar).then(pl.col(name)).alias(name)
    return pl.col(name).cast(pl.String) if dtype in (pl.Categorical, pl.Enum) else pl.col(name)


def _refuse_bomb(path: Path, columns: int) -> None:
    """A dictionary page can stand for any number of equal cells: count them before they are made (F27)."""
    rows, size = int(pl.scan_parquet(path).select(pl.len()).collect().item()), path.stat().st_size
    cells = rows * columns
    if cells > MAX_CELLS or (cells > CELLS_FROM and cells > MAX_CELLS_PER_BYTE * size):
        message = f"{rows} rows of {columns} columns in {size} bytes: no meter file packs so well"
        raise BadInput(message, line=1, reason="too_large")


def refuse_long_texts(rows: pl.LazyFrame) -> None:
    """Raises BadInput (too_large) where a text is longer than any name, time or number of a meter."""
    texts = [name for name, dtype in rows.collect_schema().items() if dtype == pl.String]
    longest = rows.select(pl.col(texts).str.len_bytes().max()).collect() if texts else pl.DataFrame()
    for name in longest.columns:
        if (length := longest[name][0] or 0) > MAX_TEXT_BYTES:
            message = f"a text of {length} bytes in column {name!r}; expected at most {MAX_TEXT_BYTES}"
            raise BadInput(message, line=1, reason="too_large")
