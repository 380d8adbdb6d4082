"""Like days: the median of the same weekday and wall time in the weeks around (ESPI 8, reference day)."""

import numpy as np

from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.estimate.gap import Estimate, Gap, like_slots, quantised, refused
from data_quality.reading_grid import Floats, Grid

NAME = "like_day"
# A week of estimates is a week; more of them is a meter that does not exist.
MOST_H = 7 * 24.0
# As far as validation reads back (norms.LEAD_DAYS): weeks further off are not in the grid.
WEEKS = 8
# Of three like days one may be a holiday and the median still be an ordinary day.
LEAST_DAYS = 3
# The nearest ones: the season of eight weeks ago is another one.
MOST_DAYS = 4


def estimate(grid: Grid, gap: Gap, *, time_zone: str) -> Estimate | Finding:
    """Median of the nearest MOST_DAYS like readings of each slot; refused where a slot has less than LEAST_DAYS."""
    if gap.slots * grid.step_h > MOST_H:
        return refused(grid, gap, NAME, f"like days fill at most {MOST_H:g} h", most_h=MOST_H)
    found, count = references(grid, gap, time_zone)
    if int(count.min()) < LEAST_DAYS:
        message = f"{LEAST_DAYS} like days are needed, {int(count.min())} found in {WEEKS} weeks on either side"
        return refused(grid, gap, NAME, message, days_wanted=LEAST_DAYS, days_found=int(count.min()))
    reason = f"median of {int(count.min())} to {int(count.max())} like days"
    return Estimate(gap, quantised(found), QualityCode.ESTIMATED_REFERENCE_DAY, NAME, reason)


def references(grid: Grid, gap: Gap, time_zone: str) -> tuple[Floats, Floats]:
    """Per slot the median of the nearest like readings (NaN for none), and how many they are."""
    slots = like_slots(grid, gap, time_zone, WEEKS)
    # A place of -1 would count from the grid's end: slot 0 is read in its stead, and dropped.
    values = np.where(slots >= 0, grid.values[gap.row, np.maximum(slots, 0)], np.nan)
    # The nearest known ones first, in the order of the weeks; the others are dropped.
    rank = np.cumsum(~np.isnan(values), axis=0)
    near = np.where(rank <= MOST_DAYS, values, np.nan)
    count = np.minimum(rank[-1], MOST_DAYS)
    ordered = np.sort(near, axis=0)
    # The median by hand: np.nanmedian warns of slots without any like day, and here each slot has another count.
    column = np.arange(gap.slots)
    low, high = ordered[np.maximum((count - 1) // 2, 0), column], ordered[count // 2 * (count > 0), column]
    return (low + high) / 2, count.astype(np.float64)
