"""What energy costs at the house, and from when on that is known: the next day's prices from one o'clock on."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import nan
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from controls.simulator.house.courses import QUARTER_S, Courses, epoch_quarter
from controls.simulator.physics.noise import Series
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site

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
