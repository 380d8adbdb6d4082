"""Lines of a block as columns, and the bytes of a column's fields as words: eight bytes as one number.

The first byte is a word's lowest. Nothing is judged here: what has another form is None.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Places = NDArray[np.int64]

_ONES = 0x0101_0101_0101_0101
# A digit's sign, the highest bit, and what lifts a number above nine into that bit: for each byte of a word.
DIGITS, HIGHEST, ABOVE_NINE = np.uint64(0x30 * _ONES), np.uint64(0x80 * _ONES), np.uint64(0x76 * _ONES)
LOWEST = np.uint64(_ONES)
# Bits of the first and of the last n bytes of a word.
FIRST = np.array([2 ** (8 * count) - 1 for count in range(9)], np.uint64)
LAST = np.array([2**64 - 2 ** (64 - 8 * count) for count in range(9)], np.uint64)


@dataclass(frozen=True)
class Fields:
    """One column of a block. ends: places behind each field; size: bytes of every field, where all have as many."""

    body: bytes
    starts: Places
    ends: Places
    size: int | None = None


def columns_of(body: bytes, separator: int, count: int, value: int) -> list[Fields] | None:
    """The columns of whole lines that all have `count` fields, line ends of one kind, and no quotes.

    value: the column of numbers. Where it is the last, the others may hold separators: who reads them must know.
    """
    text = np.frombuffer(body, np.uint8)
    is_end = text == ord("\n")
    last = np.flatnonzero(is_end)
    if not last.size:
        return None
    starts = np.concatenate([[0], last[:-1] + 1])
    ends = last
    if b"\r" in body:
        returns = text == ord("\r")
        if int(np.count_nonzero(returns)) != last.size or not returns[last - 1].all():
            return None
        ends = last - 1
    sizes = [len(field) for field in body[: ends[0]].split(bytes([separator]))]
    if len(sizes) != count:
        return None
    return (_alike(body, starts, ends, sizes, separator) if value == count - 1 else None) or _marked(
        body, is_end, separator, starts, ends, count
    )


def _alike(body: bytes, starts: Places, ends: Places, sizes: list[int], separator: int) -> list[Fields] | None:
    """The columns where all but the last have the same size in every line."""
    text, columns = np.frombuffer(body, np.uint8), []
    if int((ends - starts).min()) < sum(sizes[:-1]) + len(sizes):
        return None
    for size in sizes[:-1]:
        behind = starts + size
        if (text[behind] != separator).any():
            return None
        columns.append(Fields(body, starts, behind, size))
        starts = behind + 1
    return [*columns, Fields(body, starts, ends)]


def _marked(
    body: bytes, is_end: NDArray[np.bool_], separator: int, starts: Places, ends: Places, count: int
) -> list[Fields] | None:
    """The columns by every separator."""
    marks = np.flatnonzero(is_end | (np.frombuffer(body, np.uint8) == separator))
    if marks.size != starts.size * count:
        return None
    table = marks.reshape(-1, count)
    if not is_end[table[:, -1]].all():
        return None
    inner = [np.ascontiguousarray(table[:, number]) for number in range(count - 1)]
    pairs = zip([starts, *(mark + 1 for mark in inner)], [*inner, ends], strict=True)
    return [Fields(body, start, end) for start, end in pairs]


def words_at(body: bytes, places: Places, count: int) -> list[Words]:
    """`count` words each from ascending places; what lies outside the body is zero."""
    size = 8 * count
    # One copy of all the words of a row costs no more than that of one.
    rows = np.ndarray((max(len(body) - size + 1, 1),), f"V{size}", body.ljust(size, b"\0"), 0, (1,))
    inside = slice(int(np.searchsorted(places, 0)), int(np.searchsorted(places, len(body) - size, side="right")))
    found = np.empty((places.size, count), np.uint64)
    found[inside] = rows[places[inside]].view("<u8").reshape(-1, count)
    for row in [*range(inside.start), *range(inside.stop, places.size)]:
        place = int(places[row])
        piece = body[max(place, 0) : max(place + size, 0)]
        found[row] = np.frombuffer(piece.rjust(size, b"\0") if place < 0 else piece.ljust(size, b"\0"), "<u8")
    return [found[:, number] for number in range(count)]


def last_bytes(sizes: Places, least: int, most: int, skip: int) -> Words | np.uint64:
    """Bits of the fields' own bytes in the word that ends `skip` bytes before them."""
    if min(least - skip, 8) == min(most - skip, 8) and least >= skip:
        return np.uint64(LAST[min(least - skip, 8)])
    return LAST.take(np.clip(sizes - skip, 0, 8) if skip or most > 8 else sizes)
