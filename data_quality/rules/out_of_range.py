"""Out of range: readings that the plate does not allow, or that stay far above all that the meter ever showed."""

import numpy as np

from data_quality.contracts.site_file.vee import Action
from data_quality.reading_grid import Floats
from data_quality.rules.shared.hits import Hits, hits, stretches
from data_quality.rules.shared.norms import Block
from data_quality.rules.spike import LONGEST_H

NAME = "range"
MEANING = "More than the connected load allows, or for hours far above anything the meter ever showed"
ACTION = Action.EXCLUDE
UNIT = "reading"
REASON = "1.2 times the connected load; without a plate four times the rise of ordinary weeks' peak over the mean"
# A plate is a rating, not a fuse: short overloads of a fifth are ordinary.
PLATE_SHARE = 1.2
# A site may double within a season, and then some; five times its usual rise is another site.
_RISE = 4.0


def limits(block: Block) -> Floats:
    """Reading [streams] above which a reading is out of range; NaN where neither plate nor history says."""
    norms, grid = block.norms, block.days.grid
    history = norms.highest + _RISE * (norms.highest - norms.mean)
    # A meter that rested throughout has a limit of zero: its first use of the season would be out of range.
    history = np.where((norms.highest != 0) | (norms.lowest != 0), history, np.nan)
    return np.where(np.isnan(plate(block)), history, PLATE_SHARE * plate(block) * grid.step_h)


def plate(block: Block) -> Floats:
    """Connected load, kW [streams]; NaN where none is declared, and for units that are no energy."""
    return np.array(
        [s.plate_kw if s.plate_kw is not None and s.unit == "kwh" else np.nan for s in block.days.grid.streams]
    )


def find(block: Block, limits: Floats) -> Hits:
    """Readings beyond the plate, either way; without a plate, stretches too long for a spike."""
    grid, days, span = block.days.grid, block.days, block.slots
    has_plate = ~np.isnan(plate(block))
    found = []
    # A plate binds both directions (a battery, feed-in); history only tells how high a meter goes.
    beyond = np.fmax(days.highest, np.where(has_plate[:, None], -days.lowest, np.nan))[:, block.first : block.end]
    for row in np.flatnonzero((beyond > limits[:, None]).any(axis=1)):
        part = grid.values[row, span]
        size = np.abs(part) if has_plate[row] else part
        for start, stop in stretches(size > limits[row]):
            if has_plate[row] or (stop - start) * grid.step_h > LONGEST_H:
                worst = part[start:stop][np.argmax(size[start:stop])]
                found.append((int(row), span.start + start, span.start + stop, float(worst)))
    return hits(found)
