"""Half-open spans of local days, open where an end is left out."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise


def overlapping(spans: Sequence[tuple[date | None, date | None]]) -> tuple[int, int] | None:
    """Positions of two half-open spans that share a day (None: open end), or None where no two do."""
    bounds = sorted((start or date.min, end or date.max, at) for at, (start, end) in enumerate(spans))
    # By their starts: where no two neighbours overlap, no others do.
    for (_, end, first), (start, _, second) in pairwise(bounds):
        if start < end:
            return min(first, second), max(first, second)
    return None
