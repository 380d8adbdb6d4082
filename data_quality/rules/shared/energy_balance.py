"""Energy balance of the rules sum_check and plant_balance: a part may not be more than its whole, day by day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from data_quality.reading_grid import Flags, Floats
from data_quality.rules.shared.grid_days import Days
from data_quality.rules.shared.hits import stretches

# Meters of class 1 or 2 on both sides, and clocks some minutes apart: up to this share nothing is wrong.
DEFAULT_TOLERANCE = 0.05
_IMPORT = "import"


@dataclass(frozen=True)
class Balance:
    """Meters whose sum may not exceed the sum of others, on local dates [valid_from, valid_to).

    rule: sum_check or plant_balance; name: whom findings name (the parent, or the energy use).
    """

    rule: str
    name: str
    parts: tuple[str, ...]
    whole: tuple[str, ...]
    valid_from: date = date.min
    valid_to: date = date.max


@dataclass(frozen=True)
class Excess:
    """Days [first, end) of `dates` on which the parts exceed the whole; share: by how much at worst, of the whole."""

    balance: Balance
    first: int
    end: int
    parts_kwh: float
    whole_kwh: float
    share: float


@dataclass(frozen=True)
class DailySums:
    """Sums per meter and local day; is_whole: no slot of the day is missing."""

    dates: list[date]
    meters: list[str]
    sums: Floats
    is_whole: Flags

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each meter."""
        return {meter: row for row, meter in enumerate(self.meters)}

    @staticmethod
    def of(grids: Sequence[Days], doubtful: Sequence[Flags]) -> "DailySums":
        """The import registers of several grids (of different steps) over the days that all of them know.

        doubtful: per grid [streams, days] that are to be left out like days with a missing slot.
        """
        dates = sorted(set.intersection(*(set(days.dates) for days in grids))) if grids else []
        meters, sums, whole = [], [], []
        for days, doubts in zip(grids, doubtful, strict=True):
            rows = [row for row, stream in enumerate(days.grid.streams) if stream.register == _IMPORT]
            at = [days.dates.index(day) for day in dates]
            meters += [days.grid.streams[row].meter_id for row in rows]
            sums.append(days.sums[np.ix_(rows, at)])
            # By midnights, not by edges: a day that the grid cuts is not whole, however full it looks.
            expected = np.diff(days.midnights)[at]
            whole.append((days.known[np.ix_(rows, at)] == expected[None, :]) & ~doubts[np.ix_(rows, at)])
        if not meters:
            return DailySums(dates, [], np.zeros((0, len(dates))), np.zeros((0, len(dates)), bool))
        return DailySums(dates, meters, np.concatenate(sums), np.concatenate(whole))


def excesses(sums: DailySums, balance: Balance, *, tolerance: float, first: int, end: int) -> list[Excess]:
    """Stretches of days in [first, end) on which the parts exceed the whole by more than `tolerance` (share).

    Days with a missing slot on either side are left out: a gap in the whole is no excess of the parts.
    """
    index = sums.rows
    # A meter that is not read makes the sum unknown, not smaller.
    if not all(meter in index for meter in (*balance.parts, *balance.whole)):
        return []
    parts, whole = [index[meter] for meter in balance.parts], [index[meter] for meter in balance.whole]
    span = slice(first, end)
    is_whole = sums.is_whole[[*parts, *whole], span].all(axis=0)
    of_parts, of_whole = sums.sums[parts, span].sum(axis=0), sums.sums[whole, span].sum(axis=0)
    is_due = np.array([balance.valid_from <= day < balance.valid_to for day in sums.dates[span]], bool)
    # Where both sides feed in, -4 is above -5 and means nothing: parts must be positive.
    is_more = is_due & is_whole & (of_parts > of_whole * (1 + tolerance)) & (of_parts > 0)
    found = []
    for start, stop in stretches(is_more):
        worst = int(start + np.argmax((of_parts - of_whole)[start:stop]))
        # A whole of zero is exceeded beyond any share.
        share = float((of_parts[worst] - of_whole[worst]) / of_whole[worst]) if of_whole[worst] > 0 else np.inf
        found.append(
            Excess(balance, first + start, first + stop, float(of_parts[worst]), float(of_whole[worst]), share)
        )
    return found
