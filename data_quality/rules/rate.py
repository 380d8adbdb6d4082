"""Rate: a change from one reading to the next that is several times the meter's biggest."""

import numpy as np

from data_quality.contracts.site_file.vee import Action
from data_quality.reading_grid import Floats
from data_quality.rules.shared.hits import Hits, hits
from data_quality.rules.shared.norms import Block

NAME = "rate"
MEANING = "From one reading to the next the meter changes by several times its biggest ordinary step"
ACTION = Action.FLAG
UNIT = "change of reading"
REASON = "three times the biggest step of ordinary weeks"
_FACTOR = 3.0


def limits(block: Block) -> Floats:
    """Change [streams] from one reading to the next; NaN where the history knows no change."""
    step = block.norms.step
    return np.where(step > 0, _FACTOR * step, np.nan)


def find(block: Block, limits: Floats) -> Hits:
    """The reading that a jump ends in. One slot an event: what follows is for other rules to judge."""
    days, span = block.days, block.slots
    found = []
    rows, places = np.nonzero(days.steps[:, block.first : block.end] > limits[:, None])
    for row, place in zip(rows, places + block.first, strict=True):
        first, end = int(days.edges[place]), int(days.edges[place + 1])
        # One slot before the day: the step over midnight belongs to the day that it ends on.
        part = days.grid.values[row, max(first - 1, 0) : end]
        jump = np.abs(np.diff(part))
        start = max(first, 1)
        found += [
            (int(row), start + int(at), start + int(at) + 1, float(part[at + 1] - part[at]))
            for at in np.flatnonzero(jump > limits[row])
        ]
    return hits([event for event in found if span.start <= event[1] < span.stop])
