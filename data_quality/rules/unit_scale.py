"""Unit scale: the load keeps its shape and all of it is multiplied by one factor, as a wrong unit does."""

import math

import numpy as np
from numpy.typing import NDArray

from data_quality.contracts.site_file.vee import Action
from data_quality.contracts.units import Behaviour
from data_quality.reading_grid import Flags, Floats
from data_quality.rules.shared.hits import Hits, hits, stretches
from data_quality.rules.shared.norms import Block, median

NAME = "unit_scale"
MEANING = "All readings are multiplied by one factor while the shape of the day stays, as if the unit had changed"
ACTION = Action.HOLD
UNIT = "factor"
REASON = "half as much again as the biggest day-to-day change of ordinary weeks, in logarithms, at least 2.5"
# Factors that units differ by: kW for quarter-hour kWh, kWh and MJ, digits, m3 and kWh of gas, therm, ft3 and m3, Wh.
FACTORS: dict[float, str] = {
    3.6: "MJ and kWh",
    4.0: "kW and kWh of a quarter hour",
    10.0: "a shifted digit",
    11.0: "m3 of gas and kWh",
    29.3071: "therm and kWh",
    35.3147: "ft3 and m3",
    100.0: "two shifted digits",
    277.778: "GJ and kWh",
    1000.0: "kilo and none",
    3600.0: "kJ and kWh",
    1e6: "mega and none",
}
# Quarters of the day within 30 % of the day's own factor: a closed site or a holiday is flat where the days were not.
_SHAPE = math.log(1.3)
# A day's factor within 25 % of a unit's: the load itself differs by as much from its median day.
_NEAR = math.log(1.25)
# So big a jump needs no known unit: nothing but a unit or a shut-down does it, and the shape tells them apart.
_BIG = math.log(6.0)
_BIG_SHAPE = math.log(2.0)
_BIG_SPREAD = 0.4
# Below the smallest factor of units (3.6) less _NEAR: what is smaller is weather or use.
_LEAST = math.log(2.5)
_BEYOND = 1.5
# With more hours unknown a whole quarter of the day may be missing, and with it the shape.
_LEAST_HOURS = 18
# A season comes by degrees: on the last day before it begins the factor must be less than a third of it.
_ABRUPT = 1 / 3
# A wrong unit for a week and more is a change; both sides of it are then in question.
CHANGE_DAYS = 7
# Three days at a sixth or six times of what the meter shows outlast a weekend and most feasts.
LASTING_DAYS = 3
RECENT_DAYS = 14
LEAST_RECENT = 3
# Of a site's streams on a day of a shut-down: so many at least fall, and fewer than that share by one factor.
_LEAST_SHUT = 3
_SHUT_SHARE = 0.6
_ALIKE_SHARE = 0.6
# After four weeks the new level is the meter's own; by then a person has been asked.
ADOPTED_AFTER_DAYS = 28


class DayFactors:
    """Per stream and day of `norms.seen`: how the day's factor jumps against the meter's recent days (logarithms).

    A day's level is its total against the expectation of its weekday and hours; the jump is that level against the
    median of the last RECENT_DAYS days that were not odd themselves, so that a season, which comes by degrees, is none.
    """

    def __init__(self, block: Block) -> None:
        norms = block.norms
        self.seen = norms.seen
        hours, expected = block.days.hours[:, self.seen], norms.expected
        is_known = ~(np.isnan(hours) | np.isnan(expected))
        self.hours, self.expected = np.where(is_known, hours, 0.0), np.where(is_known, expected, 0.0)
        is_amount = np.array([stream.behaviour is Behaviour.AMOUNT for stream in block.days.grid.streams])
        # A stream of two directions has no factor.
        one_way = is_amount & ~(norms.lowest < 0)
        usable = (is_known.sum(axis=2) >= _LEAST_HOURS) & one_way[:, None]
        quarters = (*self.hours.shape[:2], 4, 6)
        level = _log_ratio(self.hours.sum(axis=2), self.expected.sum(axis=2))
        shape = _log_ratio(self.hours.reshape(quarters).sum(axis=3), self.expected.reshape(quarters).sum(axis=3))
        # Level first, then the four quarters of the day; nothing known of one, nothing said of the day.
        usable &= np.isfinite(level) & np.isfinite(shape).all(axis=2)
        self.levels = np.where(usable[:, :, None], np.concatenate([level[:, :, None], shape], axis=2), np.nan)
        self.jump, self.spread, self.is_odd = _jumps(self.levels)

    @staticmethod
    def of(block: Block) -> "DayFactors":
        """Jumps of the block, made once."""
        return block.kept(DayFactors)


def _jumps(levels: Floats) -> tuple[Floats, Floats, Flags]:
    """levels: [streams, days, level and quarters]. Returns jump, spread and "odd" per stream and day.

    Goes day by day, all streams at once: an odd day does not count among the recent ones of the next.
    """
    rows, days, _ = levels.shape
    jump, spread = np.full((rows, days), np.nan), np.full((rows, days), np.inf)
    is_odd = np.zeros((rows, days), bool)
    recent = np.full((rows, RECENT_DAYS, levels.shape[2]), np.nan)
    odd_days = np.zeros(rows, np.int64)
    for day in range(days):
        today = levels[:, day]
        # The newest stands last: where place -LEAST_RECENT is filled, so many are known.
        has_past = ~np.isnan(recent[:, -LEAST_RECENT, 0])
        change = today - median(recent)
        jump[:, day] = np.where(has_past, change[:, 0], np.nan)
        distance = np.abs(change[:, 1:] - change[:, :1]).max(axis=1)
        spread[:, day] = np.where(np.isnan(distance), np.inf, distance)
        is_odd[:, day] = odd = _is_odd(jump[:, day], spread[:, day])
        odd_days = np.where(np.isnan(today[:, 0]), odd_days, np.where(odd, odd_days + 1, 0))
        is_new_normal = odd & (odd_days >= ADOPTED_AFTER_DAYS)
        # The old level is forgotten at once: a median over both would be that of no meter.
        recent[is_new_normal] = np.nan
        kept = ~np.isnan(today[:, 0]) & (~odd | is_new_normal)
        recent[kept, :-1] = recent[kept, 1:]
        recent[kept, -1] = today[kept]
    return jump, spread, is_odd


def _is_odd(jump: Floats, spread: Floats) -> Flags:
    size = np.abs(np.nan_to_num(jump))
    is_known_unit = (size >= _LEAST) & (nearest(jump)[1] <= _NEAR) & (spread <= _SHAPE)
    return is_known_unit | ((size >= _BIG) & (spread <= np.maximum(_BIG_SHAPE, _BIG_SPREAD * size)))


def limits(block: Block) -> Floats:
    """Factor [streams], above 1, from which on (or below its inverse) a day's jump is no ordinary change."""
    factors = DayFactors.of(block)
    ordinary = block.norms.upper_of_seen(np.where(factors.is_odd, np.nan, np.abs(factors.jump)))
    return np.exp(np.where(np.isnan(ordinary), np.nan, np.maximum(_LEAST, _BEYOND * ordinary)))


def find(block: Block, limits: Floats) -> Hits:
    """Days of one factor and kept shape that begin abruptly, with the hours around them of the same factor."""
    factors = DayFactors.of(block)
    size = np.abs(np.nan_to_num(factors.jump))
    # A big jump of kept shape counts at any level; a smaller one not where ordinary weeks have that level too.
    is_kept = factors.is_odd & (size >= _BIG)
    is_small = (factors.is_odd | _lasting(factors, size)) & ~_is_ordinary(block)
    with np.errstate(invalid="ignore"):
        is_odd = (is_kept | is_small) & (size >= np.log(limits)[:, None])
    ahead = block.first - factors.seen.start
    found: list[tuple[int, int, int, float]] = []
    for row in np.flatnonzero(is_odd[:, ahead:].any(axis=1)):
        for first, end in _events(is_odd[row], factors.jump[row]):
            is_reported = end > ahead and _is_abrupt(factors.jump[row], first)
            if is_reported and not _is_shut_down(factors, int(row), first, end):
                found.append(_event(block, factors, int(row), first, end))
    return hits([event for event in found if event[1] < event[2]])


def _is_ordinary(block: Block) -> Flags:
    """[streams, seen days] where the day's mean is one that ordinary weeks have too.

    On a feast a plant runs as on a Sunday: a fourth of the work day's load, in the same shape, and no wrong unit.
    """
    means, norms = block.days.means, block.norms
    low, high = -norms.upper(-means), norms.upper(means)
    seen = means[:, norms.seen]
    return np.asarray((seen >= low[:, None]) & (seen <= high[:, None]))


def _is_shut_down(factors: DayFactors, row: int, first: int, end: int) -> bool:
    """True for days on which most meters of the site are down, each by a factor of its own, and three days more.

    A plant that closes between the years is no wrong unit; a gateway that scales all of its meters gives them one: when
    it does so at night, from the second day on. A unit that went wrong meanwhile stays when the others are back.
    """
    level = factors.levels[:, first:end, 0]
    # Against the level before the first of these days: after two weeks a new level is the recent one.
    falls = level - (level[:, :1] - factors.jump[:, first : first + 1])
    is_down = np.nan_to_num(falls) <= -_NEAR
    is_common = is_down.sum(axis=0) >= np.maximum(_LEAST_SHUT, _SHUT_SHARE * (~np.isnan(falls)).sum(axis=0))
    shared = median(np.where(is_down, falls, np.nan).T)
    alike = (is_down & (np.abs(falls - shared) <= _NEAR)).sum(axis=0)
    is_own = alike < _ALIKE_SHARE * is_down.sum(axis=0)
    of_site = np.where(is_common & is_down[row], np.where(is_own, 1, -1), 0)[~np.isnan(falls[row])]
    after = len(of_site) - 1 - int(np.max(np.flatnonzero(of_site), initial=-1))
    return bool(of_site[0] > 0 and of_site.sum() > 0 and after < LASTING_DAYS)


def _lasting(factors: DayFactors, size: Floats) -> Flags:
    """Days of a jump of _BIG or more that lasts LASTING_DAYS, whatever their shape, all in one direction."""
    out = np.zeros(size.shape, bool)
    for sign in (1, -1):
        is_big = (size >= _BIG) & (np.sign(factors.jump) == sign)
        for row in np.flatnonzero(is_big.sum(axis=1) >= LASTING_DAYS):
            for first, end in stretches(is_big[row]):
                out[row, first:end] |= end - first >= LASTING_DAYS
    return out


def nearest(log_factor: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Index of the nearest known factor (either way), and the distance to it in logarithms."""
    known = np.log(np.array(list(FACTORS)))
    distance = np.abs(np.abs(log_factor)[..., None] - known)
    index = np.argmin(np.nan_to_num(distance, nan=np.inf), axis=-1)
    return index, np.take_along_axis(distance, index[..., None], axis=-1)[..., 0]


def named_factor(factor: float) -> str:
    """Likeness of the factor, as `, as between ft3 and m3`; nothing where no known one is near."""
    index, distance = nearest(np.array([math.log(abs(factor))]))
    return f", as between {list(FACTORS.values())[int(index[0])]}" if distance[0] <= _NEAR else ""


def is_carried_over(block: Block, row: int, first: int) -> bool:
    """True where an event at the block's first slot began before it: its other side has been reported then."""
    ahead = block.first - block.norms.seen.start
    return first == block.slots.start and ahead > 0 and bool(DayFactors.of(block).is_odd[row, ahead - 1])


def _events(is_odd: Flags, day: Floats) -> list[tuple[int, int]]:
    """Stretches of odd days; a day of the event that says nothing does not split it."""
    known = np.flatnonzero(~np.isnan(day))
    return [(int(known[first]), int(known[end - 1]) + 1) for first, end in stretches(is_odd[known])]


def _is_abrupt(day: Floats, first: int) -> bool:
    """The last two days that say something before it: one may be the day of the change itself."""
    before = day[:first]
    before = before[~np.isnan(before)][-2:]
    return bool(len(before)) and bool(np.min(np.abs(before)) <= _ABRUPT * abs(day[first]))


def _event(block: Block, factors: DayFactors, row: int, first: int, end: int) -> tuple[int, int, int, float]:
    """The event in slots of the block, narrowed and widened to the hours that carry the same factor."""
    jumps = factors.jump[row, first:end]
    factor = float(np.median(jumps[~np.isnan(jumps)]))
    # Hours are classified by the level that the meter had before the event.
    before = factors.levels[row, first, 0] - factors.jump[row, first]
    hourly = _log_ratio(factors.hours[row].ravel(), factors.expected[row].ravel()) - before
    # Nearer to the factor than to 1, in logarithms.
    alike = np.abs(hourly - factor) < abs(factor) / 2
    start_hour, end_hour = _trimmed(alike, 24 * first, 24 * end)
    # Units seldom change at midnight: hours of the same factor join the event, up to a day on either side.
    while start_hour > max(0, 24 * first - 24) and alike[start_hour - 1]:
        start_hour -= 1
    while end_hour < min(len(alike), 24 * end + 24) and alike[end_hour]:
        end_hour += 1
    start = _slot_of_hour(block, factors.seen.start, start_hour)
    stop = _slot_of_hour(block, factors.seen.start, end_hour)
    return row, max(start, block.slots.start), min(stop, block.slots.stop), math.exp(factor)


def _trimmed(alike: Flags, start: int, end: int) -> tuple[int, int]:
    """Without the hours of the first and of the last day that do not carry the factor."""
    ours = np.flatnonzero(alike[start:end])
    if not len(ours):
        return start, end
    # Only the first and the last day are trimmed: an odd hour in between is part of the event.
    return start + min(int(ours[0]), 23), end - min(end - start - 1 - int(ours[-1]), 23)


def _slot_of_hour(block: Block, first_day: int, hour: int) -> int:
    day, rest = divmod(hour, 24)
    index = min(first_day + day, block.end)
    return int(block.days.midnights[index]) + rest * (60 // block.days.grid.step_minutes)


def _log_ratio(part: Floats, whole: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(part / whole)
    return np.where(np.isfinite(ratio), ratio, np.nan)
