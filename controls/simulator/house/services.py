"""Forecasts at the house: by a weather service that errs more and more, or by one that knows what will come."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import nan
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from controls.simulator.house.courses import QUARTER_S, Courses, epoch_quarter
from controls.simulator.house.day import Days
from controls.simulator.physics.noise import Series, generator
from data_quality.contracts.control.closed_loop import Outlook
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site

Service = Callable[[datetime, int], Outlook]

COURSES = 15
# A new run of the service's model four times a day; each runs further than anybody asks.
_ISSUED_H, _LONGEST_H = 6, 400
# An error's start, how much of it lasts for an hour, and what each hour adds: of kelvins, and of the sky's clearness.
_KELVIN, _CLEAR = (0.3, 0.97, 0.35), (0.03, 0.9, 0.06)
_PUBLISHED_HOUR, _DAY_S = 13, 86400
# Import and export.
Prices = tuple[Series, Series]


class Market:
    """Prices by quarter hour: those of the site's simulated market, or given ones.

    prices: interval_start_utc, import_price_per_kwh, export_price_per_kwh, in the site's currency.
    """

    def __init__(self, site: Site, courses: Courses, prices: pl.DataFrame | None) -> None:
        self._courses, self._zone = courses, ZoneInfo(site.time_zone)
        self._export = next((one.export_price_per_kwh or 0.0 for one in site.tariffs), 0.0)
        self._given = None if prices is None else _by_quarter(prices)
        self._of_day = lru_cache(maxsize=4)(self._day)

    def between(self, first: int, count: int) -> Prices:
        """Import and export price of so many quarter hours. Raises BadInput where a given price lacks."""
        return _whole(self._known(first, count), first * QUARTER_S, QUARTER_S)

    def minutes(self, day: int, first: int, after: int) -> Prices:
        """Import and export price of some minutes of a day from the epoch. Raises BadInput as above."""
        buys, sells = self._of_day(day)
        return _whole((buys[first:after], sells[first:after]), day * _DAY_S + first * 60, 60)

    def _day(self, day: int) -> Prices:
        buys, sells = self._known(day * 96, 96)
        return np.repeat(buys, 15), np.repeat(sells, 15)

    def _known(self, first: int, count: int) -> Prices:
        if self._given is None:
            return self._courses.between(first, count).price, np.full(count, float(self._export))
        both = np.array([self._given.get(quarter, (nan, nan)) for quarter in range(first, first + count)])
        return both[:, 0], both[:, 1]

    def known_until(self, now_utc: datetime) -> int:
        """The first quarter hour whose price is not yet published."""
        local = now_utc.astimezone(self._zone)
        days = 2 if local.hour >= _PUBLISHED_HOUR else 1
        midnight = datetime.combine(local.date() + timedelta(days=days), datetime.min.time(), self._zone)
        return epoch_quarter(midnight)


def _whole(prices: Prices, start_s: int, step_s: int) -> Prices:
    lacks = np.flatnonzero(np.isnan(prices[0]) | np.isnan(prices[1]))
    if lacks.size:
        at = datetime.fromtimestamp(start_s + int(lacks[0]) * step_s, UTC)
        raise BadInput(f"the given prices have none for {at:%Y-%m-%dT%H:%MZ}", reason="no_price")
    return prices


def _by_quarter(prices: pl.DataFrame) -> dict[int, tuple[float, float]]:
    columns = (prices["import_price_per_kwh"].cast(pl.Float64), prices["export_price_per_kwh"].cast(pl.Float64))
    quarters = (prices["interval_start_utc"].dt.epoch("s") // QUARTER_S).to_list()
    return {at: (buys, sells) for at, buys, sells in zip(quarters, *(each.to_list() for each in columns), strict=True)}


class ErringService:
    """Fifteen courses around a central one, each as far from it as it is from what comes; prices as published."""

    def __init__(self, days: Days, market: Market, *, seed: int) -> None:
        self._days, self._market, self._seed = days, market, seed
        self._errors = lru_cache(maxsize=2)(self._drawn)

    def __call__(self, now_utc: datetime, hours: int) -> Outlook:
        """Hourly from the hour in progress on."""
        first = epoch_quarter(now_utc) // 4
        issue = first - first % _ISSUED_H
        true = self._days.hourly(first, hours)
        kelvin, clear = (each[:, first - issue : first - issue + hours] for each in self._errors(issue))
        above = true["clear_w_per_m2"]
        clearness = np.divide(true["ghi_w_per_m2"], above, out=np.zeros(hours), where=above > 1.0)
        ghi = np.clip(clearness + clear, 0.05, 1.05) * np.where(above > 1.0, above, 0.0)
        start = first * 4
        published = max(min(self._market.known_until(now_utc) - start, 4 * hours), 0)
        buys, sells = self._market.between(start, published)
        return Outlook(
            start_utc=datetime.fromtimestamp(first * 3600, UTC),
            outdoor_degc=tuple(map(tuple, np.round(true["outdoor_degc"] + kelvin, 2).tolist())),
            ghi_w_per_m2=tuple(map(tuple, np.round(ghi, 1).tolist())),
            import_price_per_kwh=tuple(buys.tolist()),
            export_price_per_kwh=tuple(sells.tolist()),
        )

    def _drawn(self, issue: int) -> tuple[Series, Series]:
        rng = generator(self._seed, issue, "house outlook")
        found = []
        for start, lasts, added in (_KELVIN, _CLEAR):
            steps = rng.normal(0.0, 1.0, (COURSES, _LONGEST_H)) * np.where(np.arange(_LONGEST_H) == 0, start, added)
            errors = np.empty_like(steps)
            level = np.zeros(COURSES)
            for hour in range(_LONGEST_H):
                level = lasts * level + steps[:, hour]
                errors[:, hour] = level
            # The central course is off by its own error; the others lie about it.
            errors[1:] += errors[0]
            found.append(errors)
        return found[0], found[1]


class KnowingService:
    """One course, which is what will come; prices and load as they will be."""

    def __init__(self, days: Days, market: Market) -> None:
        self._days, self._market = days, market

    def __call__(self, now_utc: datetime, hours: int) -> Outlook:
        """Hourly from the hour in progress on."""
        first = epoch_quarter(now_utc) // 4
        true = self._days.hourly(first, hours)
        buys, sells = self._market.between(4 * first, 4 * hours)
        return Outlook(
            start_utc=datetime.fromtimestamp(first * 3600, UTC),
            outdoor_degc=(tuple(true["outdoor_degc"].tolist()),),
            ghi_w_per_m2=(tuple(np.maximum(true["ghi_w_per_m2"], 0.0).tolist()),),
            import_price_per_kwh=tuple(buys.tolist()),
            export_price_per_kwh=tuple(sells.tolist()),
            load_kw=tuple(true["load_kw"].tolist()),
        )
