"""Lasting steps in the weekly difference between two years of residuals: where, how large, and how sure.

Every week of the reporting period is compared with the same season of the baseline year (364 days apart, so that
weekdays meet), both as residuals of the model: what the model gets wrong each summer then cancels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Vector = NDArray[np.float64]

WEEK, YEAR = 7, 364
MIN_DAYS_A_WEEK = 4
# A season: in less than that a spell of weather and a level cannot be distinguished.
MIN_WEEKS = 12
# A step counts from here: in standard errors (autocorrelation of weeks included) and in share of the expected energy.
MIN_SCORE = 4.0
# A level of fewer weeks than this must stand out more: a cold month or a holiday season is one too.
SHORT_WEEKS, MIN_SCORE_OF_SHORT = 8, 5.0
MIN_SHARE = 0.10
# A level that is other from the first day on, with no installation between the periods, needs more to be suspect:
# the level from which a saving is implausible without a reason (formulas 5.8).
MIN_SHARE_AT_START = 0.15
# Weeks before and after a step: it lasts to the end, so the end needs more of them.
MIN_BEFORE, MIN_AFTER = 2, 4
MAX_EVENTS = 4
# Use that falls by half of the expected energy for two weeks or more and comes back: a plant that stood still.
OUTAGE_SHARE, MIN_OUTAGE_WEEKS = -0.5, 2
# Beyond it the error of a dozen weeks grows so far that no step would count any more.
_MAX_RHO = 0.8


@dataclass(frozen=True, slots=True)
class Step:
    """A change of level: from `start` (first day of its week), by `share` of the expected energy a day.

    period: where it lies; at_start: at the seam of the two periods; outage: in the reporting period and over. per_day
    in the unit of the energy.
    """

    start: date
    period: Literal["baseline", "reporting", "at_start", "outage"]
    share: float
    per_day: float
    score: float


def matched_weeks(
    days: pl.DataFrame, train_start: date, train_end: date, report_start: date, report_end: date
) -> pl.DataFrame:
    """week, start, baseline_start (dates), and per day: before, after (residuals), was, now (energy), expected.

    days: local_date, actual, expected. A day of the report meets the day 364 (or 728 …) days earlier that lies in
    [train_start, train_end); a week needs four such pairs.
    """
    by_day = {row[0]: (row[1], row[2]) for row in days.iter_rows()}
    rows = []
    for day in (each for each in by_day if report_start <= each < report_end):
        # Rounded up: the nearest whole number of years that reaches back into the training.
        years = max(-(-((day - train_end).days + 1) // YEAR), 1)
        other = day - timedelta(days=YEAR * years)
        if other >= train_start and other in by_day:
            (now, expected), (was, was_expected) = by_day[day], by_day[other]
            rows.append(
                ((day - report_start).days // WEEK, day, other, was - was_expected, now - expected, was, now, expected)
            )
    names = ["week", "start", "baseline_start", "before", "after", "was", "now", "expected"]
    values = pl.Float64()
    kinds = [pl.Int64(), pl.Date(), pl.Date(), *[values] * 5]
    frame = pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")
    means = [pl.col(name).mean() for name in names[3:]]
    return (
        frame.group_by("week")
        .agg(pl.col("start").min(), pl.col("baseline_start").min(), *means, days=pl.len())
        .filter(pl.col("days") >= MIN_DAYS_A_WEEK)
        .drop("days")
        .sort("week")
    )


def steps(weeks: pl.DataFrame, *, report_start: date, has_installation: bool) -> list[Step]:
    """Lasting steps of the year-over-year residual, in order of time; the largest are looked for first.

    weeks: as matched_weeks. has_installation: a level that differs from the first day on is then the measure.
    """
    # In shares of the mean expected energy, so that one limit serves small and large uses.
    level = float(weeks["expected"].mean() or 0.0)  # type: ignore[arg-type]
    if level <= 0:
        return []
    before, after = weeks["before"].to_numpy() / level, weeks["after"].to_numpy() / level
    cuts: list[tuple[int, int, int, float]] = []
    _split(after - before, 0, weeks.height, cuts)
    found = []
    for low, place, high, score in cuts:
        # The difference of two years steps where either of them does: the side that moved more is the one.
        moved_after, moved_before = (_step(side, low, place, high) for side in (after, before))
        is_after = abs(moved_after) >= abs(moved_before)
        column = "start" if is_after else "baseline_start"
        # A change of the baseline year has the sign it had then.
        share = moved_after if is_after else moved_before
        found.append(Step(weeks[column][place], "reporting" if is_after else "baseline", share, share * level, score))
    found += outages(weeks, level, [0, *sorted(cut[1] for cut in cuts), weeks.height])
    # The median: a few weeks of an outage must not pass for another level.
    whole = float(np.median(after - before))
    if not has_installation and not found and abs(whole) >= MIN_SHARE_AT_START:
        found.append(Step(report_start, "at_start", whole, whole * level, _level_score(after - before)))
    return sorted(found, key=lambda step: step.start)


def outages(weeks: pl.DataFrame, level: float, bounds: Sequence[int]) -> list[Step]:
    """Weeks of the reporting period in which most of the use was missing, and after which it came back.

    bounds: where lasting levels begin and end; what a level is lower by is a step, and no outage.
    """
    # Half of what a summer week of gas expects is next to nothing: half of the mean level at least.
    limit = OUTAGE_SHARE * np.maximum(weeks["expected"].to_numpy(), level)
    usual = np.zeros(weeks.height)
    after, before = weeks["after"].to_numpy(), weeks["before"].to_numpy()
    for low, high in pairwise(bounds):
        usual[low:high] = np.median(after[low:high])
    # A standstill that the baseline year had as well is a season of the plant, no outage.
    flags: list[bool] = ((after - usual <= limit) & (before > limit)).tolist()
    found, first = list[Step](), None
    for place, is_fallen in enumerate(flags):
        if is_fallen:
            first = place if first is None else first
            continue
        if first is not None and place - first >= MIN_OUTAGE_WEEKS:
            per_day = float(after[first:place].mean())
            found.append(Step(weeks["start"][first], "outage", per_day / level, per_day, float(place - first)))
        first = None
    return found


def _step(values: Vector, low: int, place: int, high: int) -> float:
    return float(values[place:high].mean() - values[low:place].mean())


def _split(values: Vector, low: int, high: int, cuts: list[tuple[int, int, int, float]]) -> None:
    """Binary segmentation: the best step of values[low:high], if it counts, then those on both sides of it."""
    if len(cuts) >= MAX_EVENTS:
        return
    part = values[low:high]
    place, score, size = best_step(part)
    is_short = min(place, high - low - place) < SHORT_WEEKS
    if abs(score) >= (MIN_SCORE_OF_SHORT if is_short else MIN_SCORE) and abs(size) >= MIN_SHARE:
        cuts.append((low, low + place, high, abs(score)))
        _split(values, low, low + place, cuts)
        _split(values, low + place, high, cuts)
        return
    for start, place, end, score in best_stairs(part):
        cuts.append((low + start, low + place, low + end, score))


def best_stairs(values: Vector) -> list[tuple[int, int, int, float]]:
    """Two steps that only count together: (first, place, end, score) of each, or nothing.

    One step between two leaves the other in the residual, which then looks like noise with a long memory.
    """
    n = len(values)
    # Three levels of eight weeks each, or the middle one is an episode.
    if n < 3 * SHORT_WEEKS:
        return []
    one, two = _two_cuts(values)
    levels = [values[:one], values[one:two], values[two:]]
    found = []
    for number, (start, place, end) in enumerate([(0, one, two), (one, two, n)]):
        left, right = levels[number], levels[number + 1]
        size = float(right.mean() - left.mean())
        score = abs(size) / _difference_error(left, right, others=levels)
        if score < MIN_SCORE_OF_SHORT or abs(size) < MIN_SHARE:
            # Both or none: each of them alone was found to be too weak above.
            return []
        found.append((start, place, end, score))
    return found


def _two_cuts(values: Vector) -> tuple[int, int]:
    """The two places that leave the least squares about three levels of eight weeks or more each."""
    n = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    best, one, two = -np.inf, SHORT_WEEKS, 2 * SHORT_WEEKS
    for first in range(SHORT_WEEKS, n - 2 * SHORT_WEEKS + 1):
        second = np.arange(first + SHORT_WEEKS, n - SHORT_WEEKS + 1)
        gain = (
            # The squares that three means explain: the sum of all squares is the same for every pair of cuts.
            sums[first] ** 2 / first
            + (sums[second] - sums[first]) ** 2 / (second - first)
            + (sums[n] - sums[second]) ** 2 / (n - second)
        )
        at = int(gain.argmax())
        if gain[at] > best:
            best, one, two = float(gain[at]), first, int(second[at])
    return one, two


def best_step(values: Vector) -> tuple[int, float, float]:
    """Place, score and size of the step that explains most: score in standard errors of the difference of means.

    The variance is that of the two levels' residuals, times (1 + ρ)/(1 − ρ) of their lag-1 autocorrelation.
    """
    n = len(values)
    best = (0, 0.0, 0.0)
    for place in range(MIN_BEFORE, n - MIN_AFTER + 1):
        left, right = values[:place], values[place:]
        size = float(right.mean() - left.mean())
        error = _difference_error(left, right)
        score = size / error if error > 0 else 0.0
        if abs(score) > abs(best[1]):
            best = (place, score, size)
    return best


def _difference_error(left: Vector, right: Vector, others: Sequence[Vector] = ()) -> float:
    """Standard error of the difference of two levels; the noise is that within all levels (`others`, or these two)."""
    rest = np.concatenate([part - part.mean() for part in (others or (left, right))])
    squares = float(rest @ rest)
    if squares == 0:
        # No noise at all: any step is certain, and nothing is divided by zero.
        return 1e-12
    # Below zero it would narrow the error, and in a few weeks that is chance.
    rho = min(max(float(rest[1:] @ rest[:-1]) / squares, 0.0), _MAX_RHO)
    variance = squares / max(len(rest) - len(others or (left, right)), 1) * (1.0 + rho) / (1.0 - rho)
    return float(np.sqrt(variance * (1.0 / len(left) + 1.0 / len(right))))


def _level_score(values: Vector) -> float:
    spread = float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(abs(values.mean()) / spread) if spread > 0 else 0.0
