"""A gain that creeps away over weeks, alike in all hours of the day: a meter that drifts, not a change of use."""

import math
from dataclasses import dataclass

import numpy as np

from ml.anomalies.day_grid import HOURS, Mask, Matrix, logarithms, median_of
from ml.anomalies.logistic import Features, Learned
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Past
from ml.features.series import Vector

# Days in which a gain may begin to move, and the days before them that it is compared with.
WINDOW, REFERENCE = 21, 28
# Days since which it has moved, at least.
LEAST_MOVED = 7
FEWEST_HOURS, FEWEST_DAYS, LAST_DAYS = 12, 12, 3
LEAST_SPREAD = 0.02
# Days for which a gain must have returned before that counts.
AFTER = 2
NIGHT, WORK = slice(0, 6), slice(9, 18)
# A gain below this share of its peak has returned.
RETURNED = 0.5

# A gain that is usual until a day, then a line: rows by the day on which it begins to move.
_ONSETS = np.arange(WINDOW - LEAST_MOVED + 1)
_RAMPS: Matrix = np.clip(np.arange(WINDOW)[None, :] - _ONSETS[:, None] + 1, 0, None).astype(float)


@dataclass
class _Open:
    """A drift that has not ended. usual: log of the hours of a day, by its type, before the gain moved."""

    onset: int
    sign: float
    peak: float
    score: float
    usual: dict[bool, Vector]


@dataclass(frozen=True)
class _Gains:
    """Gains of the days of reference and window up to a day, with the features that separate drift from season."""

    gains: Matrix
    daily: Vector
    usual: dict[bool, Vector]
    onset: int
    gain: float
    features: Features


class DriftWatch:
    """Marks `drift` from the day on which the gain began to move to the day before it returned.

    Many a drift is separable from a season only when its gain returns: then it is marked with all of its days.
    """

    def __init__(self, past: Past, params: DetectorParams, models: Learned) -> None:
        self.past, self.params, self.models = past, params, models
        self.open: _Open | None = None
        self.quiet_until = 0
        # The largest gain of the last days at each day: what this meter does by itself.
        self.gains: Vector = np.full(len(past.grid.values), np.nan)
        self.seen: dict[int, _Gains] = {}

    def marks(self, day: int) -> list[Mark]:
        """The day's mark while a drift is open; with the day that opens or proves one, all days since its onset."""
        if self.open is not None:
            return self._go_on(self.open, day)
        self.seen.pop(day - AFTER - 1, None)
        if (seen := self._see(day)) is not None:
            self.seen[day] = seen
        if day < self.quiet_until:
            return []
        return self._returned(day) or (self._opened(day, seen) if seen else [])

    def _opened(self, day: int, seen: _Gains) -> list[Mark]:
        score = self.models.drift.odds(seen.features) - self.params.drift_odds - self.params.shift
        if score < 0:
            return []
        self.open = _Open(seen.onset, float(np.sign(seen.gain)), abs(seen.gain), 1 + score, seen.usual)
        return [Mark("drift", seen.onset * HOURS, (day + 1) * HOURS, 1 + score)]

    def _returned(self, day: int) -> list[Mark]:
        """A drift that ended before the last two days."""
        seen = self.seen.get(day - AFTER)
        features = self.return_features(day, seen) if seen else None
        if seen is None or features is None:
            return []
        score = self.models.returned.odds(features) - self.params.return_odds - self.params.shift
        if score < 0:
            return []
        mark = Mark("drift", seen.onset * HOURS, (day - AFTER + 1) * HOURS, 1 + score)
        self.past.mark([mark])
        self._close(day)
        return [mark]

    def _go_on(self, drift: _Open, day: int) -> list[Mark]:
        gains = self._gains(day, day + 1, drift.usual)[0]
        if np.isfinite(gains).sum() < FEWEST_HOURS:
            return []
        gain = drift.sign * float(median_of(gains, axis=0))
        if gain < RETURNED * drift.peak:
            # What has returned was a fault, and no part of what is usual.
            self.past.mark([Mark("drift", drift.onset * HOURS, day * HOURS, drift.score)])
            self._close(day)
            return []
        if day - drift.onset >= self.params.drift_days:
            self._close(day)
            return []
        drift.peak = max(drift.peak, gain)
        return [Mark("drift", day * HOURS, (day + 1) * HOURS, drift.score)]

    def _close(self, day: int) -> None:
        self.open, self.quiet_until = None, day + WINDOW
        self.seen.clear()

    def _gains(self, first: int, end: int, usual: dict[bool, Vector]) -> Matrix:
        """Log of each hour of these days over the usual of the same hour of the same type of day."""
        logs, is_off = logarithms(self.past.unmarked[first:end]), self.past.grid.is_off[first:end]
        gains = np.full_like(logs, np.nan)
        for off, profile in usual.items():
            gains[is_off == off] = logs[is_off == off] - profile
        return gains

    def _see(self, day: int) -> _Gains | None:
        """Features of a gain at the end of a day; None where it has hardly moved, or too few days are known."""
        first = day + 1 - WINDOW - REFERENCE
        if first < 0:
            return None
        logs, is_off = logarithms(self.past.unmarked[first : first + REFERENCE]), self.past.grid.is_off[first : day + 1]
        kinds = {off: logs[is_off[:REFERENCE] == off] for off in (False, True)}
        usual = {off: median_of(rows, axis=0) for off, rows in kinds.items() if len(rows)}
        gains = self._gains(first, day + 1, usual)
        profile = median_of(gains[-LAST_DAYS:], axis=0)
        gain = float(median_of(profile, axis=0))
        self.gains[day] = abs(gain)
        if not abs(gain) >= self.params.drift_ratio * self.params.caution:
            return None
        daily = median_of(gains, axis=1)
        daily[np.isfinite(gains).sum(axis=1) < FEWEST_HOURS] = np.nan
        known = np.isfinite(daily)
        if min(known[-WINDOW:].sum(), known[:REFERENCE].sum()) < FEWEST_DAYS or not known[-2:].any():
            return None
        onset, features = self._features(day, daily, profile, gain, is_off)
        return _Gains(gains, daily, usual, day - WINDOW + 1 + onset, gain, features)

    def _features(self, day: int, daily: Vector, profile: Vector, gain: float, is_off: Mask) -> tuple[int, Features]:
        """Index in the window at which a gain began to move, and the features that separate drift from season."""
        lately, before = daily[-WINDOW:], daily[:REFERENCE]
        known = np.isfinite(lately)
        onset, slope, left = _ramp(np.where(known, lately, 0.0), known)
        size, sign = abs(gain), float(np.sign(gain))
        steps = np.abs(np.diff(lately[known & (np.arange(WINDOW) >= onset)]))
        own = np.sort(self.gains[max(0, day - 365) : max(0, day - WINDOW)])
        own = own[np.isfinite(own)]
        return onset, {
            "gain": math.log(size),
            "slope": sign * slope * 10,
            "fit": math.log(max(float(np.square(lately[known]).sum()), 1e-6) / max(left, 1e-6)),
            "left": math.log(max(left / known.sum(), 1e-6)) / 2,
            "spread": math.log(max(_upper(np.abs(profile - gain)) / size, 1e-3)),
            "night_day": _apart(profile[NIGHT], profile[WORK], size),
            "week": _apart(daily[-7:][~is_off[-7:]], daily[-7:][is_off[-7:]], size),
            "trend": sign * _trend(before),
            "jump": float(steps.max() / size) if len(steps) else 1.0,
            "moved": (WINDOW - onset) / 7,
            "own": math.log(size / max(float(own[int(0.95 * (len(own) - 1))]), 0.03)) if len(own) > WINDOW else 0.0,
        }

    def return_features(self, day: int, seen: _Gains) -> Features | None:
        """Features of a gain that returned on the last two days; None: too few hours."""
        after, before = self._gains(day + 1 - AFTER, day + 1, seen.usual), seen.gains[-AFTER:]
        if min(np.isfinite(after).sum(), np.isfinite(before).sum()) < HOURS:
            return None
        size, sign = abs(seen.gain), float(np.sign(seen.gain))
        fall = sign * (median_of(before, axis=0) - median_of(after, axis=0))
        drop, rest = float(median_of(fall, axis=0)), sign * float(median_of(after.ravel(), axis=0))
        first = sign * float(median_of(before[-1], axis=0) - median_of(after[0], axis=0))
        moves = np.sort(np.abs(seen.daily[2:] - seen.daily[:-2])[:-4])
        moves = moves[np.isfinite(moves)]
        noise = max(float(moves[int(0.9 * (len(moves) - 1))]) if len(moves) else 1.0, LEAST_SPREAD)
        found = {
            "drop": drop,
            "drop_ratio": min(max(drop / size, -1.0), 3.0),
            "rest": min(abs(rest) / size, 3.0),
            "drop_z": math.log1p(max(drop, 0.0) / noise),
            "jump_z": math.log1p(max(first, 0.0) / noise),
            "alike": min(_upper(np.abs(fall - drop)) / max(abs(drop), LEAST_SPREAD), 3.0),
            "fall_night_day": _apart(fall[NIGHT], fall[WORK], max(abs(drop), LEAST_SPREAD)),
        }
        known = {name: value if math.isfinite(value) else 0.0 for name, value in found.items()}
        return {**seen.features, **known}


def _upper(values: Vector) -> float:
    """The value that three of four known ones do not exceed; 0 where none is known."""
    known = np.sort(values[np.isfinite(values)])
    return float(known[int(0.75 * (len(known) - 1))]) if len(known) else 0.0


def _ramp(lately: Vector, known: Mask) -> tuple[int, float, float]:
    """The day of the window on which a line begins that fits best, its slope a day, and the squares it leaves."""
    ramps = _RAMPS * known
    across, own = ramps @ lately, np.square(ramps).sum(axis=1)
    left = float(np.square(lately).sum()) - across**2 / np.maximum(own, 1e-9)
    best = int(np.argmin(left))
    return int(_ONSETS[best]), float(across[best] / max(own[best], 1e-9)), max(float(left[best]), 0.0)


def _trend(before: Vector) -> float:
    """By how much the reference itself moves over its length."""
    place = np.flatnonzero(np.isfinite(before))
    centred = place - place.mean()
    return float(centred @ before[place] / max(float(centred @ centred), 1e-9)) * REFERENCE


def _apart(one: Vector, other: Vector, size: float) -> float:
    """Distance of two medians, as a share of the gain; 0 where one is unknown."""
    distance = float(median_of(one, axis=0) - median_of(other, axis=0)) / size if len(one) and len(other) else 0.0
    return min(abs(distance), 3.0) if np.isfinite(distance) else 0.0
