"""One UTC day of the house by minutes, with the errors of its instruments: the same whatever anybody does in it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from controls.simulator.house.courses import QUARTER_S, Courses, Quarters
from controls.simulator.house.nominal import Nominal
from controls.simulator.house.truth import HeatStep, Truth
from controls.simulator.physics.car import trip_of
from controls.simulator.physics.hot_water import drawn_kw
from controls.simulator.physics.noise import Series, ar1, generator
from controls.simulator.worlds.home import HomeTruth, pv_power_kw

MINUTES = 1440
DAY_S = 86400
# Of the household's power, what stays in its rooms as heat.
_LOAD_AS_HEAT = 0.5
# Above it whoever is at home opens a window, if it is cooler outside.
_TOO_WARM_DEGC = 23.5


@dataclass(frozen=True)
class Day:
    """Arrays by minute. push: what comes from outside, as temperatures of the nodes. aired: kW/K through windows.

    trip_kwh: what a trip that begins in this minute takes. noise_k, is_silent: of each thermometer, by quarter
    hour. noise_outside: of the thermometer outdoors and of the pyranometer, standard.
    """

    outdoor_degc: Series
    ghi_w_per_m2: Series
    clear_w_per_m2: Series
    load_kw: Series
    pv_kw: Series
    push: Series
    aired: Series
    is_aired: np.ndarray
    too_warm_degc: Series
    persons: Series
    hour: Series
    draw_kw: Series
    is_away: np.ndarray
    trip_kwh: Series
    cellar_degc: Series
    noise_k: Series
    noise_outside: Series
    is_silent: np.ndarray


class Days:
    """Days by their number from the epoch; the last few are kept."""

    def __init__(
        self, courses: Courses, nominal: Nominal, truth: Truth, step: HeatStep, *, time_zone: str, seed: int
    ) -> None:
        self._courses, self._nominal, self._truth, self._step = courses, nominal, truth, step
        self._zone, self._seed = time_zone, seed
        # Forecasts need two days ahead.
        self.of = lru_cache(maxsize=6)(self._made)

    def hourly(self, first_hour: int, hours: int) -> dict[str, Series]:
        """Means of whole hours, counted from the epoch: outdoor_degc, ghi_w_per_m2, clear_w_per_m2, load_kw."""
        first, last = first_hour // 24, (first_hour + hours - 1) // 24
        days = [self.of(each) for each in range(first, last + 1)]
        part = slice(first_hour - 24 * first, first_hour - 24 * first + hours)
        names = ("outdoor_degc", "ghi_w_per_m2", "clear_w_per_m2", "load_kw")
        return {
            name: np.concatenate([getattr(day, name) for day in days]).reshape(-1, 60).mean(axis=1)[part]
            for name in names
        }

    def _made(self, number: int) -> Day:
        # A quarter hour more on either side, to go smoothly from one to the next.
        around = self._courses.between(number * (DAY_S // QUARTER_S) - 1, DAY_S // QUARTER_S + 2)
        rng = generator(self._seed, number, "house minutes")
        outdoor, ghi, clear = (
            _smooth(series) for series in (around.outdoor_degc, around.ghi_w_per_m2, around.clear_w_per_m2)
        )
        # Clouds that pass; what an hour gives stays as it is.
        ghi = ghi * np.clip(1.0 + ar1(rng, count=MINUTES, rho=0.9, sigma=0.12), 0.3, 1.4)
        load = _smooth(around.load_kw) * np.exp(ar1(rng, count=MINUTES, rho=0.8, sigma=0.3) - 0.045)
        dirty = _steps(around.pv_share)
        sun = HomeTruth(performance_ratio=self._truth.performance_ratio)
        pv = pv_power_kw(ghi_w_per_m2=dirty * ghi, outdoor_degc=outdoor, peak_kw=self._nominal.peak_kw, truth=sun)
        persons, hour = _steps(around.persons), _steps(around.hour)
        is_away, trip_kwh = self._car(number)
        aired = self._aired(rng, outdoor, persons, hour)
        heated = self._truth.rooms - 1
        return Day(
            outdoor_degc=outdoor,
            ghi_w_per_m2=ghi,
            clear_w_per_m2=clear,
            load_kw=load,
            pv_kw=pv,
            push=self._push(around, outdoor, load, persons, hour),
            aired=aired,
            is_aired=aired.max(axis=1) > 0,
            too_warm_degc=np.where(persons > 0, np.maximum(_TOO_WARM_DEGC, outdoor + 1.0), np.inf),
            persons=persons,
            hour=hour.astype(np.int64),
            draw_kw=self._draws(number, rng, persons),
            is_away=is_away,
            trip_kwh=trip_kwh,
            cellar_degc=_smooth(around.cellar_degc),
            noise_k=rng.normal(0.0, 0.1, (96, heated)),
            noise_outside=generator(self._seed, number, "house outside").normal(0.0, 1.0, (96, 2)),
            is_silent=_silences(rng, heated),
        )

    def _push(self, around: Quarters, outdoor: Series, load: Series, persons: Series, hour: Series) -> Series:
        truth = self._truth
        walls = np.stack([_smooth(column) for column in around.walls_w_per_m2.T], axis=1)
        # Blinds on warm days.
        kw = truth.sun_to_nodes(walls) * np.where(outdoor > 16.0, 0.35, 1.0)[:, None]
        size, third = np.append(truth.heaters_kw, 0.0), max(truth.rooms // 3, 1)
        # By day in the first rooms of the site file, by night in those that follow; the wider the room, the more.
        third_of = np.arange(size.size) // third
        lived, slept = size * (third_of < 2), size * (third_of == (1 if truth.rooms > 2 else 0))
        lived, slept = lived / lived.sum(), slept / slept.sum()
        is_night = (hour >= 22.0) | (hour < 6.0)
        people = truth.people_kw * persons[:, None] * np.where(is_night[:, None], slept, lived)
        kw[:, : truth.rooms] += people + _LOAD_AS_HEAT * load[:, None] * lived
        kw += outdoor[:, None] * truth.loss_kw_per_k
        # An hour at a time: a library that starts threads for the whole day would cost more than the product.
        pushed: Series = (kw.reshape(24, 60, -1) @ self._step.given.T).reshape(MINUTES, -1)
        return pushed

    def _aired(self, rng: np.random.Generator, outdoor: Series, persons: Series, hour: Series) -> Series:
        rooms = self._truth.rooms
        begins = rng.integers(0, MINUTES, (2, rooms))
        lasts = np.clip(rng.exponential(6.0, (2, rooms)), 2.0, 20.0) * (rng.random((2, rooms)) < 0.5)
        at = np.arange(MINUTES)[:, None]
        is_open = np.zeros((MINUTES, rooms), dtype=bool)
        for begun, long in zip(begins, lasts, strict=True):
            is_open |= (at >= begun) & (at < begun + long)
        # Nobody opens a window by night, or from afar.
        awake = (persons > 0) & (hour >= 6.0) & (hour < 22.5)
        mild = np.where(outdoor > 14.0, 1.0, 0.6)
        found: Series = (is_open & awake[:, None]) * mild[:, None] * self._truth.aired_kw_per_k
        return found

    def _draws(self, number: int, rng: np.random.Generator, persons: Series) -> Series:
        start = datetime.fromtimestamp(number * DAY_S, UTC)
        usual = [
            drawn_kw(self._nominal.tank, start + timedelta(hours=hour), time_zone=self._zone, seed=self._seed)
            for hour in range(24)
        ]
        # Taps run for minutes: an hour's heat goes in some of them.
        taps = (rng.random((24, 60)) < 0.12) * rng.exponential(1.0, (24, 60)) + 1e-3
        shares = (60.0 * taps / taps.sum(axis=1, keepdims=True)).ravel()
        found: Series = self._truth.draw_share * np.repeat(usual, 60) * shares * (persons > 0)
        return found

    def _car(self, number: int) -> tuple[np.ndarray, Series]:
        start_s = number * DAY_S
        away, trips = np.zeros(MINUTES, dtype=bool), np.zeros(MINUTES)
        here = ZoneInfo(self._zone)
        for day in {datetime.fromtimestamp(start_s + s, UTC).astimezone(here).date() for s in (0, DAY_S - 60)}:
            leaves, comes, kwh = trip_of(self._nominal.car, day, time_zone=self._zone, seed=self._seed)
            first, after = (round((at.timestamp() - start_s) / 60) for at in (leaves, comes))
            away[max(first, 0) : max(after, 0)] = True
            if 0 <= first < MINUTES:
                trips[first] = kwh
        return away, trips


def _silences(rng: np.random.Generator, heated: int) -> np.ndarray:
    """Now and then a reading that lacks, and on one day in thirty hours of them."""
    found: np.ndarray = rng.random((96, heated)) < 0.003
    begins, lasts = rng.integers(0, 96, heated), rng.integers(4, 24, heated) * (rng.random(heated) < 1 / 30)
    at = np.arange(96)[:, None]
    found |= (at >= begins) & (at < begins + lasts)
    return found


def _smooth(around: Series) -> Series:
    """Minutes from quarter hours, from the middle of one to that of the next; one more on either side."""
    middles = np.arange(around.size) * 15.0 + 7.5
    found: Series = np.interp(np.arange(MINUTES) + 15.5, middles, around)
    return found


def _steps(around: Series) -> Series:
    return np.repeat(around[1:-1], 15)
