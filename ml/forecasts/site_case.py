"""From a site's readings to the case on which models are fitted and queried."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Literal

import numpy as np
import polars as pl

from assets.carbon.by_hour.site_match import factor_stream
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_day, local_day_hours, local_midnight_utc
from ml.features.base_load import base_load_parts, base_load_series
from ml.features.civil import civil_of
from ml.features.forecast_case import Case, Place
from ml.features.series import DAY, HOUR, QUARTER, Series, Stream, Vector, measured_on, on_grid, series_of
from ml.features.weather_as_of import NO_WEATHER, FixedWeather, issued_weather
from ml.forecasts.targets import Target

# Unit of a driver -> what it measures. degF is turned into degC when readings are stored.
MEASURED = {"degc": "temperature_degc", "w_per_m2": "ghi_w_per_m2"}
# A day counts with nine tenths of its quarter hours known, and its amounts are scaled up to the whole of it.
MIN_DAY_SHARE = 0.9
Daily = Literal["sum", "peak", "mean"]


def target_case(
    readings: pl.DataFrame,
    *,
    site: Site,
    target: Target,
    end_utc: datetime,
    as_of_utc: datetime | None = None,
    weather: Sequence[WeatherIssue] = (),
) -> Case | Finding:
    """The series of a target up to `end_utc`, with the calendar of its longest horizon more.

    readings: LAKE_SCHEMA, unique by key; only rows that had ended by `end_utc` and were recorded by `as_of_utc`
    (None: all given) are looked at, of published drivers those to the end of the local day after. weather: issues of
    forecasts; one that became available after `end_utc` is not looked at. A finding where the target cannot be
    computed from the site's streams.
    """
    series = _series(readings, site=site, target=target, end_utc=end_utc, as_of_utc=as_of_utc)
    if isinstance(series, Finding):
        return series
    # A month of days begins with the one in progress; a step in progress at the end is ahead too.
    civil = civil_of(site, series.start_utc, len(series.values) + target.steps + 2, series.step)
    measured = _measured(readings, site, series, as_of_utc)
    known = [issue for issue in weather if issue.available_at_utc <= end_utc]
    by_issue = issued_weather(known, series, measured=measured, time_zone=site.time_zone) if known else measured
    # What rests on weather that was made up is flagged like what rests on readings that were.
    if any(issue.is_synthetic for issue in known):
        series = replace(series, is_synthetic=True)
    return Case(series, civil, by_issue, place_of(site), horizon_steps=target.steps)


def place_of(site: Site) -> Place | None:
    """Location of the site, if its file gives one."""
    if site.latitude_deg is None or site.longitude_deg is None:
        return None
    return Place(site.latitude_deg, site.longitude_deg)


def _series(
    readings: pl.DataFrame, *, site: Site, target: Target, end_utc: datetime, as_of_utc: datetime | None
) -> Series | Finding:
    known = partial(series_of, readings, site=site, as_of_utc=as_of_utc)
    if target.stream is None:
        found = base_load_parts(site)
        if isinstance(found, Finding):
            return found
        each = [known(stream=part.stream, end_utc=end_utc, step=target.step) for part in found.parts]
        return base_load_series(found.parts, each)
    if target.is_published:
        end_utc = _published_until(readings, site, target.stream, end_utc, as_of_utc)
    if not target.is_daily:
        return known(stream=target.stream, end_utc=end_utc, step=target.step)
    energy = known(stream=target.stream, end_utc=end_utc, step=QUARTER)
    if target.what == "daily_carbon":
        carbon = emissions(readings, energy, site=site, stream=target.stream)
        if isinstance(carbon, Finding):
            return carbon
        energy = carbon
    is_peak = target.what == "daily_peak"
    how: Daily = "peak" if is_peak else "sum"
    return by_day(energy, time_zone=site.time_zone, how=how, unit="kw" if is_peak else energy.unit)


def _published_until(
    readings: pl.DataFrame, site: Site, stream: Stream, now_utc: datetime, as_of_utc: datetime | None
) -> datetime:
    """The end of the last row of a published driver; no later than the end of tomorrow, where publication ends."""
    tomorrow = local_day(now_utc, site.time_zone) + timedelta(days=2)
    own = readings.filter(
        (pl.col("meter_id") == stream.stream_id)
        & (pl.col("interval_start_utc") < local_midnight_utc(tomorrow, site.time_zone))
    )
    known = own if as_of_utc is None else own.filter(pl.col("recorded_at_utc") <= as_of_utc)
    last = known["interval_start_utc"].max()
    return max(last + timedelta(minutes=CANONICAL_MINUTES), now_utc) if isinstance(last, datetime) else now_utc


def _measured(readings: pl.DataFrame, site: Site, series: Series, as_of_utc: datetime | None) -> FixedWeather:
    grid = _quarters(series, site) if series.per_day == 1 else series
    columns = {}
    for unit, name in MEASURED.items():
        values = measured_on(readings, site=site, grid=grid, unit=unit, as_of_utc=as_of_utc)
        if values is not None and grid is not series:
            quarters = Series(grid.start_utc, values, grid.step, unit)
            values = by_day(quarters, time_zone=site.time_zone, how="mean", unit=unit).values
        if values is not None:
            columns[name] = values
    if not columns:
        return NO_WEATHER
    # Measured: of a step at or after an origin nothing is known.
    return FixedWeather(tuple(columns), np.column_stack(list(columns.values())), is_ahead=False)


def _quarters(days: Series, site: Site) -> Series:
    """The grid of quarter hours under a series of local days."""
    first, after = (local_midnight_utc(at.date(), site.time_zone) for at in (days.start_utc, days.end_utc))
    return Series(first, np.full((after - first) // QUARTER, np.nan), QUARTER)


def by_day(quarters: Series, *, time_zone: str, how: Daily, unit: str) -> Series:
    """The local days of a series of 15 minutes that have ended by its end; NaN for a day known by less than 90 %.

    sum: of the day, scaled to all of its quarters. peak: highest mean power in kW of kWh by quarter hour.
    """
    moments = pl.datetime_range(
        quarters.start_utc, quarters.end_utc, quarters.step, closed="left", time_zone="UTC", eager=True
    )
    local = moments.dt.convert_time_zone(time_zone).dt.date()
    last = local_day(quarters.end_utc, time_zone)
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
    moments = pl.datetime_range(
        energy.start_utc, energy.end_utc, energy.step, closed="left", time_zone="UTC", eager=True
    )
    days = moments.dt.convert_time_zone(site.time_zone).dt.date().to_numpy()
    factors: Vector = np.full(len(days), np.nan)
    for entry in site.factors:
        if entry.carrier == carrier:
            factors[(days >= np.datetime64(entry.valid_from)) & (days < np.datetime64(entry.valid_to))] = (
                entry.kgco2e_per_kwh
            )
    hourly = factor_stream(site) if carrier is Carrier.ELECTRICITY else None
    if hourly is not None:
        rows = readings.filter((pl.col("meter_id") == hourly) & (pl.col("register") == "value"))
        own = on_grid(rows, energy.start_utc, len(energy.values), energy.step)
        factors = np.where(np.isnan(own), factors, own)
    if np.isnan(factors).all():
        message = f"No emission factor of {carrier.value} holds on the days that {stream.target} was read on."
        return Finding(code="no_factor", message=message, severity="blocking", scope=stream.target)
    return Series(energy.start_utc, energy.values * factors, energy.step, "kgco2e", energy.is_synthetic)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
