"""NREL's system 50 (Golden, Colorado) as a case: measured power and satellite weather of 2011 and 2012.

Stated rule for its clock: the stamps say UTC-7 throughout, but those of the power follow the wall clock of Denver (the
middle of its day jumps by an hour when clocks are moved), so they are read as such. The weather's are UTC-7 in truth:
its cloudless sky is the sun's to the minute. Weather is told for instants every half hour; a step has the mean of
what lies between them, taken as known at issue.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from ml.features.civil import civil_on
from ml.features.forecast_case import Case, Place
from ml.features.series import HOUR, QUARTER, Index, Series, Vector
from ml.features.weather_as_of import FixedWeather

PLACE, ZONE = Place(39.7406, -105.1775), "America/Denver"
# Local midnights of Denver.
START, TEST, END = (
    datetime(2011, 4, 15, 6, tzinfo=UTC),
    datetime(2012, 1, 1, 7, tzinfo=UTC),
    datetime(2013, 1, 1, 7, tzinfo=UTC),
)


def system50(folder: Path, step: timedelta = HOUR) -> Case:
    """Energy per step in kWh from 15 April 2011 on, with temperature and GHI. folder: that of all shared data."""
    power = pl.read_parquet(folder / "pv" / "system50_ac_power_15min.parquet")
    wall = power["measured_on"].dt.replace_time_zone(None)
    utc = wall.dt.replace_time_zone(ZONE, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    quarters = np.full((END - START) // QUARTER, np.nan)
    rows = pl.DataFrame({"utc": utc, "kwh": power["ac_power_2"] / 4000.0}).drop_nulls()
    at = ((rows["utc"] - START).dt.total_minutes() // 15).to_numpy()
    quarters[at] = rows["kwh"].to_numpy()
    # A step of which a quarter hour is missing is a gap.
    values = quarters.reshape(-1, step // QUARTER).sum(axis=1)
    length = len(values)

    def types(start: date, end: date) -> dict[date, str]:
        return dict.fromkeys((start + timedelta(days=n) for n in range((end - start).days)), "weekday")

    civil = civil_on(types, ZONE, START, length + 2 * (timedelta(days=1) // step), step)
    weather = FixedWeather(("temperature_degc", "ghi_w_per_m2"), _weather(folder, length, step))
    return Case(Series(START, values, step), civil, weather, PLACE)


def _weather(folder: Path, length: int, step: timedelta) -> Vector:
    weather = pl.read_parquet(folder / "pv" / "system50_satellite_weather_30min.parquet")
    instants = weather["measured_on"].dt.epoch("s").to_numpy()
    pieces = step // QUARTER
    middles = START.timestamp() + 900.0 * (np.arange(length * pieces) + 0.5)
    columns = [np.interp(middles, instants, weather[name].to_numpy()) for name in ("temp_air", "ghi")]
    return np.column_stack([column.reshape(length, pieces).mean(axis=1) for column in columns])


def midnights(case: Case, first: datetime, last: datetime) -> Index:
    """Steps at which the local days of [first, last) begin."""
    found = case.civil.midnights
    return found[(found >= case.series.index(first)) & (found < case.series.index(last))]
