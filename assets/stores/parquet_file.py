"""A lake file of Parquet: its columns' chunks one after the other, and a footer that says where each is.

Written by ourselves because a general writer looks at every row of every column (ADR 0010); read by any reader.
Source: Apache Parquet format 2.11, parquet.thrift.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from assets.stores.parquet_pages import Chunk
from assets.stores.thrift_compact import Value, binary, flag, i32, i64, listed, struct

_MAGIC: Final = b"PAR1"
_MAKER: Final = b"meterloom version 1.0.0"
_REQUIRED: Final = 0
_EMPTY: Final = struct({})


@dataclass(frozen=True)
class Kind:
    """Type of a column. physical, converted: numbers of parquet.thrift; logical: its LogicalType, if it has one."""

    physical: int
    converted: int | None = None
    logical: Value | None = None


BOOLEAN, INT32, INT64, DOUBLE = Kind(0), Kind(1), Kind(2), Kind(5)
TEXT = Kind(6, converted=0, logical=struct({1: _EMPTY}))
INSTANT = Kind(2, converted=10, logical=struct({8: struct({1: flag(True), 2: struct({2: _EMPTY})})}))


@dataclass(frozen=True)
class Column:
    """A column of one row group. bounds: its smallest and largest value, PLAIN without a length, where they help."""

    chunk: Chunk
    bounds: tuple[bytes, bytes] | None = None


@dataclass
class ParquetFile:
    """A file as it grows. kinds: by name, in order."""

    kinds: Mapping[str, Kind]
    _parts: list[bytes] = field(default_factory=lambda: [_MAGIC])
    _size: int = len(_MAGIC)
    _groups: list[Value] = field(default_factory=list)
    _rows: int = 0

    def add(self, columns: Sequence[Column], rows: int) -> None:
        """One row group more, its columns in the order of `kinds`."""
        start, chunks = self._size, []
        for (name, kind), column in zip(self.kinds.items(), columns, strict=True):
            chunks.append(_column_chunk(name, kind, column, rows, self._size))
            self._parts += column.chunk.pages
            self._size += column.chunk.size
        plain = sum(column.chunk.plain_bytes for column in columns)
        fields = {1: listed(chunks), 2: i64(plain), 3: i64(rows), 5: i64(start), 6: i64(self._size - start)}
        self._groups.append(struct(fields))
        self._rows += rows

    def parts(self) -> Iterator[bytes]:
        """The bytes of the file."""
        yield from self._parts
        leaves = [_leaf(name, kind) for name, kind in self.kinds.items()]
        root = struct({4: binary(b"schema"), 5: i32(len(leaves))})
        order = struct({1: _EMPTY})
        footer = struct(
            {
                1: i32(2),
                2: listed([root, *leaves]),
                3: i64(self._rows),
                4: listed(self._groups),
                6: binary(_MAKER),
                7: listed([order] * len(leaves)),
            }
        )
        yield footer.data + len(footer.data).to_bytes(4, "little") + _MAGIC


def _leaf(name: str, kind: Kind) -> Value:
    fields = {1: i32(kind.physical), 3: i32(_REQUIRED), 4: binary(name.encode())}
    if kind.converted is not None:
        fields[6] = i32(kind.converted)
    if kind.logical is not None:
        fields[10] = kind.logical
    return struct(fields)


def _column_chunk(name: str, kind: Kind, column: Column, rows: int, start: int) -> Value:
    chunk = column.chunk
    meta: dict[int, Value] = {
        1: i32(kind.physical),
        2: listed([i32(each) for each in chunk.encodings]),
        3: listed([binary(name.encode())]),
        4: i32(chunk.codec),
        5: i64(rows),
        6: i64(chunk.plain_bytes),
        7: i64(chunk.size),
        9: i64(start + chunk.dictionary_bytes),
    }
    if chunk.dictionary_bytes:
        meta[11] = i64(start)
    if column.bounds is not None:
        least, most = column.bounds
        bounds: dict[int, Any] = {3: i64(0), 5: binary(most), 6: binary(least)}
        meta[12] = struct(bounds)
    return struct({2: i64(start), 3: struct(meta)})
