"""Rows of one lake partition as arrays: the form in which they are written, hashed and named in the manifest.

A column is one value for all rows, an array, or codes into a list of names; a file of ten million readings never
becomes ten million strings. Which form a column has changes neither the file's content nor its hash.
"""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.stores.parquet_file import BOOLEAN, DOUBLE, INSTANT, INT32, INT64, TEXT, Kind, ParquetFile
from assets.stores.parquet_file import Column as Written
from assets.stores.parquet_pages import Chunk, counting, decimals, flags, one_value, plain_text, runs, texts

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
_KIND: Final[dict[type, Kind]] = {
    pl.String: TEXT,
    pl.Float64: DOUBLE,
    pl.Int32: INT32,
    pl.Int64: INT64,
    pl.Boolean: BOOLEAN,
    pl.Datetime: INSTANT,
}
_KINDS: Final = {name: _KIND[type(kind)] for name, kind in LAKE_SCHEMA.items()}
_FORMS: Final[Mapping[str, Callable[[NDArray[Any]], Chunk]]] = {
    "interval_minutes": runs,
    "source_minutes": runs,
    "value": decimals,
    "quality_code": runs,
    "source_line": counting,
    "is_synthetic": flags,
    "recorded_at_utc": runs,
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
        times = self.times
        first, last = int(times[0]) // DAY_US, int(times[-1]) // DAY_US
        edges = np.searchsorted(times, np.arange(first, last + 2) * DAY_US).tolist()
        for day, start, end in zip(range(first, last + 1), edges[:-1], edges[1:], strict=True):
            if end > start:
                yield _EPOCH + timedelta(days=day), start, end

    @cached_property
    def hashed(self) -> list[tuple[bytes, Column | None]]:
        """What goes into a hash of rows: bytes that do not change, and after each the column that does."""
        found: list[tuple[bytes, Column | None]] = []
        same = b"meterloom rows 3"
        for name, kind in LAKE_SCHEMA.items():
            column = self.columns[name]
            same += b"\0" + name.encode() + b"\0"
            if isinstance(column, Coded | np.ndarray):
                if not isinstance(column, Coded):
                    column = column.astype(_NUMPY[type(kind)], copy=False)
                found.append((same, column))
                same = b""
            elif isinstance(column, str):
                same += b"one" + column.encode()
            else:
                same += b"one" + np.array([_raw(column)], _NUMPY[type(kind)]).tobytes()
        return [*found, (same, None)]


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
    """Hash of the rows [start, end): per column its name and, little-endian, its values in their shortest form.

    What the rows of one time say again at every other, and numbers that go up evenly, are said once: the form
    follows from the content alone. Texts are hashed as the sorted names that occur and a place in them per row.
    """
    times = block.times[start:end]
    # Rows of the first time: most tables have as many at every other.
    cycle = int(np.searchsorted(times, times[0], side="right")) if times.size else 0
    found = hashlib.sha256()
    for same, column in block.hashed:
        found.update(same)
        if isinstance(column, Coded):
            _update_texts(found, column.codes[start:end], column.names, cycle)
        elif isinstance(column, np.ndarray):
            _update_numbers(found, column[start:end], cycle)
    return found.hexdigest()


def _update_texts(found: Any, codes: NDArray[np.int32], all_names: tuple[str, ...], cycle: int) -> None:
    is_again = _is_again(codes, cycle)
    codes = codes[:cycle] if is_again else codes
    used = np.flatnonzero(np.bincount(codes, minlength=len(all_names)))
    names = sorted(all_names[place] for place in used.tolist())
    if len(names) == 1:
        found.update(b"one" + names[0].encode())
        return
    place_of = {name: place for place, name in enumerate(names)}
    table = np.array([place_of.get(name, 0) for name in all_names], dtype="<i4")
    found.update("\x1f".join(names).encode() + (b"\0again" if is_again else b"\0"))
    found.update(table[codes].tobytes())


def _update_numbers(found: Any, values: NDArray[Any], cycle: int) -> None:
    if values.size > 0 and values[0] == values[-1] and bool((values == values[0]).all()):
        found.update(b"one" + values[:1].tobytes())
    elif values.dtype == np.int64 and (evenly := _evenly(values, cycle)) is not None:
        found.update(evenly)
    else:
        found.update(b"all")
        found.update(np.ascontiguousarray(values).data)


def _is_again(values: NDArray[Any], cycle: int) -> bool:
    """The first `cycle` values come again and again."""
    return 0 < cycle < values.size and not values.size % cycle and bool((values[cycle:] == values[:-cycle]).all())


def _evenly(values: NDArray[np.int64], cycle: int) -> bytes | None:
    """Numbers that go up by the same from row to row, or that are the same in every `cycle` rows; None for others."""
    step = values[1:2] - values[:1]
    if (values[1:] - values[:-1] == step).all():
        return b"steps" + values[:1].tobytes() + step.tobytes()
    if cycle > 1 and not values.size % cycle:
        groups = values.reshape(-1, cycle)
        if (groups == groups[:, :1]).all():
            return b"groups" + cycle.to_bytes(8, "little") + groups[:, 0].tobytes()
    return None


def _raw(value: Any) -> Any:
    return int(value.astimezone(UTC).timestamp() * 1_000_000) if isinstance(value, datetime) else value


def write_block(block: Block, path: Path) -> str:
    """Write the rows as Parquet so that the name appears whole or not at all. Returns the file's SHA-256."""
    file = ParquetFile(_KINDS)
    for start in range(0, block.rows, _ROW_GROUP):
        end = min(start + _ROW_GROUP, block.rows)
        file.add([_written(block, name, start, end) for name in LAKE_SCHEMA], end - start)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as target:
            target.writelines(file.parts())

    return appear_whole(path, write)


def _written(block: Block, name: str, start: int, end: int) -> Written:
    """The rows [start, end) of one column. Only bounds that a query asks for are kept."""
    column = block.columns[name]
    if isinstance(column, str):
        text = column.encode()
        return Written(one_value(plain_text(text), end - start), (text, text) if name == "meter_id" else None)
    if isinstance(column, Coded):
        codes, names = column.codes[start:end], [each.encode() for each in column.names]
        if name != "meter_id":
            return Written(texts(codes, names))
        used = [names[place] for place in np.flatnonzero(np.bincount(codes)).tolist()]
        return Written(texts(codes, names), (min(used), max(used)))
    dtype = _NUMPY[type(LAKE_SCHEMA[name])]
    if not isinstance(column, np.ndarray):
        if isinstance(column, bool):
            return Written(flags(np.full(end - start, column)))
        one = np.array([_raw(column)], dtype).tobytes()
        return Written(one_value(one, end - start), (one, one) if name == TIME else None)
    values = np.ascontiguousarray(column[start:end], dtype)
    if name == TIME:
        return Written(runs(values), (values.min().tobytes(), values.max().tobytes()))
    return Written(_FORMS[name](values))


def appear_whole(path: Path, write: Any) -> str:
    """Let `write` make the file under another name, then give it its own. Returns the file's SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".tmp-{uuid.uuid4().hex}"
    try:
        write(temporary)
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        # Readings are their owner's alone.
        temporary.chmod(0o600)
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
