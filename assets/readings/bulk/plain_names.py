"""Names of a column, straight from the bytes: each found again among those that are known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assets.readings.bulk.words import Fields, Words, last_bytes, words_at

_MAX_NAME = 24
_MULTIPLIERS = np.random.default_rng(0).integers(2**62, 2**63, (64, 3), np.uint64) * np.uint64(2) + np.uint64(1)
_MAX_TABLE_BITS = 22


class Names:
    """Texts of up to 24 bytes that a column may hold, found again by a product of their words."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        self._width = -(-max(map(len, texts), default=0) // 8)
        self._longest = max(map(len, texts), default=0)
        self._known = np.zeros((max(self._width, 1), len(texts)), np.uint64)
        for place, text in enumerate(texts):
            for number in range(self._width):
                part = text[: len(text) - 8 * number][-8:] if len(text) > 8 * number else b""
                self._known[number, place] = int.from_bytes(part.rjust(8, b"\0"), "little")
        self._table: NDArray[np.int32] | None = None
        self._find_table(len(texts))

    def _find_table(self, count: int) -> None:
        """A multiplier by which no two names meet, and a table wide enough for it."""
        if not count or self._longest > _MAX_NAME:
            return
        start = max((2 * count * count - 1).bit_length(), 4)
        for bits in range(start, _MAX_TABLE_BITS + 1):
            for multiplier in _MULTIPLIERS:
                keys = _keys(list(self._known), multiplier, bits)
                if len(set(keys.tolist())) == count:
                    self._table = np.zeros(2**bits, np.int32)
                    self._table[keys] = np.arange(count)
                    self._multiplier, self._bits = multiplier, bits
                    return

    def places(self, fields: Fields) -> NDArray[np.int32] | None:
        """The place of each field among the names."""
        sizes = np.array([fields.size]) if fields.size is not None else fields.ends - fields.starts
        least, most = int(sizes.min()), int(sizes.max())
        if self._table is None or most > self._longest or least < 1:
            return None
        count = -(-most // 8)
        read = words_at(fields.body, fields.ends - 8 * count, count)[::-1]
        words = [word & last_bytes(sizes, least, most, 8 * number) for number, word in enumerate(read)]
        found = self._table.take(_keys(words, self._multiplier, self._bits).astype(np.int64))
        is_known = all(np.array_equal(known.take(found), word) for known, word in zip(self._known, words, strict=False))
        return found if is_known and not self._known[count:].take(found, axis=1).any() else None


def _keys(words: Sequence[Words], multiplier: Words, bits: int) -> Words:
    """Highest bits of a sum of products: words that a short name does not have add nothing."""
    key: Words = words[0] * multiplier[0]
    for number, word in enumerate(words[1:], 1):
        key = key + word * multiplier[number]
    return key >> np.uint64(64 - bits)
