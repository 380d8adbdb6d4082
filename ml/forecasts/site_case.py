"""From a site's readings to the case that models are fitted on and asked about."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from data_quality.contracts.site_file.site import Site
from ml.features.civil import civil_of
from ml.features.forecast_case import Case, Place
from ml.features.series import HOUR, Series, Stream, measured_on, series_of
from ml.features.weather_known import NO_WEATHER, GivenWeather

# Unit of a driver -> what it measures. degF is turned into degC when readings are stored.
MEASURED = {"degc": "temperature_degc", "w_per_m2": "ghi_w_per_m2"}


def case_of(
    readings: pl.DataFrame,
    *,
    site: Site,
    stream: Stream,
    end_utc: datetime,
    horizon: int,
    step: timedelta = HOUR,
    as_of_utc: datetime | None = None,
) -> Case:
    """The stream up to `end_utc` with the calendar of `horizon` steps more, and the weather that the site measures.

    readings: LAKE_SCHEMA, unique by key; only rows that had ended by `end_utc` and were recorded by `as_of_utc`
    (None: all given) are looked at.
    """
    series = series_of(readings, site=site, stream=stream, end_utc=end_utc, step=step, as_of_utc=as_of_utc)
    # A step in progress at the end is ahead too.
    civil = civil_of(site, series.start_utc, len(series.values) + horizon + 1, step)
    return Case(series, civil, _measured(readings, site, series, as_of_utc), place_of(site))


def place_of(site: Site) -> Place | None:
    """Where the site is, if its file says so."""
    if site.latitude_deg is None or site.longitude_deg is None:
        return None
    return Place(site.latitude_deg, site.longitude_deg)


def _measured(readings: pl.DataFrame, site: Site, series: Series, as_of_utc: datetime | None) -> GivenWeather:
    found = {
        name: measured_on(readings, site=site, grid=series, unit=unit, as_of_utc=as_of_utc)
        for unit, name in MEASURED.items()
    }
    columns = {name: values for name, values in found.items() if values is not None}
    if not columns:
        return NO_WEATHER
    # Measured: of a step at or after an origin nothing is known.
    return GivenWeather(tuple(columns), np.column_stack(list(columns.values())), is_ahead=False)
