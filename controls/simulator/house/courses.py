"""Surroundings of the house by quarter hours of whole years: weather, people, prices."""

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from controls.simulator.physics.grid import YearGrid, year_grid
from controls.simulator.physics.noise import Series, generator, trailing_mean
from controls.simulator.physics.weather import sky, weather
from controls.simulator.worlds.home import HomeTruth, house_power_kw, import_price
from data_quality.contracts.site_file.site import Site

QUARTER_S = 900
# A flat array keeps its snow until it melts: mm of water a day for each kelvin above zero, and what hides all of it.
_MELTS_MM_PER_K, _HIDES_MM = 4.0, 2.0
# Dirt a dry day adds, the most of it, and what rain leaves.
_DIRT_A_DAY, _DIRTIEST, _WASHED = 0.002, 0.08, 0.005
_TRIP_STARTS, _TRIP_DAYS, _PERSONS = 0.015, 3, 4


class Quarters(NamedTuple):
    """One value a quarter hour; walls_w_per_m2: one column a direction. pv_share: what snow and dirt leave of the sun.

    persons: at home. price: of the site's own simulated market.
    """

    outdoor_degc: Series
    ghi_w_per_m2: Series
    clear_w_per_m2: Series
    walls_w_per_m2: Series
    pv_share: Series
    load_kw: Series
    persons: Series
    hour: Series
    cellar_degc: Series
    price: Series


class Courses:
    """The years of a seed, made when they are asked for."""

    def __init__(self, site: Site, *, seed: int) -> None:
        self._site, self._seed = site, seed
        self._years: dict[int, tuple[int, Quarters]] = {}

    def between(self, first: int, count: int) -> Quarters:
        """So many quarter hours. first: counted from the epoch."""
        parts, at, after = [], first, first + count
        while at < after:
            start, year = self._year_of(at)
            until = min(after, start + year.price.size)
            parts.append([series[at - start : until - start] for series in year])
            at = until
        if len(parts) == 1:
            return Quarters(*parts[0])
        return Quarters(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    def _year_of(self, quarter: int) -> tuple[int, Quarters]:
        local = datetime.fromtimestamp(quarter * QUARTER_S, UTC).astimezone(ZoneInfo(self._site.time_zone)).year
        if local not in self._years:
            grid = year_grid(self._site, local)
            start = round(float(grid.utc_hours()[0]) * 4)
            self._years[local] = start, _quarters(self._site, grid, self._seed)
        return self._years[local]


def _quarters(site: Site, grid: YearGrid, seed: int) -> Quarters:
    place = {"latitude_deg": site.latitude_deg or 0.0, "longitude_deg": site.longitude_deg or 0.0}
    air = weather(grid, seed=seed, **place)
    seen = sky(grid, air.ghi_w_per_m2, **place)
    persons = _persons(grid, seed)
    # Nobody at home: fridge and standby go on.
    used = np.where(persons > 0, 1.0, 0.55)
    return Quarters(
        outdoor_degc=air.outdoor_degc,
        ghi_w_per_m2=air.ghi_w_per_m2,
        clear_w_per_m2=seen.clear_w_per_m2,
        walls_w_per_m2=np.stack(seen.walls_w_per_m2, axis=1),
        pv_share=_pv_share(grid, air.outdoor_degc, air.ghi_w_per_m2, seen.clear_w_per_m2, seed),
        load_kw=used * house_power_kw(grid, seed=seed),
        persons=persons,
        hour=grid.local_hour,
        cellar_degc=10.0 + 0.4 * trailing_mean(air.outdoor_degc, 96),
        price=import_price(grid, ghi_w_per_m2=air.ghi_w_per_m2, truth=HomeTruth(), seed=seed),
    )


def _persons(grid: YearGrid, seed: int) -> Series:
    """Persons at home: all by night, few on a working day, none during a trip."""
    rng = generator(seed, grid.year, "house people")
    first_days = np.flatnonzero(rng.random(grid.days) < _TRIP_STARTS)
    away = np.zeros(grid.days + _TRIP_DAYS, dtype=bool)
    for day in first_days.tolist():
        away[day : day + _TRIP_DAYS] = True
    someone = rng.integers(0, 3, grid.days)[grid.day]
    at_work = ~grid.is_free & (grid.local_hour >= 8.0) & (grid.local_hour < 15.5)
    out = grid.is_free & (grid.local_hour >= 13.0) & (grid.local_hour < 17.0) & (rng.random(grid.days) < 0.4)[grid.day]
    found = np.where(at_work, someone, np.where(out, 0, _PERSONS)).astype(np.float64)
    found[away[: grid.days][grid.day]] = 0.0
    return found


def _pv_share(grid: YearGrid, outdoor_degc: Series, ghi: Series, clear: Series, seed: int) -> Series:
    rng = generator(seed, grid.year, "house rain")
    clearness = grid.daily_mean(ghi) / np.maximum(grid.daily_mean(clear), 1.0)
    rain_mm = np.where(clearness < 0.6, rng.exponential(4.0, grid.days) * (rng.random(grid.days) < 0.6), 0.0)
    share, snow_mm, dirt = np.ones(grid.days), 0.0, _WASHED
    for day, (degc, water) in enumerate(zip(grid.daily_mean(outdoor_degc).tolist(), rain_mm.tolist(), strict=True)):
        if degc < 0.0:
            snow_mm += water
        snow_mm = max(snow_mm - _MELTS_MM_PER_K * max(degc, 0.0), 0.0)
        dirt = _WASHED if water > 1.0 and degc >= 0.0 else min(dirt + _DIRT_A_DAY, _DIRTIEST)
        share[day] = (1.0 - dirt) * (1.0 - 0.95 * min(snow_mm / _HIDES_MM, 1.0))
    return share[grid.day]


def epoch_quarter(at_utc: datetime) -> int:
    """The quarter hour that an instant lies in, counted from the epoch."""
    return int(at_utc.timestamp()) // QUARTER_S
