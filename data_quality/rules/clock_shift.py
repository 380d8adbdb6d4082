"""Clock shift: the week's profile is there, some hours early or late: a meter's clock, or a zone taken for another."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from data_quality.contracts.site_file.vee import Action
from data_quality.reading_grid import Flags, Floats
from data_quality.rules.shared.hits import Hits, hits, stretches
from data_quality.rules.shared.norms import LEAST_HISTORY_DAYS, Block, median

NAME = "clock_shift"
MEANING = "The profile of the week arrives some hours early or late"
ACTION = Action.FLAG
UNIT = "share of unexplained profile"
REASON = (
    "shifted by whole hours, the days must fit the profile at least twice as well as where they stand, and about as "
    "well as the meter's ordinary days fit it"
)
# AM taken for PM is twelve hours; beyond that a late profile cannot be distinguished from an early one.
MOST_HOURS = 12
# Days that must agree on the shift; one odd day is a feast, a late shift, a party.
_LEAST_DAYS = 5
_SHIFTS = 2 * MOST_HOURS + 1
# One day alone fits some shift by chance; of three, one may have a gap and two still say something.
_WINDOW_DAYS = 3
_SAME_EVENT_DAYS = 7
# The correlation with the profile, of shifted days and of ordinary ones: below it there is no profile to speak of.
_LEAST_FIT = 0.8
_UNEXPLAINED = 0.5
# A clock moves the profile and keeps its form; earlier opening, a lock-down or a holiday fit worse wherever they are
# put. On real meters, shifted clocks leave up to 3.5 times of what ordinary days leave, those changes of use 6 times
# and more. A meter that leaves less than 3 % is judged by that.
_MOST_WORSE, _LEAST_LEFT = 4.0, 0.03


def limits(block: Block) -> Floats:
    """Largest share [streams] of the variance unexplained in place that may be left after the shift."""
    return np.full(len(block.days.grid.streams), _UNEXPLAINED)


def find(block: Block, limits: Floats) -> Hits:
    """Stretches of at least _LEAST_DAYS days whose windows all fit best at one and the same shift, not zero, and are
    as ordinary days there.

    The value is the shift in hours, positive where the profile arrives late. Days of 23 and 25 h say nothing.
    """
    fit = _fits(block)
    # argmax would take a NaN for the highest: what is unknown counts as the worst correlation there is.
    at = np.nan_to_num(fit, nan=-1.0)
    best = np.argmax(at, axis=2) - MOST_HOURS
    here, there = at[:, :, MOST_HOURS], at.max(axis=2)
    is_known = np.asarray(~np.isnan(fit).all(axis=2))
    is_shifted = (best != 0) & (there >= _LEAST_FIT) & (1 - there <= limits[:, None] * (1 - here))
    found = []
    ahead = block.first - block.norms.seen.start
    rows = np.flatnonzero(is_shifted[:, ahead:].any(axis=1))
    # Only the few streams with a suspicion pay for the fit of their ordinary days.
    usual = np.full(len(is_shifted), np.nan)
    usual[rows] = _usual(block, rows)
    with np.errstate(invalid="ignore"):
        # No share is below -1: a stream without an ordinary profile never has a shifted one.
        most_left = np.where(usual >= _LEAST_FIT, np.maximum(_MOST_WORSE * (1 - usual), _LEAST_LEFT), -1.0)
    is_shifted &= 1 - there <= most_left[:, None]
    # The sun keeps no summer time: after the local clock was put forward its profile is late, and nothing is wrong.
    is_solar = np.array([stream.follows_the_sun for stream in block.days.grid.streams])
    is_shifted &= ~(is_solar[:, None] & (best == clock_steps(block)))
    for row in rows:
        for first, end, shift in _events(is_shifted[row], best[row], is_known[row]):
            start, stop = max(first, ahead), end
            if stop > start:
                days = block.days.edges[[start + block.norms.seen.start, stop + block.norms.seen.start]]
                found.append((int(row), int(days[0]), int(days[1]), float(shift)))
    return hits(found)


def clock_steps(block: Block) -> NDArray[np.int64]:
    """[seen days] hours that the local clock is ahead of its usual state in the history: 1 in spring."""
    days, seen = block.days, block.norms.seen
    # Midnights in hours of the calendar, less those in hours that passed: the difference moves when the clock is moved.
    midnights = np.array([date.toordinal() for date in days.dates[seen]], dtype=np.int64) * 24
    slots_an_hour = 60 // days.grid.step_minutes
    offsets = midnights - days.midnights[seen] // slots_an_hour
    ahead = block.first - seen.start
    usual = np.sort(offsets[:ahead] if ahead else offsets)
    steps: NDArray[np.int64] = offsets - usual[len(usual) // 2]
    return steps


def _usual(block: Block, rows: NDArray[np.intp]) -> Floats:
    """[rows] median correlation of the history's windows with the profile where they stand, of the block's own where
    there is too little history; NaN where both are.
    """
    norms = block.norms
    hours, expected = block.days.hours[rows][:, norms.seen], norms.expected[rows]
    is_known = np.asarray((np.isfinite(hours) & np.isfinite(expected)).all(axis=2))
    # The block says what is usual only where the profile is its own too.
    is_known[:, block.first - norms.seen.start :] &= norms.is_own[rows][:, None]
    x, y = np.where(is_known[:, :, None], hours, 0.0), np.where(is_known[:, :, None], expected, 0.0)
    n = _window(np.where(is_known, 24.0, 0.0))
    # By sums: windows overlap, and each day's sums are made once instead of once a window.
    products = [x, x * x, y, y * y, x * y]
    sx, sxx, sy, syy, sxy = (_window(each.sum(axis=2)) for each in products)
    fit = _correlation(n, sx, sxx, sy, syy, sxy)
    usual = median(np.where(is_known & (n >= 24 * (_WINDOW_DAYS - 1)), fit, np.nan))
    return np.where(is_known.sum(axis=1) >= LEAST_HISTORY_DAYS, usual, np.nan)


def _correlation(n: Floats, sx: Floats, sxx: Floats, sy: Floats, syy: Floats, sxy: Floats) -> Floats:
    """Of n pairs by their sums; NaN where one side does not vary."""
    with np.errstate(divide="ignore", invalid="ignore"):
        fit = (sxy - sx * sy / n) / np.sqrt((sxx - sx * sx / n) * (syy - sy * sy / n))
    return np.where(np.isfinite(fit), fit, np.nan)


def _fits(block: Block) -> Floats:
    """[streams, seen days, 2 * MOST_HOURS + 1] correlation of the last _WINDOW_DAYS days with the shifted profile.

    A day with a missing hour says nothing; a window needs two days that do.
    """
    norms = block.norms
    rows, days = norms.expected.shape[:2]
    fits = np.full((rows, days, _SHIFTS), np.nan)
    # Days before the last weeks were judged with their own block.
    first = max(0, days - (block.end - block.first) - 2 * _LEAST_DAYS)
    hours = block.days.hours[:, norms.seen][:, first:]
    # What lies beyond the first and last day is unknown: zeros there would be a profile of their own.
    profile = np.pad(norms.expected.reshape(rows, days * 24), ((0, 0), (MOST_HOURS, MOST_HOURS)), mode="edge")
    # Per day the 48 hours that its 24 are held against; element k of the middle axis is a shift of MOST_HOURS - k.
    around = sliding_window_view(profile, 24 + 2 * MOST_HOURS, axis=1)[:, 24 * first :: 24]
    is_known = np.asarray(np.isfinite(hours).all(axis=2) & np.isfinite(around).all(axis=2))
    hours, around = np.where(is_known[:, :, None], hours, 0.0), np.where(is_known[:, :, None], around, 0.0)
    shifted = sliding_window_view(around, 24, axis=2)
    n = _window(np.where(is_known, 24.0, 0.0)[:, :, None])
    sx, sxx = _window(hours.sum(axis=2, keepdims=True)), _window((hours * hours).sum(axis=2, keepdims=True))
    sy, syy = _window(_moving_sum(around)), _window(_moving_sum(around * around))
    sxy = _window(np.einsum("rdkh,rdh->rdk", shifted, hours))
    fit = _correlation(n, sx, sxx, sy, syy, sxy)
    fits[:, first:] = np.where(n >= 24 * (_WINDOW_DAYS - 1), fit, np.nan)[:, :, ::-1]
    return fits


def _moving_sum(around: Floats) -> Floats:
    """Sums over every 24 successive of the last axis."""
    total = np.cumsum(np.concatenate([np.zeros((*around.shape[:2], 1)), around], axis=2), axis=2)
    sums: Floats = total[:, :, 24:] - total[:, :, :-24]
    return sums


def _window(per_day: Floats) -> Floats:
    """Sums of each day and the _WINDOW_DAYS - 1 before it."""
    out = per_day.copy()
    for lag in range(1, _WINDOW_DAYS):
        out[:, lag:] += per_day[:, :-lag]
    return out


def _events(is_shifted: Flags, best: Floats, is_known: Flags) -> list[tuple[int, int, int]]:
    """(first, end, shift) of stretches of one shift, over days that say nothing; the window's first days count."""
    known = np.flatnonzero(is_known)
    events = []
    for first, end in stretches(is_shifted[known]):
        shifts = best[known[first:end]]
        for shift in np.unique(shifts):
            for start, stop in stretches(shifts == shift):
                if stop - start >= _LEAST_DAYS:
                    events.append((int(known[first + start]), int(known[first + stop - 1]) + 1, int(shift)))
    return _joined(sorted(events))


def _joined(events: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Events of one shift that a week or less parts are one: days in between that fit nothing prove nothing."""
    joined: list[tuple[int, int, int]] = []
    for first, end, shift in events:
        if joined and joined[-1][2] == shift and first - joined[-1][1] <= _SAME_EVENT_DAYS:
            joined[-1] = (joined[-1][0], end, shift)
        else:
            joined.append((first, end, shift))
    return joined
