"""Dead and stuck: zeros, or one and the same other reading, for longer than the meter's own pauses or steady stretches.

A missing reading that a source writes as zero looks dead as well.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data_quality.contracts.site_file.vee import Action
from data_quality.reading_grid import Flags, Floats
from data_quality.rules.shared.grid_days import Days, Runs
from data_quality.rules.shared.hits import Hits
from data_quality.rules.shared.norms import LEAST_HISTORY_DAYS, Block, Norms

# What fills a quarter of the time is how the meter is used, or it is so broken that a person must look.
HABIT = 0.25
# Times the longest run of ordinary weeks.
_FACTOR = 2.0


@dataclass(frozen=True)
class EqualRunRule:
    """Rule on runs of equal readings. LEAST_H: no limit is shorter; runs: those that it judges.

    has_lived: [streams] that ever showed anything else; a meter that never did has neither died nor got stuck.
    """

    NAME: str
    MEANING: str
    REASON: str
    LEAST_H: float
    runs: Callable[[Days], Runs]
    has_lived: Callable[[Norms], Flags]
    ACTION: Action = Action.EXCLUDE
    UNIT: str = "h"

    def limits(self, block: Block) -> Floats:
        """Hours [streams] of equal readings from which on the meter counts as dead or stuck.

        NaN for sources slower than hourly, whose values are spread over equal slots.
        """
        grid = block.days.grid
        # No run in ordinary weeks is a longest run of none: then the least limit holds.
        ordinary_h = np.nan_to_num(block.norms.upper(block.days.longest_run(self.runs(block.days)))) * grid.step_h
        cadence_h = np.array([stream.cadence_minutes / 60 for stream in grid.streams])
        return np.where(cadence_h > 1, np.nan, np.maximum(_FACTOR * ordinary_h, self.LEAST_H))

    def is_mild(self, block: Block, limits: Floats) -> Flags:
        """[streams] where such runs are the meter's habit: a longer one is named, and still used.

        It has shorter ones in ordinary weeks, less than two weeks tell what it has, or they fill more than HABIT of the
        eight weeks to the block's end. So too where zero is an amount: a boiler in May is not dead.
        """
        norms, days, runs = block.norms, block.days, self.runs(block.days)
        first, end = int(days.edges[norms.own_days.start]), block.slots.stop
        shared = np.maximum(np.minimum(runs.end, end) - np.maximum(runs.first, first), 0)
        in_runs = np.bincount(runs.row, weights=shared, minlength=len(days.grid.streams))
        known = days.known[:, norms.own_days].sum(axis=1)
        is_thin = norms.is_own & (norms.day_count < LEAST_HISTORY_DAYS)
        may_rest = np.array([stream.may_rest and self.NAME == "dead" for stream in days.grid.streams], dtype=np.bool_)
        return np.asarray((limits > self.LEAST_H) | is_thin | (in_runs > HABIT * known) | may_rest)

    def find(self, block: Block, limits: Floats) -> Hits:
        """The part in the block of every run that reaches the limit by its end, where the meter has lived."""
        runs, span = self.runs(block.days), block.slots
        end, slots = np.minimum(runs.end, span.stop), np.ceil(limits / block.days.grid.step_h)
        is_long = (end - runs.first >= slots[runs.row]) & (runs.first < span.stop) & (runs.end > span.start)
        kept = np.flatnonzero(is_long)
        found = Hits(runs.row[kept], np.maximum(runs.first[kept], span.start), end[kept], runs.value[kept])
        return found.of(self.has_lived(block.norms)[found.row])


dead = EqualRunRule(
    NAME="dead",
    MEANING="Zero for longer than the meter ever rests",
    REASON="twice the longest pause of ordinary weeks, at least 3 hours",
    # The shortest run that is kept at all (grid_days.SHORTEST_RUN_H).
    LEAST_H=3.0,
    runs=lambda days: days.zero_runs,
    has_lived=lambda norms: norms.highest > 0,
)
stuck = EqualRunRule(
    NAME="stuck",
    MEANING="One and the same reading, not zero, for longer than the meter is ever steady",
    REASON="twice the longest steady stretch of ordinary weeks, at least 6 hours",
    # Of an hourly meter: three significant digits agree by chance once in a thousand, six equal readings never do.
    LEAST_H=6.0,
    runs=lambda days: days.steady_runs,
    has_lived=lambda norms: norms.highest > norms.lowest,
)
