"""Rows of one lake partition: the form in which they are hashed, named in the manifest and written as Parquet.

Texts are places in a list of names (polars' Enum): a file of ten million readings never becomes ten million strings.
Neither a row's content nor its hash depends on that, on the file's layout or on the library that wrote it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.stores.whole_file import appear_whole

LAKE_SCHEMA: dict[str, pl.DataType] = {
    "site_id": pl.String(),
    "meter_id": pl.String(),
    "register": pl.String(),
    "interval_start_utc": pl.Datetime("us", "UTC"),
    "interval_minutes": pl.Int32(),
    "source_minutes": pl.Int32(),
    # A multiple of 10^-9. Up to some eight million a float tells neighbours apart; sums round to whole billionths
    # first.
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
# Sizes and byte order of hashed numbers, whatever machine holds them.
_NUMPY: Final[dict[type, str]] = {
    pl.Float64: "<f8",
    pl.Int32: "<i4",
    pl.Int64: "<i8",
    pl.Boolean: "|b1",
    pl.Datetime: "<i8",
}
# Values of few decimals repeat; times and line numbers go up evenly; what is always the same is nothing compressed.
_AS_LIST: Final = [*(name for name, kind in LAKE_SCHEMA.items() if kind == pl.String), "value"]
_AS_STEPS: Final = dict.fromkeys((TIME, "source_line"), "DELTA_BINARY_PACKED")
# Columns by whose smallest and largest value a query skips row groups.
_BOUNDED: Final = ["meter_id", TIME]


class _Texts(NamedTuple):
    """Texts as places in `names`."""

    codes: NDArray[Any]
    names: list[str]


@dataclass(frozen=True)
class Block:
    """Rows in ROW_ORDER. table: LAKE_SCHEMA, each text an Enum of the names that occur, sorted; see `block_of`."""

    table: pl.DataFrame

    @property
    def rows(self) -> int:
        """Their number."""
        return self.table.height

    @cached_property
    def times(self) -> NDArray[np.int64]:
        """Interval starts, microseconds since 1970."""
        return self.table[TIME].to_physical().to_numpy()

    def days(self) -> Iterator[tuple[date, int, int]]:
        """Every UTC day of the rows with the first and the end of its places."""
        times = self.times
        first, last = int(times[0]) // DAY_US, int(times[-1]) // DAY_US
        edges = np.searchsorted(times, np.arange(first, last + 2) * DAY_US).tolist()
        for day, start, end in zip(range(first, last + 1), edges[:-1], edges[1:], strict=True):
            if end > start:
                yield _EPOCH + timedelta(days=day), start, end

    @cached_property
    def hashed(self) -> list[tuple[bytes, _Texts | NDArray[Any] | None]]:
        """Input of the hash of rows: bytes that do not change, and after each the column that does."""
        found: list[tuple[bytes, _Texts | NDArray[Any] | None]] = []
        # The number of the form: a later form must never give the digest of an earlier one.
        same = b"meterloom rows 3"
        for name, kind in LAKE_SCHEMA.items():
            series = self.table[name]
            same += b"\0" + name.encode() + b"\0"
            if kind == pl.String:
                names = series.dtype.categories.to_list()  # type: ignore[attr-defined]
                if len(names) == 1:
                    same += b"one" + names[0].encode()
                    continue
                found.append((same, _Texts(series.to_physical().to_numpy(), names)))
            else:
                numbers = series.to_numpy() if kind == pl.Boolean else series.to_physical().to_numpy()
                numbers = numbers.astype(_NUMPY[type(kind)], copy=False)
                # Not values: 0.0 and -0.0 are equal, and a block of before may hold both.
                if kind != pl.Float64 and _is_one(numbers):
                    same += b"one" + numbers[:1].tobytes()
                    continue
                found.append((same, numbers))
            same = b""
        return [*found, (same, None)]


def block_of(rows: pl.DataFrame) -> Block:
    """rows: LAKE_SCHEMA in ROW_ORDER, texts as such or as Enums."""
    return Block(
        rows.select(_coded(rows[name]) if kind == pl.String else pl.col(name) for name, kind in LAKE_SCHEMA.items())
    )


def _coded(texts: pl.Series) -> pl.Series:
    """The bytes of a file follow from its rows alone: names stand in order, and none that does not occur."""
    if not isinstance(texts.dtype, pl.Enum):
        return texts.cast(pl.Enum(texts.unique().sort()))
    names = texts.dtype.categories
    occurs = np.zeros(names.len(), bool)
    if names.len() > 1:
        occurs[texts.to_physical().to_numpy()] = True
    if names.len() == 1 or (occurs.all() and names.is_sorted()):
        return texts
    return texts.cast(pl.Enum(names.filter(pl.Series(occurs)).sort()))


def blocks_of(rows: pl.DataFrame) -> Iterator[Block]:
    """rows: LAKE_SCHEMA. One block per UTC month, in order."""
    ordered = rows.sort(*ROW_ORDER, "recorded_at_utc")
    months = ordered.with_columns(_month=pl.col(TIME).dt.truncate("1mo")).partition_by(
        "_month", maintain_order=True, include_key=False
    )
    yield from map(block_of, months)


def content_sha256(rows: pl.DataFrame) -> str:
    """Hash of the rows' content, whatever their order and however a file holds them. rows: LAKE_SCHEMA."""
    if rows.is_empty():
        return hashlib.sha256().hexdigest()
    ordered = rows.select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items())
    block = block_of(ordered.sort(*ROW_ORDER, "site_id", "recorded_at_utc", "batch_id"))
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
        if isinstance(column, _Texts):
            _update_texts(found, column.codes[start:end], column.names, cycle)
        elif column is not None:
            values = column[start:end]
            if _is_one(values):
                found.update(b"one" + values[:1].tobytes())
            elif values.dtype == np.int64 and (evenly := _evenly(values, cycle)) is not None:
                found.update(evenly)
            else:
                found.update(b"all")
                found.update(np.ascontiguousarray(values).data)
    return found.hexdigest()


def _update_texts(found: Any, codes: NDArray[Any], all_names: list[str], cycle: int) -> None:
    # all_names is sorted, and so are those of them that occur.
    # The first `cycle` values come again and again.
    is_repeated = 0 < cycle < codes.size and not codes.size % cycle and bool((codes[cycle:] == codes[:-cycle]).all())
    codes = codes[:cycle] if is_repeated else codes
    used = np.flatnonzero(np.bincount(codes, minlength=len(all_names)))
    names = [all_names[place] for place in used.tolist()]
    if len(names) == 1:
        found.update(b"one" + names[0].encode())
        return
    table = np.zeros(len(all_names), dtype="<i4")
    table[used] = np.arange(len(used))
    found.update("\x1f".join(names).encode() + (b"\0again" if is_repeated else b"\0"))
    found.update(table[codes].tobytes())


def _is_one(values: NDArray[Any]) -> bool:
    """All values are the same."""
    # The ends first: most columns differ there, and are not compared whole.
    return values.size > 0 and values[0] == values[-1] and bool((values == values[0]).all())


def _evenly(values: NDArray[np.int64], cycle: int) -> bytes | None:
    """Numbers that go up by the same from row to row, or that are the same in every `cycle` rows; None for others."""
    step = values[1:2] - values[:1]
    # The last number first: most that do not go up evenly differ there.
    if (values[-1:] == values[:1] + step * (values.size - 1)).all() and (values[1:] - values[:-1] == step).all():
        return b"steps" + values[:1].tobytes() + step.tobytes()
    if cycle > 1 and not values.size % cycle:
        groups = values.reshape(-1, cycle)
        if (groups == groups[:, :1]).all():
            return b"groups" + cycle.to_bytes(8, "little") + groups[:, 0].tobytes()
    return None


def write_block(block: Block, target: Any) -> None:
    """Write the rows as Parquet into a path or a stream. The bytes follow from the rows and the library's version."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = block.table.to_arrow()
    # No column holds nulls: where the schema says so, the writer need not look at each row for them.
    required = pa.schema([field.with_nullable(False) for field in table.schema])
    # Without Arrow's own schema beside Parquet's, every reader finds the texts as texts.
    pq.write_table(
        pa.Table.from_arrays(table.columns, schema=required),
        target,
        store_schema=False,
        row_group_size=_ROW_GROUP,
        # A column of a row group at once: the same bytes in seven eighths of the time.
        write_batch_size=_ROW_GROUP,
        compression="lz4",
        use_dictionary=_AS_LIST,
        column_encoding=_AS_STEPS,
        write_statistics=_BOUNDED,
    )


def days_as_written(path: Path, file_sha256: str) -> dict[str, str]:
    """UTC day -> hash of its rows, where the file is to the last byte what `write_block` makes of the rows in it.

    Empty for any other file: readers may differ about one whose bounds or pages say something else than its rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # The folders site=… and m=… are no columns.
        table = pl.DataFrame(pq.read_table(path, partitioning=None))
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError):
        return {}
    if dict(table.schema) != LAKE_SCHEMA or table.is_empty() or sum(table.null_count().row(0)):
        return {}
    block, rewritten = block_of(table), pa.BufferOutputStream()
    write_block(block, rewritten)
    if hashlib.sha256(rewritten.getvalue()).hexdigest() != file_sha256 or not table[TIME].is_sorted():
        return {}
    return {str(day): part_sha256(block, start, end) for day, start, end in block.days()}


def write_atomic(frame: pl.DataFrame, path: Path) -> str:
    """Write a table as Parquet so that the name appears whole or not at all. Returns the file's SHA-256."""
    return appear_whole(path, lambda temporary: frame.write_parquet(temporary, compression="zstd"))
