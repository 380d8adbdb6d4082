"""From quarter hours to local days: their energy, their peak, their emissions. Days of 92 and 100 quarters are days."""

from datetime import UTC, date, datetime, time
from typing import Literal

import numpy as np
import polars as pl

from assets.carbon.by_hour.site_match import factor_stream
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day_hours, zone
from ml.features.series import DAY, HOUR, Series, Stream, Vector, on_grid

# A day counts with nine tenths of its quarter hours known, and its amounts are scaled up to the whole of it.
MIN_DAY_SHARE = 0.9
Daily = Literal["sum", "peak", "mean"]


def by_day(quarters: Series, *, time_zone: str, how: Daily, unit: str) -> Series:
    """The local days of a series of 15 minutes that have ended by its end; NaN for a day known by less than 90 %.

    sum: of the day, scaled to all of its quarters. peak: highest mean power in kW of kWh by quarter hour.
    """
    moments = pl.datetime_range(
        quarters.start_utc, quarters.end_utc, quarters.step, closed="left", time_zone="UTC", eager=True
    )
    local = moments.dt.convert_time_zone(time_zone).dt.date()
    last = quarters.end_utc.astimezone(zone(time_zone)).date()
    days = (
        pl.DataFrame({"day": local, "value": pl.Series(quarters.values).fill_nan(None)})
        .filter(pl.col("day") < last)
        .group_by("day", maintain_order=True)
        .agg(known=pl.col("value").count(), sum=pl.sum("value"), peak=pl.max("value"), mean=pl.mean("value"))
    )
    if days.is_empty():
        return Series(_midnight(last), np.empty(0), DAY, unit, quarters.is_synthetic)
    hours = np.array([local_day_hours(day, time_zone) for day in days["day"]])
    share = days["known"].to_numpy() / (hours * (HOUR // quarters.step))
    values = days[how].cast(pl.Float64).to_numpy().copy()
    if how == "sum":
        values = np.divide(values, share, out=np.full(len(values), np.nan), where=share > 0)
    elif how == "peak":
        values = values * (HOUR // quarters.step)
    values[share < MIN_DAY_SHARE] = np.nan
    return Series(_midnight(days["day"][0]), values, DAY, unit, quarters.is_synthetic)


def emissions(readings: pl.DataFrame, energy: Series, *, site: Site, stream: Stream) -> Series | Finding:
    """kgCO2e by quarter hour of a meter's kWh: by the grid's own factor of the hour, else by the factor of the day.

    readings: LAKE_SCHEMA, unique by key, as known. A finding where no factor holds on any of its days.
    """
    meter = site.meter(stream.stream_id)
    carrier = meter.carrier if meter else Carrier.ELECTRICITY
    factors = _of_days(site, carrier, energy)
    hourly = factor_stream(site) if carrier is Carrier.ELECTRICITY else None
    if hourly is not None:
        rows = readings.filter((pl.col("meter_id") == hourly) & (pl.col("register") == "value"))
        own = on_grid(rows, energy.start_utc, len(energy.values), energy.step)
        factors = np.where(np.isnan(own), factors, own)
    if np.isnan(factors).all():
        message = f"No emission factor of {carrier.value} holds on the days that {stream.target} was read on."
        return Finding(code="no_factor", message=message, severity="blocking", scope=stream.target)
    return Series(energy.start_utc, energy.values * factors, energy.step, "kgco2e", energy.is_synthetic)


def _of_days(site: Site, carrier: Carrier, energy: Series) -> Vector:
    moments = pl.datetime_range(
        energy.start_utc, energy.end_utc, energy.step, closed="left", time_zone="UTC", eager=True
    )
    days = moments.dt.convert_time_zone(site.time_zone).dt.date().to_numpy()
    found: Vector = np.full(len(days), np.nan)
    for entry in site.factors:
        if entry.carrier == carrier:
            found[(days >= np.datetime64(entry.valid_from)) & (days < np.datetime64(entry.valid_to))] = (
                entry.kgco2e_per_kwh
            )
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
