"""Dead: zeros for longer than the meter's own pauses; a missing reading that a source writes as zero looks the same."""

import numpy as np

from data_quality.contracts.site_file.vee import Action
from data_quality.reading_grid import Flags, Floats
from data_quality.rules.shared.equal_runs import limit_h, longer_than, mild
from data_quality.rules.shared.hits import Hits
from data_quality.rules.shared.norms import Block

NAME = "dead"
MEANING = "Zero for longer than the meter ever rests"
ACTION = Action.EXCLUDE
UNIT = "h"
REASON = "twice the longest pause of ordinary weeks, at least 3 hours"
# The shortest run that is kept at all (grid_days.SHORTEST_RUN_H).
_LEAST_H = 3.0
_FACTOR = 2.0


def limits(block: Block) -> Floats:
    """Hours [streams] of zeros from which on the meter counts as dead."""
    return limit_h(block, block.days.zero_runs, least_h=_LEAST_H, factor=_FACTOR)


def is_mild(block: Block, limits: Floats) -> Flags:
    """Streams whose pauses are ordinary, or whose history is thin: a longer one is named, and still used."""
    return mild(block, block.days.zero_runs, limits, _LEAST_H)


def find(block: Block, limits: Floats) -> Hits:
    """Runs of zeros that reach the limit by the end of the block, where the meter is not idle by nature."""
    found = longer_than(block, block.days.zero_runs, np.ceil(limits / block.days.grid.step_h))
    # A meter that shows nothing but zeros is not in use; it has died only where it lived before.
    has_lived = block.norms.highest > 0
    return found.of(has_lived[found.row])
