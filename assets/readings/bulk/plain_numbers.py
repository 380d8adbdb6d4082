"""Decimal numbers of a column, straight from the bytes."""

import numpy as np
from numpy.typing import NDArray

from assets.readings.bulk.words import (
    ABOVE_NINE,
    DIGITS,
    HIGHEST,
    LOWEST,
    Fields,
    Places,
    Words,
    last_bytes,
    words_at,
)

_DOTS = np.uint64((ord(".") ^ ord("0")) * int(LOWEST))
# By the number of bits below the one that marks the dot: what the digits are divided by. 64: no dot.
_SCALE = np.ones(65)
_SCALE[7:64:8] = 10.0 ** np.arange(7, -1, -1)
_MAX_NUMBER = 16


def numbers(fields: Fields) -> NDArray[np.float64] | None:
    """Decimal numbers of 1 to 16 signs, "-12.345" or "7": the very floats that any correct reader finds."""
    sizes = fields.ends - fields.starts
    found = _positive(fields, sizes)
    if found is None:
        is_below = np.frombuffer(fields.body, np.uint8)[fields.starts] == ord("-")
        if is_below.any():
            found = _positive(fields, sizes - is_below)
            found = found if found is None else np.where(is_below, -found, found)
    return found


def _positive(fields: Fields, sizes: Places) -> NDArray[np.float64] | None:
    least, most = int(sizes.min()), int(sizes.max())
    if least < 1 or most > _MAX_NUMBER:
        return None
    count = -(-most // 8)
    *above, lower = words_at(fields.body, fields.ends - 8 * count, count)
    lower = (lower ^ DIGITS) & last_bytes(sizes, least, most, 0)
    dot = _dot(lower)
    if least == 1 and (dot[sizes == 1] != 0).any():
        return None
    if not above:
        whole, wrong = _whole(_without(lower, dot))
        scale = _scale(dot)
    else:
        upper = (above[0] ^ DIGITS) & last_bytes(sizes, least, most, 8)
        is_split = dot != 0
        dot_above = np.where(is_split, 0, _dot(upper))
        low, wrong_low = _whole(_without(lower, dot) | np.where(is_split, upper >> np.uint64(56), 0))
        high, wrong_high = _whole(np.where(is_split, upper << np.uint64(8), _without(upper, dot_above)))
        whole, wrong = high * np.uint64(10**8) + low, wrong_low | wrong_high
        scale = _scale(dot) * np.where(dot_above == 0, 1.0, 1e8 * _scale(dot_above))
    return None if wrong else whole.astype(np.float64) / scale


def _dot(digits: Words) -> Words:
    """The highest bit of the first byte that is a dot; zero where none is."""
    other = digits ^ _DOTS
    found = (other - LOWEST) & ~other & HIGHEST
    return found & (~found + np.uint64(1))


def _without(digits: Words, dot: Words) -> Words:
    """The digits as if no dot stood among them."""
    before = (dot >> np.uint64(7)) - np.uint64(1)
    behind = ~((dot << np.uint64(1)) - np.uint64(1))
    found = ((digits & before) << np.uint64(8)) | (digits & behind)
    return found if dot.all() else np.where(dot == 0, digits, found)


def _scale(dot: Words) -> NDArray[np.float64]:
    """What numbers without their dot are divided by."""
    if (dot == dot[0]).all():
        dot = dot[:1]
    found: NDArray[np.float64] = _SCALE.take(np.bitwise_count(dot - np.uint64(1)))
    return found


def _whole(digits: Words) -> tuple[Words, np.uint64]:
    """The numbers of eight digits each, and something other than zero where a byte is no digit."""
    wrong = np.bitwise_or.reduce(((digits + ABOVE_NINE) | digits) & HIGHEST)
    pairs = digits * np.uint64(10) + (digits >> np.uint64(8))
    mask = np.uint64(0xFF_0000_00FF)
    upper = (pairs & mask) * np.uint64(100 + (1_000_000 << 32))
    lower = ((pairs >> np.uint64(16)) & mask) * np.uint64(1 + (10_000 << 32))
    return (upper + lower) >> np.uint64(32), wrong
