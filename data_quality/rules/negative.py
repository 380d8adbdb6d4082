"""Negative: less than zero where a register counts one way only, or a meter has never shown it."""

import numpy as np

from data_quality.contracts.site_file.vee import Action
from data_quality.contracts.units import Behaviour
from data_quality.reading_grid import Floats
from data_quality.rules.shared.hits import Hits, hits, stretches
from data_quality.rules.shared.norms import Block

NAME = "negative"
MEANING = "Less than zero where the register counts one way only"
ACTION = Action.EXCLUDE
UNIT = "reading"
REASON = "a register of one direction; otherwise a meter whose ordinary weeks hold no negative reading"
# An inverter takes a little at night through a meter of one direction by name only: two percent of its peak is standby.
_STANDBY = 0.02


def limits(block: Block) -> Floats:
    """Reading [streams] below which a reading is wrong; NaN for levels and meters of two directions."""
    norms, streams = block.norms, block.days.grid.streams
    is_amount = np.array([stream.behaviour is Behaviour.AMOUNT for stream in streams])
    declared = np.array([stream.is_one_way for stream in streams])
    # One bad day makes no second direction, however short the history is.
    is_seen_one_way = (norms.lowest >= 0) | (norms.days_where(block.days.lowest < 0) <= 1)
    limit = np.where(declared, 0.0, np.where(is_seen_one_way, -_STANDBY * np.abs(norms.highest), np.nan))
    return np.where(is_amount, limit, np.nan)


def find(block: Block, limits: Floats) -> Hits:
    """Stretches below the limit."""
    days, span = block.days, block.slots
    found = []
    # The day's lowest reading finds the few rows that are worth a look at their slots.
    for row in np.flatnonzero((days.lowest[:, block.first : block.end] < limits[:, None]).any(axis=1)):
        part = days.grid.values[row, span]
        found += [
            (int(row), span.start + first, span.start + end, float(part[first:end].min()))
            for first, end in stretches(part < limits[row])
        ]
    return hits(found)
