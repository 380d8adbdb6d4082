"""Columns of a lake file as Parquet pages: each column in the form that its content calls for.

A month of readings has nine columns of one value each, times that repeat for every stream, lines that count up and
values of few decimals. Arrays as they are become pages: one value is written once, however many rows have it.
No column holds nulls. Source: Apache Parquet format 2.11, "Encodings" and "Data Pages".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assets.stores.thrift_compact import i32, struct, varint, zigzag

PLAIN, DELTA_BINARY_PACKED, RLE_DICTIONARY, RLE = 0, 5, 8, 3
UNCOMPRESSED, ZSTD = 0, 6
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
# Values of a block and of each of its parts, as every writer has them.
_BLOCK, _PART = 128, 32
_DECIMALS: Final = range(7)
_SAMPLE: Final = 1024
# Bytes of a page by which it is decided whether compression is worth its time.
_TRIAL: Final = 16_384
_MAX_WHOLE: Final = 2.0**52


@dataclass(frozen=True)
class Chunk:
    """One column of one row group. plain_bytes: with page headers, before compression."""

    pages: tuple[bytes, ...]
    encodings: tuple[int, ...]
    codec: int
    plain_bytes: int
    dictionary_bytes: int

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return sum(map(len, self.pages))


class _Page(NamedTuple):
    """encoding: of its data; values: how many it holds."""

    encoding: int
    values: int
    data: bytes


def one_value(value: bytes, rows: int) -> Chunk:
    """A column that says the same in every row. value: PLAIN."""
    # One bit a place, though none would do: some readers refuse that.
    places = b"\1" + varint(rows << 1) + b"\0"
    return _chunk(_Page(RLE_DICTIONARY, rows, places), _Page(PLAIN, 1, value), is_worth=False)


def texts(codes: NDArray[Any], names: Sequence[bytes]) -> Chunk:
    """A column of texts. codes: places in names."""
    return _chunk(_places(codes, len(names)), _Page(PLAIN, len(names), b"".join(map(plain_text, names))))


def plain_text(text: bytes) -> bytes:
    """A text as PLAIN has it."""
    return len(text).to_bytes(4, "little") + text


def flags(values: NDArray[np.bool_]) -> Chunk:
    """A column of yes and no."""
    return _chunk(_Page(PLAIN, values.size, np.packbits(values, bitorder="little").tobytes()))


def runs(values: NDArray[Any]) -> Chunk:
    """A column of numbers that stay the same for some rows, like the times of sorted readings."""
    starts = np.flatnonzero(values[1:] != values[:-1]) + 1
    if 4 * starts.size > values.size:
        return numbers(values)
    kinds = values[np.append(0, starts)]
    places = np.repeat(np.arange(kinds.size, dtype=np.uint32), np.diff(starts, prepend=0, append=values.size))
    return _chunk(_places(places, kinds.size), _Page(PLAIN, kinds.size, kinds.tobytes()))


def numbers(values: NDArray[Any]) -> Chunk:
    """A column of any numbers."""
    return _chunk(_Page(PLAIN, values.size, values.tobytes()))


def counting(values: NDArray[np.int64]) -> Chunk:
    """A column of whole numbers that go up by about the same, like line numbers."""
    steps = values[1:] - values[:-1]
    least = int(steps.min()) if steps.size else 0
    most = int(steps.max(initial=least)) - least
    if most >= 2**32:
        return numbers(values)
    width = next(each for each in (0, 1, 2, 4) if most < 256**each)
    count = -(-steps.size // _BLOCK)
    rest = np.zeros(count * _BLOCK, f"<u{width or 1}")
    rest[: steps.size] = steps - least
    # The least of all steps serves every block, so that all blocks are of one size.
    head = np.frombuffer(zigzag(least) + bytes([8 * width] * (_BLOCK // _PART)), np.uint8)
    body = rest.view(np.uint8).reshape(count, -1) if width else np.empty((count, 0), np.uint8)
    blocks = np.hstack([np.broadcast_to(head, (count, head.size)), body]).tobytes()
    unused = (count * _BLOCK - steps.size) // _PART * _PART * width
    first = varint(_BLOCK) + varint(_BLOCK // _PART) + varint(values.size) + zigzag(int(values[0]))
    return _chunk(_Page(DELTA_BINARY_PACKED, values.size, first + blocks[: len(blocks) - unused]), is_worth=width > 0)


def decimals(values: NDArray[np.float64]) -> Chunk:
    """A column of numbers with few decimals, each kept to the last bit: places in the list of those that occur."""
    for digits in _DECIMALS:
        whole = _wholes(values[:_SAMPLE], digits)
        if whole is None:
            continue
        whole = _wholes(values, digits)
        if whole is not None and (found := _listed(whole, digits)) is not None:
            return found
    return numbers(values)


def _wholes(values: NDArray[np.float64], digits: int) -> NDArray[np.int64] | None:
    """The values in units of their last decimal; None where any has more of them."""
    scale = 10.0**digits
    if not max(values.max(), -values.min()) < _MAX_WHOLE / scale:
        return None
    whole = np.rint(values * scale).astype(np.int64)
    # Bits: zero may have a sign.
    return whole if np.array_equal((whole / scale).view(np.int64), values.view(np.int64)) else None


def _listed(whole: NDArray[np.int64], digits: int) -> Chunk | None:
    """None where a list would not be shorter."""
    least = int(whole.min())
    span = int(whole.max()) - least + 1
    if span > 4 * whole.size + 65_536:
        return None
    whole = whole - least
    occurs = np.zeros(span, bool)
    occurs[whole] = True
    kinds = np.flatnonzero(occurs)
    if 8 * kinds.size + _width(kinds.size) * whole.size > 6 * whole.size:
        return None
    place = np.empty(span, f"<u{_width(kinds.size)}")
    place[kinds] = np.arange(kinds.size)
    listed = (kinds + least) / 10.0**digits
    return _chunk(_places(place[whole], kinds.size), _Page(PLAIN, kinds.size, listed.tobytes()))


def _width(kinds: int) -> int:
    """Bytes of a place in a list."""
    return 1 if kinds <= 2**8 else 2 if kinds <= 2**16 else 4


def _places(codes: NDArray[Any], kinds: int) -> _Page:
    """Places in a list, whole bytes each: eight a group, the last one filled up."""
    width = _width(kinds)
    groups = -(-codes.size // 8)
    data = codes.astype(f"<u{width}", copy=False).tobytes() + bytes((8 * groups - codes.size) * width)
    return _Page(RLE_DICTIONARY, codes.size, bytes([8 * width]) + varint(groups << 1 | 1) + data)


def _chunk(data: _Page, dictionary: _Page | None = None, *, is_worth: bool = True) -> Chunk:
    """is_worth: whether compression may make it smaller."""
    codec, pack = UNCOMPRESSED, bytes
    sample = data.data[:_TRIAL]
    if is_worth and len(_zstd()(sample)) < 0.9 * len(sample):
        codec, pack = ZSTD, _zstd()
    bodies = [pack(data.data)]
    heads = [_data_head(data, len(bodies[0]))]
    pages = [data]
    if dictionary is not None:
        body = pack(dictionary.data)
        bodies, heads, pages = [body, *bodies], [_dictionary_head(dictionary, len(body)), *heads], [dictionary, data]
    return Chunk(
        pages=tuple(part for pair in zip(heads, bodies, strict=True) for part in pair),
        encodings=tuple(sorted({page.encoding for page in pages})),
        codec=codec,
        plain_bytes=sum(map(len, heads)) + sum(len(page.data) for page in pages),
        dictionary_bytes=len(heads[0]) + len(bodies[0]) if dictionary is not None else 0,
    )


def _data_head(page: _Page, size: int) -> bytes:
    own = struct({1: i32(page.values), 2: i32(page.encoding), 3: i32(RLE), 4: i32(RLE)})
    return struct({1: i32(_DATA_PAGE), 2: i32(len(page.data)), 3: i32(size), 5: own}).data


def _dictionary_head(page: _Page, size: int) -> bytes:
    own = struct({1: i32(page.values), 2: i32(page.encoding)})
    return struct({1: i32(_DICTIONARY_PAGE), 2: i32(len(page.data)), 3: i32(size), 7: own}).data


@cache
def _zstd() -> Any:
    import pyarrow as pa

    codec = pa.Codec("zstd", compression_level=1)
    return lambda data: codec.compress(data, asbytes=True)
