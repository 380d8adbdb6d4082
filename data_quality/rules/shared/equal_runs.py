"""Equal runs of the rules stuck and dead: stretches of equal readings longer than the meter's own."""

import numpy as np

from data_quality.reading_grid import Flags, Floats
from data_quality.rules.shared.grid_days import Runs
from data_quality.rules.shared.hits import Hits
from data_quality.rules.shared.norms import LEAST_HISTORY_DAYS, Block

# What fills a quarter of the time is how the meter is used, or it is so broken that a person must look.
HABIT = 0.25


def longer_than(block: Block, runs: Runs, slots: Floats) -> Hits:
    """The part in the block of every run that has lasted more than `slots` [streams] by the block's end."""
    span = block.slots
    end = np.minimum(runs.end, span.stop)
    is_long = (end - runs.first >= slots[runs.row]) & (runs.first < span.stop) & (runs.end > span.start)
    kept = np.flatnonzero(is_long)
    return Hits(runs.row[kept], np.maximum(runs.first[kept], span.start), end[kept], runs.value[kept])


def mild(block: Block, runs: Runs, limits: Floats, least_h: float) -> Flags:
    """[streams] where such runs are the meter's habit: it has shorter ones in ordinary weeks, less than two weeks tell
    what it has, or they fill more than HABIT of the eight weeks to the block's end.
    """
    norms, days = block.norms, block.days
    first, end = int(days.edges[norms.own_days.start]), block.slots.stop
    shared = np.maximum(np.minimum(runs.end, end) - np.maximum(runs.first, first), 0)
    in_runs = np.bincount(runs.row, weights=shared, minlength=len(days.grid.streams))
    known = days.known[:, norms.own_days].sum(axis=1)
    is_thin = norms.is_own & (norms.day_count < LEAST_HISTORY_DAYS)
    return np.asarray((limits > least_h) | is_thin | (in_runs > HABIT * known))


def limit_h(block: Block, runs: Runs, *, least_h: float, factor: float) -> Floats:
    """Hours [streams]: `factor` times the longest run of ordinary weeks, at least `least_h`.

    NaN for sources slower than hourly, whose values are spread over equal slots.
    """
    grid = block.days.grid
    # No run in ordinary weeks is a longest run of none: then the least limit holds.
    ordinary_h = np.nan_to_num(block.norms.upper(block.days.longest_run(runs))) * grid.step_h
    cadence_h = np.array([stream.cadence_minutes / 60 for stream in grid.streams])
    limit = np.maximum(factor * ordinary_h, least_h)
    return np.where(cadence_h > 1, np.nan, limit)
