"""Local times of a long table as instants, block by block, with the decisions of tables/times.py.

What a zone's clocks do stands in a table of its local quarter hours. Which pass of a repeated hour a row is of follows
from the rows of its meter above it; whether both passes were there is known at the end of the file.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.readings.bulk.shape import SLOT_US, NotRegular

# No time: what is left of a local time that summer time skips.
NONE = -(2**63)
# A year around the times of a block, so that the next block finds its own there too.
_MARGIN = 366 * 96


@dataclass
class _Repeat:
    """Rows of one name and one local time that appears twice: the first row's line, and how many there are."""

    line: int
    instant: int
    hour: int
    count: int = 0
    is_odd: bool = False


@dataclass(frozen=True)
class Singles:
    """Rows of a repeated hour whose other pass is not in the file.

    instants: of the first pass; hours: microseconds from the first to the second; is_odd: one of them is no reading.
    """

    lines: NDArray[np.int32]
    instants: NDArray[np.int64]
    hours: NDArray[np.int64]
    is_odd: bool


def both_sides(local: pl.Series, time_zone: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """UTC instants (us) of local times by the first and by the last pass; NONE for a time that is none."""
    sides: tuple[Literal["earliest"], Literal["latest"]] = ("earliest", "latest")
    early, late = (
        local.dt.replace_time_zone(time_zone, ambiguous=side, non_existent="null")
        .to_physical()
        .fill_null(NONE)
        .to_numpy()
        for side in sides
    )
    return early, late


class LocalTimes:
    """The clocks of one zone, and the repeated hours of one file."""

    def __init__(self, time_zone: str) -> None:
        self._zone = time_zone
        self._first, self._early, self._late = 0, np.empty(0, np.int64), np.empty(0, np.int64)
        self._repeats: dict[tuple[str, int], _Repeat] = {}
        self._by_line: dict[int, _Repeat] = {}

    def instants(self, local: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """UTC instants (us) of local times without nulls: by the first and by the last pass. NONE for a skipped time.

        Raises NotRegular for times beside the quarter hours.
        """
        times = local.to_physical().to_numpy()
        slots = times // SLOT_US
        if not times.size:
            return times, times
        if (slots * SLOT_US != times).any():
            raise NotRegular
        low, high = int(slots.min()), int(slots.max())
        if low < self._first or high >= self._first + len(self._early):
            self._learn(low, high)
        places = slots - self._first
        return self._early[places], self._late[places]

    def _learn(self, low: int, high: int) -> None:
        known = self._first + len(self._early) if len(self._early) else high
        first, end = min(low, self._first or low) - _MARGIN, max(high, known) + _MARGIN
        # Sixty years of quarter hours: a stray date must not set the memory.
        if end - first > 62 * _MARGIN:
            raise NotRegular
        local = pl.Series(np.arange(first, end) * SLOT_US).cast(pl.Datetime("us"))
        self._first = first
        self._early, self._late = both_sides(local, self._zone)

    def passes(
        self, names: Sequence[str | None], early: NDArray[np.int64], late: NDArray[np.int64], lines: Iterable[int]
    ) -> NDArray[np.int64]:
        """The instants of rows in repeated hours, in the order of the file: of a name's two, the upper is the first.

        Raises NotRegular for a third row, which only the sight of the whole file can refuse.
        """
        found = early.copy()
        for place, (name, line) in enumerate(zip(names, lines, strict=True)):
            instant, hour = int(early[place]), int(late[place] - early[place])
            # A name that is not said is one of its own.
            repeat = self._repeats.setdefault((name or "\0", instant), _Repeat(line, instant, hour))
            repeat.count += 1
            if repeat.count > 2:
                raise NotRegular
            if repeat.count == 2:
                found[place] = late[place]
            self._by_line[line] = repeat
        return found

    def mark_odd(self, lines: Iterable[int]) -> None:
        """These rows are no readings."""
        for line in lines:
            if (repeat := self._by_line.get(line)) is not None:
                repeat.is_odd = True

    @property
    def has_pairs(self) -> bool:
        """Both passes of a repeated hour were there."""
        return any(each.count > 1 for each in self._repeats.values())

    def singles(self) -> Singles:
        """Values that occurred only once, after the last row."""
        found = [each for each in self._repeats.values() if each.count == 1]
        facts: dict[str, Any] = {
            name: np.array([getattr(each, field) for each in found], kind)
            for name, field, kind in (
                ("lines", "line", np.int32),
                ("instants", "instant", np.int64),
                ("hours", "hour", np.int64),
            )
        }
        return Singles(**facts, is_odd=any(each.is_odd for each in found))
