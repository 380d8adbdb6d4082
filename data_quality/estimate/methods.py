"""Methods that fill a gap, and which of them does: the one that knows most. A gap that none can fill stays one, with
the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_quality.contracts.finding import Finding
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.vee import ValidationRules
from data_quality.contracts.units import Behaviour
from data_quality.estimate.gap import Estimate, Gap, like_slots, quantised, refused, scaled_to
from data_quality.reading_grid import Floats, Grid

# Two hours is what market rules for meter data grant to interpolation; a longer gap may hold a shift or a shower.
LINEAR_MOST_H = 2.0
# A week of estimates is a week; more of them is a meter that does not exist.
LIKE_MOST_H = 7 * 24.0
# A total proves the sum for as long as the reads are apart; beyond two months its shape is no estimate.
TOTAL_MOST_H = 62 * 24.0
# As far as validation reads back (norms.LEAD_DAYS): weeks further off are not in the grid.
WEEKS = 8
# Of three like days one may be a holiday and the median still be an ordinary day.
LEAST_DAYS = 3
# The nearest ones: the season of eight weeks ago is another one.
MOST_DAYS = 4


@dataclass(frozen=True)
class Estimates:
    """estimates and refusals of the requested gaps, in their order."""

    estimates: tuple[Estimate, ...]
    refused: tuple[Finding, ...]


def cleaned(grid: Grid, gaps: Sequence[Gap]) -> Grid:
    """The grid with these slots unknown: a value that is to be replaced is no evidence for its neighbours."""
    values = grid.values.copy()
    for gap in gaps:
        values[gap.row, gap.first : gap.end] = np.nan
    return replace(grid, values=values)


def fill(grid: Grid, gaps: Sequence[Gap], *, time_zone: str, rules: ValidationRules | None = None) -> Estimates:
    """Estimate every gap from the rest of the grid, none from another estimate. The grid is not changed."""
    declared = rules or ValidationRules()
    rest = cleaned(grid, gaps)
    found: list[Estimate] = []
    refusals: list[Finding] = []
    for gap in gaps:
        answer = _fill(rest, gap, time_zone, declared)
        if isinstance(answer, Estimate):
            found.append(answer)
        else:
            refusals.append(answer)
    return Estimates(tuple(found), tuple(refusals))


def _fill(grid: Grid, gap: Gap, time_zone: str, declared: ValidationRules) -> Estimate | Finding:
    method = declared.method(grid.streams[gap.row].meter_id)
    if method == "none":
        # On purpose: a stream whose owner wants holes to stay holes.
        return refused(grid, gap, "none", "the site file asks for no estimates here")
    # Who declares like_day or linear gets it, also where a total is known.
    if gap.total is not None and method in {"auto", "register_total"}:
        return register_total(grid, gap, time_zone=time_zone)
    if method in {"auto", "linear"}:
        answer = linear(grid, gap)
        if isinstance(answer, Estimate) or method == "linear":
            return answer
    # Declared register_total ends here too where no total is known: like days give its shape.
    return like_day(grid, gap, time_zone=time_zone)


def linear(grid: Grid, gap: Gap) -> Estimate | Finding:
    """Values on the line between the last reading before and the first one after the gap (ESPI 9)."""
    if gap.slots * grid.step_h > LINEAR_MOST_H:
        return refused(grid, gap, "linear", f"interpolation is for at most {LINEAR_MOST_H:g} h", most_h=LINEAR_MOST_H)
    # The grid is cleaned of all gaps: a neighbour that is to be replaced itself is NaN, and no support.
    before = grid.values[gap.row, gap.first - 1] if gap.first > 0 else np.nan
    after = grid.values[gap.row, gap.end] if gap.end < grid.slots else np.nan
    if np.isnan(before) or np.isnan(after):
        return refused(grid, gap, "linear", "interpolation needs a usable reading right before and right after")
    share = np.arange(1, gap.slots + 1) / (gap.slots + 1)
    values = quantised(before + (after - before) * share)
    reason = f"between {before:g} and {after:g} {grid.streams[gap.row].unit}"
    return Estimate(gap, values, QualityCode.ESTIMATED_INTERPOLATED, "linear", reason)


def register_total(grid: Grid, gap: Gap, *, time_zone: str) -> Estimate | Finding:
    """The like days' shape scaled to the gap's total, exact to 1e-9; evenly spread where no like day is known.

    Monthly sums are right even where every hour is a guess.
    """
    stream = grid.streams[gap.row]
    if gap.total is None:
        return refused(grid, gap, "register_total", "no total across the gap is known")
    # Levels have no sum, and a negative total no positive shape that could be scaled to it.
    if stream.behaviour is not Behaviour.AMOUNT or gap.total < 0:
        return refused(
            grid, gap, "register_total", f"a total of {gap.total:g} {stream.unit} cannot be spread", total=gap.total
        )
    if gap.slots * grid.step_h > TOTAL_MOST_H:
        return refused(
            grid, gap, "register_total", f"a total is spread over at most {TOTAL_MOST_H:g} h", most_h=TOTAL_MOST_H
        )
    shape, _ = references(grid, gap, time_zone)
    # One negative like value, times the factor, would take energy out of an hour: then an even spread is more honest.
    is_shaped = bool(np.isfinite(shape).all() and (shape >= 0).all() and shape.sum() > 0)
    values = scaled_to(shape if is_shaped else np.ones(gap.slots), gap.total)
    how = "shape of like days" if is_shaped else "spread evenly"
    reason = f"total {gap.total:g} {stream.unit}, {how}"
    # ESPI has no code for a known sum of unknown shape: of its two codes of estimation this is the nearer one.
    return Estimate(gap, values, QualityCode.ESTIMATED_REFERENCE_DAY, "register_total", reason)


def like_day(grid: Grid, gap: Gap, *, time_zone: str) -> Estimate | Finding:
    """Median of the nearest MOST_DAYS readings of the same weekday and wall time (ESPI 8, reference day).

    Refused where a slot has less than LEAST_DAYS of them.
    """
    if gap.slots * grid.step_h > LIKE_MOST_H:
        return refused(grid, gap, "like_day", f"like days fill at most {LIKE_MOST_H:g} h", most_h=LIKE_MOST_H)
    found, count = references(grid, gap, time_zone)
    if int(count.min()) < LEAST_DAYS:
        message = f"{LEAST_DAYS} like days are needed, {int(count.min())} found in {WEEKS} weeks on either side"
        return refused(grid, gap, "like_day", message, days_wanted=LEAST_DAYS, days_found=int(count.min()))
    reason = f"median of {int(count.min())} to {int(count.max())} like days"
    return Estimate(gap, quantised(found), QualityCode.ESTIMATED_REFERENCE_DAY, "like_day", reason)


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
