"""Spike: a few readings far above anything ordinary, which leap there and back."""

import numpy as np

from data_quality.contracts.site_file.vee import Action
from data_quality.contracts.units import Behaviour
from data_quality.reading_grid import Floats
from data_quality.rules.shared.hits import Hits, hits, stretches
from data_quality.rules.shared.norms import Block

NAME = "spike"
MEANING = "A few readings far above (or, where a meter has two directions, below) what the meter ever shows"
ACTION = Action.EXCLUDE
UNIT = "reading"
REASON = "highest of ordinary weeks, three quarters of its rise over the mean, and the spread of weekly peaks on top"
# Longer than this it is a state, which range or unit_scale judges.
LONGEST_H = 3.0
# A new peak of half as much again over the mean is a hot week; with the scatter of the meter's weekly peaks on top no
# peak of use reaches it often.
_RISE = 0.75
# A load climbs to its peak; a fault leaps by more than the meter's biggest ordinary step, up and down again.
_STEPS = 1.5
# What comes back on more days of a month is a new use of the meter, unless it is plainly too much.
_MOST_DAYS = 4
_PLAIN = 2.0


def limits(block: Block) -> Floats:
    """Reading [streams] above which a short leap is a spike; NaN where the history says nothing."""
    norms = block.norms
    low = norms.usual_peak_low(block.days.highest)
    limit = norms.highest + _RISE * (norms.highest - norms.mean) + (norms.highest - low)
    # A meter at rest has no ordinary peak: its first use of the season would be a spike.
    return np.where((norms.highest != 0) | (norms.lowest != 0), limit, np.nan)


def find(block: Block, limits: Floats) -> Hits:
    """Stretches of at most LONGEST_H beyond the limit with a leap on both sides."""
    grid, norms, days = block.days.grid, block.norms, block.days
    found = _leaps(block, grid.values, limits, days.highest, norms.step)
    # Downwards only where a meter goes there: the dip of a one-way register is for dead and negative to tell.
    is_two_way = np.array([stream.behaviour is Behaviour.LEVEL for stream in grid.streams]) | (norms.lowest < 0)
    if is_two_way.any():
        low = norms.lowest - _RISE * (norms.mean - norms.lowest) - np.abs(limits - norms.highest)
        mirrored = np.where(is_two_way, -low, np.nan)
        down = _leaps(block, -grid.values, mirrored, -days.lowest, norms.step)
        found += [(row, first, end, -value) for row, first, end, value in down]
    return hits(found)


def _leaps(
    block: Block, values: Floats, limits: Floats, highest: Floats, step: Floats
) -> list[tuple[int, int, int, float]]:
    span, longest = block.slots, LONGEST_H / block.days.grid.step_h
    edges = block.days.edges
    found: list[tuple[int, int, int, float]] = []
    for row in np.flatnonzero((highest[:, block.first : block.end] > limits[:, None]).any(axis=1)):
        part, ours = values[row, span], []
        for start, stop in stretches(part > limits[row]):
            first, end = span.start + start, span.start + stop
            before = values[row, first - 1] if first else np.nan
            # Nothing after the block is looked at, so that a month is judged alike whenever it is asked.
            after = values[row, end] if end < span.stop else np.nan
            peak = float(part[start:stop].max())
            # Without any known neighbour it is a leap from nowhere, and infinitely high.
            leap = peak - np.nanmax([before, after, -np.inf])
            if stop - start <= max(1, longest) and leap > _STEPS * step[row]:
                ours.append((int(row), first, end, peak))
        days_hit = {int(np.searchsorted(edges, first, side="right")) for _, first, _, _ in ours}
        if len(days_hit) > _MOST_DAYS:
            ours = [event for event in ours if event[3] > _PLAIN * limits[row]]
        found += ours
    return found
