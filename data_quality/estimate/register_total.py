"""Register-consistent: the sum over the gap is known (a register's reads, a catch-up reading), only its shape is not.

The like days give the shape, the total gives the size; so monthly sums are right even where every hour is a guess.
"""

import numpy as np

from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.units import Behaviour
from data_quality.estimate.gap import Estimate, Gap, refused, scaled_to
from data_quality.estimate.like_day import references
from data_quality.reading_grid import Grid

NAME = "register_total"
# A total proves the sum for as long as the reads are apart; beyond two months its shape is no estimate.
MOST_H = 62 * 24.0


def estimate(grid: Grid, gap: Gap, *, time_zone: str) -> Estimate | Finding:
    """The like days' shape scaled to the gap's total, exact to 1e-9; evenly spread where no like day is known."""
    stream = grid.streams[gap.row]
    if gap.total is None:
        return refused(grid, gap, NAME, "no total across the gap is known")
    # Levels have no sum, and a negative total no positive shape that could be scaled to it.
    if stream.behaviour is not Behaviour.AMOUNT or gap.total < 0:
        return refused(grid, gap, NAME, f"a total of {gap.total:g} {stream.unit} cannot be spread", total=gap.total)
    if gap.slots * grid.step_h > MOST_H:
        return refused(grid, gap, NAME, f"a total is spread over at most {MOST_H:g} h", most_h=MOST_H)
    shape, _ = references(grid, gap, time_zone)
    # One negative like value, times the factor, would take energy out of an hour: then an even spread is more honest.
    is_shaped = bool(np.isfinite(shape).all() and (shape >= 0).all() and shape.sum() > 0)
    values = scaled_to(shape if is_shaped else np.ones(gap.slots), gap.total)
    how = "shape of like days" if is_shaped else "spread evenly"
    reason = f"total {gap.total:g} {stream.unit}, {how}"
    # ESPI has no code for a known sum of unknown shape: of its two codes of estimation this is the nearer one.
    return Estimate(gap, values, QualityCode.ESTIMATED_REFERENCE_DAY, NAME, reason)
