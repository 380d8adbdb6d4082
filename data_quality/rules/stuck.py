"""Stuck: the same reading, not zero, for longer than the meter's own steady stretches."""

import numpy as np

from data_quality.contracts.site_file.vee import Action
from data_quality.reading_grid import Flags, Floats
from data_quality.rules.shared.equal_runs import limit_h, longer_than, mild
from data_quality.rules.shared.hits import Hits
from data_quality.rules.shared.norms import Block

NAME = "stuck"
MEANING = "One and the same reading, not zero, for longer than the meter is ever steady"
ACTION = Action.EXCLUDE
UNIT = "h"
REASON = "twice the longest steady stretch of ordinary weeks, at least 6 hours"
# Six equal readings of an hourly meter: three significant digits agree by chance once in a thousand, six times never.
_LEAST_H = 6.0
_FACTOR = 2.0


def limits(block: Block) -> Floats:
    """Hours [streams] of equal readings from which on the register counts as stuck."""
    return limit_h(block, block.days.steady_runs, least_h=_LEAST_H, factor=_FACTOR)


def is_mild(block: Block, limits: Floats) -> Flags:
    """Streams that are steady by nature, or whose history is thin: a longer stretch is named, and still used."""
    return mild(block, block.days.steady_runs, limits, _LEAST_H)


def find(block: Block, limits: Floats) -> Hits:
    """Runs of equal readings, not zero, that reach the limit by the end of the block."""
    found = longer_than(block, block.days.steady_runs, np.ceil(limits / block.days.grid.step_h))
    # A meter that never shows anything else is not stuck: it has got stuck only where it moved before.
    has_moved = block.norms.highest > block.norms.lowest
    return found.of(has_moved[found.row])
