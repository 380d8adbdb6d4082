"""Linear interpolation between the readings on both sides: for gaps too short to hide a change of use (ESPI 9)."""

import numpy as np

from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.estimate.gap import Estimate, Gap, quantised, refused
from data_quality.reading_grid import Grid

NAME = "linear"
# Two hours is what market rules for meter data grant to interpolation; a longer gap may hold a shift or a shower.
MOST_H = 2.0


def estimate(grid: Grid, gap: Gap) -> Estimate | Finding:
    """Values on the line between the last reading before and the first one after the gap."""
    if gap.slots * grid.step_h > MOST_H:
        return refused(grid, gap, NAME, f"interpolation is for at most {MOST_H:g} h", most_h=MOST_H)
    # The grid is cleaned of all gaps: a neighbour that is to be replaced itself is NaN, and no support.
    before = grid.values[gap.row, gap.first - 1] if gap.first > 0 else np.nan
    after = grid.values[gap.row, gap.end] if gap.end < grid.slots else np.nan
    if np.isnan(before) or np.isnan(after):
        return refused(grid, gap, NAME, "interpolation needs a usable reading right before and right after")
    share = np.arange(1, gap.slots + 1) / (gap.slots + 1)
    values = quantised(before + (after - before) * share)
    reason = f"between {before:g} and {after:g} {grid.streams[gap.row].unit}"
    return Estimate(gap, values, QualityCode.ESTIMATED_INTERPOLATED, NAME, reason)
