"""One local calendar year in quarter hours, as arrays that physics can use."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from assets.sites.calendar import quarter_hours
from controls.simulator.physics.noise import Counts, Series
from data_quality.contracts.site_file.site import Site


@dataclass(frozen=True)
class YearGrid:
    """Quarter hours of one local year of a site; every array has one entry for each.

    day: local day from 0. month: 1-12. local_hour: wall clock, [0, 24). is_free: weekend or holiday.
    """

    year: int
    timestamp_utc: pl.Series
    day: Counts
    month: Counts
    local_hour: Series
    is_free: np.ndarray

    @property
    def count(self) -> int:
        """Quarter hours in the year: 4 x 8,760, or 8,784 in a leap year."""
        return self.timestamp_utc.len()

    @property
    def days(self) -> int:
        """Local days in the year."""
        return int(self.day[-1]) + 1

    def daily_mean(self, values: Series) -> Series:
        """The mean of each local day, one entry a day."""
        # Divided by the day's own count: days of 23 and 25 hours have other than 96 quarters.
        return np.bincount(self.day, values) / np.bincount(self.day)

    def utc_hours(self) -> Series:
        """Hours since the epoch, UTC."""
        return self.timestamp_utc.dt.epoch("s").to_numpy() / 3600.0


def year_grid(site: Site, year: int) -> YearGrid:
    """The grid of a site's local year. Raises BadInput for a country without calendar."""
    frame = quarter_hours(site, date(year, 1, 1), date(year + 1, 1, 1))
    days = frame["local_date"].dt.ordinal_day().to_numpy().astype(np.int64) - 1
    hours = frame.select(pl.col("local_time").dt.hour() + pl.col("local_time").dt.minute() / 60.0).to_series()
    return YearGrid(
        year=year,
        timestamp_utc=frame["interval_start_utc"].alias("timestamp"),
        day=days,
        month=frame["local_date"].dt.month().to_numpy().astype(np.int64),
        local_hour=hours.to_numpy(),
        is_free=(frame["day_type"] != "weekday").to_numpy(),
    )
