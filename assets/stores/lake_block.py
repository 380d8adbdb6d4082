"""Rows of one lake partition as arrays: the form in which they are written, hashed and named in the manifest.

A column is one value for all rows, an array, or codes into a list of names; a file of ten million readings never
becomes ten million strings. Which form a column has changes neither the file's content nor its hash.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

LAKE_SCHEMA: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "meter_id": pl.String(),
    "register": pl.String(),
    "interval_start_utc": pl.Datetime("us", "UTC"),
    "interval_minutes": pl.Int32(),
    "source_minutes": pl.Int32(),
    "value": pl.Float64(),
    "unit": pl.String(),
    "quality_code": pl.Int32(),
    "source_line": pl.Int64(),
    "is_synthetic": pl.Boolean(),
    "batch_id": pl.String(),
    "recorded_at_utc": pl.Datetime("us", "UTC"),
}
TIME = "interval_start_utc"
# The order of rows in a file: days lie together, so that each has a hash of its own.
ROW_ORDER = (TIME, "meter_id", "register")
DAY_US: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1)
# Small enough that a query for some days skips the rest of a month, large enough to be written fast.
_ROW_GROUP: Final = 131_072
_NUMPY: Final[dict[type, str]] = {
    pl.Float64: "<f8",
    pl.Int32: "<i4",
    pl.Int64: "<i8",
    pl.Boolean: "|b1",
    pl.Datetime: "<i8",
}


@dataclass(frozen=True)
class Coded:
    """Texts as places in `names`."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]


Column = str | int | float | bool | datetime | Coded | NDArray[Any]


@dataclass(frozen=True)
class Block:
    """Rows of one UTC month in ROW_ORDER. columns: one per LAKE_SCHEMA name; times are microseconds since 1970."""

    columns: Mapping[str, Column]
    rows: int

    @property
    def times(self) -> NDArray[np.int64]:
        """Interval starts, microseconds since 1970."""
        column = self.columns[TIME]
        if not isinstance(column, np.ndarray):
            return np.full(self.rows, _raw(column), np.int64)
        return column

    def days(self) -> Iterator[tuple[date, int, int]]:
        """Every UTC day of the rows with the first and the end of its places."""
        day = self.times // DAY_US
        starts = np.flatnonzero(np.diff(day, prepend=day[0] - 1))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), self.rows], strict=True):
            yield _EPOCH + timedelta(days=int(day[start])), start, end


def blocks_of(rows: pl.DataFrame) -> Iterator[Block]:
    """rows: LAKE_SCHEMA. One block per UTC month, in order."""
    ordered = rows.sort(*ROW_ORDER, "recorded_at_utc")
    months = ordered.with_columns(_month=pl.col(TIME).dt.truncate("1mo")).partition_by(
        "_month", maintain_order=True, include_key=False
    )
    for month in months:
        yield _block(month)


def _block(frame: pl.DataFrame) -> Block:
    columns: dict[str, Column] = {}
    for name, kind in LAKE_SCHEMA.items():
        series = frame[name]
        if kind == pl.String:
            names = tuple(series.unique().sort().to_list())
            codes = series.replace_strict(names, list(range(len(names))), return_dtype=pl.Int32).to_numpy()
            columns[name] = names[0] if len(names) == 1 else Coded(codes=codes, names=names)
        else:
            columns[name] = (series.to_physical() if kind != pl.Boolean else series).to_numpy()
    return Block(columns=columns, rows=frame.height)


def content_sha256(rows: pl.DataFrame) -> str:
    """Hash of the rows' content, whatever their order and however a file holds them. rows: LAKE_SCHEMA."""
    if rows.is_empty():
        return hashlib.sha256().hexdigest()
    ordered = rows.select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items())
    block = _block(ordered.sort(*ROW_ORDER, "site_id", "recorded_at_utc", "batch_id"))
    return part_sha256(block, 0, block.rows)


def part_sha256(block: Block, start: int, end: int) -> str:
    """Hash of the rows [start, end): per column its name and, little-endian, its one value or all of them.

    Texts are hashed as the sorted names that occur and a place in them per row.
    """
    found = hashlib.sha256(b"meterloom rows 2")
    for name, kind in LAKE_SCHEMA.items():
        column = block.columns[name]
        found.update(b"\0" + name.encode() + b"\0")
        if kind == pl.String:
            _update_texts(found, column, start, end)
        elif isinstance(column, np.ndarray):
            _update_numbers(found, column[start:end].astype(_NUMPY[type(kind)], copy=False))
        else:
            found.update(b"one" + np.array([_raw(column)], dtype=_NUMPY[type(kind)]).tobytes())
    return found.hexdigest()


def _update_texts(found: Any, column: Column, start: int, end: int) -> None:
    if isinstance(column, str):
        found.update(b"one" + column.encode())
        return
    assert isinstance(column, Coded)  # noqa: S101
    codes = column.codes[start:end]
    used = np.flatnonzero(np.bincount(codes, minlength=len(column.names)))
    names = sorted(column.names[place] for place in used)
    if len(names) == 1:
        found.update(b"one" + names[0].encode())
        return
    place_of = {name: place for place, name in enumerate(names)}
    table = np.array([place_of.get(name, 0) for name in column.names], dtype="<i4")
    found.update("\x1f".join(names).encode() + b"\0")
    found.update(table[codes].tobytes())


def _update_numbers(found: Any, values: NDArray[Any]) -> None:
    is_one = values.size > 0 and values[0] == values[-1] and bool((values == values[0]).all())
    found.update(b"one" + values[:1].tobytes() if is_one else np.ascontiguousarray(values).data)


def _raw(value: Any) -> Any:
    return int(value.astimezone(UTC).timestamp() * 1_000_000) if isinstance(value, datetime) else value


def write_block(block: Block, path: Path) -> str:
    """Write the rows as Parquet so that the name appears whole or not at all. Returns the file's SHA-256."""
    import pyarrow.parquet as pq

    table = _arrow(block)
    times = ["interval_start_utc", "recorded_at_utc"]
    small = ["interval_minutes", "source_minutes", "quality_code"]
    texts = [name for name, kind in LAKE_SCHEMA.items() if kind == pl.String]

    def write(temporary: Path) -> None:
        pq.write_table(
            table,
            temporary,
            store_schema=False,
            row_group_size=_ROW_GROUP,
            use_dictionary=[*texts, *times, *small, "value"],
            column_encoding={"source_line": "DELTA_BINARY_PACKED"},
            compression={"value": "zstd"},
            compression_level={"value": 1},
            write_statistics=["meter_id", TIME],
        )

    return appear_whole(path, write)


def _arrow(block: Block) -> Any:
    import pyarrow as pa

    columns = {}
    for name, kind in LAKE_SCHEMA.items():
        column = block.columns[name]
        if isinstance(column, Coded):
            columns[name] = pa.DictionaryArray.from_arrays(pa.array(column.codes), pa.array(column.names, pa.string()))
        elif isinstance(column, str):
            one = pa.array(np.zeros(block.rows, np.int32))
            columns[name] = pa.DictionaryArray.from_arrays(one, pa.array([column], pa.string()))
        else:
            if not isinstance(column, np.ndarray):
                column = np.full(block.rows, _raw(column), _NUMPY[type(kind)])
            array = pa.array(column)
            columns[name] = array.view(pa.timestamp("us", "UTC")) if isinstance(kind, pl.Datetime) else array
    return pa.table(columns)


def appear_whole(path: Path, write: Any) -> str:
    """Let `write` make the file under another name, then give it its own. Returns the file's SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".tmp-{uuid.uuid4().hex}"
    try:
        write(temporary)
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return digest


def write_atomic(frame: pl.DataFrame, path: Path) -> str:
    """Write a table as Parquet so that the name appears whole or not at all. Returns the file's SHA-256."""
    return appear_whole(path, lambda temporary: frame.write_parquet(temporary, compression="zstd"))
