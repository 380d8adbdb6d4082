"""Output of every simulated site: frames of readings in ten-thousandths of a kWh, and how they were made."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from controls.simulator.physics.noise import Counts, Series
from data_quality.contracts.time import CANONICAL_MINUTES, local_midnight_utc

# Values carry four decimals, so sums of meters hold exactly; physics is done in these whole units where sums matter.
UNITS_PER_KWH = 10_000


@dataclass(frozen=True)
class SimulatedSite:
    """Readings of one site, all synthetic, timestamps are interval starts in UTC.

    meters: meter, register, timestamp, kwh, is_synthetic, sorted by meter, register, timestamp.
    drivers, prices: timestamp, one column a driver, is_synthetic. prices may reach beyond the other two.
    volumes: as meters, with m3 instead of kwh, for gas and water.
    """

    site_id: str
    time_zone: str
    meters: pl.DataFrame
    drivers: pl.DataFrame
    prices: pl.DataFrame | None = None
    volumes: pl.DataFrame | None = None

    def between(self, start: date, end: date, *, prices_end: date) -> "SimulatedSite":
        """The same for local dates [start, end); prices up to prices_end."""
        first = local_midnight_utc(start, self.time_zone)
        last = local_midnight_utc(end, self.time_zone)
        prices = self.prices
        if prices is not None:
            prices = _span(prices, first, local_midnight_utc(prices_end, self.time_zone))
        return SimulatedSite(
            site_id=self.site_id,
            time_zone=self.time_zone,
            meters=_span(self.meters, first, last),
            drivers=_span(self.drivers, first, last),
            prices=prices,
            volumes=None if self.volumes is None else _span(self.volumes, first, last),
        )

    def until(self, now_utc: datetime) -> "SimulatedSite":
        """The same without readings of intervals that have not ended; prices may lie in the future."""
        # Timestamps are starts: the interval in progress is not yet metered.
        ended = pl.col("timestamp") <= now_utc - timedelta(minutes=CANONICAL_MINUTES)
        volumes = None if self.volumes is None else self.volumes.filter(ended)
        return replace(self, meters=self.meters.filter(ended), drivers=self.drivers.filter(ended), volumes=volumes)


def _span(frame: pl.DataFrame, first: datetime, last: datetime) -> pl.DataFrame:
    return frame.filter((pl.col("timestamp") >= first) & (pl.col("timestamp") < last))


def concatenated(years: list[SimulatedSite]) -> SimulatedSite:
    """One site from consecutive years."""
    first = years[0]
    prices = [year.prices for year in years if year.prices is not None]
    volumes = [year.volumes for year in years if year.volumes is not None]
    return SimulatedSite(
        site_id=first.site_id,
        time_zone=first.time_zone,
        meters=pl.concat([year.meters for year in years]).sort("meter", "register", "timestamp"),
        drivers=pl.concat([year.drivers for year in years]),
        prices=pl.concat(prices) if prices else None,
        volumes=pl.concat(volumes).sort("meter", "register", "timestamp") if volumes else None,
    )


def whole_units(kwh: Series) -> Counts:
    """Energy in whole ten-thousandths of a kWh, never negative."""
    units: Counts = np.rint(np.maximum(kwh, 0.0) * UNITS_PER_KWH).astype(np.int64)
    return units


def meter_frame(timestamp: pl.Series, streams: dict[tuple[str, str], Counts], *, unit: str = "kwh") -> pl.DataFrame:
    """The long frame of (meter, register) -> ten-thousandths of the unit, which names the value column."""
    parts = [
        pl.DataFrame({"timestamp": timestamp, unit: units / UNITS_PER_KWH}).select(
            pl.lit(meter).alias("meter"), pl.lit(register).alias("register"), "timestamp", unit, is_synthetic=True
        )
        for (meter, register), units in sorted(streams.items())
    ]
    return pl.concat(parts)


def driver_frame(timestamp: pl.Series, columns: dict[str, Series | Counts]) -> pl.DataFrame:
    """The wide frame of driver -> values."""
    return pl.DataFrame({"timestamp": timestamp, **columns}).with_columns(is_synthetic=True)
