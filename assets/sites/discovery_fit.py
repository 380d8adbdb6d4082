"""The arithmetic of submeter discovery: which meters move one for one with a meter that may hold them.

A parent is the sum of its children and of a rest that nobody meters. Whatever is common to both sides by the clock
(schedules) or slowly (weather, seasons) is taken out first: changes from slot to slot, less what is usual at that hour
of that week of those weeks. What is left of a child must appear in its parent with coefficient 1, whoever else is in
it; in a meter above that parent it appears through the parent alone, so there its own coefficient is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import erfc, sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WEEK_HOURS = 168
# Long enough for a mean per hour of the week, short enough that season and summer time do not blur it.
PROFILE_WEEKS = 6
# Groups of slots in which a coefficient must hold alike: a dozen blocks of the span, three-hour parts of the day.
TIME_BLOCKS = 12
DAY_PARTS = 8
# A reading this many times beyond a meter's own high values is a fault and would drown everything else.
SPIKE_FACTOR = 8.0
SPIKE_QUANTILE = 99.5
# Far above the usual 2: slots are not independent and every meter of a site is a candidate. To leave takes less, or one
# near the limit would go in and out.
ENTRY_T = 6.0
EXIT_T = 4.0
# A bound on the work: each step inverts a matrix of that size.
MAX_CHILDREN = 120
# Beside more meters than this, each one's own share of a parent is lost in the others' noise.
MOST_AT_ONCE = 40
# Of a first look: a child's coefficient is bent by others that are not yet beside it, but not beyond these.
PLAUSIBLE = (0.3, 3.0)
CALM_ROUNDS = 3
# Gaps of a parent, as a share, from which all candidates are looked at with the same gaps.
COMMON_GAPS = 0.05
# Between 0 and 1 the middle half of coefficients belongs to neither.
ODD_DISTANCE = 0.25
# Slots that all meters of a fit share: with so many, and so many for each meter, pairs need not be matched up.
LEAST_WHOLE_SLOTS, WHOLE_SLOTS_PER_METER = 300, 20
# A true child keeps its coefficient from one slot to the next and from one day to the next; a common cause does not.
DRIFT_SHARE, DRIFT_LIMIT = 1 / 3, 0.35
# The model is never exactly right: meters have classes, clocks drift. Part of every coefficient's uncertainty.
MODEL_SD = 0.08


@dataclass(frozen=True)
class Moments:
    """Second moments of the innovations of all meters by group of slots: sums[g, i, j] and counts[g, i, j]."""

    sums: Floats
    counts: Floats
    is_part: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Changes:
    """Flows [slots, meters], their innovations from slot to slot and from day to day, and the former's moments."""

    flows: Floats
    fast: Floats
    daily: Floats
    moments: Moments
    slots_per_hour: float


@dataclass(frozen=True)
class Fit:
    """Meters that move with a parent: their columns, coefficients, standard errors, and what they leave open.

    unexplained: share 0-1 of the parent's innovations. odd: share 0-1 of what is explained that falls to coefficients
    near neither 0 nor 1, as those of meters are that only share a cause with the parent.
    """

    members: tuple[int, ...]
    coefficients: Floats
    errors: Floats
    unexplained: float = 1.0
    odd: float = 0.0


NOBODY = Fit((), np.zeros(0), np.zeros(0))


def without_spikes(flows: Floats) -> Floats:
    """flows[slots, meters] with impossible values as gaps."""
    size = np.abs(flows)
    high = np.full(flows.shape[1], np.nan)
    for column in range(flows.shape[1]):
        used = size[:, column]
        used = used[np.isfinite(used) & (used > 0)]
        if used.size:
            high[column] = np.percentile(used, SPIKE_QUANTILE)
    return np.where(size > SPIKE_FACTOR * np.nan_to_num(high, nan=np.inf), np.nan, flows)


def innovations(flows: Floats, slots_per_hour: float, lag: int = 1) -> Floats:
    """Changes over `lag` slots less the usual change at that time of the week; NaN next to a gap.

    flows: [slots, meters] on an even grid. Linear, so that a parent's innovation is the sum of its children's and
    of its rest's.
    """
    week = round(WEEK_HOURS * slots_per_hour)
    change = flows[lag:] - flows[:-lag]
    found = np.full_like(change, np.nan)
    span = PROFILE_WEEKS * week
    # The last piece takes the remainder: a mean over one week would leave nothing of it.
    edges = [*range(0, max(1, change.shape[0] // span) * span, span), change.shape[0]]
    for start, end in pairwise(edges):
        part = change[start:end]
        # Under three weeks an hour of the week has hardly more than two values, and their mean is mostly themselves.
        period = week if end - start >= 3 * week else round(24 * slots_per_hour)
        padded = np.full((-(-part.shape[0] // period) * period, part.shape[1]), np.nan)
        padded[: part.shape[0]] = part
        cube = padded.reshape(-1, period, part.shape[1])
        known = np.isfinite(cube)
        count = known.sum(axis=0)
        usual = np.where(known, cube, 0.0).sum(axis=0) / np.maximum(count, 1)
        # A lone value of its hour would be its own mean, hence a false zero.
        cube = np.where((count >= 2)[None], cube - usual[None], np.nan)
        found[start:end] = cube.reshape(-1, part.shape[1])[: part.shape[0]]
    return found


def changes_of(flows: Floats, slots_per_hour: float) -> Changes:
    """Everything that `members_of` looks at, of flows[slots, meters] in kWh on an even grid."""
    fast = innovations(flows, slots_per_hour)
    daily = innovations(flows, slots_per_hour, lag=round(24 * slots_per_hour))
    return Changes(flows, fast, daily, moments(fast, slots_per_hour), slots_per_hour)


def moments(found: Floats, slots_per_hour: float, weights: Floats | None = None) -> Moments:
    """Second moments by part of the day and, separately, by block of time. Pairs of present slots only.

    weights: of each slot, 1 if left out.
    """
    slots = np.arange(found.shape[0])
    part = (slots / slots_per_hour % 24 / (24 / DAY_PARTS)).astype(np.int64)
    block = slots * TIME_BLOCKS // max(1, found.shape[0])
    root = np.ones(found.shape[0]) if weights is None else np.sqrt(weights)
    known = np.where(np.isfinite(found), root[:, None], 0.0)
    filled = np.where(known > 0, found * root[:, None], 0.0)
    groups = [part == number for number in range(DAY_PARTS)] + [block == number for number in range(TIME_BLOCKS)]
    sums = np.stack([filled[rows].T @ filled[rows] for rows in groups])
    counts = np.stack([known[rows].T @ known[rows] for rows in groups])
    return Moments(sums, counts, np.array([True] * DAY_PARTS + [False] * TIME_BLOCKS))


def mean_moments(given: Moments, weights: Floats | None = None) -> Floats:
    """Mean products over all slots, or over the groups as weighted."""
    weights = given.is_part.astype(np.float64) if weights is None else weights
    total = np.tensordot(weights, given.sums, axes=1)
    return np.asarray(total / np.maximum(np.tensordot(weights, given.counts, axes=1), 1e-300))


def members_of(parent: int, candidates: Ints, changes: Changes, *, most_open: float = 1.0) -> Fit:
    """The candidates that move with the parent, by stepwise regression; coefficients as they come.

    Each candidate is judged beside all chosen ones; a second round looks where the first left little open. A parent
    of whose innovations the candidates leave more than `most_open` (share 0-1) gets an empty answer, and quickly.
    """
    is_alive = np.diag(changes.moments.sums[changes.moments.is_part].sum(axis=0))[candidates] > 0
    columns = np.concatenate([[parent], candidates[is_alive]])
    part = changes.fast[:, columns]
    own = np.isfinite(changes.flows[:, parent])
    if own.mean() < 1.0 - COMMON_GAPS:
        part = innovations(np.where(own[:, None], changes.flows[:, columns], np.nan), changes.slots_per_hour)
    covariance, pairs = _products(part)
    chosen = _stepwise(covariance, pairs, _standing_out(covariance, pairs))
    if not chosen:
        return NOBODY
    shown = covariance[np.ix_([0, *chosen], [0, *chosen])]
    first = _solve(shown)
    is_open = 1.0 - float(first @ shown[1:, 0]) / covariance[0, 0] > most_open
    if is_open or not np.any((np.abs(first) > PLAUSIBLE[0]) & (np.abs(first) < PLAUSIBLE[1])):
        return NOBODY
    covariance, pairs = _products(part, _calm(part[:, [0, *chosen]]))
    chosen = _stepwise(covariance, pairs, [*chosen, *_standing_out(covariance, pairs)])
    return judged(parent, [int(columns[at]) for at in chosen], changes)


def _products(part: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Mean products of all columns and the slots behind each: those that all have, or by pairs where they are few."""
    present = np.isfinite(part)
    whole = np.asarray(present.all(axis=1))
    root = np.ones(len(part)) if weights is None else np.sqrt(weights)
    if _is_enough(whole, part.shape[1]):
        filled = np.where(present, part, 0.0)[whole] * root[whole, None]
        count = float((root[whole] ** 2).sum())
        return filled.T @ filled / count, np.full((part.shape[1], part.shape[1]), count)
    # Counts need no more than single precision, which halves the work.
    known = np.where(present, root[:, None], 0.0).astype(np.float32)
    filled = np.where(present, part, 0.0) * root[:, None]
    pairs = (known.T @ known).astype(np.float64)
    return filled.T @ filled / np.maximum(pairs, 1e-300), pairs


def _is_enough(whole: npt.NDArray[np.bool_], columns: int) -> bool:
    """True where the slots that all meters share carry a regression; products by pairs fit together less well."""
    return bool(whole.sum() >= max(LEAST_WHOLE_SLOTS, WHOLE_SLOTS_PER_METER * columns))


def _standing_out(covariance: Floats, pairs: Floats) -> list[int]:
    """Columns that explain column 0 together with all others at once: meters that take turns show only together."""
    if len(covariance) > MOST_AT_ONCE:
        return []
    inner = covariance[1:, 1:]
    scale = np.sqrt(np.maximum(np.diag(inner), 1e-300))
    # A little on the diagonal: meters that nearly say the same would make it singular.
    inverse = np.linalg.inv(inner / np.outer(scale, scale) + 1e-7 * np.eye(len(scale)))
    shared = covariance[1:, 0] / scale
    slope = inverse @ shared
    left = max(float(covariance[0, 0] - shared @ slope), 1e-12 * covariance[0, 0])
    t_value = np.abs(slope) / np.sqrt(np.maximum(np.diag(inverse), 1e-300) * left / np.maximum(pairs[1:, 0], 1.0))
    found = np.flatnonzero(t_value > ENTRY_T)
    best = found[np.argsort(-t_value[found])][:MAX_CHILDREN]
    return [int(at) + 1 for at in best]


def _stepwise(covariance: Floats, pairs: Floats, chosen: Sequence[int]) -> list[int]:
    """Columns 1.. that explain column 0: the best enters, what became needless leaves for good."""
    chosen, gone = list(dict.fromkeys(chosen)), set[int]()
    while len(chosen) < MAX_CHILDREN:
        leaving = _leaving(chosen, covariance, pairs)
        if leaving is not None:
            chosen.remove(leaving)
            gone.add(leaving)
            continue
        entering = _entering(chosen, gone, covariance, pairs)
        if entering is None:
            break
        chosen.append(entering)
    return chosen


def _calm(part: Floats) -> Floats:
    """Weight of each slot, near 1 where the other columns leave little of the first open (Cauchy weights).

    A rest that switches is silent most of the time; there its parent shows its children clearly.
    """
    present = np.isfinite(part)
    whole = np.asarray(present.all(axis=1))
    known = present.astype(np.float64)
    if _is_enough(whole, part.shape[1]):
        known *= whole[:, None]
    filled = np.where(present, part, 0.0)
    weights = np.ones(len(part))
    for _ in range(CALM_ROUNDS):
        rows, pairs = (filled * known * weights[:, None]).T @ (filled * known), (known * weights[:, None]).T @ known
        left = part[:, 0] - filled[:, 1:] @ _solve(rows / np.maximum(pairs, 1e-300))
        size = np.abs(left)
        # A slot of three usual residuals weighs half. A median of nothing, where a rest is mostly off, would silence
        # all others.
        scale = max(float(np.nanmedian(size)), 0.1 * float(np.nanmean(size)), 1e-12) * 3.0
        weights = np.where(np.isfinite(left), 1.0 / (1.0 + (left / scale) ** 2), 0.0)
    return np.asarray(weights)


def judged(parent: int, chosen: Sequence[int], changes: Changes) -> Fit:
    """Coefficients of the chosen meters with standard errors that hold over blocks of time and parts of the day.

    Calm slots and quiet hours weigh more: where the rest stands still, a child is seen clearly. The errors grow where
    changes from day to day tell another coefficient.
    """
    if not chosen:
        return NOBODY
    columns = np.array([parent, *chosen], dtype=np.int64)
    here, daily = _in_common(columns, changes)
    fast = _moments_of(here, changes.slots_per_hour, _calm(here))
    slow = _moments_of(daily, changes.slots_per_hour)
    weights = _weights(fast)
    whole = _solve(mean_moments(fast, weights))
    by_block = (~fast.is_part).astype(np.float64)
    # The larger of two views: one is blind to what changes over the year, the other to what changes over the day.
    errors = np.maximum(_jackknife(fast, weights), _jackknife(fast, by_block))
    drift = np.minimum(np.abs(_solve(mean_moments(slow, _weights(slow))) - whole) * DRIFT_SHARE, DRIFT_LIMIT)
    spread = np.hypot(errors, drift)
    plain = mean_moments(_moments_of(here, changes.slots_per_hour))
    left = np.concatenate([[1.0], -whole])
    unexplained = float(np.clip(left @ plain @ left / plain[0, 0], 0.0, 1.0))
    size = np.abs(whole)
    explained = size**2 * np.diag(plain)[1:]
    is_odd = np.minimum(np.abs(size - 1.0), size) > np.maximum(ODD_DISTANCE, 2.0 * spread)
    odd = float(explained[is_odd].sum() / max(explained.sum(), 1e-300))
    return Fit(tuple(int(at) for at in chosen), whole, spread, unexplained, odd)


def _jackknife(given: Moments, weights: Floats) -> Floats:
    """Standard errors of the coefficients from leaving out one group of slots at a time."""
    groups = np.flatnonzero((weights > 0) & (given.counts[:, 0, 0] > 0))
    sums = np.tensordot(weights, given.sums, axes=1)
    counts = np.tensordot(weights, given.counts, axes=1)
    # Groups and not slots are left out: neighbouring slots are alike, and errors from them would be far too small.
    spread = np.array(
        [
            _solve((sums - weights[at] * given.sums[at]) / np.maximum(counts - weights[at] * given.counts[at], 1e-300))
            for at in groups
        ]
    )
    count = len(groups)
    return np.asarray(np.sqrt((count - 1) / count * ((spread - spread.mean(axis=0)) ** 2).sum(axis=0)))


def _in_common(columns: Ints, changes: Changes) -> tuple[Floats, Floats]:
    """Innovations of a few meters from slot to slot and day to day, all less the usual of the same weeks.

    Where one of them has gaps, the others' usual week is that of the slots which count, or sums would not hold.
    """
    part = changes.flows[:, columns]
    present = np.isfinite(part)
    whole = np.asarray(present.all(axis=1))
    if whole.all():
        return changes.fast[:, columns], changes.daily[:, columns]
    kept = whole if _is_enough(whole, len(columns)) else present[:, 0]
    part = np.where(kept[:, None], part, np.nan)
    per_hour = changes.slots_per_hour
    return innovations(part, per_hour), innovations(part, per_hour, lag=round(24 * per_hour))


def _moments_of(part: Floats, slots_per_hour: float, weights: Floats | None = None) -> Moments:
    """Moments of a few meters over the slots that all of them have, or by pairs where those are too few."""
    whole = np.asarray(np.isfinite(part).all(axis=1))
    if _is_enough(whole, part.shape[1]):
        part = np.where(whole[:, None], part, np.nan)
    return moments(part, slots_per_hour, weights)


def _weights(given: Moments) -> Floats:
    """Weight of each part of the day: the less of the first meter is left open there, the more."""
    vector = np.concatenate([[1.0], -_solve(mean_moments(given))])
    weights = np.zeros(len(given.is_part))
    for group in np.flatnonzero(given.is_part):
        here = given.sums[group] / np.maximum(given.counts[group], 1.0)
        weights[group] = max(float(vector @ here @ vector), 0.0)
    positive = weights[weights > 0]
    if not positive.size:
        return given.is_part.astype(np.float64)
    # No part of the day decides alone.
    floor = max(np.median(positive) / 10.0, positive.max() * 1e-6)
    weights[given.is_part] = 1.0 / np.maximum(weights[given.is_part], floor)
    return weights


def _solve(covariance: Floats) -> Floats:
    """Coefficients of the meters 1.. in meter 0."""
    inner = covariance[1:, 1:]
    scale = np.sqrt(np.maximum(np.diag(inner), 1e-300))
    system = inner / np.outer(scale, scale) + 1e-9 * np.eye(len(scale))
    return np.asarray(np.linalg.solve(system, covariance[1:, 0] / scale) / scale)


def _entering(chosen: Sequence[int], gone: set[int], covariance: Floats, pairs: Floats) -> int | None:
    """The column that explains most of what is left of column 0, if that is beyond chance."""
    rest = np.setdiff1d(np.arange(1, len(covariance)), [*chosen, *gone])
    if not rest.size:
        return None
    own = np.diag(covariance)[rest].copy()
    shared = covariance[rest, 0].copy()
    left = covariance[0, 0]
    if chosen:
        picked = np.array(chosen, dtype=np.int64)
        inner = covariance[np.ix_(picked, picked)]
        inner = inner + 1e-12 * np.diag(np.diag(inner))
        across = covariance[np.ix_(picked, rest)]
        towards = np.linalg.solve(inner, np.column_stack([across, covariance[picked, 0]]))
        own -= (across * towards[:, :-1]).sum(axis=0)
        shared -= across.T @ towards[:, -1]
        left -= float(covariance[0, picked] @ towards[:, -1])
    # What the chosen ones explain wholly has no direction of its own any more.
    is_free = own > 1e-6 * np.diag(covariance)[rest]
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(is_free, shared / own, 0.0)
        gain = np.where(is_free, shared * slope, 0.0)
        noise = np.maximum(left - gain, 1e-12 * covariance[0, 0])
        t_value = np.sqrt(np.maximum(gain, 0.0) / noise * pairs[rest, 0])
    best = int(np.argmax(gain))
    return int(rest[best]) if t_value[best] > ENTRY_T else None


def _leaving(chosen: Sequence[int], covariance: Floats, pairs: Floats) -> int | None:
    """The chosen column that explains least in addition to the others, if that may be chance."""
    if len(chosen) < 2:
        return None
    inner = covariance[np.ix_(chosen, chosen)]
    inverse = np.linalg.inv(inner + 1e-9 * np.diag(np.diag(inner)))
    slope = inverse @ covariance[chosen, 0]
    left = max(float(covariance[0, 0] - covariance[0, chosen] @ slope), 1e-12 * covariance[0, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        t_value = np.abs(slope) / np.sqrt(np.maximum(np.diag(inverse), 1e-300) * left / pairs[chosen, 0])
    least = int(np.argmin(t_value))
    return int(chosen[least]) if t_value[least] < EXIT_T else None


def confidence(coefficients: Floats, errors: Floats, places: int = 1) -> Floats:
    """Probability 0-1 that the coefficient belongs to a child (±1) rather than to chance or a common cause.

    The distance of the coefficient from half way to 0 (and from as far beyond 1), in its standard errors, where
    `places` parents were possible: as many had a chance to look right.
    """
    # Beyond 1 is as bad as below: a coefficient of 2 belongs to a common cause as one of 0 does.
    nearest = np.minimum(np.abs(coefficients), 2.0 - np.abs(coefficients))
    z = (nearest - 0.5) / np.hypot(errors, MODEL_SD)
    wrong = np.array([0.5 * erfc(value / sqrt(2.0)) for value in z])
    return np.asarray((1.0 - wrong) / (1.0 - wrong + places * wrong))
